//! What an API key reaches: decided here for every operation, by its method and path, and told in
//! the document.
//!
//! A key is for records. Whatever gives, shows or takes credentials and rights is for people who
//! have signed in, whatever the scopes: whoever finds a key must not be able to stay, to become
//! somebody else, or to let others in. What is new under a path that is named here is out of
//! reach until somebody says otherwise.

use poem::http::StatusCode;
use poem::{PathPattern, Request};

use super::error::{ApiError, Fault};
use crate::openapi::BASE;

/// Whether keys reach an operation: its method in whatever case, and its path below the base.
pub fn is_reached(method: &str, path: &str) -> bool {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let reads = method.eq_ignore_ascii_case("get") || method.eq_ignore_ascii_case("head");
    match segments.as_slice() {
        ["auth", "profile" | "permissions" | "roles"] => reads,
        // Passwords, sessions, keys, second factors, other tenants.
        ["auth", ..] => false,
        ["tenants", _] => reads || method.eq_ignore_ascii_case("patch"),
        ["tenants", _, "members"] => reads,
        // Deleting them, bringing them back, founding more; and which there are besides its own.
        ["tenants", ..] => false,
        // Roles and invitations.
        ["users", "roles" | "invitations", ..] => false,
        ["users"] | ["users", _] => reads,
        // Who may do what, and who may come in.
        ["users", ..] => false,
        // Whoever manages a team reaches its records.
        ["teams"] | ["teams", _] => reads,
        ["teams", ..] | ["access", ..] => false,
        _ => true,
    }
}

/// Refuses a request by a key to what no key reaches, and to routes of a host's own, of which
/// nothing is known here.
pub(super) fn check(request: &Request) -> Result<(), ApiError> {
    // As it was routed, not as it was written.
    let pattern = request.data::<PathPattern>().map(|pattern| &*pattern.0);
    let below = pattern.and_then(|pattern| pattern.rsplit_once(BASE)).map(|(_, below)| below);
    let below = below.filter(|below| below.is_empty() || below.starts_with('/'));
    match below {
        Some(path) if is_reached(request.method().as_str(), path) => Ok(()),
        _ => Err(refused()),
    }
}

/// What a key must not do.
pub(super) fn refused() -> ApiError {
    let fault = Fault::new("NOT_BY_KEY", "an API key cannot do that: sign in");
    ApiError::new(StatusCode::FORBIDDEN, fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_reach_records_and_who_one_is() {
        for (method, path) in [
            ("get", "/customers"),
            ("POST", "/customers/bulk/delete"),
            ("delete", "/customers/tags/{id}"),
            ("get", "/auth/profile"),
            ("get", "/auth/permissions"),
            ("get", "/users/{id}"),
            ("get", "/users/permissions"),
            ("get", "/users/export"),
            ("get", "/tenants/{tenantId}"),
            ("patch", "/tenants/:tenantId"),
            ("get", "/teams/{id}"),
        ] {
            assert!(is_reached(method, path), "{method} {path}");
        }
    }

    #[test]
    fn keys_reach_no_credentials_and_no_rights() {
        for (method, path) in [
            ("get", "/auth/api-keys"),
            ("post", "/auth/api-keys"),
            ("delete", "/auth/api-keys/{id}"),
            ("put", "/auth/profile"),
            ("get", "/auth/sessions"),
            ("post", "/auth/change-password"),
            ("post", "/auth/mfa/totp"),
            ("post", "/auth/switch-tenant"),
            ("post", "/auth/whatever-comes"),
            ("get", "/tenants"),
            ("post", "/tenants"),
            ("delete", "/tenants/{tenantId}"),
            ("post", "/tenants/{tenantId}/restore"),
            ("post", "/tenants/{tenantId}/members"),
            ("get", "/users/roles"),
            ("delete", "/users/roles/{id}/permissions/{permission}"),
            ("get", "/users/invitations"),
            ("get", "/users/{id}/permissions"),
            ("put", "/users/{id}/permissions"),
            ("get", "/users/{id}/api-keys"),
            ("post", "/users"),
            ("patch", "/users/{id}"),
            ("patch", "/users/{id}/status"),
            ("post", "/users/bulk-update"),
            ("put", "/teams/{id}"),
        ] {
            assert!(!is_reached(method, path), "{method} {path}");
        }
    }
}
