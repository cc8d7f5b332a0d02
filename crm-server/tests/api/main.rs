//! The API suite: a real server, called over HTTP, on every store.
//!
//! The modules mirror the paths. A test is written once and runs once on each store.

#[cfg(test)]
mod support;

#[cfg(test)]
mod activity;
#[cfg(test)]
mod aliases;
#[cfg(test)]
mod api_keys;
#[cfg(test)]
mod attacks;
#[cfg(test)]
mod auth;
#[cfg(test)]
mod away;
#[cfg(test)]
mod bulk;
#[cfg(test)]
mod by_mail;
#[cfg(test)]
mod companies;
#[cfg(test)]
mod conventions;
#[cfg(test)]
mod cost;
#[cfg(test)]
mod crossing;
#[cfg(test)]
mod custom_fields;
#[cfg(test)]
mod customers;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod document;
#[cfg(test)]
mod edge;
#[cfg(test)]
mod export;
#[cfg(test)]
mod forged;
#[cfg(test)]
mod garbage;
#[cfg(test)]
mod holes;
#[cfg(test)]
mod idempotency;
#[cfg(test)]
mod instances;
#[cfg(test)]
mod left_out;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod lockout;
#[cfg(test)]
mod mail;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod mfa;
#[cfg(test)]
mod miniflexcrm;
#[cfg(test)]
mod mutated;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod passwords;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod probe;
#[cfg(test)]
mod rate;
#[cfg(test)]
mod reach;
#[cfg(test)]
mod readiness;
#[cfg(test)]
mod refresh;
#[cfg(test)]
mod relations;
#[cfg(test)]
mod removal;
#[cfg(test)]
mod roles;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod shutdown;
#[cfg(test)]
mod system;
#[cfg(test)]
mod teams;
#[cfg(test)]
mod tenancy;
#[cfg(test)]
mod tenants;
#[cfg(test)]
mod traces;
#[cfg(test)]
mod user_stats;
#[cfg(test)]
mod users;
#[cfg(test)]
mod vocabulary;
#[cfg(test)]
mod why;
#[cfg(test)]
mod wire;
