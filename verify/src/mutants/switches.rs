//! Source code in which every mistake stands behind a switch of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;
use std::process::Command;

use proc_macro2::LineColumn;
use serde_json::Value;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// A mistake, as `cargo mutants --list --json` names it.
pub(crate) struct Mutant {
    pub(crate) name: String,
    pub(crate) file: String,
    /// Where it stands: line from 1, column from 0.
    at: (usize, usize),
    /// What stands there instead.
    instead: String,
}

impl Mutant {
    pub(crate) fn list(json: &[u8]) -> Result<Vec<Mutant>, String> {
        let list: Value = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let one = |mutant: &Value| {
            let start = &mutant["span"]["start"];
            let place = |key: &str| start[key].as_u64().and_then(|n| usize::try_from(n).ok());
            Some(Mutant {
                name: mutant["name"].as_str()?.to_owned(),
                file: mutant["file"].as_str()?.to_owned(),
                at: (place("line")?, place("column")?.checked_sub(1)?),
                instead: mutant["replacement"].as_str()?.to_owned(),
            })
        };
        let list = list.as_array().ok_or("the list is none")?;
        list.iter().map(|mutant| one(mutant).ok_or_else(|| format!("not understood: {mutant}"))).collect()
    }
}

/// Copies what git knows of.
pub(crate) fn copy(root: &Path, scratch: &Path) -> Result<(), String> {
    let files = Command::new("git").args(["ls-files", "-z"]).current_dir(root).output();
    let files = files.map_err(|error| format!("git: {error}"))?.stdout;
    for file in String::from_utf8_lossy(&files).split('\0').filter(|file| !file.is_empty()) {
        let (from, to) = (root.join(file), scratch.join(file));
        let copied = to.parent().map_or(Ok(()), std::fs::create_dir_all);
        let copied =
            copied.and_then(|()| if from.exists() { std::fs::copy(&from, &to).map(drop) } else { Ok(()) });
        copied.map_err(|error| format!("{}: {error}", to.display()))?;
    }
    Ok(())
}

const SWITCH: &str = r#"
#[allow(missing_docs, dead_code, unused, missing_debug_implementations)]
pub(crate) mod mutant {
    extern crate std;
    pub(crate) fn on(n: u32) -> bool {
        static ON: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
        *ON.get_or_init(|| std::env::var("MUTANT").ok().and_then(|n| n.parse().ok()).unwrap_or(u32::MAX)) == n
    }
    /// One of two iterators.
    #[derive(Clone)]
    pub(crate) enum Either<A, B> { A(A), B(B) }
    impl<T, A: Iterator<Item = T>, B: Iterator<Item = T>> Iterator for Either<A, B> {
        type Item = T;
        fn next(&mut self) -> Option<T> {
            match self { Either::A(a) => a.next(), Either::B(b) => b.next() }
        }
    }
}
"#;

/// Writes the files with all mistakes but some, each behind its switch; which were placed.
pub(crate) fn place(
    root: &Path,
    scratch: &Path,
    mutants: &[Mutant],
    but: &BTreeSet<usize>,
) -> Result<BTreeSet<usize>, String> {
    let mut placed = BTreeSet::new();
    let mut files: BTreeMap<&str, BTreeMap<(usize, usize), Vec<(usize, &str)>>> = BTreeMap::new();
    for (n, mutant) in mutants.iter().enumerate() {
        let file = files.entry(&mutant.file).or_default();
        if !but.contains(&n) {
            file.entry(mutant.at).or_default().push((n, &mutant.instead));
        }
    }
    for (file, wanted) in files {
        let text = std::fs::read_to_string(root.join(file)).map_err(|error| format!("{file}: {error}"))?;
        let parsed = syn::parse_file(&text).map_err(|error| format!("{file}: {error}"))?;
        let mut sites = Sites { wanted: &wanted, found: Vec::new() };
        sites.visit_file(&parsed);
        // The outer one before those within it.
        sites.found.sort_by_key(|site| (site.whole.start, std::cmp::Reverse(site.whole.end)));
        placed.extend(sites.found.iter().flat_map(|site| site.mutants.iter().map(|(n, _)| *n)));
        let changed = render(&text, 0..text.len(), &sites.found);
        std::fs::write(scratch.join(file), changed).map_err(|error| format!("{file}: {error}"))?;
    }
    let lib = std::fs::read_to_string(root.join("crdt/src/lib.rs")).map_err(|error| error.to_string())?;
    std::fs::write(scratch.join("crdt/src/lib.rs"), lib + SWITCH).map_err(|error| error.to_string())?;
    Ok(placed)
}

/// Something that can be otherwise, with its mistakes.
struct Site<'a> {
    whole: Range<usize>,
    mutants: Vec<(usize, &'a str)>,
    kind: Kind,
}

enum Kind {
    /// The body of a function; whether it returns some iterator.
    Body { iterator: bool },
    /// Left and right of an operator.
    Binary(Range<usize>, Range<usize>),
    /// What an operator stands before.
    Unary(Range<usize>),
    /// The condition of an arm.
    Guard,
    /// An arm: where its condition is, or comes.
    Arm(Range<usize>),
}

struct Sites<'a, 'b> {
    wanted: &'b BTreeMap<(usize, usize), Vec<(usize, &'a str)>>,
    found: Vec<Site<'a>>,
}

impl<'a> Sites<'a, '_> {
    fn at(&mut self, start: LineColumn, whole: Range<usize>, kind: Kind) {
        if let Some(mutants) = self.wanted.get(&(start.line, start.column)) {
            self.found.push(Site { whole, mutants: mutants.clone(), kind });
        }
    }

    fn body(&mut self, output: &syn::ReturnType, block: &syn::Block) {
        let iterator =
            matches!(output, syn::ReturnType::Type(_, ty) if matches!(**ty, syn::Type::ImplTrait(_)));
        // What is within the braces.
        let (open, close) = (block.brace_token.span.open(), block.brace_token.span.close());
        if let Some(first) = block.stmts.first() {
            let whole = open.byte_range().end..close.byte_range().start;
            self.at(first.span().start(), whole, Kind::Body { iterator });
        }
    }
}

impl<'ast> Visit<'ast> for Sites<'_, '_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.body(&item.sig.output, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.body(&item.sig.output, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.body(&item.sig.output, block);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_expr_binary(&mut self, expr: &'ast syn::ExprBinary) {
        // A condition with `let` in it cannot be repeated in brackets.
        if !has_let(&expr.left) && !has_let(&expr.right) {
            let sides = Kind::Binary(expr.left.span().byte_range(), expr.right.span().byte_range());
            self.at(expr.op.span().start(), expr.span().byte_range(), sides);
        }
        visit::visit_expr_binary(self, expr);
    }

    fn visit_expr_unary(&mut self, expr: &'ast syn::ExprUnary) {
        let kind = Kind::Unary(expr.expr.span().byte_range());
        self.at(expr.op.span().start(), expr.span().byte_range(), kind);
        visit::visit_expr_unary(self, expr);
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        let end = arm.pat.span().byte_range().end;
        let mut condition = end..end;
        if let Some((_, guard)) = &arm.guard {
            condition = guard.span().byte_range();
            if !has_let(guard) {
                self.at(guard.span().start(), condition.clone(), Kind::Guard);
            }
        }
        let start = arm.pat.span().start();
        self.at(start, arm.pat.span().byte_range().start..condition.end, Kind::Arm(condition));
        visit::visit_arm(self, arm);
    }
}

fn has_let(expr: &syn::Expr) -> bool {
    match expr {
        syn::Expr::Let(_) => true,
        syn::Expr::Binary(binary) => has_let(&binary.left) || has_let(&binary.right),
        _ => false,
    }
}

/// The text of a range with all that stands behind switches in it.
fn render(text: &str, range: Range<usize>, sites: &[Site<'_>]) -> String {
    let mut out = String::new();
    let mut done = range.start;
    let mut rest = sites;
    while let Some((site, inner)) = rest.split_first() {
        rest = inner;
        if site.whole.start < done || site.whole.end > range.end {
            continue;
        }
        out += &text[done..site.whole.start];
        done = site.whole.end;
        let within = |range: &Range<usize>| render(text, range.clone(), inner);
        let on = |n: usize| format!("/*<{n}*/crate::mutant::on({n})");
        match &site.kind {
            Kind::Body { iterator } => {
                let body = within(&site.whole);
                if *iterator {
                    // Each is of another type: one of two of which the second is one of two, and so on.
                    let or = |rest: String, (n, instead): &(usize, &str)| {
                        // In a body it would become a shared reference by itself.
                        let instead = instead.replace("Box::leak(", "&*Box::leak(");
                        format!(
                            " if {} {{ crate::mutant::Either::A({instead}) }} else {{ \
                             crate::mutant::Either::B({{ {rest} }}) }} /*{n}>*/ ",
                            on(*n)
                        )
                    };
                    out += &site.mutants.iter().rev().fold(body, or);
                } else {
                    for (n, instead) in &site.mutants {
                        let _ = write!(out, " if {} {{ return {instead}; }} /*{n}>*/ ", on(*n));
                    }
                    out += &body;
                }
            }
            Kind::Binary(left, right) => {
                let op = &text[left.end..right.start];
                let (left, right) = (within(left), within(right));
                out += "(";
                for (n, instead) in &site.mutants {
                    let _ = write!(out, "if {} {{ {left} {instead} {right} }} else /*{n}>*/ ", on(*n));
                }
                let _ = write!(out, "{{ {left} {op} {right} }})");
            }
            Kind::Unary(operand) => {
                let op = &text[site.whole.start..operand.start];
                let operand = within(operand);
                out += "(";
                for (n, _) in &site.mutants {
                    let _ = write!(out, "if {} {{ {operand} }} else /*{n}>*/ ", on(*n));
                }
                let _ = write!(out, "{{ {op} {operand} }})");
            }
            Kind::Guard => {
                for (n, instead) in &site.mutants {
                    let _ = write!(out, "if {} {{ {instead} }} else /*{n}>*/ ", on(*n));
                }
                let _ = write!(out, "{{ {} }}", within(&site.whole));
            }
            Kind::Arm(condition) => {
                out += &text[site.whole.start..condition.start];
                if condition.is_empty() {
                    out += " if true ";
                } else {
                    let _ = write!(out, "({})", within(condition));
                }
                for (n, _) in &site.mutants {
                    let _ = write!(out, " && !{} /*{n}>*/", on(*n));
                }
            }
        }
    }
    out += &text[done..range.end];
    out
}

/// Which mistakes the compiler refuses.
pub(crate) fn check(scratch: &Path) -> Result<BTreeSet<usize>, String> {
    let output = super::trial::cargo(
        scratch,
        &["check", "-p", "crdt", "--features", "testkit", "--message-format=json"],
    );
    let output = output?;
    let mut refused = BTreeSet::new();
    let mut said = String::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Ok(message) = serde_json::from_str::<Value>(line) else { continue };
        let message = &message["message"];
        if message["level"] != "error" {
            continue;
        }
        said += message["rendered"].as_str().unwrap_or_default();
        for span in message["spans"].as_array().into_iter().flatten() {
            let place = (span["file_name"].as_str(), span["byte_start"].as_u64());
            if let (Some(file), Some(at)) = place {
                let text = std::fs::read_to_string(scratch.join(file)).unwrap_or_default();
                refused.extend(innermost(&text, usize::try_from(at).unwrap_or(0)));
            }
        }
    }
    if refused.is_empty() && !output.status.success() {
        return Err(format!("the changed copy does not build:\n{said}"));
    }
    Ok(refused)
}

/// The mistake within whose marks a place is.
fn innermost(text: &str, at: usize) -> Option<usize> {
    let mut open = Vec::new();
    let mut rest = text.get(..at)?;
    while let Some(start) = rest.find("/*") {
        rest = &rest[start + 2..];
        let Some(end) = rest.find("*/") else { break };
        let mark = &rest[..end];
        if let Some(n) = mark.strip_prefix('<').and_then(|n| n.parse::<usize>().ok()) {
            open.push(n);
        } else if let Some(n) = mark.strip_suffix('>').and_then(|n| n.parse::<usize>().ok()) {
            if let Some(place) = open.iter().rposition(|open| *open == n) {
                open.remove(place);
            }
        }
        rest = &rest[end + 2..];
    }
    open.pop()
}
