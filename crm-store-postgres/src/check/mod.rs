//! Whether the tables are as declared, each deviation named. A server does not start on tables
//! that could hold what the library does not expect, or show a tenant what is not its own.
//!
//! What the check tolerates: columns, indexes and storage settings that somebody added and that
//! refuse nothing. It never changes anything.

mod found;

use std::fmt;

use crm_core::store::Catalogue;
use crm_core::{Error, Result};
use sqlx::PgConnection;

use crate::tables::{Index, SYSTEM_POLICY, TENANT_POLICY, Table, names, support_tables};
use found::{Found, FoundTable};

/// One difference between a table and its declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deviation {
    /// The table.
    pub table: String,
    /// What was expected, and what is there.
    pub what: String,
}

impl fmt::Display for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.table, self.what)
    }
}

/// Makes sure that the tables of all record types, and those that every installation has, are as
/// declared.
///
/// # Errors
/// [`Error::Internal`] with every deviation.
pub async fn check(connection: &mut PgConnection, catalogue: &Catalogue) -> Result<()> {
    let deviations = deviations(connection, catalogue).await?;
    if deviations.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = deviations.iter().map(Deviation::to_string).collect();
    Err(Error::internal(format!(
        "the database is not as declared; has it been migrated? {}",
        list.join("; ")
    )))
}

/// Every difference between the tables and their declarations.
///
/// # Errors
/// Only where the database cannot be asked.
pub async fn deviations(
    connection: &mut PgConnection,
    catalogue: &Catalogue,
) -> Result<Vec<Deviation>> {
    let mut declared = support_tables();
    declared.extend(catalogue.iter().map(|schema| Table::of(schema, catalogue)));
    let names: Vec<String> = declared.iter().map(|table| table.name.clone()).collect();
    let found = Found::read(connection, &names).await?;
    let mut deviations = Vec::new();
    for table in &declared {
        let mut add = |what: String| {
            deviations.push(Deviation { table: table.name.clone(), what });
        };
        match found.tables.get(&table.name) {
            None => add("the table is missing".to_owned()),
            Some(there) => {
                compare_columns(table, there, &mut add);
                compare_constraints(table, there, &mut add);
                compare_indexes(table, there, &mut add);
                compare_security(table, there, &mut add);
                if table.searched {
                    compare_search(table, &found, &mut add);
                }
            }
        }
    }
    Ok(deviations)
}

fn compare_columns(table: &Table, there: &FoundTable, add: &mut impl FnMut(String)) {
    for column in &table.columns {
        let name = &column.name;
        let Some(found) = there.columns.get(name) else {
            add(format!("column {name} is missing"));
            continue;
        };
        if found.sql_type != column.sql_type {
            add(format!("column {name} is {}, expected {}", found.sql_type, column.sql_type));
        }
        if found.required != column.required {
            let null = |required| if required { "NOT NULL" } else { "nullable" };
            let (is, expected) = (null(found.required), null(column.required));
            add(format!("column {name} is {is}, expected {expected}"));
        }
        if column.is_text() && found.collation.as_deref() != Some("C") {
            let collation = found.collation.as_deref().unwrap_or("none");
            add(format!("column {name} has collation {collation}, expected C"));
        }
    }
    for (name, found) in &there.columns {
        let declared = table.columns.iter().any(|column| column.name == *name);
        if !declared && found.required && !found.has_default {
            add(format!("column {name} is not declared, and every row needs a value for it"));
        }
    }
}

fn compare_constraints(table: &Table, there: &FoundTable, add: &mut impl FnMut(String)) {
    let primary = names::primary_key(&table.name);
    let key = format!("PRIMARY KEY ({})", table.primary_key.join(", "));
    let declared = std::iter::once((&primary, &key))
        .chain(table.foreign_keys.iter().map(|key| (&key.name, &key.definition)));
    let mut known = Vec::new();
    for (name, definition) in declared {
        let definition = definition.replace('"', "");
        match there.constraints.get(name) {
            None => add(format!("constraint {name} is missing, expected {definition}")),
            Some(found) if *found != definition => {
                add(format!("constraint {name} is {found}, expected {definition}"));
            }
            Some(_) => {}
        }
        known.push(name);
    }
    for (name, found) in &there.constraints {
        if !known.contains(&name) {
            add(format!("constraint {name} is not declared: {found}"));
        }
    }
}

fn compare_indexes(table: &Table, there: &FoundTable, add: &mut impl FnMut(String)) {
    for index in &table.indexes {
        let Index { name, unique, definition, .. } = index;
        let definition = definition.replace('"', "");
        let Some(found) = there.indexes.get(name) else {
            add(format!("index {name} is missing, expected {definition}"));
            continue;
        };
        if found.unique != *unique {
            let is = |unique| if unique { "unique" } else { "not unique" };
            add(format!("index {name} is {}, expected {}", is(found.unique), is(*unique)));
        }
        if found.definition != definition {
            add(format!("index {name} is {}, expected {definition}", found.definition));
        }
        if !found.valid {
            add(format!("index {name} is invalid: its building was broken off"));
        }
    }
    for (name, found) in &there.indexes {
        let declared = table.indexes.iter().any(|index| index.name == *name);
        // That of a constraint is named there.
        if !declared && found.unique && !there.constraints.contains_key(name) {
            add(format!("unique index {name} is not declared: {}", found.definition));
        }
    }
}

fn compare_security(table: &Table, there: &FoundTable, add: &mut impl FnMut(String)) {
    if !there.system_may_write {
        add("role crm_system may not read and write it".to_owned());
    }
    if !table.tenant {
        if there.app_may_read {
            add("role crm_app may read it, though its rows belong to no tenant".to_owned());
        }
        return;
    }
    if !there.app_may_write {
        add("role crm_app may not read and write it".to_owned());
    }
    if !there.secured {
        add("row security is not enabled".to_owned());
    }
    if !there.forced {
        add("row security is not forced".to_owned());
    }
    let own = "(tenant_id = (NULLIF(current_setting('app.tenant'::text, true), ''::text))::uuid)";
    for (name, role, rows) in
        [(TENANT_POLICY, "crm_app", own), (SYSTEM_POLICY, "crm_system", "true")]
    {
        let expected = format!("PERMISSIVE ALL TO {role} USING {rows} WITH CHECK {rows}");
        match there.policies.get(name) {
            None => add(format!("policy {name} is missing")),
            Some(found) if *found != expected => {
                add(format!("policy {name} is {found}, expected {expected}"));
            }
            Some(_) => {}
        }
    }
    for (name, found) in &there.policies {
        if name != TENANT_POLICY && name != SYSTEM_POLICY {
            add(format!("policy {name} is not declared: {found}"));
        }
    }
}

fn compare_search(table: &Table, found: &Found, add: &mut impl FnMut(String)) {
    let name = names::search_function(&table.name);
    let Some(there) = found.functions.get(&name) else {
        add(format!("function {name}(integer[], text[], integer) is missing"));
        return;
    };
    let mut expect = |holds: bool, what: &str| {
        if !holds {
            add(format!("function {name} {what}"));
        }
    };
    expect(there.owner == "crm_system", "is not owned by crm_system");
    expect(there.definer, "is not SECURITY DEFINER");
    expect(there.stable, "is not STABLE");
    expect(
        there.settings == "search_path=pg_catalog, public, pg_temp",
        "does not fix its search path",
    );
    expect(there.body.trim() == table.search_body().trim(), "has another body");
    expect(there.app_may_call, "may not be called by crm_app");
    expect(!there.anyone_may_call, "may be called by anyone");
}

#[cfg(test)]
mod tests;
