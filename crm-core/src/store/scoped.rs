//! A request together with whose records it may touch.

use crate::tenants::TenantId;

/// Whose records a request concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// One tenant's. Of global record types, nothing.
    Tenant(TenantId),
    /// The whole installation's: sign-in and scheduled work.
    System,
}

/// A request that carries its scope. A [`Store`](super::Store) takes nothing else, and nothing
/// outside this library can make one: it comes from a handle that holds tenant, actor and
/// permissions, and its filter already contains the actor's reach. So a read that forgot its
/// tenant does not compile:
///
/// ```compile_fail
/// use crm_core::store::{Query, Scope, Scoped, Store};
///
/// async fn everything(store: &dyn Store, query: Query) {
///     // Neither a bare query nor a home-made scope is accepted.
///     store.query(&query).await.unwrap();
/// }
/// ```
///
/// ```compile_fail
/// use crm_core::store::{Query, Scope, Scoped};
///
/// fn forge(query: Query) -> Scoped<Query> {
///     Scoped { scope: Scope::System, request: query }
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Scoped<T> {
    scope: Scope,
    request: T,
}

impl<T> Scoped<T> {
    pub(crate) fn new(scope: Scope, request: T) -> Self {
        Self { scope, request }
    }

    /// Whose records.
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// The tenant, unless the scope is the whole installation's.
    pub fn tenant(&self) -> Option<TenantId> {
        match self.scope {
            Scope::Tenant(tenant) => Some(tenant),
            Scope::System => None,
        }
    }

    /// What is asked.
    pub fn request(&self) -> &T {
        &self.request
    }
}
