//! A batch as one statement, whatever its size.
//!
//! ```sql
//! WITH s AS MATERIALIZED (SELECT set_config('app.tenant', $1, true)::uuid AS t),
//!   l0 AS MATERIALIZED (…  WHERE c.id = $2 AND c.version = $3 LIMIT 1 FOR NO KEY UPDATE),
//!   g AS MATERIALIZED (SELECT (SELECT count(*) FROM l0) = 1 AS ok),
//!   w0 AS (INSERT INTO customers … SELECT s.t, … FROM s CROSS JOIN g WHERE g.ok
//!          ON CONFLICT (tenant_id, id) DO UPDATE SET … RETURNING 1),
//!   n AS (INSERT INTO record_counts … ON CONFLICT … DO UPDATE SET n = c.n + excluded.n …)
//! SELECT (SELECT g.ok FROM g), (SELECT count(*) FROM w0) + (SELECT count(*) FROM n)
//! ```
//!
//! * `l…` locks every record that the batch builds on, at the version that it was read at; a
//!   version that somebody changed meanwhile is looked at again once the lock is had. All that is
//!   written waits for `g`.
//! * A change is an insert whose conflict is certain. Its rows come out of `s`, so the setting is
//!   made before row security looks at one; an `UPDATE … FROM s` may be joined the other way
//!   round. Removals have no such form: their batch runs in a transaction that makes the setting
//!   first.
//! * Values of a tenant's own fields that came, changed or went are written to `custom_values` in
//!   one part more; most batches have none.
//! * The last query asks for the parts in order, and so makes them happen in order: locks,
//!   records, counts, counters. Keys are not touched by a change, so its lock lets others refer
//!   to the record.

use std::collections::BTreeMap;

use crm_core::Result;
use crm_core::store::evaluate::Row;
use crm_core::store::{Batch, Catalogue, Operation, Schema, Scope};
use crm_core::tenants::TenantId;
use uuid::Uuid;

use super::group::{Group, Place, groups};
use crate::read::scope::{C, R, S, setting, setting_tenant};
use crate::rows::{Column, columns, encode, encode_column, has_tenant, numbers_of, own_fields};
use crate::sql::{
    Alias, Bind, Binds, Conflict, Delete, Expr, From, Insert, Join, Order, Part, Select, Source,
    Statement,
};
use crate::tables::names::{CUSTOM_VALUES, CUSTOM_VALUES_KEY};

const G: Alias = Alias::named("g");
const U: Alias = Alias::named("u");
const EXCLUDED: Alias = Alias::named("excluded");
const COUNTS: Alias = Alias::named("n");
const COUNTERS: Alias = Alias::named("v");

/// A batch, ready to run.
#[derive(Debug)]
pub(crate) struct Writing {
    pub(crate) statement: Statement,
    pub(crate) binds: Binds,
    /// Whether the setting must be made before the statement begins.
    pub(crate) needs_transaction: bool,
    /// Whether it increments counters.
    pub(crate) counts: bool,
}

/// The statement of a batch. `slot` is where it counts.
///
/// # Errors
/// [`crm_core::Error::Internal`] where a record lies outside the batch's scope.
pub(crate) fn render(
    scope: Scope,
    batch: &Batch,
    catalogue: &Catalogue,
    slot: i64,
) -> Result<Writing> {
    let groups = groups(scope, batch)?;
    let mut writer = Writer { scope, binds: Binds::default(), parts: Vec::new(), gated: false };
    if let Scope::Tenant(tenant) = scope {
        let mut setting = setting(tenant, &mut writer.binds);
        setting.offset = None;
        writer.parts.push((S, Part::Select(setting)));
    }
    writer.gate(&groups, catalogue);
    let mut written: Vec<Expr> = Vec::new();
    for group in &groups {
        for (rows, changes) in [(&group.inserts, false), (&group.updates, true)] {
            if !rows.is_empty() {
                let insert = writer.rows(&group.schema, rows, changes)?;
                written.push(writer.write(Part::Insert(insert)));
            }
        }
        if !group.removals.is_empty() {
            let delete = writer.delete(&group.schema, &group.removals);
            written.push(writer.write(Part::Delete(delete)));
            if own_fields(&group.schema).is_some() {
                let delete = writer.delete_entries(&group.schema, &group.removals);
                written.push(writer.write(Part::Delete(delete)));
            }
        }
    }
    if groups.iter().any(|group| !group.entries.is_empty()) {
        let entries = writer.entries(&groups);
        written.push(writer.write(Part::Insert(entries)));
    }
    if groups.iter().any(|group| !group.growth.is_empty()) {
        let counts = writer.counts(&groups, slot);
        writer.parts.push((COUNTS, Part::Insert(counts)));
        written.push(count_of(COUNTS));
    }
    let mut select = Select::default();
    let gate = Select::of([G.column("ok")]).from(Source::Part(G), G);
    let ok = if writer.gated { Expr::Scalar(Box::new(gate)) } else { Expr::Sql("true") };
    select.items.push((ok, None));
    let written = if written.is_empty() { Expr::Sql("0") } else { Expr::Infix("+", written) };
    select.items.push((written, None));
    let counters = counters(batch);
    let counts = !counters.is_empty();
    if counts {
        let insert = writer.counters(counters);
        writer.parts.push((COUNTERS, Part::Insert(insert)));
        for column in ["name", "value"] {
            let all = Expr::Call("array_agg", vec![COUNTERS.column(column)]);
            let all = Select::of([all]).from(Source::Part(COUNTERS), COUNTERS);
            select.items.push((Expr::Scalar(Box::new(all)), None));
        }
    }
    let removes = groups.iter().any(|group| !group.removals.is_empty());
    Ok(Writing {
        statement: Statement { parts: writer.parts, select },
        binds: writer.binds,
        needs_transaction: removes && matches!(scope, Scope::Tenant(_)),
        counts,
    })
}

fn counters(batch: &Batch) -> BTreeMap<&str, i64> {
    let increment = |operation: &'_ Operation| match operation {
        Operation::Increment { by, .. } => Some(*by),
        _ => None,
    };
    batch
        .operations()
        .iter()
        .filter_map(|operation| match operation {
            Operation::Increment { counter, .. } => Some((&**counter, increment(operation)?)),
            _ => None,
        })
        .collect()
}

struct Writer {
    scope: Scope,
    binds: Binds,
    parts: Vec<(Alias, Part)>,
    gated: bool,
}

impl Writer {
    /// Adds a part that writes, and gives the expression that counts its rows.
    fn write(&mut self, part: Part) -> Expr {
        let alias = Alias::numbered("w", self.parts.len());
        self.parts.push((alias, part));
        count_of(alias)
    }

    /// Locks what the batch builds on, and says whether all of it was there.
    fn gate(&mut self, groups: &[Group], catalogue: &Catalogue) {
        let mut locks: Vec<Expr> = Vec::new();
        let mut expected = 0;
        for group in groups {
            let strength = if group.removals.is_empty() { "NO KEY UPDATE" } else { "UPDATE" };
            for (places, strength) in [(&group.changed, strength), (&group.checked, "SHARE")] {
                if !places.is_empty() {
                    let lock = self.lock(&group.schema, places, strength);
                    let alias = Alias::numbered("l", self.parts.len());
                    self.parts.push((alias, Part::Select(lock)));
                    locks.push(count_of(alias));
                    expected += places.len() as i64;
                }
            }
        }
        if locks.is_empty() {
            return;
        }
        let found = if let [one] = &locks[..] { one.clone() } else { Expr::Infix("+", locks) };
        let mut conditions = vec![found.eq(self.binds.add(Bind::Int(Some(expected))))];
        for group in groups.iter().filter(|group| !group.removals.is_empty()) {
            conditions.extend(self.unreferred(&group.schema, &group.removals, catalogue));
        }
        let gate = Select::default().item(Expr::all(conditions), Alias::named("ok"));
        self.parts.push((G, Part::Select(gate)));
        self.gated = true;
    }

    fn lock(&mut self, schema: &Schema, places: &[Place], strength: &'static str) -> Select {
        let table = Source::Table(schema.name().to_owned());
        let mut inner = Select::of([C.column("id")]);
        if let [place] = places {
            inner = inner.from(table, C);
            if has_tenant(schema) {
                let tenant = self.tenant_of(place.tenant);
                inner.filter.push(C.column("tenant_id").eq(tenant));
            }
            inner.filter.push(C.column("id").eq(self.binds.add(Bind::Uuid(Some(place.id)))));
            let version = self.binds.add(Bind::Int(Some(place.version)));
            inner.filter.push(C.column("version").eq(version));
            inner.limit = Some(Expr::Number(1));
        } else {
            let versions = Bind::Ints(places.iter().map(|place| Some(place.version)).collect());
            let versions = self.binds.add(versions);
            let (places, own) = self.places(schema, places, Some(versions));
            inner = inner.from(places, U).from(table, C).filter(own);
            inner.filter.push(C.column("id").eq(U.column("id")));
            inner.filter.push(C.column("version").eq(U.column("version")));
            let order = |key| Order { key, descending: false, nullable: false };
            if has_tenant(schema) && matches!(self.scope, Scope::System) {
                inner.order.push(order(C.column("tenant_id")));
            }
            inner.order.push(order(C.column("id")));
        }
        inner.lock = Some((strength, C));
        let mut outer = Select::of([R.column("id")]);
        if matches!(self.scope, Scope::Tenant(_)) {
            outer = outer.from(Source::Part(S), S);
        }
        outer.join(Join::Lateral, Source::Select(Box::new(inner)), R)
    }

    /// Identifiers as rows, and the condition that a row belongs to the right tenant.
    fn places(
        &mut self,
        schema: &Schema,
        places: &[Place],
        versions: Option<Expr>,
    ) -> (Source, Option<Expr>) {
        let ids = Bind::Uuids(places.iter().map(|place| Some(place.id)).collect());
        let mut arrays = vec![self.binds.add(ids)];
        let mut columns = vec!["id".to_owned()];
        if let Some(versions) = versions {
            arrays.push(versions);
            columns.push("version".to_owned());
        }
        let mut own = None;
        if has_tenant(schema) {
            let tenant = match self.scope {
                Scope::Tenant(_) => self.set_tenant(),
                Scope::System => {
                    let tenants = places.iter().map(|place| place.tenant);
                    arrays.push(self.binds.add(uuids_of(tenants)));
                    columns.push("tenant_id".to_owned());
                    U.column("tenant_id")
                }
            };
            own = Some(C.column("tenant_id").eq(tenant));
        }
        (Source::Function(Expr::Call("unnest", arrays), columns), own)
    }

    // The tenant of the setting, where the setting is not itself in the FROM.
    fn set_tenant(&self) -> Expr {
        let select = Select::of([setting_tenant()]).from(Source::Part(S), S);
        Expr::Scalar(Box::new(select))
    }

    fn tenant_of(&mut self, tenant: Option<TenantId>) -> Expr {
        match self.scope {
            Scope::Tenant(_) => setting_tenant(),
            Scope::System => {
                let tenant = tenant.map_or_else(Uuid::nil, TenantId::uuid);
                self.binds.add(Bind::Uuid(Some(tenant)))
            }
        }
    }

    /// That no other record refers to those to be removed, also none that is removed with them.
    fn unreferred(
        &mut self,
        schema: &Schema,
        removals: &[Place],
        catalogue: &Catalogue,
    ) -> Vec<Expr> {
        let mut conditions = Vec::new();
        for other in catalogue.iter() {
            for field in other.fields() {
                if field.references.as_deref() != Some(schema.name()) {
                    continue;
                }
                let (places, own) = self.places(schema, removals, None);
                let mut select = Select::of([Expr::Sql("1")])
                    .from(places, U)
                    .from(Source::Table(other.name().to_owned()), C)
                    .filter(own);
                select.filter.push(C.column(field.column()).eq(U.column("id")));
                if other.name() == schema.name() {
                    select.filter.push(C.column("id").infix("<>", U.column("id")));
                }
                conditions.push(Expr::Exists(Box::new(select)).negated());
            }
        }
        conditions
    }

    /// What rows to write come from: the setting and the gate.
    fn begin(&self, select: Select) -> Select {
        let mut select = select;
        if matches!(self.scope, Scope::Tenant(_)) {
            select = select.from(Source::Part(S), S);
        }
        if self.gated {
            select = select.from(Source::Part(G), G).filter([G.column("ok")]);
        }
        select
    }

    fn rows(&mut self, schema: &Schema, rows: &[Row], changes: bool) -> Result<Insert> {
        let stored = columns(schema);
        let mut names: Vec<String> = Vec::with_capacity(stored.len() + 1);
        let mut items: Vec<Expr> = Vec::with_capacity(stored.len() + 1);
        let mut arrays: Vec<Expr> = Vec::new();
        let mut array_names: Vec<String> = Vec::new();
        let single = if let [row] = rows { Some(row) } else { None };
        if has_tenant(schema) {
            names.push("tenant_id".to_owned());
            let tenants = rows.iter().map(|row| row.record().tenant());
            items.push(match (self.scope, single) {
                (_, Some(row)) => self.tenant_of(row.record().tenant()),
                (Scope::Tenant(_), None) => setting_tenant(),
                (Scope::System, None) => {
                    arrays.push(self.binds.add(uuids_of(tenants)));
                    array_names.push("tenant_id".to_owned());
                    U.column("tenant_id")
                }
            });
        }
        for (i, column) in stored.iter().enumerate() {
            names.push(column.name(schema).into_owned());
            if let Some(row) = single {
                items.push(self.binds.add(encode(schema, *column, row)));
            } else {
                let (array, cast) = encode_column(schema, *column, rows)?;
                arrays.push(self.binds.add(array));
                let name = format!("c{i}");
                let value = U.column(name.clone());
                items.push(match cast {
                    None => value,
                    Some(cast) => value.suffix(cast),
                });
                array_names.push(name);
            }
        }
        let mut select = self.begin(Select::of(items));
        if single.is_none() {
            let rows = Source::Function(Expr::Call("unnest", arrays), array_names);
            select = select.from(rows, U);
        }
        let conflict = changes.then(|| Conflict {
            keys: if has_tenant(schema) { vec!["tenant_id", "id"] } else { vec!["id"] },
            set: stored
                .iter()
                .filter(|column| **column != Column::Field(crm_core::store::system::ID))
                .map(|column| {
                    let name = column.name(schema).into_owned();
                    (name.clone(), EXCLUDED.column(name))
                })
                .collect(),
        });
        Ok(Insert {
            table: schema.name().to_owned(),
            columns: names,
            rows: select,
            conflict,
            returning: vec![Expr::Sql("1")],
        })
    }

    fn delete(&mut self, schema: &Schema, removals: &[Place]) -> Delete {
        self.delete_by("id", schema, removals)
    }

    fn delete_by(&mut self, column: &str, schema: &Schema, removals: &[Place]) -> Delete {
        let (places, own) = self.places(schema, removals, None);
        let mut filter: Vec<Expr> = own.into_iter().collect();
        filter.push(C.column(column).eq(U.column("id")));
        filter.push(G.column("ok"));
        let using = [(Source::Part(G), G), (places, U)].map(|(source, alias)| From {
            join: Join::Cross,
            source,
            alias,
        });
        Delete { table: schema.name().to_owned(), using: using.into(), filter }
    }

    /// The entries of the tenant's own fields: those that came or changed with their value, those
    /// that went without one.
    fn entries(&mut self, groups: &[Group]) -> Insert {
        let all = || groups.iter().flat_map(|group| &group.entries);
        let octets = all().map(|(.., (_, _, value))| value.clone()).collect();
        let mut arrays = vec![
            self.binds.add(Bind::Uuids(all().map(|(_, id, _)| Some(*id)).collect())),
            self.binds.add(Bind::Ints(all().map(|(.., (field, ..))| Some(*field)).collect())),
            self.binds.add(Bind::Ints(all().map(|(.., (_, part, _))| Some(*part)).collect())),
            self.binds.add(Bind::ManyOctets(octets)),
        ];
        let mut columns = ["record_id", "field", "part", "value"].map(str::to_owned).to_vec();
        let tenant = match self.scope {
            Scope::Tenant(_) => setting_tenant(),
            Scope::System => {
                arrays.push(self.binds.add(uuids_of(all().map(|(tenant, ..)| *tenant))));
                columns.push("tenant_id".to_owned());
                U.column("tenant_id")
            }
        };
        let rest = ["record_id", "field", "part", "value"].map(|column| U.column(column));
        let items = std::iter::once(tenant).chain(rest);
        let rows = Source::Function(Expr::Call("unnest", arrays), columns);
        Insert {
            table: CUSTOM_VALUES.to_owned(),
            columns: ["tenant_id", "record_id", "field", "part", "value"].map(str::to_owned).into(),
            rows: self.begin(Select::of(items)).from(rows, U),
            conflict: Some(Conflict {
                keys: CUSTOM_VALUES_KEY.into(),
                set: vec![("value".to_owned(), EXCLUDED.column("value"))],
            }),
            returning: vec![Expr::Sql("1")],
        }
    }

    fn delete_entries(&mut self, schema: &Schema, removals: &[Place]) -> Delete {
        let mut delete = self.delete_by("record_id", schema, removals);
        CUSTOM_VALUES.clone_into(&mut delete.table);
        let (least, beyond) = numbers_of(schema);
        delete.filter.extend([
            C.column("field").infix(">=", self.binds.add(Bind::Int(Some(least)))),
            C.column("field").infix("<", self.binds.add(Bind::Int(Some(beyond)))),
        ]);
        delete
    }

    fn counts(&mut self, groups: &[Group], slot: i64) -> Insert {
        let mut growth: Vec<(Option<TenantId>, &str, i64)> = groups
            .iter()
            .flat_map(|group| {
                group.growth.iter().map(|(tenant, by)| (*tenant, group.schema.name(), *by))
            })
            .collect();
        growth.sort_unstable();
        let types = growth.iter().map(|(_, name, _)| Some((*name).to_owned())).collect();
        let by = growth.iter().map(|(_, _, by)| Some(*by)).collect();
        let mut arrays = vec![self.binds.add(Bind::Texts(types)), self.binds.add(Bind::Ints(by))];
        let mut columns = vec!["record_type".to_owned(), "n".to_owned()];
        let tenant = match self.scope {
            Scope::Tenant(_) => setting_tenant(),
            Scope::System => {
                let tenants = growth.iter().map(|(tenant, ..)| *tenant);
                arrays.push(self.binds.add(uuids_of(tenants)));
                columns.push("tenant_id".to_owned());
                U.column("tenant_id")
            }
        };
        let slot = self.binds.add(Bind::Int(Some(slot))).suffix("::int2");
        let items = [tenant, U.column("record_type"), slot, U.column("n")];
        let rows = Source::Function(Expr::Call("unnest", arrays), columns);
        Insert {
            table: "record_counts".to_owned(),
            columns: ["tenant_id", "record_type", "slot", "n"].map(str::to_owned).into(),
            rows: self.begin(Select::of(items)).from(rows, U),
            conflict: Some(Conflict {
                keys: vec!["tenant_id", "record_type", "slot"],
                set: vec![("n".to_owned(), C.column("n").infix("+", EXCLUDED.column("n")))],
            }),
            returning: vec![Expr::Sql("1")],
        }
    }

    fn counters(&mut self, counters: BTreeMap<&str, i64>) -> Insert {
        let names = counters.keys().map(|name| Some((*name).to_owned())).collect();
        let by = counters.values().map(|by| Some(*by)).collect();
        let arrays = vec![self.binds.add(Bind::Texts(names)), self.binds.add(Bind::Ints(by))];
        let columns = ["name", "value"].map(str::to_owned);
        let tenant = self.tenant_of(None);
        let items = [tenant, U.column("name"), U.column("value")];
        let rows = Source::Function(Expr::Call("unnest", arrays), columns.to_vec());
        let sum = C.column("value").infix("+", EXCLUDED.column("value"));
        Insert {
            table: "counters".to_owned(),
            columns: ["tenant_id", "name", "value"].map(str::to_owned).into(),
            rows: self.begin(Select::of(items)).from(rows, U),
            conflict: Some(Conflict {
                keys: vec!["tenant_id", "name"],
                set: vec![("value".to_owned(), sum)],
            }),
            returning: vec![C.column("name"), C.column("value")],
        }
    }
}

fn count_of(part: Alias) -> Expr {
    let count = Select::of([Expr::Sql("count(*)")]).from(Source::Part(part), part);
    Expr::Scalar(Box::new(count))
}

fn uuids_of(tenants: impl Iterator<Item = Option<TenantId>>) -> Bind {
    Bind::Uuids(tenants.map(|t| Some(t.map_or_else(Uuid::nil, TenantId::uuid))).collect())
}
