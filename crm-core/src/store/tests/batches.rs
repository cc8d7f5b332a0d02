//! Batches: what is refused before a store sees it.

use super::*;
use crate::error::{Error, Result};
use crate::store::{Batch, MAX_OPERATIONS, Operation, unique_values};

fn keyed() -> Arc<Schema> {
    declaration()
        .unique("things_name", &["name"])
        .unwrap()
        .unique("things_place", &["code", "count"])
        .unwrap()
        .build()
        .unwrap()
}

// A thing at a version with a name, or none.
fn named(id: u128, version: i64, name: Option<&str>) -> Record {
    let name = name.map_or(Value::Null, Value::from);
    thing(id, &[(system::VERSION, version.into()), (NAME, name)])
}

fn deleted(id: u128, version: i64, name: &str) -> Record {
    let at = (system::DELETED_AT, time(9).into());
    thing(id, &[(system::VERSION, version.into()), (NAME, name.into()), at])
}

fn insert(record: Record) -> Operation {
    Operation::Insert { schema: keyed(), record }
}

fn update(before: Record, after: Record) -> Operation {
    Operation::Update { schema: keyed(), before, after }
}

fn remove(before: Record) -> Operation {
    Operation::Remove { schema: keyed(), before }
}

fn check(before: Record) -> Operation {
    Operation::Check { schema: keyed(), before }
}

fn increment(counter: &str, by: i64) -> Operation {
    Operation::Increment { counter: counter.to_owned(), by }
}

fn fault(operations: Vec<Operation>) -> String {
    match Batch::new(operations) {
        Err(Error::Internal(message)) => message,
        other => panic!("expected a fault of the library, got {other:?}"),
    }
}

fn accepted(operations: Vec<Operation>) {
    let count = operations.len();
    let batch: Result<Batch> = Batch::new(operations);
    assert_eq!(batch.unwrap().operations().len(), count);
}

#[test]
fn a_batch_has_a_largest_size() {
    let inserts = |count: usize| {
        let plain = things();
        let insert = |id: usize| Operation::Insert {
            schema: Arc::clone(&plain),
            record: Record::from_stored(Some(TENANT), values(id as u128)),
        };
        (0..count).map(insert).collect::<Vec<_>>()
    };
    accepted(inserts(MAX_OPERATIONS));
    let beyond = Batch::new(inserts(MAX_OPERATIONS + 1));
    assert!(matches!(beyond, Err(Error::Limit { limit: 3_000, .. })));
}

#[test]
fn versions_begin_at_1_and_go_up_by_one() {
    accepted(vec![insert(named(1, 1, None))]);
    accepted(vec![update(named(1, 4, None), named(1, 5, None))]);
    assert!(fault(vec![insert(named(1, 2, None))]).contains("not at version 1"));
    for (before, after) in [(4, 4), (4, 6), (4, 3)] {
        let step = update(named(1, before, None), named(1, after, None));
        assert!(fault(vec![step]).contains("from one version to the next"));
    }
}

#[test]
fn an_update_is_of_one_record() {
    let other = update(named(1, 1, None), named(2, 2, None));
    assert!(fault(vec![other]).contains("from one version to the next"));
    let tenant = Some(TenantId::new(Uuid::from_u128(101)));
    let moved = Record::from_stored(tenant, named(1, 2, None).values().to_vec());
    assert!(fault(vec![update(named(1, 1, None), moved)]).contains("from one version to the next"));
}

#[test]
fn no_two_operations_concern_one_record() {
    let record = || named(1, 1, None);
    for second in
        [insert(record()), update(record(), named(1, 2, None)), remove(record()), check(record())]
    {
        let message = fault(vec![check(named(2, 1, None)), check(record()), second]);
        assert_eq!(message, "operation 2 concerns a record that another one concerns");
    }
    let elsewhere =
        Record::from_stored(Some(TenantId::new(Uuid::from_u128(101))), record().values().to_vec());
    accepted(vec![check(record()), check(elsewhere)]);
}

#[test]
fn a_counter_is_incremented_once_by_something() {
    accepted(vec![increment("a", 1), increment("b", i64::MAX)]);
    assert!(fault(vec![increment("a", 1), increment("a", 1)]).contains("a second time"));
    for step in [increment("a", 0), increment("a", -1), increment("", 1), increment("\0", 1)] {
        assert!(fault(vec![step]).contains("is no increment"));
    }
}

#[test]
fn a_unique_key_that_one_operation_frees_is_taken_by_no_other() {
    let (a, b) = (Some("a"), Some("B"));
    let freeing = [
        remove(named(1, 1, a)),
        update(named(1, 1, a), named(1, 2, b)),
        update(named(1, 1, a), named(1, 2, None)),
        update(named(1, 1, a), deleted(1, 2, "a")),
    ];
    let taking = [
        insert(named(2, 1, Some("Á"))),
        update(named(2, 1, None), named(2, 2, a)),
        update(deleted(2, 1, "a"), named(2, 2, a)),
    ];
    for free in &freeing {
        for take in &taking {
            let (first, second) =
                (vec![free.clone(), take.clone()], vec![take.clone(), free.clone()]);
            assert!(
                fault(first).starts_with("operation 1 takes a unique key"),
                "{free:?} {take:?}"
            );
            assert!(fault(second).starts_with("operation 0 takes a unique key"));
        }
    }
}

#[test]
fn two_records_do_not_swap_their_keys() {
    let swap = vec![
        update(named(1, 1, Some("a")), named(1, 2, Some("b"))),
        update(named(2, 1, Some("b")), named(2, 2, Some("a"))),
    ];
    assert!(fault(swap).contains("takes a unique key that another one of the batch frees"));
}

#[test]
fn a_key_that_stays_is_neither_freed_nor_taken() {
    accepted(vec![
        update(named(1, 1, Some("a")), named(1, 2, Some("Á"))),
        insert(named(2, 1, Some("b"))),
        remove(named(3, 1, Some("c"))),
        check(named(4, 1, Some("b"))),
    ]);
}

#[test]
fn what_is_not_held_to_a_key_frees_and_takes_none() {
    accepted(vec![remove(deleted(1, 1, "a")), insert(named(2, 1, Some("a")))]);
    accepted(vec![remove(named(1, 1, Some("a"))), insert(deleted(2, 1, "a"))]);
    accepted(vec![remove(named(1, 1, None)), insert(named(2, 1, None))]);
}

#[test]
fn the_same_values_in_another_tenant_or_key_are_another_matter() {
    let elsewhere = |record: Record| {
        let tenant = Some(TenantId::new(Uuid::from_u128(101)));
        Record::from_stored(tenant, record.values().to_vec())
    };
    accepted(vec![remove(named(1, 1, Some("a"))), insert(elsewhere(named(2, 1, Some("a"))))]);
}

#[test]
fn a_record_is_held_to_a_key_where_all_of_its_fields_are_present() {
    let fields = [CODE, COUNT];
    let held =
        |present: &[(FieldIndex, Value)]| unique_values(&keyed(), &fields, &thing(1, present));
    assert_eq!(held(&[(CODE, "Ab".into()), (COUNT, 1.into())]), Some(vec!["Ab".into(), 1.into()]));
    assert_eq!(held(&[(CODE, "Ab".into())]), None);
    let deleted = (system::DELETED_AT, time(1).into());
    assert_eq!(held(&[(CODE, "Ab".into()), (COUNT, 1.into()), deleted]), None);
    let name = unique_values(&keyed(), &[NAME], &thing(1, &[(NAME, "Müller".into())]));
    assert_eq!(name, Some(vec!["muller".into()]), "text compares by its key");
}
