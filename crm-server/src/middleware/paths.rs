//! The paths of the systems that this one replaces keep working: one table rewrites them, and
//! nothing is routed, coded or documented twice.

use std::sync::Arc;

use poem::http::Uri;
use poem::http::uri::PathAndQuery;
use poem::{Endpoint, IntoResponse, Request, Response, Result};

use super::{Choice, RequestContext};

/// Their word for a resource, and ours.
const WORDS: &[(&str, &str)] = &[
    ("clients", "customers"),
    ("sales", "deals"),
    ("packages", "products"),
    ("client-packages", "subscriptions"),
    ("stripe-customers", "payment-accounts"),
    ("organizations", "tenants"),
    ("accounts", "tenants"),
    ("tenant", "tenants"),
    ("roles", "users/roles"),
    ("permissions", "users/permissions"),
];

/// Whole paths, after the words.
const PATHS: &[(&str, &str)] = &[
    ("auth/me", "auth/profile"),
    ("users/me", "auth/profile"),
    ("customers/my_clients", "customers/mine"),
    ("customers/statistics", "customers/stats"),
    ("user-roles/my_roles", "auth/roles"),
];

/// What follows a record's identifier, after the words.
const ACTIONS: &[(&str, &str, &str)] =
    &[("users/roles/", "assign_permission", "permissions"), ("tenants/", "add_member", "members")];

/// What follows a tenant in a path and is the tenant's own, done by somebody at work in it.
/// Anything else is a resource in it.
const OF_A_TENANT: &[&str] = &["members"];

/// What follows a tenant in which nobody is at work.
const OF_A_DELETED_TENANT: &[&str] = &["restore"];

const BASE: &str = "/api/v1/";

/// Every path of the sources that is another one here, below the base: theirs, and ours.
pub fn aliases() -> impl Iterator<Item = (&'static str, &'static str)> {
    WORDS.iter().chain(PATHS).copied()
}

/// A path in our words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    /// The path, from the root.
    pub path: String,
    /// The tenant that stood before a resource.
    pub tenant: Option<String>,
}

/// The path in our words; none where it is so already.
///
/// ```
/// let rewritten = crm_server::middleware::rewrite("/api/clients/").unwrap();
/// assert_eq!(rewritten.path, "/api/v1/customers");
/// ```
pub fn rewrite(path: &str) -> Option<Rewritten> {
    let trimmed = match path.trim_end_matches('/') {
        "" => "/",
        trimmed => trimmed,
    };
    let inside = trimmed.strip_prefix("/api/").map(|rest| rest.strip_prefix("v1/").unwrap_or(rest));
    // Probes are configured by hand, and not all of them know our base.
    let probe = trimmed.starts_with("/health/").then(|| &trimmed[1..]);
    let Some(inside) = inside.or(probe).filter(|inside| *inside != "v1") else {
        let changed = trimmed.len() != path.len();
        return changed.then(|| Rewritten { path: trimmed.to_owned(), tenant: None });
    };
    let (mut tenant, mut ours) = (None, in_our_words(inside));
    if let Some(rest) = ours.strip_prefix("tenants/")
        && let Some((id, resource)) = rest.split_once('/')
        && !OF_A_DELETED_TENANT.contains(&resource)
    {
        tenant = Some(id.to_owned());
        if !OF_A_TENANT.contains(&resource) {
            ours = in_our_words(resource);
        }
    }
    let ours = format!("{BASE}{ours}");
    (ours != path || tenant.is_some()).then_some(Rewritten { path: ours, tenant })
}

fn in_our_words(path: &str) -> String {
    let (first, rest) =
        path.split_once('/').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let first = WORDS.iter().find(|(theirs, _)| *theirs == first).map_or(first, |(_, ours)| ours);
    let ours = rest.map_or_else(|| first.to_owned(), |rest| format!("{first}/{rest}"));
    if let Some((_, ours)) = PATHS.iter().find(|(theirs, _)| *theirs == ours) {
        return (*ours).to_owned();
    }
    for (records, theirs, action) in ACTIONS {
        if let Some((id, last)) = ours.strip_prefix(records).and_then(|rest| rest.split_once('/'))
            && last == *theirs
        {
            return format!("{records}{id}/{action}");
        }
    }
    ours
}

/// The tenant that the header names. One that is no text, and two at once, name none that anybody
/// is a member of: the request must not end in the tenant of the token.
fn header(request: &Request) -> Option<Choice> {
    let named = request.headers().get_all("x-tenant-id").iter();
    let named: Vec<_> = named.map(|id| String::from_utf8_lossy(id.as_bytes())).collect();
    (!named.is_empty()).then(|| Choice::Header(named.join(", ")))
}

pub(super) async fn apply<E: Endpoint>(next: Arc<E>, mut request: Request) -> Result<Response> {
    let mut choice = header(&request);
    if let Some(rewritten) = rewrite(request.uri().path()) {
        let text = match request.uri().query() {
            Some(query) => format!("{}?{query}", rewritten.path),
            None => rewritten.path,
        };
        let mut parts = request.uri().clone().into_parts();
        if let Ok(path) = PathAndQuery::try_from(text) {
            parts.path_and_query = Some(path);
            if let Ok(uri) = Uri::from_parts(parts) {
                *request.uri_mut() = uri;
            }
        }
        // The path says it more plainly than a header that a client sends with everything.
        choice = rewritten.tenant.map(Choice::Path).or(choice);
    }
    if let (Some(choice), Some(context)) = (choice, request.data::<Arc<RequestContext>>()) {
        // Set once, here.
        let _ = context.chosen.set(choice);
    }
    next.call(request).await.map(IntoResponse::into_response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(path: &str) -> String {
        rewrite(path).map_or_else(|| format!("{path} as it is"), |rewritten| rewritten.path)
    }

    #[test]
    fn the_words_of_the_sources_become_ours() {
        for (theirs, ours) in [
            ("/api/v1/clients", "/api/v1/customers"),
            ("/api/clients/7/", "/api/v1/customers/7"),
            ("/api/v1/sales/7/stage", "/api/v1/deals/7/stage"),
            ("/api/organizations/", "/api/v1/tenants"),
            ("/api/accounts", "/api/v1/tenants"),
            ("/api/v1/roles", "/api/v1/users/roles"),
            ("/api/v1/permissions", "/api/v1/users/permissions"),
            ("/api/v1/stripe-customers", "/api/v1/payment-accounts"),
            ("/api/v1/client-packages/3", "/api/v1/subscriptions/3"),
            ("/api/v1/packages", "/api/v1/products"),
            ("/api/v1/auth/me", "/api/v1/auth/profile"),
            ("/api/users/me/", "/api/v1/auth/profile"),
            ("/api/customers", "/api/v1/customers"),
            ("/api/roles/7/assign_permission/", "/api/v1/users/roles/7/permissions"),
            ("/api/organizations/9/add_member/", "/api/v1/tenants/9/members"),
            ("/api/organizations/9/restore", "/api/v1/tenants/9/restore"),
            ("/api/user-roles/my_roles/", "/api/v1/auth/roles"),
            ("/docs/", "/docs"),
            ("/health/live", "/api/v1/health/live"),
        ] {
            assert_eq!(path(theirs), ours);
        }
    }

    #[test]
    fn our_own_paths_stay_as_they_are() {
        for ours in
            ["/api/v1/customers", "/api/v1/customers/7/tags", "/", "/docs", "/api/v1", "/api"]
        {
            assert_eq!(rewrite(ours), None, "{ours}");
        }
    }

    #[test]
    fn a_tenant_before_a_resource_is_taken_out() {
        for theirs in ["/api/tenant/9/customers/7", "/api/v1/tenants/9/clients/7/"] {
            let rewritten = rewrite(theirs).unwrap();
            assert_eq!(rewritten.path, "/api/v1/customers/7");
            assert_eq!(rewritten.tenant.as_deref(), Some("9"));
        }
    }

    #[test]
    fn what_is_the_tenants_own_stays_with_it() {
        assert_eq!(rewrite("/api/v1/tenants/9"), None);
        assert_eq!(rewrite("/api/v1/tenants/9/restore"), None);
        let members = Rewritten {
            path: "/api/v1/tenants/9/members".into(),
            // Who reads or adds members works there.
            tenant: Some("9".into()),
        };
        for path in ["/api/v1/tenants/9/members", "/api/organizations/9/members/"] {
            assert_eq!(rewrite(path), Some(members.clone()));
        }
    }
}
