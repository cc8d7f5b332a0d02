//! What holds for whatever is written.

use proptest::prelude::*;

use super::*;

// Terms of which it is known, without this module, which records they mean.
const TERMS: &[(&str, &str)] = &[
    ("status = open", "a"),
    ("status:*", "ab"),
    ("value < 0", "b"),
    ("keywords:rust", "ab"),
    ("createdAt >= 2026-02-01", "bg"),
    ("alpha", "ag"),
    ("score = null", "g"),
    ("customFields.seats > 1", "a"),
];

fn written() -> impl Strategy<Value = (String, String)> {
    let leaf = (0..TERMS.len()).prop_map(|i| (TERMS[i].0.to_owned(), TERMS[i].1.to_owned()));
    let keep = |wanted: fn(bool, bool) -> bool, a: &str, b: &str| -> String {
        "abg".chars().filter(|c| wanted(a.contains(*c), b.contains(*c))).collect()
    };
    leaf.prop_recursive(4, 24, 2, move |inner| {
        let pair = (inner.clone(), inner.clone());
        prop_oneof![
            pair.clone().prop_map(move |((a, x), (b, y))| {
                (format!("({a}) AND ({b})"), keep(|x, y| x && y, &x, &y))
            }),
            pair.clone().prop_map(move |((a, x), (b, y))| {
                (format!("({a})\n({b})"), keep(|x, y| x && y, &x, &y))
            }),
            pair.prop_map(move |((a, x), (b, y))| {
                (format!("({a}) OR ({b})"), keep(|x, y| x || y, &x, &y))
            }),
            inner.clone().prop_map(move |(a, x)| (format!("NOT ({a})"), keep(|x, _| !x, &x, ""))),
            inner.prop_map(move |(a, x)| (format!("-({a})"), keep(|x, _| !x, &x, ""))),
        ]
    })
}

fn in_quotes(text: &str) -> String {
    let mut out = "\"".to_owned();
    for c in text.chars() {
        if matches!(c, '"' | '\\' | '*') {
            out.push('\\');
        }
        out.push(c);
    }
    out + "\""
}

proptest! {
    #[test]
    fn no_expression_makes_it_panic(text in prop_oneof![
        ".{0,80}",
        "[()a-c \"'\\\\*:=<>!.,-]{0,60}",
        "((status|value|name|tags|customFields|createdAt|AND|OR|NOT|-|\\(|\\)|=|!=|:|<=|\\*|\"x\"|2026-01-01|7) ?){0,24}",
    ]) {
        let _ = expression(&text);
    }

    #[test]
    fn no_parameters_make_it_panic(
        name in prop_oneof![".{0,20}", "(status|value|name|keywords|closesOn|sort|cursor|page|limit|filter|customFields\\.seats)(\\[(gte|ne|in|all|null|contains)\\])?"],
        value in prop_oneof![".{0,40}", "[-0-9.,:TZeE \"\\\\]{0,30}"],
    ) {
        let _ = parse_list(&DEALS, &Own, &[(name, value)], &[]);
    }

    #[test]
    fn connectives_mean_what_logic_says((text, found) in written()) {
        match expression(&text) {
            Ok(filter) => prop_assert_eq!(names(&filter), found, "{}", text),
            Err(error) => prop_assert_eq!(unreadable::<()>(Err(error)).code, "FILTER_TOO_COMPLEX"),
        }
    }

    #[test]
    fn any_text_can_be_asked_for_in_both_ways(text in "[^\0]{0,30}") {
        let field = Path::field(DEALS.index_of("name").unwrap());
        let asked = checked(Filter::eq(field, text.as_str()), &DEALS, "").unwrap();
        let quoted = in_quotes(&text);
        prop_assert_eq!(&expression(&format!("name = {quoted}")).unwrap(), &asked);
        let listed = quoted.replace("\\*", "*");
        let params = [("name".to_owned(), listed)];
        prop_assert_eq!(&parse_list(&DEALS, &Own, &params, &[]).unwrap().filter, &asked);
    }

    #[test]
    fn a_parameter_and_an_expression_mean_the_same(
        number in -2_000_i64..2_000,
        sign in prop_oneof![Just(("gte", ">=")), Just(("lt", "<")), Just(("ne", "!=")), Just(("eq", "="))],
        field in prop_oneof![Just("value"), Just("score"), Just("customFields.seats")],
    ) {
        let one = list(&format!("{field}[{}]={number}", sign.0)).unwrap().filter;
        let other = expression(&format!("{field} {} {number}", sign.1)).unwrap();
        prop_assert_eq!(one, other);
    }
}
