//! The statements that make a table.

use crm_core::store::{Catalogue, Schema};

use super::{CURRENT_TENANT, Column, Table, names, support_tables};
use names::{list, quoted};

/// The statements that make the table of one record type, without the tables it refers to: what
/// a migration for a new type consists of.
pub fn create_table_sql(schema: &Schema, catalogue: &Catalogue) -> Vec<String> {
    let table = Table::of(schema, catalogue);
    let mut statements = table.create();
    statements.extend(table.refer());
    statements
}

/// The statements that make the tables of several record types, references last: they may refer
/// to each other in a ring.
pub fn create_record_tables_sql(catalogue: &Catalogue) -> Vec<String> {
    let tables: Vec<Table> = catalogue.iter().map(|schema| Table::of(schema, catalogue)).collect();
    let created = tables.iter().flat_map(Table::create);
    created.chain(tables.iter().flat_map(Table::refer)).collect()
}

/// Those, and the statements that make the tables that every installation has besides. For tests
/// and trials: an installation is migrated.
pub fn create_tables_sql(catalogue: &Catalogue) -> Vec<String> {
    let mut statements: Vec<String> = support_tables().iter().flat_map(Table::create).collect();
    statements.extend(create_record_tables_sql(catalogue));
    statements
}

/// The name of the policy that keeps tenants apart.
pub(crate) const TENANT_POLICY: &str = "of_tenant";
/// The name of the policy for sign-in and scheduled work.
pub(crate) const SYSTEM_POLICY: &str = "of_system";

impl Table {
    /// The statements that make it, without its references.
    pub(crate) fn create(&self) -> Vec<String> {
        let name = quoted(&self.name);
        let mut statements = vec![self.create_table()];
        for index in &self.indexes {
            let unique = if index.unique { "UNIQUE " } else { "" };
            let (index_name, definition) = (&index.name, &index.definition);
            let with = index.with.map(|with| format!(" WITH ({with})")).unwrap_or_default();
            statements.push(format!(
                "CREATE {unique}INDEX {index_name} ON {name} USING {definition}{with}"
            ));
        }
        let rights = "SELECT, INSERT, UPDATE, DELETE";
        if self.tenant {
            statements.push(format!(
                "ALTER TABLE {name} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
            ));
            let own = format!("(tenant_id = {CURRENT_TENANT})");
            statements.push(format!(
                "CREATE POLICY {TENANT_POLICY} ON {name} TO crm_app\n    USING {own}\n    \
                 WITH CHECK {own}"
            ));
            statements.push(format!(
                "CREATE POLICY {SYSTEM_POLICY} ON {name} TO crm_system USING (true) WITH CHECK \
                 (true)"
            ));
            statements.push(format!("GRANT {rights} ON {name} TO crm_app, crm_system"));
        } else {
            statements.push(format!("GRANT {rights} ON {name} TO crm_system"));
        }
        if self.searched {
            statements.extend(self.create_search());
        }
        statements
    }

    /// The statements that make its references.
    pub(crate) fn refer(&self) -> Vec<String> {
        let name = quoted(&self.name);
        self.foreign_keys
            .iter()
            .map(|key| format!("ALTER TABLE {name} ADD CONSTRAINT {} {}", key.name, key.definition))
            .collect()
    }

    fn create_table(&self) -> String {
        let mut lines: Vec<String> = self.columns.iter().map(Column::sql).collect();
        lines.push(format!(
            "CONSTRAINT {} PRIMARY KEY ({})",
            names::primary_key(&self.name),
            list(&self.primary_key)
        ));
        let with = match self.fillfactor {
            Some(percent) => format!(" WITH (fillfactor = {percent})"),
            None => String::new(),
        };
        format!("CREATE TABLE {} (\n    {}\n){with}", quoted(&self.name), lines.join(",\n    "))
    }

    // Row security lets only operators that cannot leak use an index, and neither `@>` nor LIKE
    // are among them. So the search runs as the role that sees all tenants, names the tenant
    // itself, and gives out nothing but ids, which the caller reads under row security. Written in
    // SQL it is planned at each call, knowing the tenant's size: small ones go by their rows,
    // large ones by the terms.
    fn create_search(&self) -> Vec<String> {
        let function = names::search_function(&self.name);
        let signature = format!("{function}(integer[], text[], integer)");
        vec![
            format!(
                "CREATE FUNCTION {function}(terms integer[], patterns text[], most integer)\n    \
                 RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER\n    \
                 SET search_path = pg_catalog, public, pg_temp\n    AS $${}$$",
                self.search_body()
            ),
            // Whoever owns a function must be allowed to make one there, at that moment.
            "GRANT CREATE ON SCHEMA public TO crm_system".to_owned(),
            format!("ALTER FUNCTION {signature} OWNER TO crm_system"),
            "REVOKE CREATE ON SCHEMA public FROM crm_system".to_owned(),
            format!("REVOKE ALL ON FUNCTION {signature} FROM PUBLIC"),
            format!("GRANT EXECUTE ON FUNCTION {signature} TO crm_app, crm_system"),
        ]
    }

    /// What the search function does. It is planned without its arguments being known, and an
    /// `=` on the tenant made the planner walk all of the tenant's rows by another index, hoping
    /// to be done early. The terms are led by the tenant anyway.
    pub(crate) fn search_body(&self) -> String {
        format!(
            "\n        SELECT t.id FROM {} t\n        WHERE t.terms @> $1 AND t.search_text LIKE ALL \
             ($2)\n          AND t.tenant_id IS NOT DISTINCT FROM {CURRENT_TENANT}\n        LIMIT \
             $3\n    ",
            quoted(&self.name)
        )
    }
}

impl Column {
    fn sql(&self) -> String {
        let collation = if self.is_text() { " COLLATE \"C\"" } else { "" };
        let required = if self.required { " NOT NULL" } else { "" };
        format!("{} {}{collation}{required}", quoted(&self.name), self.sql_type)
    }
}
