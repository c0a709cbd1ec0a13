//! libFuzzer's program: `JEROBOAM_FUZZ_TARGET` names the target. `cargo xtask fuzz` builds and runs it.

#![no_main]

use std::sync::LazyLock;

use jeroboam_fuzz::{TARGETS, Target};
use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("JEROBOAM_FUZZ_TARGET").unwrap_or_default();
    match TARGETS.iter().find(|(known, _)| *known == name) {
        Some((_, target)) => *target,
        None => {
            eprintln!("JEROBOAM_FUZZ_TARGET names no target: {name:?}");
            std::process::exit(2);
        }
    }
});

fuzz_target!(|data: &[u8]| TARGET(data));
