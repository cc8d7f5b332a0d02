//! References among a tenant's own fields, held to what built-in ones are held to, and what is
//! found and counted by a tenant's own fields, on both stores.

use crm_core::access::{Actor, BuiltIn};
use crm_core::companies::{Company, CompanyDraft};
use crm_core::custom_fields::{CustomField, CustomFieldDraft, CustomFields, CustomType, Figures};
use crm_core::customers::{Customer, CustomerDraft, CustomerPatch};
use crm_core::store::Value;
use crm_core::users::UserId;
use crm_core::{Crm, EndRef, Error, Find, TenantCrm, Where};
use rust_decimal::Decimal;

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

fn partner(of: &str) -> CustomFieldDraft {
    CustomFieldDraft { references: Some(of.into()), ..field("partner", CustomType::Reference) }
}

async fn company(within: &TenantCrm) -> Company {
    let draft = CompanyDraft { name: "Partner".into(), ..CompanyDraft::default() };
    within.companies().create(draft).await.unwrap()
}

async fn with(within: &TenantCrm, fields: CustomFields) -> Result<Customer, Error> {
    let draft = CustomerDraft { custom_fields: fields, ..CustomerDraft::company("Acme") };
    within.customers().create(draft).await
}

async fn partnered(within: &TenantCrm, id: impl ToString) -> Result<Customer, Error> {
    with(within, CustomFields::from([("partner", id.to_string().into())])).await
}

#[track_caller]
fn assert_missing<T: std::fmt::Debug>(result: Result<T, Error>) {
    match result {
        Err(Error::Invalid(faults)) => {
            let fault = (faults[0].field.as_str(), faults[0].code, faults[0].message.as_str());
            let said = "refers to a record that does not exist";
            assert_eq!(fault, ("customFields.partner", "MISSING_REFERENCE", said));
        }
        other => panic!("expected a missing reference, got {other:?}"),
    }
}

crate::on_both_stores! {
    async fn a_reference_names_a_live_record_of_its_type_in_reach(crm: Crm) {
        let (acme, globex) = (acme(&crm).await, acme(&crm).await);
        acme.custom_fields().create(partner("companies")).await.unwrap();
        let (ours, theirs) = (company(&acme).await, company(&globex).await);
        let one = partnered(&acme, ours.id).await.unwrap();
        assert_eq!(one.custom_fields.get("partner"), Some(&Value::Uuid(ours.id.uuid())));
        assert_missing(partnered(&acme, theirs.id).await);
        assert_missing(partnered(&acme, one.id).await);
        assert_missing(partnered(&acme, crm.random().uuid(crm.clock().now())).await);
        match partnered(&acme, "no identifier").await {
            Err(Error::Invalid(faults)) => assert_eq!(faults[0].code, "INVALID_TYPE"),
            other => panic!("{other:?}"),
        }
        // Somebody who sees no companies but its own.
        let user = UserId::new(crm.random().uuid(crm.clock().now()));
        let actor = Actor::new(acme.actor().tenant(), user).with_role(BuiltIn::User);
        let narrow = crm.tenant(actor);
        assert_missing(partnered(&narrow, ours.id).await);
        partnered(&narrow, company(&narrow).await.id).await.unwrap();
        // What is named already stays, whatever became of it; anew it is not named.
        acme.companies().delete(ours.id, None).await.unwrap();
        let note = CustomerPatch { notes: "x".to_owned().into(), ..CustomerPatch::default() };
        acme.customers().patch(one.id, None, note).await.unwrap();
        assert_missing(partnered(&acme, ours.id).await);
        let named = EndRef::new("companies", ours.id);
        let ends = acme.ends([named.clone()]).await.unwrap();
        assert!(!ends.get(&named).unwrap().live, "readable, and told to be deleted");
        let key = Customer::CUSTOM_FIELDS.key("partner", CustomType::Reference);
        let found = acme.customers().find(Find::from(key.eq(ours.id.uuid()))).await.unwrap();
        assert_eq!(found.items.len(), 1);
    }

    async fn a_reference_says_what_it_names_and_no_other_field_does(crm: Crm) {
        let acme = acme(&crm).await;
        let fields = acme.custom_fields();
        let text = CustomFieldDraft { references: Some("companies".into()), ..field("a", CustomType::Text) };
        let with_default = CustomFieldDraft { default: Some("x".into()), ..partner("companies") };
        for (draft, at, code) in [
            (field("partner", CustomType::Reference), "references", "REQUIRED"),
            (partner("weather"), "references", "UNKNOWN_RECORD_TYPE"),
            (partner("audit_entries"), "references", "UNKNOWN_RECORD_TYPE"),
            (text, "references", "NOT_ALLOWED"),
            (with_default, "default", "NOT_ALLOWED"),
        ] {
            match fields.create(draft).await {
                Err(Error::Invalid(faults)) => {
                    assert_eq!((faults[0].field.as_str(), faults[0].code), (at, code));
                }
                other => panic!("{other:?}"),
            }
        }
        let partner = fields.create(partner("companies")).await.unwrap();
        let other = |field: &mut CustomField| field.references = Some("customers".into());
        match fields.change(partner.id, None, other).await {
            Err(Error::Invalid(faults)) => assert_eq!(faults[0].code, "IMMUTABLE"),
            other => panic!("{other:?}"),
        }
    }

    async fn a_record_that_goes_while_it_is_named_is_named_by_nobody_or_kept(crm: Crm) {
        let acme = acme(&crm).await;
        acme.custom_fields().create(partner("companies")).await.unwrap();
        for _ in 0..10 {
            let company = company(&acme).await;
            let (companies, id) = (acme.companies(), company.id);
            let (gone, named) = tokio::join!(companies.delete(id, None), partnered(&acme, id));
            gone.unwrap();
            match named {
                Ok(customer) => {
                    // It was named before it went.
                    let deleted = acme.companies().load(id, crm_core::store::Deleted::Only).await;
                    assert!(deleted.unwrap().deleted_at.is_some() && customer.version == 1);
                }
                refused => assert_missing(refused),
            }
        }
    }

    async fn texts_and_choices_of_ones_own_are_searched_until_they_are_deleted(crm: Crm) {
        let acme = acme(&crm).await;
        let fields = acme.custom_fields();
        let slogan = fields.create(field("slogan", CustomType::Text)).await.unwrap();
        fields.create(field("region", CustomType::Text)).await.unwrap();
        let plan = CustomFieldDraft { options: vec!["Gold".into()], ..field("plan", CustomType::Choice) };
        fields.create(plan).await.unwrap();
        let both = CustomFields::from([
            ("slogan", "Überall zuhause".into()), ("region", "Nordsee".into()), ("plan", "Gold".into()),
        ]);
        let one = with(&acme, both).await.unwrap();
        with(&acme, CustomFields::from([("region", "Zuhausestadt".into())])).await.unwrap();
        let search = async |words: &str| {
            let found = acme.customers().find(Find::all().search(words).counted()).await.unwrap();
            found.total.unwrap()
        };
        for (words, expected) in
            [("uberall", 1), ("zuhause", 2), ("zuhause nord", 1), ("GOLD acme", 1), ("acme", 2)]
        {
            assert_eq!(search(words).await, expected, "{words}");
        }
        fields.delete(slogan.id, None).await.unwrap();
        for (words, expected) in
            [("uberall", 0), ("zuhause", 1), ("zuhause nord", 0), ("nord gold", 1), ("acme", 2)]
        {
            assert_eq!(search(words).await, expected, "{words}, now that it is hidden");
        }
        let none = Find::from(Where::all()).search("uberall");
        assert!(acme.customers().find(none).await.unwrap().items.is_empty());
        assert!(fields.proceed(slogan.id).await.unwrap().cleared);
        assert_eq!((search("uberall").await, search("nordsee gold").await), (0, 1));
        assert_eq!(acme.customers().get(one.id).await.unwrap().custom_fields.iter().count(), 2);
    }

    async fn figures_are_given_over_choices_and_numbers_of_ones_own(crm: Crm) {
        let acme = acme(&crm).await;
        let fields = acme.custom_fields();
        let options = || vec!["gold".into(), "silver".into()];
        let plan = CustomFieldDraft { options: options(), ..field("plan", CustomType::Choice) };
        let marks = CustomFieldDraft { options: options(), ..field("marks", CustomType::Choices) };
        for draft in [
            plan, marks, field("vip", CustomType::Boolean), field("seats", CustomType::Number),
            field("price", CustomType::Decimal), field("motto", CustomType::Text),
        ] {
            fields.create(draft).await.unwrap();
        }
        let list = |marks: &[&str]| Value::Codes(marks.iter().map(|m| (*m).to_owned()).collect());
        let gold = CustomFields::from([
            ("plan", "gold".into()), ("marks", list(&["gold", "silver"])), ("vip", true.into()),
            ("seats", 3.into()), ("price", "1.50".into()),
        ]);
        with(&acme, gold).await.unwrap();
        let silver = CustomFields::from([
            ("plan", "silver".into()), ("marks", list(&["silver"])), ("seats", 4.into()), ("price", "-2.25".into()),
        ]);
        with(&acme, silver).await.unwrap();
        with(&acme, CustomFields::default()).await.unwrap();
        let customers = acme.customers();
        let over = async |filter: Where<Customer>, keys: &[&str]| {
            let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
            let stats = customers.stats_with(filter, &keys).await?;
            Ok::<_, Error>(stats.custom_fields.into_iter().map(|own| own.figures).collect::<Vec<_>>())
        };
        let counts = |all: &[(&str, u64)], none: u64| {
            let all = all.iter().map(|(key, count)| (Some((*key).to_owned()), *count));
            Figures::Counts(all.chain([(None, none)]).collect())
        };
        let decimal = |text: &str| text.parse::<Decimal>().unwrap();
        let all = over(Where::all(), &["plan", "marks", "vip", "seats", "price"]).await.unwrap();
        assert_eq!(all[0], counts(&[("gold", 1), ("silver", 1)], 1));
        assert_eq!(all[1], counts(&[("gold", 1), ("silver", 2)], 1));
        assert_eq!(all[2], counts(&[("true", 1)], 2));
        let (min, max) = (Some(decimal("3")), Some(decimal("4")));
        assert_eq!(all[3], Figures::Numbers { count: 2, sum: decimal("7"), min, max });
        let (min, max) = (Some(decimal("-2.25")), Some(decimal("1.5")));
        assert_eq!(all[4], Figures::Numbers { count: 2, sum: decimal("-0.75"), min, max });
        let vip = Customer::CUSTOM_FIELDS.key("vip", CustomType::Boolean);
        let some = over(vip.eq(true), &["plan", "seats"]).await.unwrap();
        assert_eq!(some[0], Figures::Counts(vec![(Some("gold".into()), 1)]));
        assert!(matches!(some[1], Figures::Numbers { count: 1, .. }));
        // Of what is in reach, as everything else.
        let user = UserId::new(crm.random().uuid(crm.clock().now()));
        let narrow = crm.tenant(Actor::new(acme.actor().tenant(), user).with_role(BuiltIn::User));
        let stats = narrow.customers().stats_with(Where::all(), &["plan".to_owned()]).await.unwrap();
        assert_eq!(stats.custom_fields[0].figures, Figures::Counts(Vec::new()));
        for (keys, code) in [
            (vec!["motto"], "INVALID_VALUE"), (vec!["colour"], "UNKNOWN_FIELD"), (vec!["plan"; 17], "OUT_OF_RANGE"),
        ] {
            assert_eq!(over(Where::all(), &keys).await.unwrap_err().code(), code);
        }
    }
}
