//! Pictures of a run: as text, as SVG, and as a page.

pub(super) mod html;
pub(super) mod svg;
pub(super) mod text;

/// Text that fits: long ones lose their middle.
fn fit(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most {
        return text.to_owned();
    }
    let (head, tail) = ((most - 1) * 2 / 3, (most - 1) - (most - 1) * 2 / 3);
    let start: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(count - tail).collect();
    format!("{start}…{end}")
}

/// The replicas on each side of a cut.
fn sides(replicas: u8, sides: u8) -> String {
    let side = |n| {
        let of: Vec<String> = (0..replicas)
            .filter(|at| sides >> at & 1 == n)
            .map(|at| super::law::letter(at).to_string())
            .collect();
        of.join(" ")
    };
    match (side(0), side(1)) {
        (a, b) if a.is_empty() || b.is_empty() => "nobody is cut off".to_owned(),
        (a, b) => format!("{a} │ {b}"),
    }
}
