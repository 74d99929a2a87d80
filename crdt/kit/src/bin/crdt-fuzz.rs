//! `crdt-fuzz`: the convergence-testing kit on this crate's own types and on the gallery of wrong ones.

fn main() -> std::process::ExitCode {
    crdt::testkit::cli(&crdt_kit::subjects())
}
