//! A golden image with bytes of its metadata replaced, opened, walked, read, checked and changed.
//!
//! There is no unsafe code to watch, so it runs several times faster without a sanitizer; and a byte that is changed
//! takes seven bytes of input, more than the fuzzer starts out with:
//!
//! ```sh
//! cargo +nightly fuzz run -s none image -- -len_control=0 -max_len=97 -timeout=20
//! ```
//!
//! `cargo run --bin fuzz-worker -- --keep-input ARTIFACT NAME` keeps what it finds among the crashers.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use xfskit_tests::fuzz::Targets;

static TARGETS: LazyLock<Targets> = LazyLock::new(Targets::load);

fuzz_target!(|input: &[u8]| {
    if let Some(case) = TARGETS.case_of_input(input) {
        TARGETS.run_case(&case);
    }
});
