//! A tenant's own fields whose values no two records share, on both stores.

use std::sync::Arc;

use crm_core::access::{Actor, BuiltIn};
use crm_core::custom_fields::{
    CustomField, CustomFieldDraft, CustomFieldPatch, CustomFields, CustomType, definitions,
};
use crm_core::customers::{Customer, CustomerDraft, CustomerPatch};
use crm_core::users::UserId;
use crm_core::{Crm, Error, TenantCrm};
use crm_store_memory::MemoryStore;
use crm_store_postgres::testing::TestDatabase;

use crate::support::{store_on, two_over};

async fn tenant(crm: &Crm, name: &str) -> TenantCrm {
    let tenant = crm.system().create_tenant(name).await.unwrap();
    let user = UserId::new(crm.random().uuid(crm.clock().now()));
    crm.tenant(Actor::new(tenant.id, user).with_role(BuiltIn::Owner))
}

fn field(key: &str, field_type: CustomType, unique: bool) -> CustomFieldDraft {
    CustomFieldDraft {
        record_type: "customers".into(),
        key: key.into(),
        label: key.into(),
        field_type,
        unique,
        ..CustomFieldDraft::default()
    }
}

async fn with(within: &TenantCrm, fields: CustomFields) -> Result<Customer, Error> {
    let draft = CustomerDraft { custom_fields: fields, ..CustomerDraft::company("Acme") };
    within.customers().create(draft).await
}

async fn number(within: &TenantCrm, value: &str) -> Result<Customer, Error> {
    with(within, CustomFields::from([("number", value.into())])).await
}

async fn renumber(
    within: &TenantCrm,
    one: &Customer,
    value: Option<&str>,
) -> Result<Customer, Error> {
    let fields = value
        .map_or_else(CustomFields::default, |value| CustomFields::from([("number", value.into())]));
    let patch = CustomerPatch { custom_fields: Some(fields), ..CustomerPatch::default() };
    within.customers().patch(one.id, None, patch).await
}

fn unique(on: bool) -> CustomFieldPatch {
    CustomFieldPatch { unique: Some(on), ..CustomFieldPatch::default() }
}

#[track_caller]
fn assert_taken<T: std::fmt::Debug>(result: Result<T, Error>) {
    match result {
        Err(Error::Conflict { code: "DUPLICATE", field: Some(field), message }) => {
            assert_eq!(field, "customFields.number");
            assert_eq!(message, "another of the customers has the same customFields.number");
        }
        other => panic!("expected a conflict, got {other:?}"),
    }
}

crate::on_both_stores! {
    async fn a_value_is_one_records_as_long_as_it_lives_and_keeps_it(crm: Crm) {
        let acme = tenant(&crm, "Acme").await;
        acme.custom_fields().create(field("number", CustomType::Text, true)).await.unwrap();
        let one = number(&acme, "Größe-1").await.unwrap();
        assert_taken(number(&acme, "GROSSE-1").await);
        let other = number(&acme, "2").await.unwrap();
        with(&acme, CustomFields::default()).await.unwrap();
        with(&acme, CustomFields::default()).await.unwrap();
        assert_taken(renumber(&acme, &other, Some("grosse-1")).await);
        // Its own value in other words is still its own.
        renumber(&acme, &one, Some("grösse-1")).await.unwrap();
        // What is given up or moved away from is free.
        renumber(&acme, &one, Some("3")).await.unwrap();
        let other = renumber(&acme, &other, Some("grosse-1")).await.unwrap();
        renumber(&acme, &other, None).await.unwrap();
        number(&acme, "Grosse-1").await.unwrap();
        // As are those of deleted records, until they come back.
        acme.customers().delete(one.id, None).await.unwrap();
        let next = number(&acme, "3").await.unwrap();
        assert_taken(acme.customers().restore(one.id, None).await);
        acme.customers().delete(next.id, None).await.unwrap();
        acme.customers().restore(one.id, None).await.unwrap();
        assert_taken(acme.customers().restore(next.id, None).await);
        assert_taken(number(&acme, "3").await);
    }

    async fn tenants_and_fields_do_not_share_values(crm: Crm) {
        let (acme, globex) = (tenant(&crm, "Acme").await, tenant(&crm, "Globex").await);
        for within in [&acme, &globex] {
            within.custom_fields().create(field("number", CustomType::Text, true)).await.unwrap();
            within.custom_fields().create(field("other", CustomType::Text, true)).await.unwrap();
            let both = CustomFields::from([("number", "1".into()), ("other", "1".into())]);
            with(within, both).await.unwrap();
        }
    }

    async fn every_type_that_can_be_unique_is_compared_as_its_values_are(crm: Crm) {
        let acme = tenant(&crm, "Acme").await;
        let pairs: [(CustomType, &str, &str, &str); 7] = [
            (CustomType::Text, "🙂 É", "🙂 e", "🙃 e"),
            (CustomType::Number, "9223372036854775807", "+9223372036854775807", "-9223372036854775808"),
            (CustomType::Decimal, "-0", "0.000000", "0.000001"),
            (CustomType::Date, "2026-02-28", "2026-02-28", "2028-02-29"),
            (CustomType::Timestamp, "2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00.000001Z"),
            (CustomType::Url, "https://Acme.example", "HTTPS://ACME.example", "https://acme.example/b"),
            (CustomType::Email, "Ann@Acme.example", "ann@acme.example", "bob@acme.example"),
        ];
        for (field_type, value, same, other) in pairs {
            let key = field_type.to_string();
            acme.custom_fields().create(field(&key, field_type, true)).await.unwrap();
            let has = |value: &str| CustomFields::from([(key.clone(), value.into())]);
            with(&acme, has(value)).await.unwrap();
            let refused = with(&acme, has(same)).await.unwrap_err();
            assert_eq!(refused.code(), "DUPLICATE", "{field_type}: {same}");
            with(&acme, has(other)).await.unwrap();
        }
        let long = "é".repeat(1_999);
        with(&acme, CustomFields::from([("text", format!("{long}1").into())])).await.unwrap();
        with(&acme, CustomFields::from([("text", format!("{long}2").into())])).await.unwrap();
        let again = with(&acme, CustomFields::from([("text", format!("{long}2").into())])).await;
        assert_eq!(again.unwrap_err().code(), "DUPLICATE");
    }

    async fn what_cannot_be_unique_says_so(crm: Crm) {
        let acme = tenant(&crm, "Acme").await;
        let mut plan = field("plan", CustomType::Choice, true);
        plan.options = vec!["gold".into()];
        let mut text = field("text", CustomType::Text, true);
        text.default = Some("x".into());
        for (draft, at) in [(plan, "unique"), (field("vip", CustomType::Boolean, true), "unique"), (text, "default")] {
            match acme.custom_fields().create(draft).await {
                Err(Error::Invalid(faults)) => {
                    assert_eq!((faults[0].field.as_str(), faults[0].code), (at, "NOT_ALLOWED"));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    async fn of_many_who_want_a_value_at_once_one_gets_it(crm: Crm) {
        let acme = tenant(&crm, "Acme").await;
        acme.custom_fields().create(field("number", CustomType::Text, true)).await.unwrap();
        let wanted = (0..8).map(|_| {
            let acme = acme.clone();
            tokio::spawn(async move { number(&acme, "1").await })
        });
        let mut got = 0;
        for wanted in wanted.collect::<Vec<_>>() {
            match wanted.await.unwrap() {
                Ok(_) => got += 1,
                refused => assert_taken(refused),
            }
        }
        assert_eq!(got, 1);
    }

    async fn a_field_with_shared_values_does_not_become_unique(crm: Crm) {
        let acme = tenant(&crm, "Acme").await;
        let fields = acme.custom_fields();
        let defined = fields.create(field("number", CustomType::Text, false)).await.unwrap();
        let first = number(&acme, "A").await.unwrap();
        for value in ["a", "á", "b", "c", "C"] {
            number(&acme, value).await.unwrap();
        }
        let refused = fields.patch(defined.id, None, unique(true)).await.unwrap_err();
        assert_eq!(refused.code(), "DUPLICATE_VALUES");
        let said = refused.to_string();
        assert!(said.starts_with("3 of 6 customers would have to be given another value"), "{said}");
        assert!(said.contains(&first.id.to_string()), "{said}");
        // Who sees none of them is not told how many there are.
        let blind = UserId::new(crm.random().uuid(crm.clock().now()));
        let manager = Actor::new(acme.actor().tenant(), blind).with_role(BuiltIn::Manager);
        let refused = crm.tenant(manager).custom_fields().patch(defined.id, None, unique(true)).await;
        assert_eq!(refused.unwrap_err().to_string(), "some customers would have to be given another value first");
        let after = fields.get(defined.id).await.unwrap();
        assert!(!after.unique && after.work.is_none());
        number(&acme, "b").await.unwrap();
    }

    async fn stored_values_are_claimed_in_steps(crm: Crm) {
        let acme = tenant(&crm, "Acme").await;
        let fields = acme.custom_fields();
        let defined = fields.create(field("number", CustomType::Number, false)).await.unwrap();
        let mut customers = Vec::new();
        for i in 0..1_005 {
            let fields = CustomFields::from([("number", i.into())]);
            customers.push(with(&acme, fields).await.unwrap());
        }
        let deleted = customers[1_000].id;
        acme.customers().delete(deleted, None).await.unwrap();
        // Steps go by the ids.
        let first = customers.iter().filter(|one| one.id != deleted).min_by_key(|one| one.id);
        let claimed = first.unwrap().custom_fields.clone();
        let begun = fields.patch(defined.id, None, unique(true)).await.unwrap();
        let work = begun.work.clone().unwrap();
        assert_eq!((work.done, work.total), (500, 1_004));
        // New values are held to it from the first moment.
        let has = |value: i64| CustomFields::from([("number", value.into())]);
        with(&acme, has(5_000)).await.unwrap();
        assert_taken(with(&acme, has(5_000)).await);
        assert_taken(with(&acme, claimed).await);
        let half = fields.proceed(defined.id).await.unwrap();
        assert_eq!(half.work.unwrap().done, 1_000);
        let whole = fields.proceed(defined.id).await.unwrap();
        assert!(whole.unique && whole.work.is_none());
        assert_eq!(fields.proceed(defined.id).await.unwrap(), whole);
        assert_taken(with(&acme, has(1_004)).await);
        with(&acme, has(1_000)).await.unwrap();
        assert_taken(acme.customers().restore(deleted, None).await);
    }

    async fn values_that_came_to_be_shared_meanwhile_undo_it(crm: Crm) {
        let acme = tenant(&crm, "Acme").await;
        let fields = acme.custom_fields();
        let defined = fields.create(field("number", CustomType::Number, false)).await.unwrap();
        let mut customers = Vec::new();
        for i in 0..600 {
            customers.push(with(&acme, CustomFields::from([("number", i.into())])).await.unwrap());
        }
        // Steps go by the ids.
        customers.sort_by_key(|one| one.id);
        let [first, .., last] = &customers[..] else { panic!("expected six hundred") };
        let begun = fields.patch(defined.id, None, unique(true)).await.unwrap();
        assert!(begun.work.is_some());
        // Not claimed yet, so somebody else can have it.
        with(&acme, last.custom_fields.clone()).await.unwrap();
        let refused = fields.proceed(defined.id).await.unwrap_err();
        assert_eq!(refused.code(), "DUPLICATE_VALUES");
        let after = fields.get(defined.id).await.unwrap();
        assert!(!after.unique && after.work.is_none());
        // What was claimed until then is nobody's.
        with(&acme, first.custom_fields.clone()).await.unwrap();
    }

    async fn turned_off_and_on_again_it_goes_by_what_is_stored_then(crm: Crm) {
        let acme = tenant(&crm, "Acme").await;
        let fields = acme.custom_fields();
        let defined = fields.create(field("number", CustomType::Text, true)).await.unwrap();
        let one = number(&acme, "1").await.unwrap();
        fields.patch(defined.id, None, unique(false)).await.unwrap();
        let other = number(&acme, "1").await.unwrap();
        renumber(&acme, &one, Some("2")).await.unwrap();
        let on = fields.patch(defined.id, None, unique(true)).await.unwrap();
        assert!(on.unique && on.work.is_none());
        assert_taken(number(&acme, "1").await);
        assert_taken(number(&acme, "2").await);
        renumber(&acme, &other, Some("3")).await.unwrap();
        renumber(&acme, &one, Some("1")).await.unwrap();
        // So does one that was deleted meanwhile.
        fields.delete(defined.id, None).await.unwrap();
        acme.customers().delete(one.id, None).await.unwrap();
        fields.restore(defined.id, None).await.unwrap();
        number(&acme, "1").await.unwrap();
        assert_taken(acme.customers().restore(one.id, None).await);
    }

    async fn another_tenants_definition_is_not_there(crm: Crm) {
        let (acme, globex) = (tenant(&crm, "Acme").await, tenant(&crm, "Globex").await);
        let defined = acme.custom_fields().create(field("number", CustomType::Text, false)).await.unwrap();
        let fields = globex.custom_fields();
        assert!(matches!(fields.proceed(defined.id).await, Err(Error::NotFound { .. })));
        assert!(matches!(fields.patch(defined.id, None, unique(true)).await, Err(Error::NotFound { .. })));
        let after: CustomField = acme.custom_fields().get(defined.id).await.unwrap();
        assert_eq!(after, defined);
    }
}

// Servers remember definitions for a moment, each by itself. A batch says by which it went.
async fn go_by_definitions_of_now([crm, other]: [Crm; 2]) {
    let acme = tenant(&crm, "Acme").await;
    let fields = acme.custom_fields();
    let mut plan = field("plan", CustomType::Choice, false);
    plan.options = vec!["gold".into(), "silver".into()];
    let plan = fields.create(plan).await.unwrap();
    let defined = fields.create(field("number", CustomType::Text, false)).await.unwrap();
    number(&acme, "1").await.unwrap();
    // Another server, which remembers definitions by itself.
    let elsewhere = other.tenant(acme.actor().clone());
    number(&elsewhere, "2").await.unwrap();
    fields.patch(defined.id, None, unique(true)).await.unwrap();
    assert_taken(number(&elsewhere, "1").await);
    let silver =
        CustomFieldPatch { options: Some(vec!["silver".into()]), ..CustomFieldPatch::default() };
    fields.patch(plan.id, None, silver).await.unwrap();
    let gold = with(&elsewhere, CustomFields::from([("plan", "gold".into())])).await;
    assert_eq!(
        gold.unwrap_err().to_string(),
        "invalid: customFields.plan: expected one of silver, got \"gold\""
    );
    fields.delete(defined.id, None).await.unwrap();
    assert!(matches!(number(&elsewhere, "9").await, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn whoever_goes_by_a_definition_of_yesterday_looks_again_in_memory() {
    go_by_definitions_of_now(two_over(Arc::new(MemoryStore::new())).await).await;
}

#[tokio::test]
async fn whoever_goes_by_a_definition_of_yesterday_looks_again_on_postgres() {
    let database = TestDatabase::migrated().await.unwrap();
    go_by_definitions_of_now(two_over(Arc::new(store_on(&database).await)).await).await;
}

// A value that comes back or goes is claimed or given up, also by whoever has not heard yet that
// its field is there.
async fn claim_by_definitions_made_elsewhere([crm, other]: [Crm; 2]) {
    for restored_elsewhere in [false, true] {
        let acme = tenant(&crm, "Acme").await;
        let elsewhere = other.tenant(acme.actor().clone());
        assert!(definitions(&elsewhere, "customers").await.unwrap().is_empty());
        acme.custom_fields().create(field("number", CustomType::Text, true)).await.unwrap();
        let first = number(&acme, "1").await.unwrap();
        let deletes = if restored_elsewhere { &acme } else { &elsewhere };
        deletes.customers().delete(first.id, None).await.unwrap();
        number(&acme, "1").await.unwrap();
        assert_taken(elsewhere.customers().restore(first.id, None).await);
    }
}

#[tokio::test]
async fn a_field_that_was_made_elsewhere_a_moment_ago_is_kept_unique_in_memory() {
    claim_by_definitions_made_elsewhere(two_over(Arc::new(MemoryStore::new())).await).await;
}

#[tokio::test]
async fn a_field_that_was_made_elsewhere_a_moment_ago_is_kept_unique_on_postgres() {
    let database = TestDatabase::migrated().await.unwrap();
    claim_by_definitions_made_elsewhere(two_over(Arc::new(store_on(&database).await)).await).await;
}
