//! Exports: everything that is asked for, a part at a time, and a note of who took it.
//!
//! Nothing in here knows a file format; a host makes files of what it is given.

use std::sync::Arc;

use serde_json::{Map, json};

use super::{Records, Rules, Unit};
use crate::access::scoping;
use crate::error::{Error, Result};
use crate::store::{Aggregate, Cursor, Group, MAX_LIMIT, Query, Window};

/// The records of an export, in their order.
#[derive(Debug)]
pub struct Export<E> {
    records: Records<E>,
    count: u64,
    left: Left<E>,
}

/// What is still to be given.
#[derive(Debug)]
enum Left<E> {
    /// What a query finds behind a place; behind none at the beginning.
    Behind(Box<Query>, Option<Cursor>),
    /// These.
    These(Vec<E>),
    Nothing,
}

impl<E: Rules> Records<E> {
    /// Begins to give out all records that a query asks for, whatever part of them it names.
    /// Needs `export`, and gives only what may be read besides.
    ///
    /// The log is told before anything is given: who took how many of what. `told` is what the
    /// host adds to that, such as the filter as it was written. With `most`, no more than so many.
    ///
    /// # Errors
    /// As [`Records::select`]; [`Error::Limit`] where there are more.
    pub async fn export(
        &self,
        query: Query,
        most: Option<u64>,
        told: Map<String, serde_json::Value>,
    ) -> Result<Export<E>> {
        Self::require_own(query.schema())?;
        let within = self.within();
        let catalogue = within.crm().catalogue();
        let read = Self::permission("read");
        let readable = scoping::reach_filter(within.actor(), catalogue, &read, E::schema())?;
        let query = self.with_deleted(query)?.filter(readable)?;
        let count = Aggregate::count(Arc::clone(E::schema()))
            .filter(query.get_filter().clone())?
            .deleted(query.get_deleted());
        let counted = within.aggregate(&Self::permission("export"), count).await?;
        let count = Group::only(counted)?.count(0)?;
        check_count(count, most)?;
        self.tell_of_export(count, told).await?;
        Ok(Export { records: self.clone(), count, left: Left::Behind(Box::new(query), None) })
    }

    /// The same of records that were read already, where they are not all in the store. Whoever
    /// calls has asked for the permission.
    pub(crate) async fn export_these(
        &self,
        these: Vec<E>,
        most: Option<u64>,
        told: Map<String, serde_json::Value>,
    ) -> Result<Export<E>> {
        let count = these.len() as u64;
        check_count(count, most)?;
        self.tell_of_export(count, told).await?;
        Ok(Export { records: self.clone(), count, left: Left::These(these) })
    }

    async fn tell_of_export(&self, count: u64, told: Map<String, serde_json::Value>) -> Result<()> {
        let mut changes: Map<_, _> =
            told.into_iter().map(|(name, value)| (name, json!({"to": value}))).collect();
        changes.insert("records".to_owned(), json!({"to": count}));
        let mut unit = Unit::within(self.within()).without_attempt();
        unit.exported::<E>(changes.into())?;
        unit.commit(self.within()).await.map(drop)
    }
}

fn check_count(count: u64, most: Option<u64>) -> Result<()> {
    match most {
        Some(limit) if count > limit => {
            Err(Error::Limit { what: "the number of records to export".to_owned(), limit })
        }
        _ => Ok(()),
    }
}

impl<E: Rules> Export<E> {
    /// How many records there were when it began.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The next part, of a thousand records at most; none behind the last one. What changes
    /// meanwhile is given as it is then; what is there all along and keeps its place comes exactly
    /// once.
    ///
    /// # Errors
    /// Where the store fails. The same part can be asked for again.
    pub async fn part(&mut self) -> Result<Option<Vec<E>>> {
        let (query, after) = match std::mem::replace(&mut self.left, Left::Nothing) {
            Left::Nothing => return Ok(None),
            Left::These(these) => return Ok(Some(these)),
            Left::Behind(query, after) => (query, after),
        };
        let window = Window::Cursor { after: after.clone(), limit: MAX_LIMIT };
        let part = Query::clone(&query).window(window)?;
        let permission = Records::<E>::permission("export");
        match self.records.within().query(&permission, part).await {
            Err(error) => {
                self.left = Left::Behind(query, after);
                Err(error)
            }
            Ok(page) => {
                let page = page.try_map(|record| E::from_values(record.into_values()))?;
                if page.next.is_some() {
                    self.left = Left::Behind(query, page.next);
                }
                Ok(Some(page.items))
            }
        }
    }
}
