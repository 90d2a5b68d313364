#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pouco_fuzz::query::check(bytes));
