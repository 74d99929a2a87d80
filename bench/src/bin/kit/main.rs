//! The convergence kit on other libraries, and the kit's own speed.
//!
//! `cargo run --release --manifest-path bench/Cargo.toml --bin kit -- fuzz` plays schedules on all of them; `-- list`
//! says what there is; `-- speed` holds the kit against a property test of the same type, written by hand.

mod automerge;
mod crdts;
mod diamond;
mod loro;
mod speed;
mod yrs;

fn main() -> std::process::ExitCode {
    if std::env::args().nth(1).as_deref() == Some("speed") {
        return speed::compare();
    }
    let all = [automerge::all(), crdts::all(), diamond::all(), loro::all(), yrs::all()];
    crdt::testkit::cli(&all.into_iter().flatten().collect::<Vec<_>>())
}
