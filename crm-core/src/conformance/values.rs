//! Values come back as written.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use rust_decimal::Decimal;
use serde_json::json;
use uuid::Uuid;

use super::world::{Outcome, World, ensure, ensure_eq};
use crate::error::Error;
use crate::store::{DECIMAL_LIMIT, Value};

pub(super) fn dec(mantissa: i64, scale: u32) -> Value {
    Value::Decimal(Decimal::new(mantissa, scale))
}

pub(super) fn day(year: i32, month: u32, day: u32) -> Value {
    NaiveDate::from_ymd_opt(year, month, day).map_or(Value::Null, Value::Date)
}

pub(super) fn time(text: &str) -> Value {
    text.parse::<DateTime<Utc>>().map_or(Value::Null, Value::Time)
}

pub(super) fn uuid(n: u128) -> Value {
    Value::Uuid(Uuid::from_u128(n))
}

pub(super) fn codes(codes: &[&str]) -> Value {
    Value::Codes(codes.iter().map(|code| (*code).to_owned()).collect())
}

pub(super) fn uuids(ids: &[u128]) -> Value {
    Value::Uuids(ids.iter().map(|id| Uuid::from_u128(*id)).collect())
}

pub(super) fn fields<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Custom(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// Texts that a careless backend changes.
pub(super) const TEXTS: &[&str] = &[
    "",
    " ",
    " padded ",
    "Zoé",
    "Zoe\u{301}",
    "STRASSE straße ẞ",
    "\u{1F469}\u{200D}\u{1F680} \u{202E}rtl",
    "it's \"quoted\" \\ back",
    "100% _under_",
    "line\nbreak\ttab\r\n",
    "{\"json\": [1]}",
    "{a,b}",
    "NULL",
    "null",
    "\u{feff}bom\u{7f}\u{1}",
    "\u{ffff}\u{10ffff}",
];

pub(super) async fn every_kind_of_value_comes_back_as_written(world: World) -> Outcome {
    let custom = fields([
        ("flag", Value::Bool(false)),
        ("number", Value::Int(-3)),
        ("amount", dec(12_345, 3)),
        ("title", "Zoé".into()),
        ("link", uuid(9)),
        ("day", day(2024, 2, 29)),
        ("at", time("2024-02-29T23:59:59.999999Z")),
        ("members", uuids(&[2, 1, 2])),
        ("labels", codes(&["b", "a", "b"])),
    ]);
    let draft = world
        .specimen("all")
        .with("flag", true)
        .with("number", 42)
        .with("amount", dec(1250, 2))
        .with("ratio", dec(-1, 6))
        .with("whole", dec(7, 0))
        .with("title", "A title")
        .with("body", "A body")
        .with("code", "active")
        .with("link", Uuid::from_u128(5))
        .with("day", day(2026, 3, 1))
        .with("at", time("2026-03-01T08:00:00.123456Z"))
        .with("members", uuids(&[3, 1]))
        .with("labels", codes(&["x", "y"]))
        .with("document", Value::Json(Box::new(json!({"a": [1, null, "x"]}))))
        .with("custom", custom);
    let record = world.insert(draft).await?;
    ensure!(record.values().iter().filter(|v| v.is_null()).count() == 1, "a value was lost");
    world.expect_stored(&world.types().specimens, &record).await
}

pub(super) async fn absent_values_come_back_absent(world: World) -> Outcome {
    let record = world.insert(world.specimen("none")).await?;
    world.expect_stored(&world.types().specimens, &record).await
}

pub(super) async fn texts_come_back_without_normalisation(world: World) -> Outcome {
    for text in TEXTS {
        let draft = world.specimen(text).with("title", *text).with("body", *text);
        let draft = draft.with("code", *text).with("labels", codes(&[text, text]));
        let record = world.insert(draft.with("custom", fields([(text, (*text).into())]))).await?;
        world.expect_stored(&world.types().specimens, &record).await?;
    }
    Ok(())
}

pub(super) async fn long_texts_come_back_whole(world: World) -> Outcome {
    let long = "Lorem ipsum dolor. Ünïcödé! ".repeat(4_000);
    let draft = world.specimen("long").with("title", long.as_str()).with("body", long.as_str());
    let record = world.insert(draft.with("custom", fields([("long", long.into())]))).await?;
    world.expect_stored(&world.types().specimens, &record).await
}

pub(super) async fn nul_is_refused_before_it_reaches_a_store(world: World) -> Outcome {
    for field in ["title", "body", "code"] {
        let refused = world.insert(world.specimen("nul").with(field, "a\0b")).await;
        ensure!(matches!(refused, Err(Error::Invalid(_))), "a NUL in {field}: {refused:?}");
    }
    Ok(())
}

pub(super) async fn edges_of_numbers_come_back(world: World) -> Outcome {
    for number in [0, 1, -1, i64::MAX, i64::MIN, 1 << 53, (1 << 53) + 1] {
        let custom = fields([("number", number.into())]);
        let draft = world.specimen("int").with("number", number).with("custom", custom);
        let record = world.insert(draft).await?;
        world.expect_stored(&world.types().specimens, &record).await?;
    }
    for sign in [1, -1] {
        let (cents, millionths) = (DECIMAL_LIMIT * 100 - 1, DECIMAL_LIMIT - 1);
        let largest = Decimal::from(DECIMAL_LIMIT) - Decimal::new(1, 6);
        let largest = Value::Decimal(largest * Decimal::from(sign));
        let draft = world
            .specimen("decimal")
            .with("amount", dec(sign * cents, 2))
            .with("whole", dec(sign * millionths, 0))
            .with("ratio", largest.clone())
            .with("custom", fields([("ratio", largest)]));
        let record = world.insert(draft).await?;
        world.expect_stored(&world.types().specimens, &record).await?;
    }
    Ok(())
}

pub(super) async fn decimals_are_kept_at_the_scale_of_their_field(world: World) -> Outcome {
    let specimens = &world.types().specimens;
    let draft = world
        .specimen("scaled")
        .with("amount", dec(125, 1))
        .with("ratio", dec(0, 0))
        .with("whole", dec(1_200, 2))
        .with("custom", fields([("ratio", dec(5, 1))]));
    let record = world.insert(draft).await?;
    world.expect_stored(specimens, &record).await?;
    let text = format!("{record:?}");
    for part in ["Decimal(12.50)", "Decimal(0.000000)", "Decimal(12)", "Decimal(0.500000)"] {
        ensure!(text.contains(part), "expected {part} in {text}");
    }
    let precise = world.insert(world.specimen("precise").with("amount", dec(1_234, 3))).await;
    ensure!(matches!(precise, Err(Error::Invalid(_))), "digits beyond the scale: {precise:?}");
    let large = world.insert(world.specimen("large").with("whole", dec(DECIMAL_LIMIT, 0))).await;
    ensure!(matches!(large, Err(Error::Invalid(_))), "a decimal beyond the limit: {large:?}");
    Ok(())
}

pub(super) async fn edges_of_time_come_back(world: World) -> Outcome {
    for (date, at) in [
        (day(1, 1, 1), "0001-01-01T00:00:00Z"),
        (day(9999, 12, 31), "9999-12-31T23:59:59.999999Z"),
        (day(1969, 12, 31), "1969-12-31T23:59:59.999999Z"),
        (day(1970, 1, 1), "1970-01-01T00:00:00Z"),
        (day(1582, 10, 10), "1582-10-10T12:00:00.000001Z"),
        (day(2000, 2, 29), "2000-02-29T00:00:00.1Z"),
    ] {
        ensure!(!date.is_null() && !time(at).is_null(), "{at} is no time");
        let custom = fields([("day", date.clone()), ("at", time(at))]);
        let draft = world.specimen("time").with("day", date).with("at", time(at));
        let record = world.insert(draft.with("custom", custom)).await?;
        world.expect_stored(&world.types().specimens, &record).await?;
    }
    let late = world.insert(world.specimen("late").with("day", day(10_000, 1, 1))).await;
    ensure!(matches!(late, Err(Error::Invalid(_))), "the year 10000: {late:?}");
    Ok(())
}

pub(super) async fn times_are_truncated_to_the_microsecond(world: World) -> Outcome {
    let specimens = &world.types().specimens;
    for (written, kept) in [
        ("2026-01-01T00:00:00.123456789Z", "2026-01-01T00:00:00.123456Z"),
        ("1950-01-01T00:00:00.123456789Z", "1950-01-01T00:00:00.123456Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
    ] {
        let custom = fields([("at", time(written))]);
        let draft = world.specimen("exact").with("at", time(written)).with("custom", custom);
        let record = world.insert(draft).await?;
        world.expect_stored(specimens, &record).await?;
        let index = specimens.index_of("at").unwrap_or(u16::MAX);
        ensure_eq!(*record.get(index), time(kept), "{written}");
    }
    Ok(())
}

pub(super) async fn lists_keep_their_order_and_duplicates(world: World) -> Outcome {
    for (members, labels) in [
        (uuids(&[]), codes(&[])),
        (uuids(&[1]), codes(&[""])),
        (uuids(&[3, 1, 2, 1, 3]), codes(&["c", "a", "b", "a", "C"])),
    ] {
        let custom = fields([("members", members.clone()), ("labels", labels.clone())]);
        let draft = world.specimen("list").with("members", members).with("labels", labels);
        let record = world.insert(draft.with("custom", custom)).await?;
        world.expect_stored(&world.types().specimens, &record).await?;
    }
    Ok(())
}

pub(super) async fn documents_come_back_equal(world: World) -> Outcome {
    for document in [
        json!(null),
        json!(true),
        json!("Zoe\u{301} \" \\ / \u{1}"),
        json!([]),
        json!({}),
        json!({"b": 1, "a": {"deep": [[[{"x": null}]]]}, "": [], "dotted.key": "v"}),
        json!([0, -1, i64::MIN, i64::MAX, u64::MAX]),
        json!([0.1, -2.5e-3, 1.5e-7, 1e16, 1e300, 1.0]),
    ] {
        let draft = world.specimen("json").with("document", Value::Json(Box::new(document)));
        let record = world.insert(draft).await?;
        world.expect_stored(&world.types().specimens, &record).await?;
    }
    Ok(())
}

pub(super) async fn a_custom_fields_key_may_be_any_text(world: World) -> Outcome {
    let mut custom = BTreeMap::new();
    for (text, number) in TEXTS.iter().zip(0..) {
        custom.insert((*text).to_owned(), Value::Int(number));
    }
    let record = world.insert(world.specimen("keys").with("custom", Value::Custom(custom))).await?;
    world.expect_stored(&world.types().specimens, &record).await
}

pub(super) async fn a_type_without_fields_of_its_own_is_stored(world: World) -> Outcome {
    let settings = &world.types().settings;
    let record = world.insert(world.draft(settings)).await?;
    world.expect_stored(settings, &record).await?;
    let record = world.delete(settings, &record).await?;
    world.expect_stored(settings, &record).await?;
    world.remove(settings, &record).await?;
    ensure_eq!(world.get(settings, record.id()).await?, None, "a removed record");
    Ok(())
}

pub(super) async fn an_update_replaces_every_value(world: World) -> Outcome {
    let specimens = &world.types().specimens;
    let draft = world
        .specimen("before")
        .with("number", 1)
        .with("title", "before")
        .with("labels", codes(&["a"]))
        .with("members", uuids(&[1]))
        .with("document", Value::Json(Box::new(json!({"a": 1}))))
        .with("custom", fields([("a", 1.into()), ("b", 2.into())]));
    let record = world.insert(draft).await?;
    let changes = [
        ("label", "after".into()),
        ("number", Value::Null),
        ("title", "after".into()),
        ("labels", codes(&[])),
        ("members", uuids(&[2])),
        ("document", Value::Null),
        ("custom", fields([("b", "text".into())])),
        ("createdAt", (world.now() - TimeDelta::days(400)).into()),
    ];
    let record = world.change(specimens, &record, &changes).await?;
    ensure_eq!(record.version(), 2, "the version");
    world.expect_stored(specimens, &record).await
}
