#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| crdt_kit::targets::canary(bytes));
