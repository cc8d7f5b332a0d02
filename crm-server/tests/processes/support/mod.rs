//! Processes of the server, callers of them, and what they wrote.

mod caller;
mod process;
mod tally;
mod writers;

pub(crate) use caller::{Caller, Reply};
pub(crate) use process::{Process, Settings, run};
pub(crate) use tally::{Tally, count};
pub(crate) use writers::{Told, Writers};

/// Everybody's password.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// A number out of the environment.
pub(crate) fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().unwrap())
}
