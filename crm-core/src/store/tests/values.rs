//! Values: what is stored, and what is refused.

use super::*;
use crate::error::Error;

// What becomes of a value that is written to a field.
fn stored(field: FieldIndex, value: impl Into<Value>) -> Value {
    thing(1, &[(field, value.into())]).get(field).clone()
}

// With which code a value is refused.
fn refused(field: FieldIndex, value: impl Into<Value>) -> &'static str {
    let mut values = values(1);
    values[usize::from(field)] = value.into();
    match Record::new(&things(), Some(TENANT), values) {
        Err(Error::Invalid(faults)) if faults.len() == 1 => {
            assert_eq!(faults[0].field, things().field(field).name);
            faults[0].code
        }
        other => panic!("expected one fault, got {other:?}"),
    }
}

#[test]
fn text_comes_back_as_it_was_written() {
    for text in ["", " Åé e\u{301} \r\n", "ﬁ%_\\", "\u{feff}"] {
        assert_eq!(stored(NAME, text), Value::from(text));
        assert_eq!(stored(CODE, text), Value::from(text));
    }
}

#[test]
fn nul_is_refused_wherever_text_is() {
    assert_eq!(refused(NAME, "a\0"), "INVALID_TEXT");
    assert_eq!(refused(CODE, "\0"), "INVALID_TEXT");
    assert_eq!(refused(TAGS, codes(&["a", "b\0"])), "INVALID_TEXT");
    assert_eq!(refused(CUSTOM, custom(&[("a\0", 1.into())])), "INVALID_TEXT");
    assert_eq!(refused(CUSTOM, custom(&[("a", "\0".into())])), "INVALID_TEXT");
    for json in [serde_json::json!([{"a": "\0"}]), serde_json::json!({"\0": 1})] {
        assert_eq!(refused(LAYOUT, Value::Json(Box::new(json))), "INVALID_TEXT");
    }
}

#[test]
fn times_are_cut_to_the_microsecond_before_1970_too() {
    let nanos = |nanos| time(0) + TimeDelta::nanoseconds(nanos);
    assert_eq!(stored(SEEN, nanos(1_999)), nanos(1_000).into());
    assert_eq!(stored(SEEN, nanos(-1)), nanos(-1_000).into());
}

#[test]
fn a_leap_second_is_the_second_behind_it() {
    let leap: DateTime<Utc> = "2016-12-31T23:59:60.25Z".parse().unwrap();
    let behind: DateTime<Utc> = "2017-01-01T00:00:00.25Z".parse().unwrap();
    assert_eq!(stored(SEEN, leap), behind.into());
}

#[test]
fn years_are_1_to_9999() {
    let first = NaiveDate::from_ymd_opt(1, 1, 1).unwrap();
    let last = NaiveDate::from_ymd_opt(9999, 12, 31).unwrap();
    for date in [first, last] {
        assert_eq!(stored(DAY, date), date.into());
        assert_eq!(stored(SEEN, date.and_hms_opt(0, 0, 0).unwrap().and_utc()).own_kind(), {
            Some(Kind::Time)
        });
    }
    for date in [first.pred_opt().unwrap(), last.succ_opt().unwrap()] {
        assert_eq!(refused(DAY, date), "OUT_OF_RANGE");
        assert_eq!(refused(SEEN, date.and_hms_opt(0, 0, 0).unwrap().and_utc()), "OUT_OF_RANGE");
    }
}

#[test]
fn decimals_are_kept_at_the_fields_scale() {
    for (written, kept) in [("12.5", "12.50"), ("12.5000", "12.50"), ("-0", "0.00")] {
        let Value::Decimal(stored) = stored(PRICE, decimal(written)) else { panic!("a decimal") };
        assert_eq!(stored.to_string(), kept);
    }
}

#[test]
fn decimals_are_never_rounded_and_end_below_the_limit() {
    assert_eq!(refused(PRICE, decimal("0.001")), "TOO_PRECISE");
    assert_eq!(refused(PRICE, decimal("1000000000000000")), "OUT_OF_RANGE");
    assert_eq!(refused(PRICE, decimal("-1000000000000000")), "OUT_OF_RANGE");
    let largest = decimal("999999999999999.99");
    assert_eq!(stored(PRICE, largest), largest.into());
}

#[test]
fn lists_keep_their_order_and_their_repetitions() {
    assert_eq!(stored(TAGS, codes(&["b", "a", "b"])), codes(&["b", "a", "b"]));
    assert_eq!(stored(PEOPLE, uuids(&[2, 1, 2])), uuids(&[2, 1, 2]));
}

#[test]
fn a_list_is_empty_and_never_null() {
    for field in [PEOPLE, TAGS, CUSTOM] {
        assert_eq!(refused(field, Value::Null), "REQUIRED");
    }
}

#[test]
fn a_value_of_another_kind_is_refused() {
    assert_eq!(refused(NAME, 1), "INVALID_TYPE");
    assert_eq!(refused(COUNT, decimal("1")), "INVALID_TYPE");
    assert_eq!(refused(PRICE, 1), "INVALID_TYPE");
    assert_eq!(refused(SEEN, day(1)), "INVALID_TYPE");
    assert_eq!(refused(TAGS, "a"), "INVALID_TYPE");
    assert_eq!(refused(ACTIVE, "true"), "INVALID_TYPE");
}

#[test]
fn a_tenants_own_fields_hold_plain_values() {
    let json = Value::Json(Box::new(serde_json::json!(1)));
    for value in [Value::Null, json, custom(&[])] {
        assert_eq!(refused(CUSTOM, custom(&[("a", value)])), "INVALID_TYPE");
    }
    let Value::Custom(fields) = stored(CUSTOM, custom(&[("a", decimal("1.5").into())])) else {
        panic!("fields")
    };
    assert_eq!(format!("{:?}", fields["a"]), "Decimal(1.500000)");
}

#[test]
fn every_fault_of_a_record_is_named_at_once() {
    let mut values = values(1);
    values[usize::from(system::ID)] = Value::Null;
    values[usize::from(NAME)] = 1.into();
    let Err(Error::Invalid(faults)) = Record::new(&things(), Some(TENANT), values) else {
        panic!("is refused")
    };
    let faults: Vec<_> = faults.iter().map(|fault| (&*fault.field, fault.code)).collect();
    assert_eq!(faults, [("id", "REQUIRED"), ("name", "INVALID_TYPE")]);
}

#[test]
fn a_record_has_a_tenant_exactly_where_its_type_has() {
    assert!(matches!(Record::new(&things(), None, values(1)), Err(Error::Internal(_))));
    let mut global = values(1);
    global.truncate(users().fields().len());
    assert!(Record::new(&users(), None, global.clone()).is_ok());
    assert!(matches!(Record::new(&users(), Some(TENANT), global), Err(Error::Internal(_))));
}
