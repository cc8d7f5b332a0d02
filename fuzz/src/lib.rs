//! What must hold whatever the input: one function for each parser, which panics where it does
//! not.
//!
//! The fuzzing engine (`fuzz/engine`, started by `scripts/fuzz`) looks for inputs that break one
//! of them; the tests of this crate run every input that was kept, and some that were made by
//! chance, so that what was found once stays mended and no property is forgotten when the code
//! moves on. Nothing here knows how inputs are made.
//!
//! Kept inputs are files in `fuzz/kept/<target>/`; a finding becomes a regression test by being
//! put there under a name that says what it is.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a property that does not hold is told by a panic: it is what the engine looks for"
)]

mod bodies;
mod cursors;
mod custom_values;
mod deals;
mod expressions;
mod lists;
mod paths;
mod print;
mod requests;
mod tokens;
mod values;

use tokio::runtime::{Builder, Runtime};

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_all().build().unwrap();
}

/// The outcome of what needs a runtime.
fn wait<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.with(|runtime| runtime.block_on(future))
}

/// A property of one parser.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: of the engine's argument and of the directory of kept inputs.
    pub name: &'static str,
    /// Holds an input against the property, and panics where that does not hold.
    pub check: fn(&[u8]),
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "expressions", check: expressions::check },
    Target { name: "lists", check: lists::check },
    Target { name: "cursors", check: cursors::check },
    Target { name: "custom-values", check: custom_values::check },
    Target { name: "values", check: values::check },
    Target { name: "bodies", check: bodies::check },
    Target { name: "tokens", check: tokens::check },
    Target { name: "paths", check: paths::check },
    Target { name: "requests", check: requests::check },
];
