//! Real server processes over a real, durable PostgreSQL: several at once, killed, cut off.
//!
//! What the API answers is the API suite's business. Here nothing is called but from outside, and
//! what is there afterwards is counted in the database, past the product.
//!
//! `FAULT_WRITES` says how many writes each fault has to be survived in (200 unless set),
//! `FAULT_SECONDS` for how long a network is away (2 unless set). Each fault prints a line with its
//! figures: `cargo nextest run -p crm-server --test processes --no-capture faults`.

#[cfg(test)]
mod support;

#[cfg(test)]
mod backup;
#[cfg(test)]
mod deployment;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod injection;
#[cfg(test)]
mod instances;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod upgrade;
