//! What requests mean, shown on records by the reference evaluator.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use rust_decimal::Decimal;
use uuid::Uuid;

mod guide;
mod meaning;
mod properties;
mod refusals;

use super::*;
use crate::entity::FieldType;
use crate::error::{Error, FieldError};
use crate::store::evaluate::{Lookup, Row, matches};
use crate::store::{
    Cursor, Deleted, Field, Owners, Path, Query, Record, Scoping, Value, Window, system,
};
use crate::tenants::TenantId;
use crate::values::Country;

const OWNER: Uuid = Uuid::from_u128(0x77);
const VIP: Uuid = Uuid::from_u128(0x88);

static DEALS: LazyLock<Arc<Schema>> = LazyLock::new(|| {
    Schema::builder("deals", Scoping::Tenant, Owners::Everybody)
        .field(Field::new("name", Kind::Text).filterable().sortable().searchable())
        .field(
            Field::new("status", Kind::Code)
                .filterable()
                .sortable()
                .choices(&["open", "won", "lost", "on_hold"][..]),
        )
        .field(Field::new("value", Kind::Decimal { scale: 2 }).filterable().sortable())
        .field(Field::new("score", Kind::Int).filterable())
        .field(Field::new("active", Kind::Bool).filterable())
        .field(Field::new("ownerId", Kind::Uuid).filterable())
        .field(Field::new("keywords", Kind::Codes).filterable())
        .field(Field::new("tags", Kind::Uuids).filterable())
        .field(Field::new("closesOn", Kind::Date).filterable().sortable())
        .field(Field::new("addressCountry", Kind::Code).filterable().reading(Country::READING))
        .field(Field::new("tokenHash", Kind::Code).filterable().sortable().secret())
        .field(Field::new("memo", Kind::Text))
        .field(Field::new("order", Kind::Int).filterable())
        .field(Field::new("customFields", Kind::Custom).filterable())
        .build()
        .unwrap()
});

#[derive(Debug)]
struct Own;

impl Custom for Own {
    fn kind_of(&self, key: &str) -> Option<Kind> {
        match key {
            "region" | "the region" => Some(Kind::Text),
            "seats" => Some(Kind::Decimal { scale: 6 }),
            "modules" => Some(Kind::Codes),
            _ => None,
        }
    }
    fn keys(&self) -> Vec<String> {
        ["region", "the region", "seats", "modules"].map(str::to_owned).to_vec()
    }
    fn id_of(&self, field: &str, name: &str) -> Option<Uuid> {
        match (field, name) {
            ("tags", "vip") => Some(VIP),
            ("ownerId", "me") => Some(OWNER),
            _ => None,
        }
    }
}

struct NoOthers;

impl Lookup for NoOthers {
    fn find(&self, _: &Schema, _: Option<TenantId>, _: Uuid) -> Option<&Row> {
        None
    }

    fn known_by(&self, _: &Schema, _: Option<TenantId>, _: Uuid) -> Vec<&Row> {
        Vec::new()
    }
}

// alpha: an open deal with everything. beta: a lost one with little. gamma: nearly nothing.
static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let day = |text: &str| text.parse::<chrono::NaiveDate>().unwrap();
    let time = |text: &str| text.parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    let base = |id: u128, created: &str, name: &str| {
        let mut values: Vec<Value> = DEALS
            .fields()
            .iter()
            .map(|field| match field.kind {
                Kind::Uuids => Value::Uuids(Vec::new()),
                Kind::Codes => Value::Codes(Vec::new()),
                Kind::Custom => Value::Custom(BTreeMap::new()),
                _ => Value::Null,
            })
            .collect();
        values[usize::from(system::ID)] = Uuid::from_u128(id).into();
        values[usize::from(system::VERSION)] = 1_i64.into();
        values[usize::from(system::CREATED_AT)] = time(created).into();
        values[usize::from(system::UPDATED_AT)] = time(created).into();
        set(&mut values, "name", name.into());
        values
    };
    fn set(values: &mut [Value], field: &str, value: Value) {
        values[usize::from(DEALS.index_of(field).unwrap())] = value;
    }
    let mut alpha = base(1, "2026-01-10T12:00:00Z", "Alpha, Inc. Größe");
    set(&mut alpha, "status", "open".into());
    set(&mut alpha, "value", Decimal::new(100_050, 2).into());
    set(&mut alpha, "score", 10_i64.into());
    set(&mut alpha, "active", true.into());
    set(&mut alpha, "ownerId", OWNER.into());
    set(&mut alpha, "keywords", Value::Codes(vec!["vip".into(), "rust".into()]));
    set(&mut alpha, "tags", Value::Uuids(vec![VIP]));
    set(&mut alpha, "closesOn", day("2026-03-01").into());
    set(&mut alpha, "addressCountry", "DE".into());
    set(&mut alpha, "order", 1_i64.into());
    let own = [
        ("region".to_owned(), "Nord West".into()),
        ("the region".to_owned(), "Nord".into()),
        ("seats".to_owned(), Decimal::from(25).into()),
        ("modules".to_owned(), Value::Codes(vec!["crm".into(), "erp".into()])),
    ];
    set(&mut alpha, "customFields", Value::Custom(own.into()));
    let mut beta = base(2, "2026-02-20T08:30:00Z", "Beta 100% *star* \"quoted\"");
    set(&mut beta, "status", "lost".into());
    set(&mut beta, "value", Decimal::new(-5, 0).into());
    set(&mut beta, "score", 3_i64.into());
    set(&mut beta, "active", false.into());
    set(&mut beta, "keywords", Value::Codes(vec!["rust".into()]));
    set(&mut beta, "addressCountry", "FR".into());
    let gamma = base(3, "2026-03-30T00:00:00Z", "gamma alphabet");
    let row =
        |values| Row::new(&DEALS, Record::new(&DEALS, Some(TenantId::new(OWNER)), values).unwrap());
    [alpha, beta, gamma].into_iter().map(row).collect()
});

fn names(filter: &Filter) -> String {
    let found = ROWS.iter().filter(|row| matches(&DEALS, filter, row, &NoOthers));
    found.map(|row| ["a", "b", "g"][row.record().id().as_u128() as usize - 1]).collect()
}

fn expression(text: &str) -> Result<Filter> {
    parse_expression(&DEALS, &Own, text)
}

fn list(query: &str) -> Result<ListRequest> {
    let params: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    parse_list(&DEALS, &Own, &params, &["format"])
}

fn unreadable<T: std::fmt::Debug>(result: Result<T>) -> FieldError {
    match result {
        Err(Error::Unreadable(fault)) => fault,
        other => panic!("expected an unreadable request, got {other:?}"),
    }
}
