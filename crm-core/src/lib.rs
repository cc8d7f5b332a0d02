//! A multi-tenant CRM as a library.

pub mod access;
mod clock;
pub mod entity;
mod error;
mod id;
pub mod ports;
mod near;
pub mod store;
pub mod tenants;
pub mod values;

pub use clock::{Clock, ManualClock, SystemClock};
pub use error::{Error, Faults, FieldError, Rejection, Result};
pub use id::{Id, Random, SeededRandom, SystemRandom};
