//! Gives every input that libFuzzer makes to the target that `CRM_FUZZ_TARGET` names.

#![no_main]

use std::sync::LazyLock;

use crm_fuzz::{TARGETS, Target};

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("CRM_FUZZ_TARGET").unwrap_or_default();
    let known: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    let target = TARGETS.iter().find(|target| target.name == name);
    target.unwrap_or_else(|| panic!("expected one of {}, got {name:?}", known.join(", ")))
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.check)(data));
