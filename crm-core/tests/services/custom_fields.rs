//! A tenant's own fields over the life of their definitions, on both stores.

use crm_core::access::{Actor, BuiltIn};
use crm_core::custom_fields::{
    CustomField, CustomFieldDraft, CustomFields, CustomType, MOST_PER_TYPE,
};
use crm_core::customers::{Customer, CustomerDraft, CustomerPatch};
use crm_core::store::Value;
use crm_core::users::UserId;
use crm_core::{Crm, Error, TenantCrm};

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

async fn customer(acme: &TenantCrm, custom_fields: CustomFields) -> Result<Customer, Error> {
    let company_name = Some("Acme".to_owned());
    let draft = CustomerDraft { company_name, custom_fields, ..CustomerDraft::default() };
    acme.customers().create(draft).await
}

/// Writes a customer as a host does that shows its fields as JSON and takes them back so.
async fn patch_json(
    acme: &TenantCrm,
    customer: &Customer,
    change: impl FnOnce(&mut serde_json::Map<String, serde_json::Value>),
) -> Result<Customer, Error> {
    let mut json = customer.custom_fields.to_json();
    change(&mut json);
    let custom_fields = CustomFields::from_json(&json)?;
    let patch = CustomerPatch { custom_fields: Some(custom_fields), ..CustomerPatch::default() };
    acme.customers().patch(customer.id, None, patch).await
}

fn faults<T: std::fmt::Debug>(result: Result<T, Error>) -> Vec<(String, &'static str)> {
    match result {
        Err(Error::Invalid(faults)) => faults.into_iter().map(|f| (f.field, f.code)).collect(),
        other => panic!("expected field faults, got {other:?}"),
    }
}

crate::on_both_stores! {
    async fn a_value_that_cannot_be_stored_is_a_fault_of_its_field(crm: Crm) {
        let acme = acme(&crm).await;
        acme.custom_fields().create(field("price", CustomType::Decimal)).await.unwrap();
        acme.custom_fields().create(field("since", CustomType::Date)).await.unwrap();
        let values = CustomFields::from([
            ("price", "1.2345678".into()),
            ("since", "+10000-01-01".into()),
        ]);
        let expected = [
            ("customFields.price".to_owned(), "TOO_PRECISE"),
            ("customFields.since".to_owned(), "OUT_OF_RANGE"),
        ];
        assert_eq!(faults(customer(&acme, values).await), expected);
    }

    async fn all_values_of_a_record_together_are_no_more_than_they_may_be(crm: Crm) {
        let acme = acme(&crm).await;
        let mut values = CustomFields::default();
        for i in 0..40 {
            let key = format!("text_{i}");
            acme.custom_fields().create(field(&key, CustomType::Text)).await.unwrap();
            values.set(key, "x".repeat(if i < 30 { 2_000 } else { 500 }));
        }
        customer(&acme, values.clone()).await.unwrap();
        values.set("text_30", "x".repeat(2_000));
        assert_eq!(faults(customer(&acme, values).await), [("customFields".to_owned(), "TOO_LONG")]);
    }

    async fn nobody_writes_a_hidden_value(crm: Crm) {
        let acme = acme(&crm).await;
        let gone = acme.custom_fields().create(field("gone", CustomType::Text)).await.unwrap();
        acme.custom_fields().delete(gone.id, None).await.unwrap();
        for key in ["\0gone", "\0", "\0\0gone"] {
            let refused = faults(customer(&acme, CustomFields::from([(key, "x".into())])).await);
            assert_eq!(refused[0].1, "UNKNOWN_FIELD", "{key:?}");
            let json = serde_json::json!({key: "x"});
            let refused = faults(CustomFields::from_json(json.as_object().unwrap()));
            assert_eq!(refused, [(format!("customFields.{key}"), "UNKNOWN_FIELD")]);
        }
    }

    async fn a_default_that_cannot_be_stored_is_refused(crm: Crm) {
        let acme = acme(&crm).await;
        let default = Some(serde_json::json!(0.123_456_78));
        let price = CustomFieldDraft { default, ..field("price", CustomType::Decimal) };
        let refused = acme.custom_fields().create(price).await;
        assert_eq!(faults(refused), [("default".to_owned(), "TOO_PRECISE")]);
    }

    async fn what_is_left_alone_is_not_asked_about_again(crm: Crm) {
        let acme = acme(&crm).await;
        let plan = CustomFieldDraft {
            options: vec!["gold".into(), "silver".into()],
            ..field("plan", CustomType::Choice)
        };
        acme.custom_fields().create(plan).await.unwrap();
        let price = acme.custom_fields().create(field("price", CustomType::Decimal)).await.unwrap();
        acme.custom_fields().create(field("seats", CustomType::Number)).await.unwrap();
        let values = CustomFields::from([("plan", "gold".into()), ("price", "12.5".into())]);
        let created = customer(&acme, values).await.unwrap();

        acme.custom_fields().delete(price.id, None).await.unwrap();
        let required = CustomFieldDraft { required: true, ..field("region", CustomType::Text) };
        acme.custom_fields().create(required).await.unwrap();

        let same = patch_json(&acme, &created, |_| {}).await.unwrap();
        assert_eq!(same.version, 1, "nothing changed, so nothing was missed either");
        let changed = patch_json(&acme, &created, |json| {
            json.insert("seats".into(), 3.into());
            json.insert("region".into(), "EMEA".into());
        });
        let changed = changed.await.unwrap();
        assert_eq!(changed.custom_fields.get("plan"), Some(&"gold".into()));
        assert_eq!(changed.custom_fields.get("price"), None, "nobody sees it any more");
        let refused = patch_json(&acme, &changed, |json| {
            json.insert("price".into(), "13".into());
        });
        assert_eq!(faults(refused.await), [("customFields.price".to_owned(), "UNKNOWN_FIELD")]);
    }

    async fn a_list_of_nothing_is_no_value(crm: Crm) {
        let acme = acme(&crm).await;
        let langs = CustomFieldDraft {
            options: vec!["de".into()],
            required: true,
            ..field("langs", CustomType::Choices)
        };
        acme.custom_fields().create(langs).await.unwrap();
        let nothing = CustomFields::from([("langs", Value::Codes(Vec::new()))]);
        let required = [("customFields.langs".to_owned(), "REQUIRED")];
        assert_eq!(faults(customer(&acme, nothing).await), required);
    }

    async fn a_definition_counts_at_once_whichever_way_it_is_written(crm: Crm) {
        let acme = acme(&crm).await;
        let values = || CustomFields::from([("region", "EMEA".into())]);
        assert_eq!(
            faults(customer(&acme, values()).await),
            [("customFields.region".to_owned(), "UNKNOWN_FIELD")]
        );
        let region = field("region", CustomType::Text);
        let region = acme.records::<CustomField>().create(region).await.unwrap();
        customer(&acme, values()).await.unwrap();
        acme.records::<CustomField>().delete(region.id, None).await.unwrap();
        assert!(customer(&acme, values()).await.is_err());
    }

    async fn definitions_that_are_brought_back_count_too(crm: Crm) {
        let acme = acme(&crm).await;
        let fields = acme.custom_fields();
        let first = fields.create(field("first", CustomType::Text)).await.unwrap();
        fields.delete(first.id, None).await.unwrap();
        for i in 0..MOST_PER_TYPE {
            fields.create(field(&format!("key{i}"), CustomType::Text)).await.unwrap();
        }
        let too_many = [(String::new(), "TOO_MANY")];
        assert_eq!(faults(fields.create(field("more", CustomType::Text)).await), too_many);
        assert_eq!(faults(fields.restore(first.id, None).await), too_many);
    }
}
