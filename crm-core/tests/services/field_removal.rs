//! Deleted definitions of a tenant's own fields: what becomes of stored values, on both stores.

use crm_core::access::{Actor, BuiltIn};
use crm_core::custom_fields::{CustomField, CustomFieldDraft, CustomFields, CustomType, Task};
use crm_core::customers::{Customer, CustomerDraft, CustomerPatch};
use crm_core::store::{Aggregate, Deleted, GroupBy, Measure, Value};
use crm_core::users::UserId;
use crm_core::{Crm, Entity, Error, Find, TenantCrm};

async fn acme(crm: &Crm) -> TenantCrm {
    let tenant = crm.system().create_tenant("Acme").await.unwrap();
    let user = UserId::new(crm.random().uuid(crm.clock().now()));
    crm.tenant(Actor::new(tenant.id, user).with_role(BuiltIn::Owner))
}

fn field(key: &str, field_type: CustomType) -> CustomFieldDraft {
    CustomFieldDraft {
        record_type: "customers".into(),
        key: key.into(),
        label: key.into(),
        field_type,
        ..CustomFieldDraft::default()
    }
}

async fn with(acme: &TenantCrm, fields: CustomFields) -> Result<Customer, Error> {
    let draft = CustomerDraft { custom_fields: fields, ..CustomerDraft::company("Acme") };
    acme.customers().create(draft).await
}

async fn define(acme: &TenantCrm, key: &str, field_type: CustomType) -> CustomField {
    acme.custom_fields().create(field(key, field_type)).await.unwrap()
}

async fn number_of(acme: &TenantCrm, customer: &Customer) -> Option<Value> {
    let found = acme.customers().load(customer.id, Deleted::Include).await.unwrap();
    found.custom_fields.get("number").cloned()
}

#[track_caller]
fn assert_unknown<T: std::fmt::Debug>(result: Result<T, Error>) {
    match result {
        Err(Error::Unreadable(fault)) => {
            assert_eq!(
                (fault.field.as_str(), fault.code),
                ("customFields.number", "UNKNOWN_FIELD")
            );
        }
        other => panic!("expected an unknown field, got {other:?}"),
    }
}

#[track_caller]
fn assert_pending<T: std::fmt::Debug>(result: Result<T, Error>, says: &str) {
    match result {
        Err(Error::Conflict { code: "WORK_PENDING", message, .. }) => {
            assert!(message.contains(says), "{message}");
        }
        other => panic!("expected pending work, got {other:?}"),
    }
}

crate::on_both_stores! {
    async fn values_of_a_deleted_field_are_nowhere_and_come_back_with_it(crm: Crm) {
        let acme = acme(&crm).await;
        let fields = acme.custom_fields();
        let number = define(&acme, "number", CustomType::Number).await;
        define(&acme, "region", CustomType::Text).await;
        let both = CustomFields::from([("number", 7.into()), ("region", "EMEA".into())]);
        let one = with(&acme, both.clone()).await.unwrap();
        let edited = with(&acme, both.clone()).await.unwrap();
        let gone = fields.delete(number.id, None).await.unwrap();
        let work = gone.to_do().unwrap();
        assert_eq!((work.task, work.done, work.total), (Task::Clearing, 0, 2));
        // In what is shown.
        let left = CustomFields::from([("region", "EMEA".into())]);
        let customers = acme.customers();
        assert_eq!(customers.get(one.id).await.unwrap().custom_fields, customers.get(edited.id).await.unwrap().custom_fields);
        for shown in customers.find(Find::all()).await.unwrap().items {
            assert_eq!(shown.custom_fields.to_json(), left.to_json());
            assert_eq!(shown.custom_fields.iter().count(), 1);
        }
        // In what is asked.
        let key = || Customer::CUSTOM_FIELDS.key("number", CustomType::Number);
        assert_unknown(customers.find(Find::from(key().eq(7))).await);
        assert_unknown(customers.find(Find::from(key().absent().not())).await);
        assert_unknown(customers.find(Find::all().sort(key().asc())).await);
        assert_unknown(customers.count(key().eq(7)).await);
        assert_unknown(customers.stats(key().eq(7)).await);
        let figures = || Aggregate::count(std::sync::Arc::clone(Customer::schema()));
        assert_unknown(customers.aggregate(figures().measures(vec![Measure::Sum(key().path())]).unwrap()).await);
        assert_unknown(customers.aggregate(figures().group_by(vec![GroupBy::Value(key().path())]).unwrap()).await);
        // Who writes a record does not see them, and does not take them away.
        let apac = CustomFields::from([("region", "APAC".into())]);
        let patch = CustomerPatch { custom_fields: Some(apac.clone()), ..CustomerPatch::default() };
        let after = customers.patch(edited.id, None, patch).await.unwrap();
        assert_eq!(after.custom_fields.to_json(), apac.to_json());
        let same = CustomerPatch { custom_fields: Some(apac), ..CustomerPatch::default() };
        let again = customers.patch(edited.id, None, same).await.unwrap();
        assert_eq!(again.version, after.version, "nothing changed");
        let refused = with(&acme, both).await.unwrap_err();
        assert_eq!(refused.to_string(), "invalid: customFields.number: expected one of [region]");
        // They come back with their definition, to that record too.
        fields.restore(number.id, None).await.unwrap();
        for customer in [&one, &edited] {
            assert_eq!(number_of(&acme, customer).await, Some(7.into()));
        }
        assert_eq!(customers.find(Find::from(key().eq(7)).counted()).await.unwrap().total, Some(2));
        // Another kind of value is not asked for.
        let as_text = Customer::CUSTOM_FIELDS.key("number", CustomType::Text);
        assert_unknown(customers.find(Find::from(as_text.eq("7"))).await);
    }

    async fn values_are_cleared_in_steps_and_their_key_is_free_then(crm: Crm) {
        let acme = acme(&crm).await;
        let fields = acme.custom_fields();
        let unique = CustomFieldDraft { unique: true, ..field("number", CustomType::Number) };
        let number = fields.create(unique).await.unwrap();
        let mut last = None;
        for i in 0..600 {
            last = Some(with(&acme, CustomFields::from([("number", i.into())])).await.unwrap());
        }
        let last = last.unwrap();
        acme.customers().delete(last.id, None).await.unwrap();
        fields.delete(number.id, None).await.unwrap();
        let anew = || fields.create(field("number", CustomType::Text));
        assert_pending(anew().await, &number.id.to_string());
        let half = fields.proceed(number.id).await.unwrap();
        let work = half.to_do().unwrap();
        assert_eq!((work.done, work.total), (500, 600));
        assert_pending(anew().await, &number.id.to_string());
        assert_pending(fields.restore(number.id, None).await, "500 of 600 values are cleared already");
        let done = fields.proceed(number.id).await.unwrap();
        assert!(done.cleared && done.to_do().is_none() && done.deleted_at.is_some());
        assert_eq!(fields.proceed(number.id).await.unwrap(), done);
        // Another field of that name, whose values are all its own.
        let other = anew().await.unwrap();
        let restored = acme.customers().restore(last.id, None).await.unwrap();
        assert!(restored.custom_fields.is_empty());
        let key = Customer::CUSTOM_FIELDS.key("number", CustomType::Text);
        let customers = acme.customers();
        let having = || customers.find(Find::from(key.absent().not()).counted());
        assert_eq!(having().await.unwrap().total, Some(0));
        with(&acme, CustomFields::from([("number", "A-1".into())])).await.unwrap();
        // And the old one again, without values, once the key is free.
        assert!(matches!(fields.restore(number.id, None).await, Err(Error::Conflict { .. })));
        fields.delete(other.id, None).await.unwrap();
        assert_pending(fields.restore(number.id, None).await, &other.id.to_string());
        assert!(fields.proceed(other.id).await.unwrap().cleared);
        let back = fields.restore(number.id, None).await.unwrap();
        assert!(back.unique && !back.cleared);
        with(&acme, CustomFields::from([("number", 1.into())])).await.unwrap();
        let taken = with(&acme, CustomFields::from([("number", 1.into())])).await;
        assert_eq!(taken.unwrap_err().code(), "DUPLICATE");
        let numbers = Customer::CUSTOM_FIELDS.key("number", CustomType::Number);
        let having = acme.customers().find(Find::from(numbers.absent().not()).counted()).await;
        assert_eq!(having.unwrap().total, Some(1));
    }

    async fn a_field_without_values_is_done_with_at_once(crm: Crm) {
        let acme = acme(&crm).await;
        let fields = acme.custom_fields();
        let number = define(&acme, "number", CustomType::Number).await;
        let gone = fields.delete(number.id, None).await.unwrap();
        assert!(gone.cleared && gone.to_do().is_none());
        define(&acme, "number", CustomType::Text).await;
        // Also where it was deleted as any record is.
        let other = define(&acme, "other", CustomType::Number).await;
        acme.records::<CustomField>().delete(other.id, None).await.unwrap();
        assert_pending(fields.create(field("other", CustomType::Text)).await, &other.id.to_string());
        assert!(fields.proceed(other.id).await.unwrap().cleared);
        define(&acme, "other", CustomType::Text).await;
    }

    async fn clearing_is_for_those_who_may_delete(crm: Crm) {
        let acme = acme(&crm).await;
        let number = define(&acme, "number", CustomType::Number).await;
        with(&acme, CustomFields::from([("number", 7.into())])).await.unwrap();
        acme.custom_fields().delete(number.id, None).await.unwrap();
        let user = UserId::new(crm.random().uuid(crm.clock().now()));
        for role in [BuiltIn::Manager, BuiltIn::Readonly] {
            let actor = Actor::new(acme.actor().tenant(), user).with_role(role);
            let refused = crm.tenant(actor).custom_fields().proceed(number.id).await;
            assert!(matches!(refused, Err(Error::NotFound { .. })), "{refused:?}");
        }
        acme.custom_fields().restore(number.id, None).await.unwrap();
    }

    async fn another_change_leaves_hidden_values_where_they_are(crm: Crm) {
        let acme = acme(&crm).await;
        let number = define(&acme, "number", CustomType::Number).await;
        let draft = CustomerDraft {
            custom_fields: CustomFields::from([("number", 7.into())]),
            assigned_to: Some(acme.actor().user()),
            ..CustomerDraft::company("Acme")
        };
        let one = acme.customers().create(draft).await.unwrap();
        acme.custom_fields().delete(number.id, None).await.unwrap();
        let somebody = UserId::new(crm.random().uuid(crm.clock().now()));
        let patch = CustomerPatch { assigned_to: somebody.into(), ..CustomerPatch::default() };
        acme.customers().patch(one.id, None, patch).await.unwrap();
        acme.custom_fields().restore(number.id, None).await.unwrap();
        assert_eq!(number_of(&acme, &one).await, Some(7.into()));
    }
}
