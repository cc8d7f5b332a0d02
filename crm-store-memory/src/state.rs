//! Everything the store holds, behind its one lock.

use std::collections::HashMap;

use crm_core::store::evaluate::{Lookup, Row};
use crm_core::store::{Catalogue, Schema};
use crm_core::tenants::TenantId;
use crm_core::{Error, Result};
use uuid::Uuid;

use crate::table::{Table, TableNumber};
use crate::write::CounterName;

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) tables: Vec<Table>,
    numbers: HashMap<String, TableNumber>,
    /// By tenant, those of the installation under none.
    pub(crate) counters: HashMap<CounterName, i64>,
}

impl State {
    /// Adds the types that are not known yet. Data stays.
    pub(crate) fn prepare(&mut self, catalogue: &Catalogue) -> Result<()> {
        for schema in catalogue.iter() {
            if self.numbers.contains_key(schema.name()) {
                self.table(schema)?;
            }
        }
        let new = catalogue.iter().filter(|schema| !self.numbers.contains_key(schema.name()));
        let new: Vec<_> = new.cloned().collect();
        for (number, schema) in (self.tables.len()..).zip(&new) {
            self.numbers.insert(schema.name().to_owned(), number);
        }
        for schema in new {
            let target = |(field, declared): (_, &crm_core::store::Field)| {
                let target = declared.references.as_deref()?;
                Some((field, *self.numbers.get(target)?))
            };
            let references = (0..).zip(schema.fields()).filter_map(target).collect();
            self.tables.push(Table::new(schema, references));
        }
        Ok(())
    }

    /// The number of a type's table.
    ///
    /// # Errors
    /// Where the type was never prepared, or declared otherwise.
    pub(crate) fn number(&self, schema: &Schema) -> Result<TableNumber> {
        let Some(number) = self.numbers.get(schema.name()).copied() else {
            return Err(Error::internal(format!("record type {schema} was never prepared")));
        };
        let prepared = &*self.tables[number].schema;
        if std::ptr::eq(prepared, schema) || prepared == schema {
            Ok(number)
        } else {
            Err(Error::internal(format!("record type {schema} was prepared as declared otherwise")))
        }
    }

    /// The table of a type, with the errors of [`State::number`].
    pub(crate) fn table(&self, schema: &Schema) -> Result<&Table> {
        self.number(schema).map(|number| &self.tables[number])
    }
}

impl Lookup for State {
    fn find(&self, schema: &Schema, tenant: Option<TenantId>, id: Uuid) -> Option<&Row> {
        let number = self.numbers.get(schema.name())?;
        self.tables.get(*number)?.row(tenant, id).map(|row| &**row)
    }

    fn known_by(&self, schema: &Schema, tenant: Option<TenantId>, id: Uuid) -> Vec<&Row> {
        let table = self.numbers.get(schema.name()).and_then(|number| self.tables.get(*number));
        table.map_or_else(Vec::new, |table| table.known_by(tenant, id))
    }
}
