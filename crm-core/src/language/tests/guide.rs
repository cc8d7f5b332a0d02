//! The guide for users of the API says nothing that is not so.

use super::*;

const GUIDE: &str = include_str!("../../../../docs/filters.md");

fn schema() -> Arc<Schema> {
    Schema::builder("deals", Scoping::Tenant, Owners::Everybody)
        .field(Field::new("companyName", Kind::Text).filterable().sortable().searchable())
        .field(Field::new("status", Kind::Code).filterable().choices(&["open", "won", "lost"][..]))
        .field(Field::new("value", Kind::Decimal { scale: 2 }).filterable().sortable())
        .field(Field::new("tags", Kind::Codes).filterable())
        .field(Field::new("phone", Kind::Text).filterable())
        .field(Field::new("closedAt", Kind::Time).filterable())
        .field(Field::new("customFields", Kind::Custom).filterable())
        .build()
        .unwrap()
}

#[test]
fn every_request_of_the_guide_is_understood() {
    let requests: Vec<&str> = GUIDE
        .lines()
        .filter_map(|line| line.strip_prefix("GET ")?.split_once('?'))
        .map(|(_, q)| q)
        .collect();
    assert!(requests.len() >= 14, "{requests:?}");
    for request in requests {
        let pairs = request.split('&').map(|pair| pair.split_once('=').unwrap());
        let params: Vec<_> = pairs.map(|(name, value)| (name.into(), value.into())).collect();
        let answer = parse_list(&schema(), &Own, &params, &[]);
        assert!(answer.is_ok(), "{request}: {answer:?}");
    }
}

#[test]
fn every_expression_of_the_guide_is_understood() {
    let table = GUIDE.split_once("| expression | means |").unwrap().1.split_once("\n\n").unwrap().0;
    let cells: Vec<&str> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"))
        .map(|(e, _)| e)
        .collect();
    assert!(cells.len() >= 19, "{cells:?}");
    for cell in cells {
        let answer = parse_expression(&schema(), &Own, cell);
        assert!(answer.is_ok(), "{cell}: {answer:?}");
    }
}

#[test]
fn the_fault_of_the_guide_is_the_one_that_comes() {
    let error = parse_expression(&schema(), &Own, "status = open AND valu > 5").unwrap_err();
    assert!(GUIDE.contains(&error.to_string()), "{error}");
}
