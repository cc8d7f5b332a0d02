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

/// What the records of a path are called: `/customers/tags/{id}/restore` has `tags`.
pub(super) fn noun(path: &str) -> String {
    let leading = path.split('/').take_while(|segment| !segment.starts_with('{'));
    spaced(leading.filter(|segment| !segment.is_empty()).last().unwrap_or_default())
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
    // An action on one record: the verb is in the path.
    if let ([.., of, parameter, action], "post", false) = (segments.as_slice(), method, creates)
        && is_parameter(parameter)
        && !is_parameter(action)
    {
        let of: String = singular(of).split('-').map(capitalised).collect();
        let mut action = action.split('-');
        let verb = action.next().unwrap_or_default();
        return format!("{verb}{of}{}", action.map(capitalised).collect::<String>());
    }
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
        assert_eq!(id("post", "/customers/{id}/restore"), "restoreCustomer");
        assert_eq!(id("get", "/custom-fields/{id}"), "getCustomField");
        assert_eq!(id("post", "/custom-fields/{id}/restore"), "restoreCustomField");
        assert_eq!(id("get", "/customers/stats"), "getCustomersStats");
        assert_eq!(id("post", "/auth/login"), "authLogin");
    }

    #[test]
    fn nouns_are_those_of_the_records() {
        assert_eq!(noun("/customers/tags/{id}/restore"), "tags");
        assert_eq!(noun("/custom-fields"), "custom fields");
    }
}
