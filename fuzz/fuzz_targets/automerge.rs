#![no_main]
// Automerge panics on some bytes; `AutomergeDoc` catches that. libFuzzer would end at the panic itself, so
// its hook is taken away: a panic that nobody catches still ends the run.
libfuzzer_sys::fuzz_target!(init: std::panic::set_hook(Box::new(|_| ())), |bytes: &[u8]| {
    crdt_kit::targets::automerge(bytes)
});
