//! Names made of paths: tags, operation ids, and the nouns in summaries.

/// `custom-fields` as `custom fields`.
pub(super) fn spaced(segment: &str) -> String {
    segment.replace('-', " ")
}

/// The first letter in upper case.
pub(super) fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// One of many: `companies` as `company`.
pub(super) fn singular(plural: &str) -> String {
    match plural {
        _ if plural.ends_with("ies") => format!("{}y", &plural[..plural.len() - 3]),
        _ if plural.ends_with("sses") || plural.ends_with("xes") => {
            plural[..plural.len() - 2].to_owned()
        }
        _ if plural.ends_with('s') && !plural.ends_with("ss") => {
            plural[..plural.len() - 1].to_owned()
        }
        _ => plural.to_owned(),
    }
}

/// `PUT /customers/{id}` as `replaceCustomer`, `GET /customers/stats` as `getCustomersStats`.
pub(super) fn operation_id(method: &str, path: &str, lists: bool, creates: bool) -> String {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let is_parameter = |segment: &str| segment.starts_with('{');
    let of_one = segments.last().is_some_and(|last| is_parameter(last));
    let verb = match method {
        "get" if lists && !of_one => "list",
        "get" => "get",
        "put" if of_one => "replace",
        "put" => "put",
        "patch" => "update",
        "delete" => "delete",
        _ if creates => "create",
        _ => "",
    };
    let mut words = String::new();
    for (i, segment) in segments.iter().enumerate() {
        if is_parameter(segment) {
            continue;
        }
        let followed = segments.get(i + 1).is_some_and(|next| is_parameter(next));
        let created = creates && i + 1 == segments.len();
        let name = if followed || created { singular(segment) } else { (*segment).to_owned() };
        words.extend(name.split('-').map(capitalised));
    }
    if verb.is_empty() {
        let mut chars = words.chars();
        return chars.next().map_or_else(String::new, |c| c.to_lowercase().chain(chars).collect());
    }
    format!("{verb}{words}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_like_calls() {
        let id = |method, path| {
            operation_id(
                method,
                path,
                path == "/customers",
                path == "/customers" && method == "post",
            )
        };
        assert_eq!(id("get", "/customers"), "listCustomers");
        assert_eq!(id("post", "/customers"), "createCustomer");
        assert_eq!(id("get", "/customers/{id}"), "getCustomer");
        assert_eq!(id("put", "/companies/{id}"), "replaceCompany");
        assert_eq!(id("post", "/customers/{id}/restore"), "customerRestore");
        assert_eq!(id("get", "/custom-fields/{id}"), "getCustomField");
        assert_eq!(id("get", "/customers/stats"), "getCustomersStats");
        assert_eq!(id("post", "/auth/login"), "authLogin");
    }
}
