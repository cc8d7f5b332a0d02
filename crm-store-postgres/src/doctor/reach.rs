//! Ways to the rows that lead past the tables' own grants.

use crm_core::Result;
use crm_core::store::Catalogue;
use sqlx::PgConnection;

use super::{Check, Finding, fails, get, rows, rows_about};
use crate::check::declared;

pub(super) async fn default_privileges(connection: &mut PgConnection) -> Check {
    const PROVES: &str = "a table or function that comes to be is nobody's but its owner's";
    Check::of("default-privileges", PROVES, granted(connection).await)
}

async fn granted(connection: &mut PgConnection) -> Result<Vec<Finding>> {
    // Everybody may call a new function by PostgreSQL's own default, which stands in no row.
    let sql = "SELECT pg_get_userbyid(defaclrole)::text AS maker,
               coalesce(rolname::text, 'everybody') AS grantee,
               privilege_type::text AS privilege,
               CASE defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences'
                    WHEN 'f' THEN 'functions' WHEN 'T' THEN 'types' ELSE 'schemas' END AS kind
        FROM pg_default_acl d
        LEFT JOIN pg_namespace n ON n.oid = defaclnamespace
        CROSS JOIN LATERAL aclexplode(defaclacl) acl
        LEFT JOIN pg_roles r ON r.oid = acl.grantee
        WHERE acl.grantee <> defaclrole AND (defaclnamespace = 0 OR nspname = 'public')
          AND defaclobjtype <> 'T'
          AND NOT (defaclobjtype = 'f' AND acl.grantee = 0 AND defaclnamespace = 0)
        ORDER BY 1, 2, 3";
    let mut findings = Vec::new();
    for row in rows(connection, sql).await? {
        let (maker, grantee): (String, String) = (get(&row, "maker")?, get(&row, "grantee")?);
        let (privilege, kind): (String, String) = (get(&row, "privilege")?, get(&row, "kind")?);
        findings.push(fails(format!(
            "{grantee} gets {privilege} on all {kind} that {maker} makes: ALTER DEFAULT \
             PRIVILEGES FOR ROLE {maker} REVOKE it"
        )));
    }
    Ok(findings)
}

pub(super) async fn views(connection: &mut PgConnection, catalogue: &Catalogue) -> Check {
    const PROVES: &str = "no view shows rows of the tables past row security";
    Check::of("views", PROVES, exposing(connection, catalogue).await)
}

async fn exposing(connection: &mut PgConnection, catalogue: &Catalogue) -> Result<Vec<Finding>> {
    let names: Vec<String> = declared(catalogue).into_iter().map(|table| table.name).collect();
    let sql = "SELECT DISTINCT v.oid::regclass::text AS view_name, v.relkind = 'm' AS stored,
               t.relname::text AS table_name, coalesce(g.rolname::text, 'everybody') AS grantee
        FROM pg_class v
        JOIN pg_rewrite w ON w.ev_class = v.oid
        JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
             AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> v.oid
        JOIN pg_class t ON t.oid = d.refobjid
        CROSS JOIN LATERAL aclexplode(coalesce(v.relacl, acldefault('r', v.relowner))) acl
        LEFT JOIN pg_roles g ON g.oid = acl.grantee
        WHERE v.relkind IN ('v', 'm') AND acl.grantee <> v.relowner
          AND t.relnamespace = 'public'::regnamespace AND t.relname = ANY($1::text[])
          AND NOT coalesce(v.reloptions::text ~* 'security_invoker=(true|on|1|yes)', false)
        ORDER BY 1, 3, 4";
    let mut findings = Vec::new();
    for row in rows_about(connection, sql, &names).await? {
        let (view, table): (String, String) = (get(&row, "view_name")?, get(&row, "table_name")?);
        let grantee: String = get(&row, "grantee")?;
        let how = match get(&row, "stored")? {
            true => "holds a copy of rows",
            false => "reads as its owner; make it WITH (security_invoker)",
        };
        findings.push(fails(format!("view {view} of {table}, open to {grantee}, {how}")));
    }
    Ok(findings)
}
