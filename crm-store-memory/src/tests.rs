//! What the indexes and plans owe the evaluator. The meaning of requests is proven by the
//! conformance suite, in `tests/`.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use crm_core::store::{
    Aggregate, Batch, Catalogue, Deleted, Field, FieldIndex, Filter, Kind, Measure, Operation,
    Owners, Path, Query, Record, Schema, SchemaBuilder, Scope, Scoping, Sort, Value, Window,
};
use crm_core::tenants::TenantId;
use crm_core::{Error, Rejection};
use uuid::Uuid;

use crate::plan::Source;
use crate::state::State;
use crate::write::prepare_rows;

const NAME: FieldIndex = 5;
const EMAIL: FieldIndex = 6;
const STATUS: FieldIndex = 7;
const PARENT: FieldIndex = 8;
const TENANT: TenantId = TenantId::new(Uuid::from_u128(7));
const SCOPE: Scope = Scope::Tenant(TENANT);

fn declaration() -> SchemaBuilder {
    Schema::builder("accounts", Scoping::Tenant, Owners::Nobody)
        .field(Field::new("name", Kind::Text).required().filterable().sortable())
        .field(Field::new("email", Kind::Text).filterable())
        .field(Field::new("status", Kind::Code).filterable().sortable())
        .field(Field::new("parentId", Kind::Uuid).filterable().references("accounts"))
        .unique("accounts_email", &["email"])
        .unwrap()
        .index(&["status"])
        .unwrap()
}

fn accounts() -> Arc<Schema> {
    declaration().build().unwrap()
}

struct Account {
    id: u128,
    version: i64,
    email: Option<&'static str>,
    status: Option<&'static str>,
    parent: Option<u128>,
    deleted: bool,
}

fn account(id: u128) -> Account {
    Account { id, version: 1, email: None, status: None, parent: None, deleted: false }
}

impl Account {
    fn record(&self, schema: &Schema) -> Record {
        let at = |id: u128| DateTime::<Utc>::UNIX_EPOCH + TimeDelta::seconds(id as i64);
        let text = |text: Option<&str>| text.map_or(Value::Null, Value::from);
        let values = vec![
            Uuid::from_u128(self.id).into(),
            self.version.into(),
            at(self.id).into(),
            at(self.id).into(),
            if self.deleted { at(self.id).into() } else { Value::Null },
            format!("Account {}", self.id % 10).into(),
            text(self.email),
            text(self.status),
            self.parent.map_or(Value::Null, |id| Uuid::from_u128(id).into()),
        ];
        Record::new(schema, Some(TENANT), values).unwrap()
    }
}

struct Bench {
    state: State,
    schema: Arc<Schema>,
}

fn bench() -> Bench {
    let schema = accounts();
    let mut state = State::default();
    state.prepare(&Catalogue::new([Arc::clone(&schema)]).unwrap()).unwrap();
    Bench { state, schema }
}

impl Bench {
    fn commit(&mut self, operations: Vec<Operation>) -> Result<(), Error> {
        let batch = Batch::new(operations).unwrap();
        let rows = prepare_rows(&batch);
        self.state.commit(SCOPE, &batch, rows).map(drop)
    }

    fn insert(&mut self, account: &Account) -> Result<(), Error> {
        let record = account.record(&self.schema);
        self.commit(vec![Operation::Insert { schema: Arc::clone(&self.schema), record }])
    }

    fn update(&mut self, before: &Account, after: &Account) -> Result<(), Error> {
        let schema = Arc::clone(&self.schema);
        let (before, after) = (before.record(&schema), after.record(&schema));
        self.commit(vec![Operation::Update { schema, before, after }])
    }

    fn remove(&mut self, before: &Account) -> Result<(), Error> {
        let schema = Arc::clone(&self.schema);
        let before = before.record(&schema);
        self.commit(vec![Operation::Remove { schema, before }])
    }

    fn ids(&self, query: &Query) -> Vec<u128> {
        let page = self.state.query(SCOPE, query).unwrap();
        page.items.iter().map(|record| record.id().as_u128()).collect()
    }

    fn all(&self) -> Query {
        Query::new(Arc::clone(&self.schema))
    }

    fn source(&self, filter: Filter, deleted: Deleted) -> Source {
        let query = self.all().filter(filter).unwrap();
        let table = self.state.table(&self.schema).unwrap();
        Source::of(table, query.get_filter(), deleted)
    }
}

fn reason(result: Result<(), Error>) -> Rejection {
    match result {
        Err(Error::Rejected { reason, .. }) => reason,
        other => panic!("expected a rejection, got {other:?}"),
    }
}

#[test]
fn a_type_that_was_never_prepared_is_an_internal_error() {
    let state = State::default();
    assert!(matches!(state.query(SCOPE, &Query::new(accounts())), Err(Error::Internal(_))));
    assert!(matches!(
        state.aggregate(SCOPE, &Aggregate::count(accounts())),
        Err(Error::Internal(_))
    ));
}

#[test]
fn preparing_again_keeps_data_and_refuses_a_changed_declaration() {
    let mut bench = bench();
    bench.insert(&account(1)).unwrap();
    let tags = Schema::builder("tags", Scoping::Tenant, Owners::Nobody).build().unwrap();
    bench.state.prepare(&Catalogue::new([accounts(), tags.clone()]).unwrap()).unwrap();
    assert_eq!(bench.ids(&bench.all()), [1]);
    assert!(bench.state.table(&tags).is_ok());

    let changed = declaration().field(Field::new("more", Kind::Int)).build().unwrap();
    let refused = bench.state.prepare(&Catalogue::new([changed.clone()]).unwrap());
    assert!(matches!(refused, Err(Error::Internal(_))));
    assert!(matches!(bench.state.query(SCOPE, &Query::new(changed)), Err(Error::Internal(_))));
}

#[test]
fn a_filter_that_names_a_key_is_answered_through_it() {
    let bench = bench();
    let id = Uuid::from_u128(3);
    let by_id = Filter::eq(Path::field(0), id);
    let by_email = Filter::eq(Path::field(EMAIL), "A@X.org");
    let by_parent = Filter::eq(Path::field(PARENT), id);
    let by_name = Filter::eq(Path::field(NAME), "x");
    assert_eq!(bench.source(by_id.clone().and(by_name.clone()), Deleted::Include), Source::Id(id));
    assert!(matches!(bench.source(by_email.clone(), Deleted::Exclude), Source::Unique(0, _)));
    assert_eq!(bench.source(by_email, Deleted::Include), Source::All);
    assert!(matches!(bench.source(by_parent.clone(), Deleted::Exclude), Source::Equal(..)));
    assert_eq!(bench.source(by_parent.clone().or(by_name), Deleted::Exclude), Source::All);
    assert_eq!(bench.source(by_parent.not(), Deleted::Exclude), Source::All);
}

#[test]
fn walking_an_index_gives_what_sorting_gives() {
    let mut bench = bench();
    for id in 1..=60 {
        let status = [None, Some("new"), Some("won"), Some("lost")][(id % 4) as usize];
        bench.insert(&Account { status, deleted: id % 7 == 0, ..account(id) }).unwrap();
    }
    let by = |field, descending| Sort { path: Path::field(field), descending };
    let orders = [
        vec![],
        vec![by(0, false)],
        vec![by(2, true)],
        vec![by(STATUS, false)],
        vec![by(STATUS, true)],
        vec![by(STATUS, true), by(0, false)],
        vec![by(STATUS, false), by(NAME, true)],
    ];
    for order in orders {
        let query = bench.all().sort(order.clone()).unwrap();
        // Counting under a filter that all rows match makes a cursor's part gather and sort.
        let slow = query.clone().filter(Filter::Absent(Path::field(EMAIL))).unwrap().counted();
        let (mut after, mut walked, mut sorted) = (None, Vec::new(), Vec::new());
        loop {
            let window = Window::Cursor { after: after.clone(), limit: 7 };
            let part = bench.state.query(SCOPE, &query.clone().window(window.clone()).unwrap());
            let other = bench.state.query(SCOPE, &slow.clone().window(window).unwrap()).unwrap();
            let part = part.unwrap();
            assert_eq!(other.total, Some(52), "{order:?}");
            walked.extend(part.items.iter().map(Record::id));
            sorted.extend(other.items.iter().map(Record::id));
            assert_eq!(part.next, other.next, "{order:?}");
            after = part.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(walked, sorted, "{order:?}");
        assert_eq!(walked.len(), 52, "{order:?}");
        let page = Window::Page { offset: 11, limit: 9 };
        let page = bench.ids(&query.window(page).unwrap());
        let expected: Vec<u128> = walked[11..20].iter().map(|id| id.as_u128()).collect();
        assert_eq!(page, expected, "{order:?}");
    }
}

#[test]
fn many_rows_of_one_value_are_still_counted_exactly() {
    let mut bench = bench();
    let insert = |id| {
        let record = Account { status: Some("new"), ..account(id) }.record(&bench.schema);
        Operation::Insert { schema: Arc::clone(&bench.schema), record }
    };
    let operations = (1..=1_500).map(insert).collect();
    bench.commit(operations).unwrap();
    let query = bench.all().filter(Filter::eq(Path::field(STATUS), "new")).unwrap().counted();
    let page = bench.state.query(SCOPE, &query).unwrap();
    assert_eq!(page.total, Some(1_500));
    assert_eq!(bench.ids(&query), (1_481..=1_500).rev().collect::<Vec<_>>());
}

#[test]
fn indexes_follow_updates_soft_deletion_and_removal() {
    let mut bench = bench();
    let one = Account { email: Some("Zoé@x.org"), ..account(1) };
    bench.insert(&one).unwrap();
    let taken = Account { email: Some("ZOE@X.ORG"), ..account(2) };
    assert_eq!(reason(bench.insert(&taken)), Rejection::Taken("accounts_email".to_owned()));

    let gone = Account { version: 2, deleted: true, email: Some("Zoé@x.org"), ..account(1) };
    bench.update(&one, &gone).unwrap();
    bench.insert(&taken).unwrap();
    let back = Account { version: 3, email: Some("Zoé@x.org"), ..account(1) };
    assert_eq!(
        reason(bench.update(&gone, &back)),
        Rejection::Taken("accounts_email".to_owned()),
        "restoring a record whose key was taken meanwhile"
    );
    bench.remove(&taken).unwrap();
    bench.update(&gone, &back).unwrap();
    assert_eq!(bench.ids(&bench.all()), [1]);
}

#[test]
fn references_are_counted_so_that_removal_knows_them() {
    let mut bench = bench();
    let referenced = Rejection::Referenced("accounts".to_owned());
    let parent = account(1);
    bench.insert(&parent).unwrap();
    let child = Account { parent: Some(1), ..account(2) };
    bench.insert(&child).unwrap();
    assert_eq!(reason(bench.remove(&parent)), referenced);
    let deleted = Account { version: 2, deleted: true, parent: Some(1), ..account(2) };
    bench.update(&child, &deleted).unwrap();
    assert_eq!(reason(bench.remove(&parent)), referenced, "a deleted record still refers");
    bench.remove(&deleted).unwrap();
    bench.remove(&parent).unwrap();

    let narcissus = Account { parent: Some(3), ..account(3) };
    bench.insert(&narcissus).unwrap();
    bench.remove(&narcissus).unwrap();
}

#[test]
fn figures_without_a_filter_come_from_what_is_kept() {
    let mut bench = bench();
    for id in 1..=5 {
        bench.insert(&Account { deleted: id == 5, ..account(id) }).unwrap();
    }
    let count = |deleted| {
        let aggregate = Aggregate::count(accounts()).deleted(deleted);
        let groups = bench.state.aggregate(SCOPE, &aggregate).unwrap();
        groups[0].values.clone()
    };
    assert_eq!(count(Deleted::Exclude), [Value::Int(4)]);
    assert_eq!(count(Deleted::Include), [Value::Int(5)]);
    assert_eq!(count(Deleted::Only), [Value::Int(1)]);
    let newest = Measure::Max(Path::field(2));
    let aggregate = Aggregate::count(accounts()).measures(vec![newest]).unwrap();
    let groups = bench.state.aggregate(SCOPE, &aggregate).unwrap();
    assert_eq!(groups[0].values.len(), 1);
}
