//! libFuzzer's loop around the target that `CLDOCI_FUZZ_TARGET` names; `scripts/fuzz.sh` builds and runs it.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use targets::{Target, find};

static TARGET: OnceLock<Target> = OnceLock::new();

fuzz_target!(|data: &[u8]| {
    let run = TARGET.get_or_init(|| {
        let name = std::env::var("CLDOCI_FUZZ_TARGET").unwrap_or_default();
        find(&name).unwrap_or_else(|| panic!("CLDOCI_FUZZ_TARGET is '{name}', which is no target"))
    });
    run(data);
});
