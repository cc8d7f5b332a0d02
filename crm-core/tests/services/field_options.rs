//! The options of a tenant's own choices: renamed, taken away, and what becomes of stored values,
//! on both stores.

use crm_core::access::{Actor, BuiltIn};
use crm_core::custom_fields::{
    CustomField, CustomFieldDraft, CustomFieldPatch, CustomFields, CustomType, Instead,
};
use crm_core::customers::{Customer, CustomerDraft, CustomerPatch};
use crm_core::store::{Deleted, Value};
use crm_core::users::UserId;
use crm_core::{Crm, Error, Find, TenantCrm};

async fn acme(crm: &Crm) -> TenantCrm {
    let tenant = crm.system().create_tenant("Acme").await.unwrap();
    let user = UserId::new(crm.random().uuid(crm.clock().now()));
    crm.tenant(Actor::new(tenant.id, user).with_role(BuiltIn::Owner))
}

async fn define(acme: &TenantCrm, field_type: CustomType, default: Option<&str>) -> CustomField {
    let draft = CustomFieldDraft {
        record_type: "customers".into(),
        key: "plan".into(),
        label: "Plan".into(),
        field_type,
        options: ["gold", "silver", "bronze"].map(str::to_owned).to_vec(),
        default: default.map(Into::into),
        ..CustomFieldDraft::default()
    };
    acme.custom_fields().create(draft).await.unwrap()
}

fn list(options: &[&str]) -> Value {
    Value::Codes(options.iter().map(|option| (*option).to_owned()).collect())
}

async fn with(within: &TenantCrm, plan: impl Into<Value>) -> Result<Customer, Error> {
    let custom_fields = CustomFields::from([("plan", plan.into())]);
    let draft = CustomerDraft { custom_fields, ..CustomerDraft::company("Acme") };
    within.customers().create(draft).await
}

async fn plan_of(acme: &TenantCrm, customer: &Customer) -> Option<Value> {
    let found = acme.customers().load(customer.id, Deleted::Include).await.unwrap();
    found.custom_fields.get("plan").cloned()
}

async fn found_by(acme: &TenantCrm, plan: &str) -> u64 {
    let key = Customer::CUSTOM_FIELDS.key("plan", CustomType::Choice);
    acme.customers().find(Find::from(key.eq(plan)).counted()).await.unwrap().total.unwrap()
}

fn only(options: &[&str]) -> CustomFieldPatch {
    let options = options.iter().map(|option| (*option).to_owned()).collect();
    CustomFieldPatch { options: Some(options), ..CustomFieldPatch::default() }
}

crate::on_both_stores! {
    async fn an_option_that_records_have_does_not_go_by_itself(crm: Crm) {
        let acme = acme(&crm).await;
        let fields = acme.custom_fields();
        let plan = define(&acme, CustomType::Choice, None).await;
        with(&acme, "gold").await.unwrap();
        let deleted = with(&acme, "gold").await.unwrap();
        acme.customers().delete(deleted.id, None).await.unwrap();
        with(&acme, "silver").await.unwrap();
        let said = "customers have options that are to go: \"gold\" in 2, \"silver\" in 1; \
                    say what they get instead when one is removed";
        let refused = fields.patch(plan.id, None, only(&["bronze"])).await.unwrap_err();
        assert_eq!((refused.code(), refused.to_string().as_str()), ("OPTION_IN_USE", said));
        let refused = fields.remove_option(plan.id, None, "gold", Instead::Refuse).await;
        assert_eq!(refused.unwrap_err().code(), "OPTION_IN_USE");
        assert_eq!(fields.get(plan.id).await.unwrap(), plan);
        // What nobody has goes, and others come.
        let after = fields.patch(plan.id, None, only(&["silver", "gold", "tin"])).await.unwrap();
        assert_eq!(after.options, ["silver", "gold", "tin"]);
        assert_eq!(after.work, None);
        let after = fields.remove_option(plan.id, None, "tin", Instead::Refuse).await.unwrap();
        assert_eq!((after.options.len(), after.work), (2, None));
    }

    async fn a_renamed_option_is_renamed_everywhere(crm: Crm) {
        let acme = acme(&crm).await;
        let fields = acme.custom_fields();
        let plan = define(&acme, CustomType::Choice, Some("gold")).await;
        let one = with(&acme, "gold").await.unwrap();
        let other = with(&acme, "silver").await.unwrap();
        let deleted = with(&acme, "gold").await.unwrap();
        acme.customers().delete(deleted.id, None).await.unwrap();
        let after = fields.rename_option(plan.id, None, "gold", " Gold plus ").await.unwrap();
        assert_eq!(after.options, ["Gold plus", "silver", "bronze"], "in its place");
        assert_eq!(after.default, Some("Gold plus".into()));
        assert_eq!(after.work, None);
        for (customer, expected) in [(&one, "Gold plus"), (&other, "silver"), (&deleted, "Gold plus")] {
            assert_eq!(plan_of(&acme, customer).await, Some(expected.into()));
        }
        assert_eq!((found_by(&acme, "Gold plus").await, found_by(&acme, "gold").await), (1, 0));
        let version = acme.customers().get(one.id).await.unwrap().version;
        assert_eq!(version, 2, "a change like any other");
        assert!(with(&acme, "gold").await.is_err());
        // The same again is no change, another one's name is refused.
        let same = fields.rename_option(plan.id, None, "silver", "silver").await.unwrap();
        assert_eq!(same, after);
        for (option, to, at) in [("silver", "bronze", "to"), ("gold", "x", "option"), ("silver", " ", "to")] {
            match fields.rename_option(plan.id, None, option, to).await {
                Err(Error::Invalid(faults)) => assert_eq!(faults[0].field, at),
                other => panic!("{other:?}"),
            }
        }
        let stale = fields.rename_option(plan.id, Some(1), "silver", "tin").await;
        assert!(matches!(stale, Err(Error::Stale { .. })));
    }

    async fn an_option_gives_way_to_another_one_or_to_none(crm: Crm) {
        let acme = acme(&crm).await;
        let fields = acme.custom_fields();
        let plan = define(&acme, CustomType::Choices, None).await;
        let both = with(&acme, list(&["gold", "silver"])).await.unwrap();
        let gold = with(&acme, list(&["gold"])).await.unwrap();
        let others = with(&acme, list(&["bronze"])).await.unwrap();
        let instead = Instead::Option("silver".into());
        let after = fields.remove_option(plan.id, None, "gold", instead).await.unwrap();
        assert_eq!(after.options, ["silver", "bronze"]);
        assert_eq!(plan_of(&acme, &both).await, Some(list(&["silver"])), "each once");
        assert_eq!(plan_of(&acme, &gold).await, Some(list(&["silver"])));
        assert_eq!(plan_of(&acme, &others).await, Some(list(&["bronze"])));
        let after = fields.remove_option(plan.id, None, "silver", Instead::Nothing).await.unwrap();
        assert_eq!((after.options, after.work), (vec!["bronze".to_owned()], None));
        assert_eq!(plan_of(&acme, &gold).await, None);
        // Nothing is left to choose.
        let last = fields.remove_option(plan.id, None, "bronze", Instead::Nothing).await;
        assert!(matches!(last, Err(Error::Invalid(_))), "{last:?}");
        assert_eq!(plan_of(&acme, &others).await, Some(list(&["bronze"])));
    }

    async fn a_required_field_is_not_cleared_and_a_default_is_no_more(crm: Crm) {
        let acme = acme(&crm).await;
        let fields = acme.custom_fields();
        let plan = define(&acme, CustomType::Choice, Some("gold")).await;
        let one = with(&acme, "gold").await.unwrap();
        let required = CustomFieldPatch { required: Some(true), ..CustomFieldPatch::default() };
        fields.patch(plan.id, None, required).await.unwrap();
        match fields.remove_option(plan.id, None, "gold", Instead::Nothing).await {
            Err(Error::Invalid(faults)) => {
                assert_eq!((faults[0].field.as_str(), faults[0].code), ("replacement", "REQUIRED"));
            }
            other => panic!("{other:?}"),
        }
        let instead = Instead::Option("bronze".into());
        let after = fields.remove_option(plan.id, None, "gold", instead).await.unwrap();
        assert_eq!(after.default, Some("bronze".into()));
        assert_eq!(plan_of(&acme, &one).await, Some("bronze".into()));
        for (option, instead, at) in [
            ("silver", Instead::Option("silver".into()), "replacement"),
            ("silver", Instead::Option("tin".into()), "replacement"),
            ("tin", Instead::Nothing, "option"),
        ] {
            match fields.remove_option(plan.id, None, option, instead).await {
                Err(Error::Invalid(faults)) => assert_eq!(faults[0].field, at),
                other => panic!("{other:?}"),
            }
        }
    }

    async fn many_records_follow_in_steps(crm: Crm) {
        let acme = acme(&crm).await;
        let fields = acme.custom_fields();
        let plan = define(&acme, CustomType::Choice, None).await;
        for i in 0..1_040 {
            with(&acme, if i % 2 == 0 { "gold" } else { "silver" }).await.unwrap();
        }
        let begun = fields.rename_option(plan.id, None, "gold", "platinum").await.unwrap();
        let work = begun.work.clone().unwrap();
        assert_eq!((work.done, work.total), (500, 520));
        // Nobody can choose what is gone, what they have stays theirs, and it cannot come back.
        assert!(with(&acme, "gold").await.is_err());
        let key = Customer::CUSTOM_FIELDS.key("plan", CustomType::Choice);
        let left = acme.customers().find(Find::from(key.eq("gold"))).await.unwrap().items;
        assert_eq!(left.len(), 20);
        let note = CustomerPatch { notes: "x".to_owned().into(), ..CustomerPatch::default() };
        let kept = acme.customers().patch(left[0].id, None, note).await.unwrap();
        assert_eq!(kept.custom_fields.get("plan"), Some(&"gold".into()));
        let again = fields.patch(plan.id, None, only(&["gold", "platinum", "silver", "bronze"])).await;
        assert_eq!(again.unwrap_err().code(), "WORK_PENDING");
        let more = fields.rename_option(plan.id, None, "silver", "tin").await;
        assert_eq!(more.unwrap_err().code(), "WORK_PENDING");
        let label = CustomFieldPatch { label: Some("The plan".into()), ..CustomFieldPatch::default() };
        fields.patch(plan.id, None, label).await.unwrap();
        let done = fields.proceed(plan.id).await.unwrap();
        assert_eq!(done.work, None);
        assert_eq!((found_by(&acme, "platinum").await, found_by(&acme, "gold").await), (520, 0));
    }

    async fn whoever_does_not_reach_all_records_rewrites_none(crm: Crm) {
        let acme = acme(&crm).await;
        let plan = define(&acme, CustomType::Choice, None).await;
        let one = with(&acme, "gold").await.unwrap();
        let user = UserId::new(crm.random().uuid(crm.clock().now()));
        let manager = Actor::new(acme.actor().tenant(), user).with_role(BuiltIn::Manager);
        let fields = crm.tenant(manager).custom_fields();
        let refused = fields.rename_option(plan.id, None, "gold", "x").await;
        assert!(matches!(refused, Err(Error::Forbidden { .. })), "{refused:?}");
        let refused = fields.remove_option(plan.id, None, "gold", Instead::Nothing).await;
        assert!(matches!(refused, Err(Error::Forbidden { .. })), "{refused:?}");
        assert_eq!(plan_of(&acme, &one).await, Some("gold".into()));
        let reader = Actor::new(acme.actor().tenant(), user).with_role(BuiltIn::Readonly);
        let refused = crm.tenant(reader).custom_fields().rename_option(plan.id, None, "no", "x").await;
        assert!(matches!(refused, Err(Error::Forbidden { .. })), "{refused:?}");
    }
}

// Two servers: while one takes an option away that nobody has, the other gives it to somebody.
#[tokio::test]
async fn an_option_that_is_given_while_it_goes_comes_back_or_is_refused() {
    let database = crm_store_postgres::testing::TestDatabase::migrated().await.unwrap();
    let store = std::sync::Arc::new(crate::support::store_on(&database).await);
    let [crm, other] = crate::support::two_over(store).await;
    let acme = acme(&crm).await;
    let elsewhere = other.tenant(acme.actor().clone());
    let fields = acme.custom_fields();
    let mut plan = define(&acme, CustomType::Choice, None).await;
    for _ in 0..20 {
        let (taken, given) = tokio::join!(
            fields.remove_option(plan.id, None, "gold", Instead::Refuse),
            with(&elsewhere, "gold")
        );
        plan = fields.get(plan.id).await.unwrap();
        assert_eq!(plan.work, None);
        let listed = plan.options.iter().any(|option| option == "gold");
        match (taken, given) {
            (Ok(_), Err(Error::Invalid(_))) => assert!(!listed),
            (Err(Error::Conflict { code: "OPTION_IN_USE", .. }), Ok(given)) => {
                assert!(listed, "{plan:?}");
                acme.customers().delete(given.id, None).await.unwrap();
                fields.remove_option(plan.id, None, "gold", Instead::Nothing).await.unwrap();
            }
            other => panic!("{other:?}"),
        }
        plan = fields.patch(plan.id, None, only(&["gold", "silver", "bronze"])).await.unwrap();
    }
    let key = Customer::CUSTOM_FIELDS.key("plan", CustomType::Choice);
    assert!(acme.customers().find(Find::from(key.eq("gold"))).await.unwrap().items.is_empty());
}
