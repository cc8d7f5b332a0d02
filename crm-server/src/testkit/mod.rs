//! Proofs that an API keeps tenants apart, for whoever serves one: this server's own tests, and
//! those of a program that mounts it beside operations of its own.
//!
//! [`Crossing`] reads every operation out of an OpenAPI document and calls it as nobody, with
//! tokens that were made up, and as the owner of one tenant who names what belongs to another: in
//! the path, in each parameter, in headers, in front of the path, in each field of a body. An
//! answer must be a refusal, and the same to the letter as for what nobody has, so that it cannot
//! even tell that there is something; and afterwards the other tenant's data must be what they
//! were. Where an operation makes API keys, all are called by one of ours, too: those that take none
//! refuse it, and with the others it opens nothing of the other tenant. An operation that is added to the document is taken in by itself. What refuses us what is
//! ours is told, too: its other refusals would prove nothing.
//!
//! It needs three things: a [`Server`] (an address, or an endpoint in the same process), the
//! [`Document`], and [`Tenants`], which makes a tenant and somebody who may do everything in it.
//!
//! ```no_run
//! use crm_server::testkit::{Crossing, Document, Listening, SignUps, exceptions, given};
//!
//! # async fn example(document: serde_json::Value) -> Result<(), String> {
//! let server = Listening(([127, 0, 0, 1], 8080).into());
//! let document = Document::new(document)?;
//! // People who sign up here; an application with users of its own makes them as it does.
//! let tenants = SignUps::new(&server);
//! let report = Crossing::new(&server, &document, &tenants).given_all(&given()).run().await;
//! report.against(&exceptions())?;
//! # Ok(())
//! # }
//! ```
//!
//! It is for tests only, behind the feature `testkit`: it makes thousands of requests, and writes.

mod attempts;
mod crossing;
mod document;
mod forged;
mod furnish;
mod ours;
mod places;
mod report;
mod run;
mod sample;
mod server;
mod told;

pub use crossing::Crossing;
pub use document::{Document, Operation, Parameter, Place};
pub use forged::{BadToken, signed_otherwise, spoilt_keys, unsigned};
pub use furnish::{Furnished, Given, Member, Source, Tenants};
pub use ours::{SignUps, exceptions, given};
pub use report::{Exception, Finding, Report};
pub use sample::{Form, Sampler};
pub use server::{Answer, Ask, Listening, Mounted, Server};
