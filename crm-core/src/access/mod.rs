//! Who may do what, to which records.

mod permission;

pub use permission::{Permission, Reach};
