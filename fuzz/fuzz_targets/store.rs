#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sync_daemon::simulation::forged_store(bytes));
