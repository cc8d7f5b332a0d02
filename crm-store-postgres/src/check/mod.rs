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

/// What a difference endangers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Aspect {
    /// What rows can hold.
    Shape,
    /// Primary and unique keys, and references: what keeps rows apart and in their tenant.
    Keys,
    /// How soon rows are found.
    Indexes,
    /// Whose rows a role sees.
    RowSecurity,
    /// Who may read and write.
    Grants,
    /// The function that searches as a role that sees all tenants.
    Functions,
}

/// One difference between a table and its declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deviation {
    /// The table.
    pub table: String,
    /// What it endangers.
    pub aspect: Aspect,
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
    let declared = declared(catalogue);
    let names: Vec<String> = declared.iter().map(|table| table.name.clone()).collect();
    let found = Found::read(connection, &names).await?;
    let mut deviations = Vec::new();
    for table in &declared {
        let mut add = |aspect: Aspect, what: String| {
            deviations.push(Deviation { table: table.name.clone(), aspect, what });
        };
        match found.tables.get(&table.name) {
            None => add(Aspect::Shape, "the table is missing".to_owned()),
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

/// The tables of all record types, and those that every installation has.
pub(crate) fn declared(catalogue: &Catalogue) -> Vec<Table> {
    let mut declared = support_tables();
    declared.extend(catalogue.iter().map(|schema| Table::of(schema, catalogue)));
    declared
}

fn compare_columns(table: &Table, there: &FoundTable, add: &mut impl FnMut(Aspect, String)) {
    for column in &table.columns {
        let name = &column.name;
        let Some(found) = there.columns.get(name) else {
            add(Aspect::Shape, format!("column {name} is missing"));
            continue;
        };
        if found.sql_type != column.sql_type {
            add(
                Aspect::Shape,
                format!("column {name} is {}, expected {}", found.sql_type, column.sql_type),
            );
        }
        if found.required != column.required {
            let null = |required| if required { "NOT NULL" } else { "nullable" };
            let (is, expected) = (null(found.required), null(column.required));
            add(Aspect::Shape, format!("column {name} is {is}, expected {expected}"));
        }
        if column.is_text() && found.collation.as_deref() != Some("C") {
            let collation = found.collation.as_deref().unwrap_or("none");
            add(Aspect::Shape, format!("column {name} has collation {collation}, expected C"));
        }
    }
    for (name, found) in &there.columns {
        let declared = table.columns.iter().any(|column| column.name == *name);
        if !declared && found.required && !found.has_default {
            add(
                Aspect::Shape,
                format!("column {name} is not declared, and every row needs a value for it"),
            );
        }
    }
}

fn compare_constraints(table: &Table, there: &FoundTable, add: &mut impl FnMut(Aspect, String)) {
    let primary = names::primary_key(&table.name);
    let key = format!("PRIMARY KEY ({})", table.primary_key.join(", "));
    let declared = std::iter::once((&primary, &key))
        .chain(table.foreign_keys.iter().map(|key| (&key.name, &key.definition)));
    let mut known = Vec::new();
    for (name, definition) in declared {
        let definition = definition.replace('"', "");
        match there.constraints.get(name) {
            None => {
                add(Aspect::Keys, format!("constraint {name} is missing, expected {definition}"))
            }
            Some(found) if *found != definition => {
                add(Aspect::Keys, format!("constraint {name} is {found}, expected {definition}"));
            }
            Some(_) => {}
        }
        known.push(name);
    }
    for (name, found) in &there.constraints {
        if !known.contains(&name) {
            let aspect = if found.starts_with("CHECK") { Aspect::Shape } else { Aspect::Keys };
            add(aspect, format!("constraint {name} is not declared: {found}"));
        }
    }
}

fn compare_indexes(table: &Table, there: &FoundTable, add: &mut impl FnMut(Aspect, String)) {
    for index in &table.indexes {
        let Index { name, unique, definition, .. } = index;
        let definition = definition.replace('"', "");
        let aspect = if *unique { Aspect::Keys } else { Aspect::Indexes };
        let Some(found) = there.indexes.get(name) else {
            add(aspect, format!("index {name} is missing, expected {definition}"));
            continue;
        };
        if found.unique != *unique {
            let is = |unique| if unique { "unique" } else { "not unique" };
            add(aspect, format!("index {name} is {}, expected {}", is(found.unique), is(*unique)));
        }
        if found.definition != definition {
            add(aspect, format!("index {name} is {}, expected {definition}", found.definition));
        }
        if !found.valid {
            add(aspect, format!("index {name} is invalid: its building was broken off"));
        }
    }
    for (name, found) in &there.indexes {
        let declared = table.indexes.iter().any(|index| index.name == *name);
        // That of a constraint is named there.
        if !declared && found.unique && !there.constraints.contains_key(name) {
            add(Aspect::Keys, format!("unique index {name} is not declared: {}", found.definition));
        }
    }
}

fn compare_security(table: &Table, there: &FoundTable, add: &mut impl FnMut(Aspect, String)) {
    if !there.system_may_write {
        add(Aspect::Grants, "role crm_system may not read and write it".to_owned());
    }
    if !table.tenant {
        if there.app_may_read {
            add(
                Aspect::Grants,
                "role crm_app may read it, though its rows belong to no tenant".to_owned(),
            );
        }
        return;
    }
    if !there.app_may_write {
        add(Aspect::Grants, "role crm_app may not read and write it".to_owned());
    }
    if !there.secured {
        add(Aspect::RowSecurity, "row security is not enabled".to_owned());
    }
    if !there.forced {
        add(Aspect::RowSecurity, "row security is not forced".to_owned());
    }
    let own = "(tenant_id = (NULLIF(current_setting('app.tenant'::text, true), ''::text))::uuid)";
    for (name, role, rows) in
        [(TENANT_POLICY, "crm_app", own), (SYSTEM_POLICY, "crm_system", "true")]
    {
        let expected = format!("PERMISSIVE ALL TO {role} USING {rows} WITH CHECK {rows}");
        match there.policies.get(name) {
            None => add(Aspect::RowSecurity, format!("policy {name} is missing")),
            Some(found) if *found != expected => {
                add(Aspect::RowSecurity, format!("policy {name} is {found}, expected {expected}"));
            }
            Some(_) => {}
        }
    }
    for (name, found) in &there.policies {
        if name != TENANT_POLICY && name != SYSTEM_POLICY {
            add(Aspect::RowSecurity, format!("policy {name} is not declared: {found}"));
        }
    }
}

fn compare_search(table: &Table, found: &Found, add: &mut impl FnMut(Aspect, String)) {
    let name = names::search_function(&table.name);
    let Some(there) = found.functions.get(&name) else {
        add(Aspect::Functions, format!("function {name}(integer[], text[], integer) is missing"));
        return;
    };
    let mut expect = |holds: bool, what: &str| {
        if !holds {
            add(Aspect::Functions, format!("function {name} {what}"));
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
