//! Names made of paths: tags, operation ids, and the nouns in summaries.

use serde_json::{Value, json};

/// The areas, in the order of the document, each with what it is about. One that is not here
/// comes behind them.
const AREAS: &[(&str, &str)] = &[
    ("Auth", "Signing up, in and out, and who one is."),
    ("Tenants", "The tenants that one is a member of, and their settings."),
    ("Users", "The members of a tenant, their roles and permissions, and invitations."),
    ("Teams", "Teams, their members and managers."),
    ("Customers", "Who buys: people and organisations, with their tags and figures."),
    ("Companies", "Firms that customers, leads and deals can belong to."),
    ("Relations", "Typed links between any two records."),
    ("Custom fields", "A tenant's own fields, by record type."),
    ("Leads", "Who may become a customer."),
    ("Deals", "What is being sold, and how far it has come."),
    ("Pipelines", "Pipelines of deals."),
    ("Pipeline stages", "The stages of pipelines."),
    ("Products", "Products, services and packages."),
    ("Employees", "The people who work for a tenant."),
    ("Vendors", "Suppliers."),
    ("Subscriptions", "Customers' products over time."),
    ("Payments", "Money that came in."),
    ("Installments", "Payments in parts."),
    ("Payment accounts", "Customers at payment providers."),
    ("Tickets", "Questions and complaints."),
    ("Contracts", "Contracts, their templates and renewals."),
    ("Follow ups", "Things to do by a date."),
    ("Dashboard", "Figures and reports."),
    ("Notifications", "What users are told, and how."),
    ("Files", "Files and their versions."),
    ("Audit", "Who did what."),
    ("Jobs", "Imports, exports and other long work."),
    ("Health", "Whether the server lives and can work."),
];

/// Operations whose path makes no good name.
const IDS: &[(&str, &str, &str)] = &[
    ("post", "/auth/signup", "signUp"),
    ("post", "/auth/login", "signIn"),
    ("post", "/auth/refresh", "refreshSession"),
    ("post", "/auth/logout", "signOut"),
    ("post", "/auth/login/mfa", "finishSignIn"),
    ("post", "/auth/change-email", "changeEmail"),
    ("delete", "/auth/change-email", "keepEmail"),
    ("post", "/auth/change-email/confirm", "confirmEmail"),
    ("post", "/auth/change-email/stop", "stopEmailChange"),
    ("post", "/auth/mfa/totp", "beginMfa"),
    ("delete", "/auth/mfa/totp", "removeMfa"),
    ("post", "/auth/mfa/totp/confirm", "confirmMfa"),
    ("post", "/auth/mfa/recovery-codes", "renewRecoveryCodes"),
    ("delete", "/users/{id}/mfa", "resetUserMfa"),
    ("get", "/auth/profile", "getProfile"),
    ("put", "/auth/profile", "replaceProfile"),
    ("get", "/auth/sessions", "listMySessions"),
    ("delete", "/auth/sessions", "endMyOtherSessions"),
    ("delete", "/auth/sessions/{id}", "endMySession"),
    ("get", "/auth/permissions", "getMyPermissions"),
    ("get", "/auth/roles", "listMyRoles"),
    ("get", "/health/live", "getLiveness"),
    ("get", "/health/ready", "getReadiness"),
    ("post", "/users/{id}/avatar", "uploadUserAvatar"),
];

/// `custom-fields` as `custom fields`.
pub(super) fn spaced(segment: &str) -> String {
    segment.replace('-', " ")
}

/// The first letter in upper case.
pub(super) fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// `custom fields` and `custom-fields` as `CustomFields`; other signs are left out.
pub(super) fn pascal(text: &str) -> String {
    text.split(|c: char| !c.is_ascii_alphanumeric()).map(capitalised).collect()
}

/// `X-Tenant-ID` as `xTenantID`.
pub(super) fn camel(text: &str) -> String {
    let text = pascal(text);
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// `lastName` as `last name`.
pub(super) fn from_camel(text: &str) -> String {
    let mut words = String::new();
    for c in text.chars() {
        if c.is_ascii_uppercase() {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
    }
    words.trim().to_owned()
}

/// `company` as `a company`, `employee` as `an employee`.
pub(super) fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
    format!("{article} {noun}")
}

/// One of many: `companies` as `company`.
pub(super) fn singular(plural: &str) -> String {
    match plural {
        _ if plural.ends_with("ies") => format!("{}y", &plural[..plural.len() - 3]),
        _ if plural.ends_with("sses") || plural.ends_with("xes") => {
            plural[..plural.len() - 2].to_owned()
        }
        _ if plural.ends_with('s') && !plural.ends_with("ss") && !plural.ends_with("us") => {
            plural[..plural.len() - 1].to_owned()
        }
        _ => plural.to_owned(),
    }
}

/// What is done to all of some records, or to many of them, and is no noun.
const ACTIONS: &[&str] = &["bulk", "bulk-update", "export"];

/// What the records of a path are called: `/customers/tags/{id}/restore` has `tags`.
pub(super) fn noun(path: &str) -> String {
    let is_noun = |segment: &&str| !segment.starts_with('{') && !ACTIONS.contains(segment);
    let leading = path.split('/').take_while(is_noun);
    spaced(leading.filter(|segment| !segment.is_empty()).last().unwrap_or_default())
}

/// The names of a path's parameters.
pub(super) fn parameters(path: &str) -> Vec<&str> {
    let names =
        path.split('/').filter_map(|s| s.strip_prefix('{').and_then(|s| s.strip_suffix('}')));
    names.collect()
}

/// What a path's parameter is one of: of `/customers/{id}`, `id` is one of the `customers`.
pub(super) fn before(path: &str, parameter: &str) -> String {
    let segments: Vec<&str> = path.split('/').collect();
    let at = segments.iter().position(|segment| *segment == format!("{{{parameter}}}"));
    let before = at.and_then(|at| segments.get(at.checked_sub(1)?));
    before.copied().unwrap_or_default().to_owned()
}

/// The area of a path.
pub(super) fn tag(path: &str) -> String {
    let first = path.split('/').find(|segment| !segment.is_empty()).unwrap_or_default();
    capitalised(&spaced(first))
}

/// The areas that there are, in their order, with what they are about.
pub(super) fn in_order(mut tags: Vec<String>) -> Value {
    let place = |tag: &String| AREAS.iter().position(|(name, _)| name == tag);
    tags.sort_by_key(|tag| (place(tag).unwrap_or(AREAS.len()), tag.clone()));
    let described = |tag: String| {
        let known = place(&tag).and_then(|at| AREAS.get(at)).map(|(_, about)| (*about).to_owned());
        let about = known.unwrap_or_else(|| format!("Everything about {}.", tag.to_lowercase()));
        json!({"name": tag, "description": about})
    };
    tags.into_iter().map(described).collect()
}

/// `PUT /customers/{id}` as `replaceCustomer`, `GET /customers/stats` as `getCustomerStats`.
pub(super) fn operation_id(method: &str, path: &str, lists: bool, creates: bool) -> String {
    if let Some((.., id)) = IDS.iter().find(|(m, p, _)| *m == method && *p == path) {
        return (*id).to_owned();
    }
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    // What is under `/auth` is one's own.
    let segments = match segments.split_first() {
        Some((&"auth", own)) if !own.is_empty() => own,
        _ => &segments,
    };
    let Some((last, leading)) = segments.split_last() else { return method.to_owned() };
    let is_parameter = |segment: &str| segment.starts_with('{');
    if method == "post" && !creates && !is_parameter(last) {
        return action(leading, last);
    }
    let plural = nouns(leading, false);
    let some = match (method, *last) {
        ("get", "search") => Some(format!("search{plural}")),
        ("get", "mine") => Some(format!("listMy{plural}")),
        ("get", "export") => Some(format!("export{plural}")),
        _ => None,
    };
    if let Some(id) = some.filter(|_| !leading.is_empty()) {
        return id;
    }
    let of_one = is_parameter(last);
    let verb = match method {
        "get" if lists && !of_one => "list",
        "get" => "get",
        "put" => "replace",
        "patch" => "update",
        "delete" => "delete",
        _ => "create",
    };
    format!("{verb}{}", nouns(segments, creates || of_one))
}

/// The nouns of a path: each one of many, but for the last, unless it is one too.
fn nouns(segments: &[&str], one: bool) -> String {
    let named: Vec<&&str> = segments.iter().filter(|segment| !segment.starts_with('{')).collect();
    let count = named.len();
    let each = named.into_iter().enumerate().map(|(i, segment)| {
        let single = one || i + 1 < count;
        pascal(&if single { singular(segment) } else { (*segment).to_owned() })
    });
    each.collect()
}

/// An action's name begins with its verb, which is the last of the path.
fn action(leading: &[&str], last: &str) -> String {
    let mut words = last.split('-');
    let verb = words.next().unwrap_or_default();
    let rest: String = words.map(capitalised).collect();
    let of_one = leading.last().is_some_and(|segment| segment.starts_with('{'));
    match leading {
        [] => format!("{verb}{rest}"),
        [of @ .., "bulk"] => format!("bulk{}{}", pascal(last), nouns(of, false)),
        _ if verb == "bulk" => format!("bulk{rest}{}", nouns(leading, false)),
        _ => format!("{verb}{}{rest}", nouns(leading, of_one)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_like_calls() {
        for (method, path, id) in [
            ("list", "/customers", "listCustomers"),
            ("create", "/customers", "createCustomer"),
            ("get", "/customers/{id}", "getCustomer"),
            ("put", "/companies/{id}", "replaceCompany"),
            ("patch", "/users/{id}/status", "updateUserStatus"),
            ("post", "/customers/{id}/restore", "restoreCustomer"),
            ("post", "/users/{id}/reset-password", "resetUserPassword"),
            ("get", "/custom-fields/{id}", "getCustomField"),
            ("list", "/customers/tags", "listCustomerTags"),
            ("create", "/customers/tags", "createCustomerTag"),
            ("post", "/customers/tags/{id}/restore", "restoreCustomerTag"),
            ("create", "/customers/{id}/notes", "createCustomerNote"),
            ("delete", "/customers/{id}/notes/{noteId}", "deleteCustomerNote"),
            ("get", "/customers/stats", "getCustomerStats"),
            ("list", "/customers/search", "searchCustomers"),
            ("list", "/customers/mine", "listMyCustomers"),
            ("get", "/customers/export", "exportCustomers"),
            ("post", "/customers/import", "importCustomers"),
            ("post", "/customers/merge", "mergeCustomers"),
            ("post", "/customers/bulk/delete", "bulkDeleteCustomers"),
            ("post", "/users/bulk-update", "bulkUpdateUsers"),
            ("post", "/auth/login", "signIn"),
            ("post", "/auth/forgot-password", "forgotPassword"),
            ("list", "/auth/sessions", "listMySessions"),
        ] {
            let (lists, creates) = (method == "list", method == "create");
            let method = if lists {
                "get"
            } else if creates {
                "post"
            } else {
                method
            };
            assert_eq!(operation_id(method, path, lists, creates), id, "{method} {path}");
        }
    }

    #[test]
    fn nouns_are_those_of_the_records() {
        assert_eq!(noun("/customers/tags/{id}/restore"), "tags");
        assert_eq!(noun("/custom-fields"), "custom fields");
        assert_eq!(noun("/customers/bulk/delete"), "customers");
        assert_eq!(noun("/customers/tags/export"), "tags");
        assert_eq!(before("/customers/{id}/notes/{noteId}", "noteId"), "notes");
        assert_eq!(parameters("/customers/{id}/notes/{noteId}"), ["id", "noteId"]);
        assert_eq!(with_article("employee"), "an employee");
        assert_eq!(with_article("user"), "a user");
    }

    #[test]
    fn areas_come_in_their_order_and_a_new_one_behind_them() {
        let tags = in_order(vec!["Zeppelins".into(), "Health".into(), "Auth".into()]);
        let names: Vec<_> = tags.as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
        assert_eq!(names, ["Auth", "Health", "Zeppelins"]);
    }
}
