//! What the tables of a schema look like: the one declaration that new migrations, the check at
//! start-up and the tables of the conformance suite come from.
//!
//! * One table per record type, one column per field, named [`Field::column`]; behind `tenant_id`
//!   for types that belong to tenants. Primary key, unique keys, references and the indexes of
//!   lists are led by the tenant, so a row cannot point into another one.
//! * A text that is compared has its key (`crm_core::store::fold`) beside it, in `<column>_key`;
//!   every text has collation `C`, so that no collation of the database decides anything.
//! * Where a field is searchable, `search_text` holds what a search looks into, and `terms` the
//!   numbers that an index can narrow it down by.
//! * What live records have in a tenant's own fields is in `custom_values` once more, which one
//!   index serves for all tenants.
//! * Absent values come last in both directions, which one index cannot serve: an index that ends
//!   in an optional field that lists are sorted by has a twin for descending.
//! * Indexes for lists hold live records only.
//!
//! A table is never changed here. A migration does that, and [`crate::check`] compares.

mod ddl;
mod distribute;
pub(crate) mod names;
#[cfg(test)]
pub(crate) mod tests;

use crm_core::store::{Catalogue, Field, Kind, Schema, Scoping};

pub(crate) use ddl::{SYSTEM_POLICY, TENANT_POLICY};
pub use ddl::{create_record_tables_sql, create_table_sql, create_tables_sql};
pub use distribute::distribute_tables_sql;
use names::{CUSTOM_VALUES, CUSTOM_VALUES_KEY, SEARCH_TEXT, TENANT, TERMS, compared_column};

/// The tenant that a statement has said it works for; nobody's where it has said nothing.
pub(crate) const CURRENT_TENANT: &str = "NULLIF(current_setting('app.tenant', true), '')::uuid";

/// The declaration of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) name: String,
    /// Whether rows belong to tenants, and row security keeps them apart.
    pub(crate) tenant: bool,
    pub(crate) columns: Vec<Column>,
    pub(crate) primary_key: Vec<String>,
    pub(crate) indexes: Vec<Index>,
    pub(crate) foreign_keys: Vec<ForeignKey>,
    /// Whether a function searches it under row security.
    pub(crate) searched: bool,
    pub(crate) fillfactor: Option<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// As `format_type` writes it.
    pub(crate) sql_type: String,
    pub(crate) required: bool,
}

impl Column {
    fn new(name: impl Into<String>, sql_type: impl Into<String>, required: bool) -> Self {
        Self { name: name.into(), sql_type: sql_type.into(), required }
    }

    /// Whether it is compared, and by bytes.
    pub(crate) fn is_text(&self) -> bool {
        self.sql_type.starts_with("text")
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) name: String,
    pub(crate) unique: bool,
    /// Behind `USING`, as `pg_get_indexdef` writes it, without storage settings.
    pub(crate) definition: String,
    /// Storage settings; an operator may choose others.
    pub(crate) with: Option<&'static str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ForeignKey {
    pub(crate) name: String,
    /// As `pg_get_constraintdef` writes it.
    pub(crate) definition: String,
}

/// Whether a record type's table has `search_text` and `terms`.
pub(crate) fn has_search(schema: &Schema) -> bool {
    schema.searchable().next().is_some()
}

impl Table {
    /// The table of a record type. The catalogue says what its references refer to.
    pub(crate) fn of(schema: &Schema, catalogue: &Catalogue) -> Self {
        let tenant = schema.scoping() == Scoping::Tenant;
        let mut table = Self {
            name: schema.name().to_owned(),
            tenant,
            columns: columns(schema),
            primary_key: led(tenant, ["id".to_owned()]),
            indexes: Vec::new(),
            foreign_keys: foreign_keys(schema, catalogue),
            searched: tenant && has_search(schema),
            fillfactor: None,
        };
        table.add_unique_keys(schema);
        table.add_reference_indexes(schema, catalogue);
        table.add_list_indexes(schema);
        if has_search(schema) {
            table.indexes.push(Index {
                name: names::index(schema.name(), &[TERMS.to_owned()], "idx"),
                unique: false,
                definition: format!("gin ({TERMS})"),
                // Inserts are put into the index in lots of some 200 rows, a fortieth of a second
                // each; the lot that waits costs a search 30 µs. The default, 16 times as much,
                // costs 600 µs; going without makes an insert cost twice as much.
                with: Some("gin_pending_list_limit = 256"),
            });
        }
        table
    }

    fn add_unique_keys(&mut self, schema: &Schema) {
        for key in schema.unique() {
            let fields = key.fields.iter().map(|i| compared_column(schema.field(*i)));
            let columns = led(self.tenant, fields);
            self.indexes.push(Index {
                name: names::unique_index(schema, key),
                unique: true,
                definition: format!("btree ({}) {LIVE}", names::list(&columns)),
                with: None,
            });
        }
    }

    // What a removal looks for, and lists of what belongs to a record. A reference to a type
    // without tenants is looked up across them (the tenants that a user is a member of), so there
    // the tenant comes second.
    fn add_reference_indexes(&mut self, schema: &Schema, catalogue: &Catalogue) {
        for field in schema.fields() {
            let Some(target) = &field.references else { continue };
            let column = field.column().to_owned();
            let present = if field.required {
                String::new()
            } else {
                format!(" WHERE ({} IS NOT NULL)", names::quoted(&column))
            };
            let columns = if self.tenant && !belongs_to_tenant(target, catalogue) {
                vec![column.clone(), TENANT.to_owned(), "id".to_owned()]
            } else {
                led(self.tenant, [column.clone(), "id".to_owned()])
            };
            self.indexes.push(Index {
                name: names::index(schema.name(), &[column], "idx"),
                unique: false,
                definition: format!("btree ({}){present}", names::list(&columns)),
                with: None,
            });
        }
    }

    fn add_list_indexes(&mut self, schema: &Schema) {
        let created_at = vec![schema.field(crm_core::store::system::CREATED_AT)];
        let declared = schema
            .indexes()
            .iter()
            .map(|index| index.fields.iter().map(|i| schema.field(*i)).collect::<Vec<&Field>>());
        for fields in std::iter::once(created_at).chain(declared) {
            let columns: Vec<String> = fields.iter().map(|field| compared_column(field)).collect();
            let name = names::index(schema.name(), &columns, "idx");
            if self.indexes.iter().any(|known| known.name == name) {
                continue;
            }
            let ascending = led(self.tenant, columns.iter().cloned().chain(["id".to_owned()]));
            let ascending = names::list(&ascending);
            self.indexes.push(Index {
                name,
                unique: false,
                definition: format!("btree ({ascending}) {LIVE}"),
                with: None,
            });
            let Some((last, before)) = fields.split_last() else { continue };
            if last.sortable && !last.required {
                let before = before.iter().map(|field| compared_column(field));
                let mut descending = names::list(&led(self.tenant, before));
                if !descending.is_empty() {
                    descending.push_str(", ");
                }
                let last = compared_column(last);
                let last = names::quoted(&last);
                self.indexes.push(Index {
                    name: names::index(schema.name(), &columns, "desc_idx"),
                    unique: false,
                    definition: format!(
                        "btree ({descending}{last} DESC NULLS LAST, id DESC) {LIVE}"
                    ),
                    with: None,
                });
            }
        }
    }
}

const LIVE: &str = "WHERE (deleted_at IS NULL)";

/// The tables that belong to no record type.
pub(crate) fn support_tables() -> Vec<Table> {
    let table = |name: &str, columns: Vec<Column>, primary_key: &[&str], fillfactor| Table {
        name: name.to_owned(),
        tenant: true,
        columns,
        primary_key: primary_key.iter().map(|&column| column.to_owned()).collect(),
        indexes: Vec::new(),
        foreign_keys: Vec::new(),
        searched: false,
        fillfactor,
    };
    let uuid = |name| Column::new(name, "uuid", true);
    let code = |name| Column::new(name, "text", true);
    let bigint = |name| Column::new(name, "bigint", true);
    vec![
        // How many live records a tenant has of a type, in slots, so that concurrent writers
        // seldom wait for each other. Half of each page is left free: updates stay on it.
        table(
            "record_counts",
            vec![
                uuid(TENANT),
                code("record_type"),
                Column::new("slot", "smallint", true),
                bigint("n"),
            ],
            &[TENANT, "record_type", "slot"],
            Some(50),
        ),
        table(
            "counters",
            vec![uuid(TENANT), code("name"), bigint("value")],
            &[TENANT, "name"],
            Some(50),
        ),
        custom_values(),
    ]
}

// What live records have in their tenant's own fields: see `crate::rows`. A value that went
// leaves its entry without one behind, because a removal cannot go by a setting that its own
// statement makes; the next value takes it up again.
fn custom_values() -> Table {
    let columns = vec![
        Column::new(TENANT, "uuid", true),
        Column::new("record_id", "uuid", true),
        Column::new("field", "bigint", true),
        Column::new("part", "bigint", true),
        Column::new("value", "bytea", false),
    ];
    Table {
        name: CUSTOM_VALUES.to_owned(),
        tenant: true,
        columns,
        primary_key: CUSTOM_VALUES_KEY.map(str::to_owned).into(),
        indexes: vec![Index {
            name: "custom_values_value_idx".to_owned(),
            unique: false,
            definition: "btree (tenant_id, field, value, record_id) WHERE (value IS NOT NULL)"
                .to_owned(),
            with: None,
        }],
        foreign_keys: Vec::new(),
        searched: false,
        fillfactor: None,
    }
}

fn led(tenant: bool, columns: impl IntoIterator<Item = String>) -> Vec<String> {
    tenant.then(|| TENANT.to_owned()).into_iter().chain(columns).collect()
}

fn columns(schema: &Schema) -> Vec<Column> {
    let mut columns = Vec::new();
    if schema.scoping() == Scoping::Tenant {
        columns.push(Column::new(TENANT, "uuid", true));
    }
    for field in schema.fields() {
        columns.push(Column::new(field.column(), sql_type(field.kind), field.required));
        if field.has_key() {
            columns.push(Column::new(names::key_column(field), "text", field.required));
        }
    }
    if has_search(schema) {
        columns.push(Column::new(SEARCH_TEXT, "text", true));
        columns.push(Column::new(TERMS, "integer[]", true));
    }
    columns
}

/// The type of a kind's column, as `format_type` writes it.
pub(crate) fn sql_type(kind: Kind) -> String {
    match kind {
        Kind::Bool => "boolean",
        Kind::Int => "bigint",
        Kind::Decimal { scale } => return format!("numeric(28,{scale})"),
        Kind::Text | Kind::Code => "text",
        Kind::Uuid => "uuid",
        Kind::Date => "date",
        Kind::Time => "timestamp with time zone",
        Kind::Uuids => "uuid[]",
        Kind::Codes => "text[]",
        Kind::Json | Kind::Custom => "jsonb",
    }
    .to_owned()
}

fn belongs_to_tenant(target: &str, catalogue: &Catalogue) -> bool {
    catalogue.get(target).is_none_or(|target| target.scoping() == Scoping::Tenant)
}

fn foreign_keys(schema: &Schema, catalogue: &Catalogue) -> Vec<ForeignKey> {
    let mut keys = Vec::new();
    for (i, field) in (0..).zip(schema.fields()) {
        let Some(target) = &field.references else { continue };
        let to_tenant =
            catalogue.get(target).is_none_or(|target| target.scoping() == Scoping::Tenant);
        let from = names::list(&led(to_tenant, [field.column().to_owned()]));
        let to = names::list(&led(to_tenant, ["id".to_owned()]));
        keys.push(ForeignKey {
            name: names::foreign_key(schema, i),
            definition: format!("FOREIGN KEY ({from}) REFERENCES {}({to})", names::quoted(target)),
        });
    }
    keys
}
