//! What the derive macros make of a declaration.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use crm_core::store::{Kind, Owners, Scoping, Value};
use crm_core::values::Email;
use crm_core::{Change, Choice, Draft, Entity, Error, Id, Patch, SystemFields};
use rust_decimal::Decimal;
use serde_json::json;
use uuid::Uuid;

#[derive(Debug)]
struct User;

/// How far a sample has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Choice)]
enum Status {
    #[default]
    New,
    InProgress,
    #[choice(code = "won!")]
    Closed,
}

/// Not `Default`, so no draft with it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
enum Mode {
    Automatic,
}

#[derive(Clone, Debug, PartialEq, Entity)]
#[entity(name = "samples", tenant)]
#[entity(owners(assigned(assigned_to, coach), creator(created_by)))]
#[entity(unique(name = "samples_email", fields(email)))]
#[entity(unique(name = "samples_place", fields(r#type, number)))]
#[entity(index(status, created_at), index(email))]
struct Sample {
    id: Id<Self>,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    deleted_at: Option<DateTime<Utc>>,
    #[entity(filter, sort, search)]
    company_name: String,
    #[entity(filter, search, rename = "mail", reads = Email)]
    email: Option<String>,
    #[entity(code, filter)]
    r#type: String,
    #[entity(filter)]
    status: Status,
    previous_status: Option<Status>,
    wanted: Vec<Status>,
    number: i64,
    count: Option<i32>,
    #[entity(scale = 2, sort)]
    price: Decimal,
    discount: Option<Decimal>,
    active: bool,
    due: Option<NaiveDate>,
    seen: Option<DateTime<Utc>>,
    token: Uuid,
    #[entity(references = "users", filter)]
    assigned_to: Option<Id<User>>,
    #[entity(references = "users")]
    coach: Option<Id<User>>,
    #[entity(references = "users", computed)]
    created_by: Option<Id<User>>,
    watchers: Vec<Id<User>>,
    labels: Vec<String>,
    layout: serde_json::Value,
    address_2: Option<String>,
    #[entity(secret)]
    password: Option<String>,
    #[entity(computed)]
    score: i64,
}

#[derive(Clone, Debug, PartialEq, Entity)]
#[entity(name = "switches", global, owners(everybody), no_default_draft)]
struct Switch {
    id: Id<Self>,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    deleted_at: Option<DateTime<Utc>>,
    mode: Mode,
    backup: Option<Mode>,
}

// In a module: its items are as visible as it is.
mod inner {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Entity)]
    #[entity(name = "ticks", tenant, owners(through(sample_id)), no_default_draft)]
    pub(crate) struct Tick {
        pub(crate) id: Id<Tick>,
        pub(crate) version: i64,
        pub(crate) created_at: DateTime<Utc>,
        pub(crate) updated_at: DateTime<Utc>,
        pub(crate) deleted_at: Option<DateTime<Utc>>,
        #[entity(references = "samples")]
        pub(crate) sample_id: Id<Sample>,
        #[entity(computed)]
        pub(crate) at: Option<i64>,
    }
}

fn time(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

fn id<T>(number: u128) -> Id<T> {
    Id::new(Uuid::from_u128(number))
}

fn system<E>() -> SystemFields<E> {
    SystemFields {
        id: id(1),
        version: 3,
        created_at: time(1),
        updated_at: time(2),
        deleted_at: Some(time(3)),
    }
}

fn draft() -> SampleDraft {
    SampleDraft {
        company_name: "Ångström".into(),
        email: Some("a@b.de".into()),
        r#type: "B".into(),
        status: Status::InProgress,
        previous_status: Some(Status::New),
        wanted: vec![Status::Closed, Status::New],
        number: 7,
        count: Some(-1),
        price: Decimal::new(1250, 2),
        discount: Some(Decimal::new(12_500, 4)),
        active: true,
        due: NaiveDate::from_ymd_opt(2026, 2, 28),
        seen: Some(time(9)),
        token: Uuid::from_u128(5),
        assigned_to: Some(id(6)),
        coach: None,
        watchers: vec![id(8), id(7)],
        labels: vec!["x".into(), "x".into()],
        layout: json!({"a": [1, null]}),
        address_2: None,
        password: Some("hash".into()),
    }
}

#[test]
fn an_entity_comes_back_as_it_was_stored() {
    let sample = Sample { score: 4, created_by: Some(id(9)), ..draft().into_entity(system()) };
    let record = sample.clone().into_record(Some(id(100))).unwrap();
    assert_eq!(Sample::from_values(record.into_values()).unwrap(), sample);

    let bare = SampleDraft::default().into_entity(system());
    let record = bare.clone().into_record(Some(id(100))).unwrap();
    assert_eq!(Sample::from_values(record.into_values()).unwrap(), bare);
}

#[test]
fn values_stand_at_the_positions_of_their_fields() {
    let values = draft().into_entity(system()).into_values();
    let at = |name: &str| &values[usize::from(Sample::schema().index_of(name).unwrap())];
    assert_eq!(values.len(), Sample::schema().fields().len());
    assert_eq!(*at("companyName"), Value::from("Ångström"));
    assert_eq!(*at("status"), Value::from("in_progress"));
    assert_eq!(*at("wanted"), Value::Codes(vec!["won!".into(), "new".into()]));
    assert_eq!(*at("coach"), Value::Null);
    assert_eq!(*at("deletedAt"), Value::Time(time(3)));
}

#[test]
fn a_stored_value_of_another_type_is_named() {
    let fault = |field: &str, value: Value| {
        let mut values = draft().into_entity(system()).into_values();
        values[usize::from(Sample::schema().index_of(field).unwrap())] = value;
        Sample::from_values(values.into()).unwrap_err().to_string()
    };
    for (field, value) in [
        ("companyName", Value::Null),
        ("status", Value::from("lost")),
        ("status", Value::Int(1)),
        ("wanted", Value::Codes(vec!["new".into(), "lost".into()])),
        ("count", Value::Int(i64::MAX)),
        ("version", Value::from("1")),
    ] {
        assert_eq!(
            fault(field, value),
            format!("internal error: stored value of samples.{field} is of another type")
        );
    }
}

#[test]
fn a_record_has_as_many_values_as_its_type_has_fields() {
    let values = draft().into_entity(system()).into_values();
    let (mut more, mut fewer) = (values.clone(), values);
    more.push(Value::Null);
    fewer.pop();
    assert!(matches!(Sample::from_values(more.into()), Err(Error::Internal(_))));
    assert!(matches!(Sample::from_values(fewer.into()), Err(Error::Internal(_))));
}

#[test]
fn the_system_fields_are_the_librarys_to_set() {
    let mut sample = SampleDraft::default().into_entity(system());
    assert_eq!(SystemFields::of(&sample), system());
    let later = SystemFields { version: 4, updated_at: time(50), deleted_at: None, ..system() };
    sample.set_system(later.clone());
    assert_eq!(SystemFields::of(&sample), later);
}

#[test]
fn a_draft_leaves_computed_fields_at_their_defaults_and_replacing_leaves_them_as_they_are() {
    let mut sample = draft().into_entity(system());
    assert_eq!((sample.score, sample.created_by), (0, None));
    sample.score = 4;
    sample.created_by = Some(id(9));
    SampleDraft { company_name: "Other".into(), ..SampleDraft::default() }.replace(&mut sample);
    assert_eq!(
        sample,
        Sample {
            score: 4,
            created_by: Some(id(9)),
            company_name: "Other".into(),
            ..SampleDraft::default().into_entity(system())
        }
    );
}

#[test]
fn a_patch_keeps_clears_or_sets() {
    let before = draft().into_entity(system());
    let mut sample = before.clone();
    SamplePatch::default().apply(&mut sample);
    assert_eq!(sample, before, "a patch that says nothing changes nothing");

    let patch = SamplePatch {
        company_name: Some("Other".into()),
        email: Change::Clear,
        coach: Change::Set(id(20)),
        address_2: "Flat 3".to_owned().into(),
        labels: Some(Vec::new()),
        ..SamplePatch::default()
    };
    patch.apply(&mut sample);
    let expected = Sample {
        company_name: "Other".into(),
        email: None,
        coach: Some(id(20)),
        address_2: Some("Flat 3".into()),
        labels: Vec::new(),
        ..before
    };
    assert_eq!(sample, expected);
}

#[test]
fn the_schema_is_as_declared() {
    let schema = Sample::schema();
    assert_eq!((schema.name(), Sample::ENTITY), ("samples", "samples"));
    assert_eq!(schema.scoping(), Scoping::Tenant);
    let said: Vec<String> = schema.fields().iter().map(said).collect();
    let expected = [
        "id Uuid required filter sort",
        "version Int required filter",
        "createdAt Time required filter sort",
        "updatedAt Time required filter sort",
        "deletedAt Time filter sort",
        "companyName Text required filter sort search",
        "mail Text filter search",
        "type Code required filter",
        "status Code required filter new|in_progress|won!",
        "previousStatus Code new|in_progress|won!",
        "wanted Codes required new|in_progress|won!",
        "number Int required",
        "count Int",
        "price Decimal { scale: 2 } required sort",
        "discount Decimal { scale: 4 }",
        "active Bool required",
        "due Date",
        "seen Time",
        "token Uuid required",
        "assignedTo Uuid filter ->users",
        "coach Uuid ->users",
        "createdBy Uuid ->users",
        "watchers Uuids required",
        "labels Codes required",
        "layout Json required",
        "address2 Text",
        "password Text secret",
        "score Int required",
    ];
    assert_eq!(said, expected);
    let at = |name: &str| schema.index_of(name).unwrap();
    assert_eq!(
        *schema.owners(),
        Owners::Users {
            assigned: vec![at("assignedTo"), at("coach")],
            creator: Some(at("createdBy"))
        }
    );
    let unique: Vec<_> = schema.unique().iter().map(|key| (&*key.name, &*key.fields)).collect();
    let expected: [(&str, &[u16]); 2] =
        [("samples_email", &[at("mail")]), ("samples_place", &[at("type"), at("number")])];
    assert_eq!(unique, expected);
    let indexes: Vec<_> = schema.indexes().iter().map(|index| &*index.fields).collect();
    let expected: [&[u16]; 2] = [&[at("status"), at("createdAt")], &[at("mail")]];
    assert_eq!(indexes, expected);
}

fn said(field: &crm_core::store::Field) -> String {
    let mut said = format!("{} {:?}", field.name, field.kind);
    for (word, is_said) in [
        ("required", field.required),
        ("filter", field.filterable),
        ("sort", field.sortable),
        ("search", field.searchable),
        ("secret", field.secret),
    ] {
        if is_said {
            said = format!("{said} {word}");
        }
    }
    if let Some(choices) = field.choices {
        said = format!("{said} {}", choices.join("|"));
    }
    field.references.iter().fold(said, |said, target| format!("{said} ->{target}"))
}

#[test]
fn a_field_of_a_choice_declares_the_codes_to_choose_from() {
    let choices = |name| Sample::schema().field(Sample::schema().index_of(name).unwrap()).choices;
    let codes: Vec<&str> = Status::ALL.iter().map(|status| status.code()).collect();
    let codes = &*codes;
    assert_eq!(choices("status"), Some(codes));
    assert_eq!(choices("previousStatus"), Some(codes));
    assert_eq!(choices("wanted"), Some(codes));
    assert_eq!(choices("type"), None);
    assert_eq!(choices("labels"), None);
}

#[test]
fn a_field_says_by_whose_rules_it_is_read() {
    let schema = Sample::schema();
    let reading = |name| schema.field(schema.index_of(name).unwrap()).reading;
    let read = reading("mail").unwrap().read;
    assert_eq!(read(" ann@example.com ").unwrap(), "ann@example.com");
    assert!(read("ann").is_err());
    assert!(reading("companyName").is_none());
}

#[test]
fn a_type_says_its_scope_and_its_owners_whatever_they_are() {
    assert_eq!(Switch::schema().scoping(), Scoping::Global);
    assert_eq!(*Switch::schema().owners(), Owners::Everybody);
    assert_eq!(*inner::Tick::schema().owners(), Owners::Through { field: 5 });
    assert_eq!(inner::Tick::schema().fields()[6].kind, Kind::Int);
}

#[test]
fn a_draft_of_something_without_a_default_has_none() {
    let draft = SwitchDraft { mode: Mode::Automatic, backup: None };
    let mut switch = draft.into_entity(system());
    let patch = SwitchPatch { backup: Mode::Automatic.into(), ..SwitchPatch::default() };
    patch.apply(&mut switch);
    assert_eq!((switch.mode, switch.backup), (Mode::Automatic, Some(Mode::Automatic)));
}

#[test]
fn computed_fields_are_in_no_draft_and_no_patch() {
    let inner::TickDraft { sample_id } = inner::TickDraft { sample_id: id(30) };
    let inner::TickPatch { sample_id: changed } = inner::TickPatch::default();
    assert_eq!((sample_id, changed), (id(30), None));
}

#[test]
fn every_field_has_its_handle() {
    let handles = [
        (Sample::ID.index(), "id"),
        (Sample::VERSION.index(), "version"),
        (Sample::CREATED_AT.index(), "createdAt"),
        (Sample::UPDATED_AT.index(), "updatedAt"),
        (Sample::DELETED_AT.index(), "deletedAt"),
        (Sample::COMPANY_NAME.index(), "companyName"),
        (Sample::EMAIL.index(), "mail"),
        (Sample::TYPE.index(), "type"),
        (Sample::ADDRESS_2.index(), "address2"),
        (Sample::SCORE.index(), "score"),
    ];
    for (index, name) in handles {
        assert_eq!(Sample::schema().field(index).name, name);
    }
    let filter = Sample::STATUS.ne(Status::Closed).and(Sample::ASSIGNED_TO.eq(id(6)));
    let query = crm_core::Find::from(filter).sort(Sample::PRICE.desc()).into_query();
    assert!(query.is_ok(), "{query:?}");
}

#[test]
fn a_choice_is_its_code_wherever_it_is_written_or_read() {
    assert_eq!(Status::ALL, [Status::New, Status::InProgress, Status::Closed]);
    for (status, code) in
        [(Status::New, "new"), (Status::InProgress, "in_progress"), (Status::Closed, "won!")]
    {
        assert_eq!(status.code(), code);
        assert_eq!(Status::from_code(code), Some(status));
        assert_eq!(status.to_string(), code);
        assert_eq!(code.parse::<Status>().unwrap(), status);
        assert_eq!(serde_json::to_value(status).unwrap(), json!(code));
        assert_eq!(serde_json::from_value::<Status>(json!(code)).unwrap(), status);
        assert_eq!(serde_json::from_str::<Status>(&format!("{code:?}")).unwrap(), status);
    }
    assert_eq!(format!("{:>5}", Status::New), "  new");
}

#[test]
fn a_code_that_is_none_is_answered_with_those_that_are() {
    let expected = "expected one of new, in_progress, won!, got \"New\"";
    let Err(Error::Invalid(faults)) = "New".parse::<Status>() else { panic!("is refused") };
    assert_eq!((faults[0].code, &*faults[0].message), ("INVALID_CHOICE", expected));
    let fault = serde_json::from_value::<Status>(json!("New")).unwrap_err();
    assert_eq!(fault.to_string(), expected);
    let fault = serde_json::from_value::<Status>(json!(1)).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "invalid type: integer `1`, expected one of new, in_progress, won!"
    );
}
