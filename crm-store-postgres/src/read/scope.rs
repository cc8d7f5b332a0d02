//! Whose rows a statement sees.
//!
//! A statement for a tenant sets the setting that row security goes by, locally, in the same trip:
//!
//! ```sql
//! SELECT r.* FROM (SELECT set_config('app.tenant', $1, true)::uuid AS t OFFSET 0) s
//! CROSS JOIN LATERAL (SELECT … FROM customers c WHERE c.tenant_id = s.t … LIMIT 20) r
//! ```
//!
//! The inner query needs `s.t`, so the setting is made before a row is looked at; `OFFSET 0` and
//! `LIMIT` keep the planner from pulling either query up. Nothing stays behind on the connection.

use crm_core::store::{Filter, Schema, Scope, Scoping};
use crm_core::tenants::TenantId;

use crate::rows::has_tenant;
use crate::sql::{Alias, Bind, Binds, Expr, Select};

/// The setting, and its column.
pub(crate) const S: Alias = Alias::named("s");
const T: Alias = Alias::named("t");
/// The row that filters look at.
pub(crate) const C: Alias = Alias::named("c");
/// The rows of a nested query.
pub(crate) const R: Alias = Alias::named("r");

/// The query that makes the setting and gives the tenant.
pub(crate) fn setting(tenant: TenantId, binds: &mut Binds) -> Select {
    let tenant = binds.add(Bind::Text(Some(tenant.to_string())));
    let name = Expr::Sql("'app.tenant'");
    let set = Expr::Call("set_config", vec![name, tenant, Expr::Sql("true")]).suffix("::uuid");
    let mut select = Select::default().item(set, T);
    select.offset = Some(Expr::Number(0));
    select
}

/// The tenant that the setting names.
pub(crate) fn setting_tenant() -> Expr {
    S.column("t")
}

/// The condition that the row belongs to the tenant, where the statement is for one.
pub(crate) fn own(scope: Scope, schema: &Schema) -> Option<Expr> {
    match scope {
        Scope::Tenant(_) if has_tenant(schema) => Some(C.column("tenant_id").eq(setting_tenant())),
        _ => None,
    }
}

/// Whether records of the type lie in no tenant's sight: a tenant has no global records.
pub(crate) fn is_out_of_sight(scope: Scope, schema: &Schema) -> bool {
    matches!(scope, Scope::Tenant(_)) && schema.scoping() == Scoping::Global
}

/// Whether a filter looks at records of a global type, which the role of tenants may not read.
/// Such a statement runs as the system's role and names the tenant itself.
pub(crate) fn looks_beyond(filter: &Filter) -> bool {
    match filter {
        Filter::Related(_, target, filter) => {
            target.scoping() == Scoping::Global || looks_beyond(filter)
        }
        Filter::End(_, cases) => cases.iter().any(|(_, filter)| looks_beyond(filter)),
        Filter::And(filters) | Filter::Or(filters) => filters.iter().any(looks_beyond),
        Filter::Not(filter) => looks_beyond(filter),
        _ => false,
    }
}
