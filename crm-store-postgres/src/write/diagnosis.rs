//! Why a batch was rejected: the first operation at fault, in the order that
//! [`crm_core::store::semantics`] gives. PostgreSQL tells of the fault that it met first, which is
//! another one as soon as there are two.
//!
//! Looked for only once a batch has failed, as the system's role and with the tenant named in each
//! query. Somebody may have mended the fault by then; so finding none means to try again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crm_core::store::{
    Batch, Catalogue, FieldIndex, Operation, Record, Schema, Scoping, UniqueKey, Value,
    unique_values,
};
use crm_core::tenants::TenantId;
use crm_core::{Error, Rejection, Result};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use crate::connection::Pools;
use crate::read::scope::C;
use crate::rows::has_tenant;
use crate::sql::{Alias, Bind, Binds, Expr, Select, Source, Statement};
use crate::tables::names;

const U: Alias = Alias::named("u");

/// A record of a type, named in the catalogue, in a tenant.
type Target = (String, Option<TenantId>, Uuid);

/// The rejection that the batch deserves, if it still does.
///
/// # Errors
/// Those of the database.
pub(crate) async fn diagnose(
    pools: &Pools,
    catalogue: &Catalogue,
    batch: &Batch,
) -> Result<Option<Error>> {
    let diagnosis = Diagnosis { pools, catalogue, batch };
    let found = match diagnosis.stale().await? {
        None => match diagnosis.taken().await? {
            None => match diagnosis.missing().await? {
                None => diagnosis.referred().await?,
                found => found,
            },
            found => found,
        },
        found => found,
    };
    Ok(found.map(|(operation, reason)| Error::Rejected { operation, reason }))
}

struct Diagnosis<'a> {
    pools: &'a Pools,
    catalogue: &'a Catalogue,
    batch: &'a Batch,
}

type Fault = Option<(usize, Rejection)>;

impl Diagnosis<'_> {
    async fn stale(&self) -> Result<Fault> {
        let targets = self.batch.operations().iter().filter_map(|operation| {
            let (schema, record) = operation.before().or_else(|| operation.after())?;
            Some((schema.name().to_owned(), record.tenant(), record.id()))
        });
        let versions = self.versions(targets).await?;
        for (position, operation) in self.batch.operations().iter().enumerate() {
            let Some((schema, record)) = operation.before().or_else(|| operation.after()) else {
                continue;
            };
            let target = (schema.name().to_owned(), record.tenant(), record.id());
            let reason = match (operation.before(), versions.get(&target)) {
                (None, None) => continue,
                (None, Some(_)) => Rejection::Taken("id".to_owned()),
                (Some((_, before)), Some(version)) if *version == before.version() => continue,
                (Some(_), _) => Rejection::Stale,
            };
            return Ok(Some((position, reason)));
        }
        Ok(None)
    }

    /// The versions of those records that are there.
    async fn versions(
        &self,
        targets: impl Iterator<Item = Target>,
    ) -> Result<HashMap<Target, i64>> {
        let mut by_type: HashMap<String, Vec<(Option<TenantId>, Uuid)>> = HashMap::new();
        for (name, tenant, id) in targets {
            by_type.entry(name).or_default().push((tenant, id));
        }
        let mut versions = HashMap::new();
        for (name, places) in by_type {
            let Some(schema) = self.catalogue.get(&name) else { continue };
            let mut binds = Binds::default();
            let mut select = Select::of([C.column("id"), C.column("version")]);
            if has_tenant(schema) {
                select.items.push((C.column("tenant_id"), None));
            }
            select = self.join_places(select, schema, schema, "id", &places, &mut binds);
            for row in self.rows(select, binds).await? {
                let tenant =
                    if has_tenant(schema) { Some(TenantId::new(get(&row, 2)?)) } else { None };
                versions.insert((name.clone(), tenant, get(&row, 0)?), get::<i64>(&row, 1)?);
            }
        }
        Ok(versions)
    }

    // Rows of `other` whose `column` is one of these identifiers of `schema`.
    fn join_places(
        &self,
        select: Select,
        schema: &Schema,
        other: &Schema,
        column: &str,
        places: &[(Option<TenantId>, Uuid)],
        binds: &mut Binds,
    ) -> Select {
        let ids = places.iter().map(|(_, id)| Some(*id)).collect();
        let mut arrays = vec![binds.add(Bind::Uuids(ids))];
        let mut columns = vec!["id".to_owned()];
        let mut conditions = vec![C.column(column).eq(U.column("id"))];
        if has_tenant(schema) {
            let tenants = places.iter().map(|(tenant, _)| tenant.map(TenantId::uuid)).collect();
            arrays.push(binds.add(Bind::Uuids(tenants)));
            columns.push("tenant_id".to_owned());
            conditions.insert(0, C.column("tenant_id").eq(U.column("tenant_id")));
        }
        select
            .from(Source::Function(Expr::Call("unnest", arrays), columns), U)
            .from(Source::Table(other.name().to_owned()), C)
            .filter(conditions)
    }

    async fn taken(&self) -> Result<Fault> {
        let mut claims: HashMap<(String, usize), Vec<Claim>> = HashMap::new();
        let mut claimed = HashSet::new();
        let mut first: Option<(usize, usize)> = None;
        for (position, operation) in self.batch.operations().iter().enumerate() {
            let Some((schema, record)) = operation.after() else { continue };
            for (number, key) in schema.unique().iter().enumerate() {
                let Some(values) = unique_values(schema, &key.fields, record) else { continue };
                let mark = format!("{values:?}");
                if !claimed.insert((schema.name(), record.tenant(), number, mark)) {
                    first = least(first, (position, number));
                }
                let claim = Claim { position, tenant: record.tenant(), id: record.id(), values };
                claims.entry((schema.name().to_owned(), number)).or_default().push(claim);
            }
        }
        for ((name, number), claims) in &claims {
            let Some(schema) = self.catalogue.get(name) else { continue };
            let key = &schema.unique()[*number];
            if let Some(position) = self.first_taken(schema, key, claims).await? {
                first = least(first, (position, *number));
            }
        }
        let Some((position, number)) = first else { return Ok(None) };
        let operation = self.batch.operations().get(position).and_then(Operation::after);
        let key = operation.and_then(|(schema, _)| schema.unique().get(number));
        Ok(key.map(|key| (position, Rejection::Taken(key.name.to_string()))))
    }

    async fn first_taken(
        &self,
        schema: &Schema,
        key: &UniqueKey,
        claims: &[Claim],
    ) -> Result<Option<usize>> {
        let mut binds = Binds::default();
        let positions = claims.iter().map(|claim| Some(claim.position as i64)).collect();
        let ids = claims.iter().map(|claim| Some(claim.id)).collect();
        let mut arrays = vec![binds.add(Bind::Ints(positions)), binds.add(Bind::Uuids(ids))];
        let mut columns = vec!["n".to_owned(), "id".to_owned()];
        let mut conditions = vec![
            C.column("deleted_at").suffix("IS NULL"),
            C.column("id").infix("<>", U.column("id")),
        ];
        if has_tenant(schema) {
            let tenants = claims.iter().map(|claim| claim.tenant.map(TenantId::uuid)).collect();
            arrays.push(binds.add(Bind::Uuids(tenants)));
            columns.push("tenant_id".to_owned());
            conditions.push(C.column("tenant_id").eq(U.column("tenant_id")));
        }
        for (i, field) in key.fields.iter().enumerate() {
            let field = schema.field(*field);
            let values: Vec<Value> = claims.iter().map(|claim| claim.values[i].clone()).collect();
            arrays.push(binds.add(crate::read::array(field.kind, &values)));
            let name = format!("k{i}");
            let column = C.column(names::compared_column(field));
            conditions.push(column.eq(U.column(name.clone())));
            columns.push(name);
        }
        let select = Select::of([Expr::Sql("min(u.n)")])
            .from(Source::Function(Expr::Call("unnest", arrays), columns), U)
            .from(Source::Table(schema.name().to_owned()), C)
            .filter(conditions);
        let rows = self.rows(select, binds).await?;
        let first = rows.first().map(|row| get::<Option<i64>>(row, 0)).transpose()?.flatten();
        Ok(first.and_then(|position| usize::try_from(position).ok()))
    }

    async fn missing(&self) -> Result<Fault> {
        let references: Vec<(usize, FieldIndex, Target)> = self.references().collect();
        let there = self.versions(references.iter().map(|(.., target)| target.clone())).await?;
        let inserted: HashSet<Target> = self
            .batch
            .operations()
            .iter()
            .filter_map(|operation| match operation {
                Operation::Insert { schema, record } => {
                    Some((schema.name().to_owned(), record.tenant(), record.id()))
                }
                _ => None,
            })
            .collect();
        let missing = references
            .iter()
            .find(|(.., target)| !there.contains_key(target) && !inserted.contains(target));
        let Some((position, field, _)) = missing else { return Ok(None) };
        let after = self.batch.operations().get(*position).and_then(Operation::after);
        Ok(after.map(|(schema, _)| {
            let name = schema.field(*field).name.to_string();
            (*position, Rejection::MissingReference(name))
        }))
    }

    /// What the records written by the batch refer to.
    fn references(&self) -> impl Iterator<Item = (usize, FieldIndex, Target)> + '_ {
        self.batch.operations().iter().enumerate().flat_map(move |(position, operation)| {
            let after = operation.after().into_iter();
            after.flat_map(move |(schema, record)| {
                self.references_of(schema, record)
                    .map(move |(field, target)| (position, field, target))
            })
        })
    }

    fn references_of<'r>(
        &'r self,
        schema: &'r Arc<Schema>,
        record: &'r Record,
    ) -> impl Iterator<Item = (FieldIndex, Target)> + 'r {
        (0..).zip(schema.fields()).filter_map(|(i, field)| {
            let target = self.catalogue.get(field.references.as_deref()?)?;
            let Value::Uuid(id) = record.get(i) else { return None };
            let tenant = match target.scoping() {
                Scoping::Tenant => record.tenant(),
                Scoping::Global => None,
            };
            Some((i, (target.name().to_owned(), tenant, *id)))
        })
    }

    async fn referred(&self) -> Result<Fault> {
        let mut written: HashMap<Target, HashSet<&str>> = HashMap::new();
        for (position, _, target) in self.references() {
            let after = self.batch.operations().get(position).and_then(Operation::after);
            if let Some((schema, _)) = after {
                written.entry(target).or_default().insert(schema.name());
            }
        }
        for (position, operation) in self.batch.operations().iter().enumerate() {
            let Operation::Remove { schema, before } = operation else { continue };
            let target = (schema.name().to_owned(), before.tenant(), before.id());
            for other in self.catalogue.iter() {
                let new = written.get(&target).is_some_and(|from| from.contains(other.name()));
                if new || self.refers(other, schema, before).await? {
                    return Ok(Some((position, Rejection::Referenced(other.name().to_owned()))));
                }
            }
        }
        Ok(None)
    }

    /// Whether another record of a type refers to this one.
    async fn refers(&self, other: &Schema, schema: &Schema, record: &Record) -> Result<bool> {
        for field in other.fields() {
            if field.references.as_deref() != Some(schema.name()) {
                continue;
            }
            let mut binds = Binds::default();
            let place = [(record.tenant(), record.id())];
            let select = Select::of([Expr::Sql("1")]);
            let column = field.column();
            let mut select = self.join_places(select, schema, other, column, &place, &mut binds);
            if other.name() == schema.name() {
                select.filter.push(C.column("id").infix("<>", U.column("id")));
            }
            select.limit = Some(Expr::Number(1));
            if !self.rows(select, binds).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn rows(&self, select: Select, binds: Binds) -> Result<Vec<PgRow>> {
        let statement = Statement { parts: Vec::new(), select };
        self.pools.ask(&self.pools.system, &statement, binds).await
    }
}

struct Claim {
    position: usize,
    tenant: Option<TenantId>,
    id: Uuid,
    values: Vec<Value>,
}

fn least(known: Option<(usize, usize)>, new: (usize, usize)) -> Option<(usize, usize)> {
    Some(known.map_or(new, |known| known.min(new)))
}

fn get<'r, T>(row: &'r PgRow, i: usize) -> Result<T>
where
    T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    row.try_get(i).map_err(|error| Error::internal(format!("{error}")))
}
