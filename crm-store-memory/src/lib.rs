//! The in-memory storage backend: for tests, trials and small installations that need no disk.
//!
//! It is the [reference evaluator](crm_core::store::evaluate) with a lock and indexes, and nothing
//! more: what a request means is never decided here. It keeps every rule of
//! [`semantics`](crm_core::store::semantics), concurrent writers included, but it is not durable:
//! dropping the store drops the data.
//!
//! # Cost
//!
//! Reading by id, by a unique key or by a reference looks at the rows concerned only. A list in
//! the order of its ids, of `createdAt`, or of the first field of a declared index is walked until
//! its window is full, and its total is kept where nothing is filtered. Anything else looks at
//! every row of the type in the tenant. Readers share the lock; a commit takes it for as long as
//! its own operations need.
//!
//! ```
//! use std::sync::Arc;
//!
//! use crm_core::store::{Catalogue, Field, Kind, Owners, Schema, Scoping, Store};
//! use crm_store_memory::MemoryStore;
//!
//! # async fn example() -> crm_core::Result<()> {
//! let tags = Schema::builder("tags", Scoping::Tenant, Owners::Everybody)
//!     .field(Field::new("name", Kind::Text).required().filterable().sortable())
//!     .unique("tags_name", &["name"])?
//!     .build()?;
//! let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
//! store.prepare(&Catalogue::new([tags])?).await?;
//! # Ok(())
//! # }
//! ```

mod key;
mod plan;
mod read;
mod state;
mod table;
mod write;

use std::fmt;

use async_trait::async_trait;
use crm_core::Result;
use crm_core::store::{
    Aggregate, Batch, Catalogue, Commit, Group, Page, Query, Record, Scoped, Store,
};
use parking_lot::RwLock;

use crate::state::State;

/// A [`Store`] in memory. It starts empty and knows no record type until it is prepared;
/// preparing it again adds types and keeps the data.
#[derive(Default)]
pub struct MemoryStore {
    state: RwLock<State>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }
}

/// Tells how many records of each type there are, never what they hold.
impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.read();
        let count = |table: &table::Table| {
            let parts = table.parts.values();
            parts.map(|part| part.count(crm_core::store::Deleted::Include)).sum::<usize>()
        };
        let tables = state.tables.iter().map(|table| (table.schema.name(), count(table)));
        f.write_str("MemoryStore ")?;
        f.debug_map().entries(tables).finish()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn prepare(&self, catalogue: &Catalogue) -> Result<()> {
        self.state.write().prepare(catalogue)
    }

    async fn query(&self, query: &Scoped<Query>) -> Result<Page<Record>> {
        self.state.read().query(query.scope(), query.request())
    }

    async fn aggregate(&self, aggregate: &Scoped<Aggregate>) -> Result<Vec<Group>> {
        self.state.read().aggregate(aggregate.scope(), aggregate.request())
    }

    async fn commit(&self, batch: &Scoped<Batch>) -> Result<Commit> {
        // Folding texts is the dear part; readers need not wait for it.
        let rows = write::prepare_rows(batch.request());
        self.state.write().commit(batch.scope(), batch.request(), rows)
    }
}

#[cfg(test)]
mod tests;
