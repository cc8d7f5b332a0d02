//! The tables: as declared, and, whatever is declared, apart from each other by tenant.

use crm_core::Result;
use crm_core::store::Catalogue;
use sqlx::PgConnection;

use super::{Check, Finding, fails, get, row, rows, rows_about, warns};
use crate::check::{Aspect, Deviation, declared, deviations};
use crate::roles::{APP_ROLE, SYSTEM_ROLE};
use crate::tables::names;

const SHAPE: (&str, &str) =
    ("tables", "each table is there, with the columns that its record type declares");
const KEYS: (&str, &str) = (
    "keys",
    "primary keys, unique keys and references are as declared, and those of tenants are led by \
     the tenant",
);
const INDEXES: (&str, &str) = ("indexes", "the indexes that lists and searches need are there");
const ROW_SECURITY: (&str, &str) = (
    "row-security",
    "each table of tenants forces row security, under a policy that binds rows to their tenant",
);
const GRANTS: (&str, &str) =
    ("grants", "nobody but crm_app, crm_system and the owner reaches the tables");
const FUNCTIONS: (&str, &str) = (
    "functions",
    "functions that run as their owner fix their search path, and not everybody may call them",
);

pub(super) async fn checks(connection: &mut PgConnection, catalogue: &Catalogue) -> Vec<Check> {
    let deviations = match deviations(connection, catalogue).await {
        Ok(deviations) => deviations,
        Err(error) => {
            let mut check = Check::new(SHAPE.0, SHAPE.1);
            check.fail(format!("the database cannot be asked: {error}"));
            return vec![check];
        }
    };
    let names: Vec<String> = declared(catalogue).into_iter().map(|table| table.name).collect();
    let keys = keys(connection).await;
    let security = row_security(connection, &names).await;
    let grants = grants(connection, catalogue).await;
    let functions = functions(connection, &names).await;
    let nothing = Ok(Vec::new());
    [
        (SHAPE, Aspect::Shape, nothing.clone()),
        (KEYS, Aspect::Keys, keys),
        (INDEXES, Aspect::Indexes, nothing),
        (ROW_SECURITY, Aspect::RowSecurity, security),
        (GRANTS, Aspect::Grants, grants),
        (FUNCTIONS, Aspect::Functions, functions),
    ]
    .into_iter()
    .map(|((name, proves), aspect, more)| {
        let mut check = Check::of(name, proves, more);
        for deviation in deviations.iter().filter(|deviation| deviation.aspect == aspect) {
            check.fail(Deviation::to_string(deviation));
        }
        check
    })
    .collect()
}

// Whatever is declared: a unique key that is not led by the tenant tells one tenant of another's
// values.
async fn keys(connection: &mut PgConnection) -> Result<Vec<Finding>> {
    let sql = "SELECT c.relname::text AS table_name, i.relname::text AS index_name
        FROM pg_index x
        JOIN pg_class c ON c.oid = x.indrelid
        JOIN pg_class i ON i.oid = x.indexrelid
        JOIN pg_attribute t ON t.attrelid = c.oid AND t.attname = 'tenant_id'
        WHERE c.relnamespace = 'public'::regnamespace AND x.indisunique
          AND x.indkey[0] <> t.attnum
        ORDER BY 1, 2";
    let mut findings = Vec::new();
    for row in rows(connection, sql).await? {
        let (table, index): (String, String) = (get(&row, "table_name")?, get(&row, "index_name")?);
        findings.push(fails(format!("{table}: unique index {index} is not led by tenant_id")));
    }
    Ok(findings)
}

// Tables that nobody declared: a host's own, or somebody's copy.
async fn row_security(connection: &mut PgConnection, declared: &[String]) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let preset =
        row(connection, "SELECT coalesce(current_setting('app.tenant', true), '') <> '' AS preset")
            .await?;
    if get(&preset, "preset")? {
        findings.push(fails(
            "app.tenant is set by default, for the user or the database: a statement that names \
             no tenant sees that one's rows; ALTER ROLE or ALTER DATABASE … RESET app.tenant",
        ));
    }
    let sql = "SELECT c.oid::regclass::text AS table_name,
               relrowsecurity AND relforcerowsecurity AS forced,
               EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid) AS has_policy
        FROM pg_class c
        JOIN pg_namespace n ON n.oid = relnamespace
        JOIN pg_roles app ON app.rolname = 'crm_app'
        WHERE relkind IN ('r', 'p') AND nspname NOT IN ('pg_catalog', 'information_schema')
          AND nspname NOT LIKE 'pg\\_temp%' AND nspname NOT LIKE 'pg\\_toast%'
          AND NOT (nspname = 'public' AND relname = ANY($1::text[] || '_sqlx_migrations'::text))
          AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = c.oid AND deptype = 'e')
          AND (has_table_privilege(app.oid, c.oid, 'SELECT')
               OR has_any_column_privilege(app.oid, c.oid, 'SELECT'))
        ORDER BY 1";
    for row in rows_about(connection, sql, declared).await? {
        let table: String = get(&row, "table_name")?;
        if !get::<bool>(&row, "forced")? {
            findings.push(fails(format!(
                "{table}: it is no table of ours, {APP_ROLE} may read it, and it does not force \
                 row security"
            )));
        } else if !get::<bool>(&row, "has_policy")? {
            findings.push(warns(format!("{table}: it has no policy, so nobody sees a row of it")));
        }
    }
    Ok(findings)
}

async fn grants(connection: &mut PgConnection, catalogue: &Catalogue) -> Result<Vec<Finding>> {
    let declared = declared(catalogue);
    let mut names: Vec<String> = declared.iter().map(|table| table.name.clone()).collect();
    names.push("_sqlx_migrations".to_owned());
    let sql = "SELECT relname::text AS table_name, coalesce(rolname::text, 'everybody') AS grantee,
               privilege_type::text AS privilege, is_grantable
        FROM pg_class c
        CROSS JOIN LATERAL (
            SELECT * FROM aclexplode(coalesce(relacl, acldefault('r', relowner)))
            UNION
            SELECT e.* FROM pg_attribute a CROSS JOIN LATERAL aclexplode(a.attacl) e
            WHERE a.attrelid = c.oid AND NOT a.attisdropped) acl
        LEFT JOIN pg_roles r ON r.oid = acl.grantee
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
          AND relname = ANY($1::text[]) AND acl.grantee <> relowner
        ORDER BY 1, 2, 3";
    let mut findings = Vec::new();
    for row in rows_about(connection, sql, &names).await? {
        let table: String = get(&row, "table_name")?;
        let (grantee, privilege): (String, String) =
            (get(&row, "grantee")?, get(&row, "privilege")?);
        let of_tenants = declared.iter().find(|known| known.name == table).map(|t| t.tenant);
        let rights: &[&str] = match (grantee.as_str(), of_tenants) {
            (APP_ROLE, Some(true)) | (SYSTEM_ROLE, Some(_)) => {
                &["SELECT", "INSERT", "UPDATE", "DELETE"]
            }
            (APP_ROLE | SYSTEM_ROLE, None) => &["SELECT"],
            _ => &[],
        };
        if !rights.contains(&privilege.as_str()) {
            findings.push(fails(format!("{table}: {grantee} has {privilege}")));
        } else if get(&row, "is_grantable")? {
            findings.push(fails(format!("{table}: {grantee} may hand on {privilege}")));
        }
    }
    findings.extend(schema_grants(connection, &names).await?);
    Ok(findings)
}

// Who may make things in the schema can put theirs in the way of ours.
async fn schema_grants(connection: &mut PgConnection, names: &[String]) -> Result<Vec<Finding>> {
    let sql = "SELECT coalesce(rolname::text, 'everybody') AS grantee
        FROM pg_namespace n
        CROSS JOIN LATERAL aclexplode(coalesce(nspacl, acldefault('n', nspowner))) acl
        LEFT JOIN pg_roles r ON r.oid = acl.grantee
        WHERE nspname = 'public' AND privilege_type = 'CREATE' AND acl.grantee <> nspowner
          AND NOT EXISTS (SELECT FROM pg_class c
                          WHERE c.relnamespace = n.oid AND relname = ANY($1::text[])
                            AND relowner = acl.grantee)
        ORDER BY 1";
    let mut findings = Vec::new();
    for row in rows_about(connection, sql, names).await? {
        let grantee: String = get(&row, "grantee")?;
        findings.push(fails(format!("{grantee} may create objects in schema public")));
    }
    Ok(findings)
}

async fn functions(connection: &mut PgConnection, tables: &[String]) -> Result<Vec<Finding>> {
    // Ours run as a role that sees all tenants; their bodies are compared letter by letter.
    let ours: Vec<String> = tables.iter().map(|name| names::search_function(name)).collect();
    let sql = "SELECT p.oid::regprocedure::text AS name,
               coalesce((SELECT substring(setting FROM 13) FROM unnest(proconfig) AS setting
                         WHERE setting LIKE 'search\\_path=%'), '') AS search_path,
               EXISTS (SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) acl
                       WHERE acl.grantee = 0) AS by_anyone,
               EXISTS (SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) acl
                       WHERE acl.grantee <> proowner) AS by_others,
               (rolsuper OR rolbypassrls OR rolname = 'crm_system')
               AND NOT (nspname = 'public' AND proname = ANY($1::text[])) AS unbound,
               rolname::text AS owner
        FROM pg_proc p
        JOIN pg_namespace n ON n.oid = pronamespace
        JOIN pg_roles o ON o.oid = proowner
        WHERE prosecdef AND nspname NOT IN ('pg_catalog', 'information_schema')
          AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = p.oid AND deptype = 'e')
        ORDER BY 1";
    let mut findings = Vec::new();
    for row in rows_about(connection, sql, &ours).await? {
        let (name, owner): (String, String) = (get(&row, "name")?, get(&row, "owner")?);
        let path: String = get(&row, "search_path")?;
        let schemas: Vec<&str> = path.split(',').map(str::trim).collect();
        if path.is_empty() || path.contains("$user") {
            findings
                .push(fails(format!("{name} runs as {owner} and does not fix its search path")));
        } else if schemas.last() != Some(&"pg_temp") {
            // Unless it is named, it comes first.
            findings.push(fails(format!(
                "{name} runs as {owner}, and pg_temp is not the last in \
                 its search path"
            )));
        }
        if get(&row, "by_anyone")? {
            findings.push(fails(format!("{name} runs as {owner}, and everybody may call it")));
        } else if get(&row, "unbound")? && get(&row, "by_others")? {
            findings.push(fails(format!(
                "{name} runs as {owner}, whom row security does not bind, and others may call it"
            )));
        }
    }
    Ok(findings)
}
