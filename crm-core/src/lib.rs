//! A multi-tenant CRM as a library: customers and what belongs to them, kept apart by tenant, seen
//! and changed as far as whoever asks may.
//!
//! A program hands in a store and, with each request, an [`Actor`](access::Actor): who asks, in
//! which tenant, with which permissions. What it gets are typed services that keep the rules of
//! each record type, ask for permissions, and write every change together with its audit entry.
//! Nothing in here opens a file or a socket, speaks HTTP or SQL, reads the machine's clock but
//! through [`Clock`], or knows how the host's users sign in, unless it is asked to
//! ([`auth`]).
//!
//! # The first program
//!
//! ```
//! use crm_core::access::{Actor, BuiltIn};
//! use crm_core::customers::{Customer, CustomerDraft};
//! use crm_core::{Crm, Find};
//! use crm_store_memory::MemoryStore;
//!
//! #[tokio::main]
//! async fn main() -> crm_core::Result<()> {
//!     let crm = Crm::new(MemoryStore::new()).await?;
//!     let acme = crm.system().create_tenant("Acme").await?;
//!     let ada = crm.tenant(Actor::new(acme.id, crm.new_id()).with_role(BuiltIn::Owner));
//!     for (name, country) in [("Löwen GmbH", "Germany"), ("Zénith", "France"), ("Adler AG", "deu")]
//!     {
//!         let draft = CustomerDraft { country: Some(country.into()), ..CustomerDraft::company(name) };
//!         ada.customers().create(draft).await?;
//!     }
//!     let german = Find::all().filter(Customer::COUNTRY.eq("DE")).sort(Customer::NAME.asc());
//!     for customer in ada.customers().find(german).await?.items {
//!         println!("{}, {}", customer.name, customer.status);
//!     }
//!     let bob = crm.tenant(Actor::new(acme.id, crm.new_id()).with_role(BuiltIn::Readonly));
//!     if let Err(refused) = bob.customers().create(CustomerDraft::company("Bob & Sons")).await {
//!         println!("refused: {refused}");
//!     }
//!     Ok(())
//! }
//! ```
//!
//! It prints
//!
//! ```text
//! Adler AG, active
//! Löwen GmbH, active
//! refused: permission customers:create is required (reach assigned or wider)
//! ```
//!
//! One line puts it on PostgreSQL, where the records outlive the program:
//!
//! ```ignore
//! let crm = Crm::new(PostgresStore::migrate_and_connect("postgres://localhost/crm").await?).await?;
//! ```
//!
//! # Where things are
//!
//! | to | see |
//! | --- | --- |
//! | set up a CRM, and reach everything else from it | [`Crm`], [`CrmBuilder`], [`TenantCrm`] |
//! | say who may do what | [`access`] |
//! | list, count, create, change, delete records of any type | [`Records`], [`Find`], [`Where`] |
//! | change many at once, export them all | [`records`] |
//! | make tenants, and work across them | [`tenants`] |
//! | link any two records | [`relations`] |
//! | keep customers, companies, tags, a tenant's own fields | [`customers`], [`companies`], [`tags`], [`custom_fields`] |
//! | know what a record is that another one names | [`EndRef`], [`TenantCrm::ends`] |
//! | give a tenant roles of its own | [`roles`] |
//! | let the library keep users, passwords and sessions | [`users`], [`auth`] |
//! | read what was changed by whom, and what it set off | [`audit`], [`events`] |
//! | declare a record type of one's own | [`Entity`](macro@Entity), [`Choice`](macro@Choice), [`Rules`] |
//! | let a request happen once however often it is sent | [`idempotency`] |
//! | read filters, orders and pages out of a request | [`language`] |
//! | clean a country, an e-mail address, a number | [`values`] |
//! | stand at any date, repeat a run | [`ManualClock`], [`SeededRandom`] |
//! | plug in what the host brings | [`ports`] |
//! | write a storage backend | [`store`], and `conformance` under the feature of that name |
//! | fill a trial with invented people and firms | [`demo`] |
//!
//! Records go up no further than [`store`] and [`entity`]; everything above handles structs. The
//! backends are crates of their own: `crm-store-memory` and `crm-store-postgres`.

// Derived code names everything by `::crm_core::…`, in here too.
extern crate self as crm_core;

pub mod access;
pub mod audit;
pub mod auth;
mod clock;
pub mod companies;
#[cfg(feature = "conformance")]
pub mod conformance;
mod crm;
pub mod custom_fields;
pub mod customers;
pub mod demo;
#[cfg(doctest)]
mod derive_refusals;
#[doc(hidden)]
pub mod derive_support;
pub mod entity;
mod error;
pub mod events;
mod id;
pub mod idempotency;
pub mod language;
mod lately;
pub mod mail;
mod near;
pub mod ports;
pub mod records;
pub mod relations;
pub mod roles;
pub mod store;
pub mod tags;
pub mod teams;
pub mod tenants;
pub mod users;
pub mod values;

/// Makes a struct with named fields an [`Entity`](trait@Entity): a record type with its schema,
/// typed handles of its fields (`Customer::STATUS`), a draft that creates one (`CustomerDraft`)
/// and a patch that changes one (`CustomerPatch`).
///
/// The first five fields are `id`, `version`, `created_at`, `updated_at` and `deleted_at`, as
/// below: the library sets them. The struct also derives `Clone`, `Debug` and `PartialEq`. What a
/// field is called in the API is its name in camel case.
///
/// ```
/// use chrono::{DateTime, Utc};
/// use crm_core::{Choice, Entity, Id};
///
/// /// How far it has come.
/// #[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Choice)]
/// enum Status {
///     /// Nobody has looked yet.
///     #[default]
///     Lead,
///     /// Pays.
///     Customer,
/// }
///
/// # struct User;
/// /// Somebody whom a tenant sells to.
/// #[derive(Clone, Debug, PartialEq, Entity)]
/// #[entity(name = "customers", tenant, owners(assigned(assigned_to), creator(created_by)))]
/// #[entity(unique(name = "customers_email", fields(email)), index(status, created_at))]
/// struct Customer {
///     id: Id<Self>,
///     version: i64,
///     created_at: DateTime<Utc>,
///     updated_at: DateTime<Utc>,
///     deleted_at: Option<DateTime<Utc>>,
///     /// What people call them.
///     #[entity(filter, sort, search)]
///     display_name: String,
///     /// Where they read their mail.
///     #[entity(filter, search)]
///     email: Option<String>,
///     /// How far they have come.
///     #[entity(filter)]
///     status: Status,
///     /// Who looks after them.
///     #[entity(filter, references = "users")]
///     assigned_to: Option<Id<User>>,
///     /// Who entered them.
///     #[entity(computed, references = "users")]
///     created_by: Option<Id<User>>,
/// }
///
/// let draft = CustomerDraft { display_name: "Ada".into(), ..CustomerDraft::default() };
/// assert_eq!(draft.status, Status::Lead);
///
/// let patch = CustomerPatch {
///     status: Some(Status::Customer),
///     email: "ada@example.com".to_owned().into(),
///     ..CustomerPatch::default()
/// };
/// assert_eq!(patch.display_name, None, "is left as it is");
///
/// let filter = Customer::STATUS.eq(Status::Lead).and(Customer::ASSIGNED_TO.absent());
/// # let _ = filter;
/// assert_eq!(Customer::schema().name(), "customers");
/// ```
///
/// On the struct, `#[entity(…)]` says:
///
/// | | |
/// | --- | --- |
/// | `name = "customers"` | what its records are called, in plural snake case |
/// | `tenant` or `global` | whose they are; one of the two |
/// | `owners(nobody)` | reached at `all` only |
/// | `owners(everybody)` | read by anybody who may read them at any reach |
/// | `owners(assigned(a, b), creator(c))` | the users in `a` and `b`, each one or a list, or, where all are absent, the one in `c`; one of the two parts may be missing |
/// | `owners(through(customer_id))` | whoever owns the record referred to |
/// | `owners(ends)` | whoever may read each of the live records that its ends name |
/// | `ends(from(from_type, from_id), …)` | each is a type and an identifier that name a record of any type |
/// | `unique(name = "…", fields(a, b))` | no two live records of a tenant share these; repeatable |
/// | `index(a, b)` | lists are often filtered or sorted so; repeatable |
/// | `resource = "users"` | the resource that permissions on its records name, where it is not `name` |
/// | `no_default_draft` | the draft is not `Default`, because a field has none |
///
/// One of the forms of `owners` has to be there. On a field it says:
///
/// | | |
/// | --- | --- |
/// | `filter`, `sort`, `search` | it may be filtered by, sorted by, is searched |
/// | `code` | its text is a code: compared byte by byte |
/// | `scale = 2` | digits after the point of a decimal; 4 otherwise |
/// | `references = "companies"` | the record type that the identifier refers to |
/// | `secret` | kept out of the audit log and of events |
/// | `title` | what a record is called where others name it; one field |
/// | `known_by` | the identifier by which others name it, where it is not `id` |
/// | `computed` | the library sets it: in no draft and no patch, `Default` in a new record |
/// | `rename = "wireName"` | its name in the API |
/// | `made_of = "email"` | a text that is made of others: `name\|firstName lastName`, the first of these that there is |
/// | `reads = Country` | filters read its text by the rules of this type: `country=Germany` |
///
/// A declaration that contradicts itself does not compile.
pub use crm_core_derive::Entity;

/// Makes an enumeration without fields a [`Choice`](trait@Choice): stored, shown, read and
/// serialised as a code, which is the variant's name in snake case unless
/// `#[choice(code = "…")]` says otherwise. It also derives `Clone`, `Copy`, `Debug`, `PartialEq`
/// and `Eq`.
///
/// ```
/// use crm_core::Choice;
///
/// /// Where a deal comes from.
/// #[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
/// enum Source {
///     /// A form on the web.
///     WebForm,
///     /// Between businesses.
///     #[choice(code = "b2b")]
///     BusinessToBusiness,
/// }
///
/// assert_eq!(Source::WebForm.code(), "web_form");
/// assert_eq!("b2b".parse::<Source>()?, Source::BusinessToBusiness);
/// assert_eq!(
///     "fax".parse::<Source>().unwrap_err().to_string(),
///     "invalid: expected one of web_form, b2b, got \"fax\"",
/// );
/// # Ok::<(), crm_core::Error>(())
/// ```
pub use crm_core_derive::Choice;

pub use clock::{Clock, ManualClock, SystemClock};
pub use crm::{Crm, CrmBuilder, TenantCrm, catalogue};
pub use entity::{
    Change, Choice, Draft, Entity, FieldOf, Find, OrderBy, Patch, SystemFields, Where,
};
pub use error::{Error, Faults, FieldError, Rejection, Result};
pub use id::{Id, Random, SeededRandom, SystemRandom};
pub use records::{Along, End, EndRef, Ends, Records, Rules};
