//! What is refused, and how it is said.

use super::*;

#[test]
fn what_cannot_be_read_in_an_expression_is_refused_at_its_place() {
    for (text, code, says) in [
        (
            "stats = open",
            "UNKNOWN_FIELD",
            "deals have no field stats; did you mean status? (at character 1)",
        ),
        ("status = open AND colour = red", "UNKNOWN_FIELD", "(at character 19)"),
        ("größe = 1", "UNKNOWN_FIELD", "known are id, version"),
        ("memo = x", "NOT_FILTERABLE", "cannot be filtered by memo"),
        (
            "status = opn",
            "INVALID_VALUE",
            "one of open, won, lost, on_hold, got \"opn\"; did you mean open? (at character 10)",
        ),
        ("tokenHash >= a", "UNKNOWN_FIELD", "no field tokenHash"),
        ("addressCountry = Germny", "INVALID_VALUE", "did you mean Germany? (at character 18)"),
        ("value >= many", "INVALID_VALUE", "value expects a number"),
        ("score = 1.5", "INVALID_VALUE", "score expects a whole number"),
        ("createdAt > yesterday", "INVALID_VALUE", "a time such as"),
        ("active = maybe", "INVALID_VALUE", "true or false"),
        ("ownerId = you", "INVALID_VALUE", "an identifier"),
        ("keywords > a", "INVALID_OPERATOR", "cannot be compared by order"),
        ("active < true", "INVALID_OPERATOR", "cannot be compared by order"),
        ("status = ", "INVALID_FILTER", "expected a value"),
        ("status =", "INVALID_FILTER", "(at character 9)"),
        ("= open", "INVALID_FILTER", "expected a field or a word, got '='"),
        ("status == open", "INVALID_FILTER", "put it in quotes"),
        ("status ! open", "INVALID_FILTER", "expected !="),
        ("status = open AND", "INVALID_FILTER", "got the end"),
        ("status = open OR", "INVALID_FILTER", "got the end"),
        ("AND status = open", "INVALID_FILTER", "got AND"),
        ("a AND OR b", "INVALID_FILTER", "got OR"),
        ("status = open and value > 1", "INVALID_FILTER", "write AND in capitals"),
        ("NOT", "INVALID_FILTER", "got the end"),
        ("NOT NOT a", "INVALID_FILTER", "got NOT"),
        ("--a", "INVALID_FILTER", "got '-'"),
        ("(status = open", "INVALID_FILTER", "this ( is not closed (at character 1)"),
        ("status = open)", "INVALID_FILTER", "expected the end, got ')'"),
        ("()", "INVALID_FILTER", "got ')'"),
        ("name = \"open", "INVALID_FILTER", "this quote is not closed (at character 8)"),
        ("name = \"a\\d\"", "INVALID_FILTER", "behind the backslash"),
        ("name = \"a\"b", "INVALID_FILTER", "expected a space"),
        ("status = open,lost", "INVALID_FILTER", "a comma does not list values"),
        ("open, lost", "INVALID_FILTER", "got a comma"),
        ("lower(name) = x", "INVALID_FILTER", "functions are not supported"),
        ("status = (value = 1)", "INVALID_FILTER", "expected values only"),
        ("value > (1 OR 2)", "INVALID_FILTER", "expected one value"),
        ("name = *alpha", "INVALID_VALUE", "only if it ends with one"),
        ("name = a*b", "INVALID_VALUE", "may have a star at its ends only"),
        ("value = 1*", "INVALID_VALUE", "is a pattern"),
        ("name > a*", "INVALID_VALUE", "with a pattern"),
        ("customFields = 1", "UNKNOWN_FIELD", "needs the key"),
        ("customFields.regoin = x", "UNKNOWN_FIELD", "did you mean customFields.region?"),
        ("customFields:colour", "UNKNOWN_FIELD", "no field customFields.colour"),
        ("name = \"a\0b\"", "INVALID_TEXT", "NUL"),
        ("name = \"*a\0b*\"", "INVALID_FILTER", "NUL"),
        ("status = a\0*", "INVALID_FILTER", "NUL"),
        ("a\0b", "INVALID_TEXT", "NUL"),
    ] {
        let fault = unreadable(expression(text));
        assert_eq!((fault.field.as_str(), fault.code), ("filter", code), "{text}: {fault}");
        assert!(fault.message.contains(says), "{text}: {fault}");
    }
}

#[test]
fn what_cannot_be_read_in_parameters_is_refused_by_name() {
    for (query, field, code, says) in [
        ("stauts=open", "stauts", "UNKNOWN_PARAMETER", "did you mean status?"),
        ("pgae=2", "pgae", "UNKNOWN_PARAMETER", "did you mean page?"),
        ("foo=1", "foo", "UNKNOWN_PARAMETER", "known are"),
        ("memo=x", "memo", "NOT_FILTERABLE", "cannot be filtered"),
        ("tokenHash[startsWith]=a", "tokenHash[startsWith]", "UNKNOWN_PARAMETER", "no field"),
        ("sort=tokenHash", "sort", "UNKNOWN_FIELD", "no field tokenHash"),
        ("addressCountry=Atlantis", "addressCountry", "INVALID_VALUE", "a country's name"),
        ("status=opn", "status", "INVALID_VALUE", "one of open, won"),
        ("status=", "status", "INVALID_VALUE", "a value is empty"),
        ("status=open,", "status", "INVALID_VALUE", "a value is empty"),
        ("value[above]=1", "value[above]", "INVALID_OPERATOR", "[gte]"),
        ("value[contains]=1", "value[contains]", "INVALID_OPERATOR", "is not text"),
        ("status[all]=open", "status[all]", "INVALID_OPERATOR", "is not a list"),
        ("value[gte]=1,2", "value[gte]", "INVALID_VALUE", "a number"),
        ("status[null]=perhaps", "status[null]", "INVALID_VALUE", "true or false"),
        ("page=0", "page", "OUT_OF_RANGE", "from 1"),
        ("page=18446744073709551615", "page", "OUT_OF_RANGE", "from 1"),
        ("page=two", "page", "INVALID_VALUE", "whole number"),
        ("limit=0", "limit", "OUT_OF_RANGE", "from 1 to 200"),
        ("limit=201", "limit", "OUT_OF_RANGE", "from 1 to 200"),
        ("page_size=1000", "page_size", "OUT_OF_RANGE", "from 1 to 200"),
        ("page=1&page=2", "page", "DUPLICATE_PARAMETER", "more than once"),
        ("limit=1&page_size=1", "limit", "CONTRADICTION", "exclude"),
        ("page=1&cursor=", "cursor", "CONTRADICTION", "exclude"),
        ("cursor=nonsense", "cursor", "INVALID_CURSOR", "cursor"),
        ("count=some", "count", "INVALID_VALUE", "exact or none"),
        ("sort=score", "sort", "NOT_SORTABLE", "known are id, createdAt"),
        ("sort=nmae", "sort", "UNKNOWN_FIELD", "did you mean name?"),
        ("sort=keywords", "sort", "NOT_SORTABLE", "cannot be sorted by keywords"),
        ("sort=customFields.modules", "sort", "NOT_SORTABLE", "cannot be sorted"),
        ("sort=name&order=up", "order", "INVALID_VALUE", "asc or desc"),
        ("order=desc", "order", "INVALID_VALUE", "needs a field"),
        ("sort=name&ordering=name", "sort", "CONTRADICTION", "exclude"),
        ("sort=id,name,status,value,createdAt", "sort", "OUT_OF_RANGE", "at most 4"),
        ("includeDeleted=perhaps", "includeDeleted", "INVALID_VALUE", "true, false or only"),
        ("filter=status =", "filter", "INVALID_FILTER", "expected a value"),
        ("status[eq=open", "status[eq", "UNKNOWN_PARAMETER", "no field"),
    ] {
        let fault = unreadable(list(query));
        assert_eq!((fault.field.as_str(), fault.code), (field, code), "{query}: {fault}");
        assert!(fault.message.contains(says), "{query}: {fault}");
    }
}

#[test]
fn expressions_are_bounded() {
    let deep = format!("{}status = open{}", "(".repeat(33), ")".repeat(33));
    assert_eq!(unreadable(expression(&deep)).code, "FILTER_TOO_COMPLEX");
    let nested = (0..20).fold("score = 1".to_owned(), |inner, i| {
        format!("score = {i} {} ({inner})", if i % 2 == 0 { "AND" } else { "OR" })
    });
    assert_eq!(unreadable(expression(&nested)).code, "FILTER_TOO_COMPLEX");
    let wide = vec!["score = 1"; 201].join(" OR ");
    assert_eq!(unreadable(expression(&wide)).code, "FILTER_TOO_COMPLEX");
    let long = format!("name = \"{}\"", "a".repeat(MAX_LENGTH));
    assert_eq!(unreadable(expression(&long)).code, "FILTER_TOO_LONG");
    assert_eq!(unreadable(list(&format!("name={}", "a".repeat(MAX_LENGTH + 1)))).code, "TOO_LONG");
    let many = vec!["score[gt]=1"; 101].join("&");
    assert_eq!(unreadable(list(&many)).code, "TOO_MANY_PARAMETERS");
    assert!(expression(&vec!["score = 1"; 150].join(" OR ")).is_ok());
    assert!(expression(&"(".repeat(8_000)).is_err());
}

#[test]
fn a_list_without_searchable_fields_refuses_words() {
    let plain = Schema::builder("things", Scoping::Tenant, Owners::Everybody).build().unwrap();
    let fault = unreadable(parse_expression(&plain, &NoCustom, "version = 1 word"));
    assert_eq!(fault.code, "NOT_SEARCHABLE");
    let search = [("search".to_owned(), "word".to_owned())];
    assert_eq!(unreadable(parse_list(&plain, &NoCustom, &search, &[])).code, "NOT_SEARCHABLE");
}
