//! Declarations that only their types show to be wrong. This one is right:
//!
//! ```
//! use chrono::{DateTime, Utc};
//! use crm_core::{Entity, Id};
//! # struct User;
//! #[derive(Clone, Debug, PartialEq, Entity)]
//! #[entity(name = "notes", tenant, owners(through(customer_id)), no_default_draft)]
//! #[entity(unique(name = "notes_title", fields(title)))]
//! struct Note {
//!     id: Id<Self>,
//!     version: i64,
//!     created_at: DateTime<Utc>,
//!     updated_at: DateTime<Utc>,
//!     deleted_at: Option<DateTime<Utc>>,
//!     #[entity(references = "customers")]
//!     customer_id: Id<User>,
//!     #[entity(filter, search)]
//!     title: String,
//!     #[entity(code)]
//!     language: String,
//!     #[entity(scale = 2)]
//!     weight: rust_decimal::Decimal,
//!     readers: Vec<Id<User>>,
//!     layout: serde_json::Value,
//! }
//! Note::schema();
//! ```
//!
//! Each of the following differs from it, or a part of it, in the one field that is wrong.
//!
//! An owner reached through a reference that may be absent.
//!
//! ```compile_fail,E0080
//! # use chrono::{DateTime, Utc};
//! # use crm_core::{Entity, Id};
//! # struct User;
//! # #[derive(Clone, Debug, PartialEq, Entity)]
//! #[entity(name = "notes", tenant, owners(through(customer_id)))]
//! struct Note {
//!     # id: Id<Self>,
//!     # version: i64,
//!     # created_at: DateTime<Utc>,
//!     # updated_at: DateTime<Utc>,
//!     # deleted_at: Option<DateTime<Utc>>,
//!     #[entity(references = "customers")]
//!     customer_id: Option<Id<User>>,
//! }
//! # Note::schema();
//! ```
//!
//! An owner named by something else than an identifier.
//!
//! ```compile_fail,E0080
//! # use chrono::{DateTime, Utc};
//! # use crm_core::{Entity, Id};
//! # struct User;
//! # #[derive(Clone, Debug, PartialEq, Entity)]
//! #[entity(name = "notes", tenant, owners(assigned(owner)))]
//! struct Note {
//!     # id: Id<Self>,
//!     # version: i64,
//!     # created_at: DateTime<Utc>,
//!     # updated_at: DateTime<Utc>,
//!     # deleted_at: Option<DateTime<Utc>>,
//!     #[entity(filter)]
//!     owner: String,
//! }
//! # Note::schema();
//! ```
//!
//! A unique key over text that has no comparison key.
//!
//! ```compile_fail,E0080
//! # use chrono::{DateTime, Utc};
//! # use crm_core::{Entity, Id};
//! # struct User;
//! # #[derive(Clone, Debug, PartialEq, Entity)]
//! #[entity(name = "notes", tenant, owners(nobody))]
//! #[entity(unique(name = "notes_title", fields(title)))]
//! struct Note {
//!     # id: Id<Self>,
//!     # version: i64,
//!     # created_at: DateTime<Utc>,
//!     # updated_at: DateTime<Utc>,
//!     # deleted_at: Option<DateTime<Utc>>,
//!     #[entity(search)]
//!     title: String,
//! }
//! # Note::schema();
//! ```
//!
//! A unique key over a list.
//!
//! ```compile_fail,E0080
//! # use chrono::{DateTime, Utc};
//! # use crm_core::{Entity, Id};
//! # struct User;
//! # #[derive(Clone, Debug, PartialEq, Entity)]
//! #[entity(name = "notes", tenant, owners(nobody))]
//! #[entity(unique(name = "notes_readers", fields(readers)))]
//! struct Note {
//!     # id: Id<Self>,
//!     # version: i64,
//!     # created_at: DateTime<Utc>,
//!     # updated_at: DateTime<Utc>,
//!     # deleted_at: Option<DateTime<Utc>>,
//!     #[entity(filter)]
//!     readers: Vec<Id<User>>,
//! }
//! # Note::schema();
//! ```
//!
//! A search in a number.
//!
//! ```compile_fail,E0080
//! # use chrono::{DateTime, Utc};
//! # use crm_core::{Entity, Id};
//! # struct User;
//! # #[derive(Clone, Debug, PartialEq, Entity)]
//! #[entity(name = "notes", tenant, owners(nobody))]
//! struct Note {
//!     # id: Id<Self>,
//!     # version: i64,
//!     # created_at: DateTime<Utc>,
//!     # updated_at: DateTime<Utc>,
//!     # deleted_at: Option<DateTime<Utc>>,
//!     #[entity(search)]
//!     pages: i64,
//! }
//! # Note::schema();
//! ```
//!
//! An order of lists.
//!
//! ```compile_fail,E0080
//! # use chrono::{DateTime, Utc};
//! # use crm_core::{Entity, Id};
//! # struct User;
//! # #[derive(Clone, Debug, PartialEq, Entity)]
//! #[entity(name = "notes", tenant, owners(nobody))]
//! struct Note {
//!     # id: Id<Self>,
//!     # version: i64,
//!     # created_at: DateTime<Utc>,
//!     # updated_at: DateTime<Utc>,
//!     # deleted_at: Option<DateTime<Utc>>,
//!     #[entity(sort)]
//!     readers: Vec<Id<User>>,
//! }
//! # Note::schema();
//! ```
//!
//! A filter that looks into a document.
//!
//! ```compile_fail,E0080
//! # use chrono::{DateTime, Utc};
//! # use crm_core::{Entity, Id};
//! # struct User;
//! # #[derive(Clone, Debug, PartialEq, Entity)]
//! #[entity(name = "notes", tenant, owners(nobody))]
//! struct Note {
//!     # id: Id<Self>,
//!     # version: i64,
//!     # created_at: DateTime<Utc>,
//!     # updated_at: DateTime<Utc>,
//!     # deleted_at: Option<DateTime<Utc>>,
//!     #[entity(filter)]
//!     layout: serde_json::Value,
//! }
//! # Note::schema();
//! ```
//!
//! A code that is a number.
//!
//! ```compile_fail,E0080
//! # use chrono::{DateTime, Utc};
//! # use crm_core::{Entity, Id};
//! # struct User;
//! # #[derive(Clone, Debug, PartialEq, Entity)]
//! #[entity(name = "notes", tenant, owners(nobody))]
//! struct Note {
//!     # id: Id<Self>,
//!     # version: i64,
//!     # created_at: DateTime<Utc>,
//!     # updated_at: DateTime<Utc>,
//!     # deleted_at: Option<DateTime<Utc>>,
//!     #[entity(code)]
//!     language: i64,
//! }
//! # Note::schema();
//! ```
//!
//! A scale of a whole number.
//!
//! ```compile_fail,E0080
//! # use chrono::{DateTime, Utc};
//! # use crm_core::{Entity, Id};
//! # struct User;
//! # #[derive(Clone, Debug, PartialEq, Entity)]
//! #[entity(name = "notes", tenant, owners(nobody))]
//! struct Note {
//!     # id: Id<Self>,
//!     # version: i64,
//!     # created_at: DateTime<Utc>,
//!     # updated_at: DateTime<Utc>,
//!     # deleted_at: Option<DateTime<Utc>>,
//!     #[entity(scale = 2)]
//!     weight: i64,
//! }
//! # Note::schema();
//! ```
//!
//! A reference by text.
//!
//! ```compile_fail,E0080
//! # use chrono::{DateTime, Utc};
//! # use crm_core::{Entity, Id};
//! # struct User;
//! # #[derive(Clone, Debug, PartialEq, Entity)]
//! #[entity(name = "notes", tenant, owners(nobody))]
//! struct Note {
//!     # id: Id<Self>,
//!     # version: i64,
//!     # created_at: DateTime<Utc>,
//!     # updated_at: DateTime<Utc>,
//!     # deleted_at: Option<DateTime<Utc>>,
//!     #[entity(references = "customers")]
//!     customer_id: String,
//! }
//! # Note::schema();
//! ```
//!
//! An absent list.
//!
//! ```compile_fail,E0080
//! # use chrono::{DateTime, Utc};
//! # use crm_core::{Entity, Id};
//! # struct User;
//! # #[derive(Clone, Debug, PartialEq, Entity)]
//! #[entity(name = "notes", tenant, owners(nobody))]
//! struct Note {
//!     # id: Id<Self>,
//!     # version: i64,
//!     # created_at: DateTime<Utc>,
//!     # updated_at: DateTime<Utc>,
//!     # deleted_at: Option<DateTime<Utc>>,
//!     #[entity(filter)]
//!     readers: Option<Vec<Id<User>>>,
//! }
//! # Note::schema();
//! ```
