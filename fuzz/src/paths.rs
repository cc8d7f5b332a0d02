//! Rewriting of paths: a tenant that was named is never lost, nothing is rewritten twice, and what
//! comes out is a path.

use crm_server::middleware::rewrite;
use poem::http::uri::PathAndQuery;

const TENANTS: &[&str] = &["tenants", "tenant", "organizations", "accounts"];

pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(uri) = text.parse::<PathAndQuery>() else { return };
    let path = uri.path();
    if !path.starts_with('/') {
        return;
    }
    let rewritten = rewrite(path);
    let (ours, tenant) = match &rewritten {
        Some(rewritten) => (rewritten.path.as_str(), rewritten.tenant.as_deref()),
        None => (path, None),
    };
    assert!(ours.starts_with('/'), "{path} became {ours}");
    let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
    let parsed: PathAndQuery = format!("{ours}{query}").parse().expect("still a path");
    assert_eq!((parsed.path(), parsed.query()), (ours, uri.query()));

    if let Some(tenant) = tenant {
        assert!(!tenant.contains('/'), "{tenant}");
        assert!(path.contains(tenant), "{path}: {tenant} was made up");
    } else if let Some(again) = rewrite(ours) {
        panic!("{path} became {ours}, which becomes {again:?}");
    }

    // The tenant stays what it was: taken out, or in its place.
    let inside = path.strip_prefix("/api/").map(|rest| rest.strip_prefix("v1/").unwrap_or(rest));
    let mut segments = inside.unwrap_or_default().split('/');
    let first = segments.next().unwrap_or_default();
    if let (true, Some(id), Some(_)) =
        (TENANTS.contains(&first), segments.next(), segments.next().filter(|rest| !rest.is_empty()))
    {
        let kept = format!("/api/v1/tenants/{id}/");
        assert!(tenant == Some(id) || ours.starts_with(&kept), "{path} became {rewritten:?}");
    }
    // Nothing else names one.
    assert!(tenant.is_none() || TENANTS.contains(&first), "{path} became {rewritten:?}");
}
