//! Every input that was kept, and some made by chance, against the property of its target.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

use std::panic::catch_unwind;
use std::path::Path;

use crm_fuzz::{TARGETS, Target};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/kept");

fn kept(target: &Target) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(Path::new(KEPT).join(target.name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), std::fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

fn holds(target: &Target, name: &str, input: &[u8]) {
    let check = target.check;
    if catch_unwind(|| check(input)).is_err() {
        panic!("{}: {name}: {:?}", target.name, String::from_utf8_lossy(input));
    }
}

/// Cuts, joins and repeats kept inputs, and turns octets over.
fn crossed(inputs: &[(String, Vec<u8>)], dice: &mut StdRng) -> Vec<u8> {
    let mut pick = || {
        let (_, input) = &inputs[dice.random_range(0..inputs.len())];
        let from = dice.random_range(0..=input.len());
        let to = dice.random_range(from..=input.len());
        if dice.random_bool(0.5) { input[..to].to_vec() } else { input[from..to].to_vec() }
    };
    let mut input = pick();
    input.extend(pick());
    for _ in 0..dice.random_range(0..4) {
        if !input.is_empty() {
            let at = dice.random_range(0..input.len());
            let odd = b"\0\"\\*()[]{}:,.&=%/-0e\n \xff\xc3";
            input[at] = match dice.random_bool(0.7) {
                true => odd[dice.random_range(0..odd.len())],
                false => (dice.next_u32() & 0xff) as u8,
            };
        }
    }
    input
}

fn run(name: &str, crossings: usize) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let inputs = kept(target);
    assert!(!inputs.is_empty());
    for (file, input) in &inputs {
        holds(target, file, input);
    }
    let mut dice = StdRng::seed_from_u64(1);
    for number in 0..crossings {
        holds(target, &format!("crossing {number}"), &crossed(&inputs, &mut dice));
    }
}

macro_rules! targets {
    ($($test:ident: $name:literal, $crossings:literal;)*) => {
        $(#[test] fn $test() { run($name, $crossings); })*

        #[test]
        fn every_target_is_run() {
            let known = [$($name),*];
            assert!(TARGETS.iter().map(|target| target.name).eq(known));
        }
    };
}

targets! {
    expressions_hold: "expressions", 500;
    lists_hold: "lists", 300;
    cursors_hold: "cursors", 300;
    custom_values_hold: "custom-values", 200;
    values_hold: "values", 1_000;
    bodies_hold: "bodies", 1_000;
    tokens_hold: "tokens", 300;
    paths_hold: "paths", 2_000;
    requests_hold: "requests", 300;
}
