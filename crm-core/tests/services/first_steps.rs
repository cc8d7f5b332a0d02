//! The services, by way of the library's own interface, on both stores.

use async_trait::async_trait;
use chrono::TimeDelta;
use crm_core::access::{Actor, BuiltIn, Grants, Permission, Reach, Role};
use crm_core::custom_fields::{CustomFieldDraft, CustomFields, CustomType};
use crm_core::customers::{Customer, CustomerDraft, CustomerPatch, CustomerStatus};
use crm_core::store::{
    Aggregate, Batch, Catalogue, Commit, Deleted, Group, Operation, Page, Query, Record, Scoped,
    Store,
};
use crm_core::tags::TagDraft;
use crm_core::users::{User, UserId};
use crm_core::{Crm, Error, Find, ManualClock, Rejection, Result, TenantCrm, Where};
use crm_store_memory::MemoryStore;

async fn tenant(crm: &Crm, role: impl Into<Role>) -> TenantCrm {
    let tenant = crm.system().create_tenant("Acme").await.unwrap();
    crm.tenant(Actor::new(tenant.id, crm.new_id()).with_role(role))
}

fn company(name: &str) -> CustomerDraft {
    CustomerDraft::company(name)
}

crate::on_both_stores! {
    async fn a_created_customer_is_cleaned_and_found(crm: Crm) {
        let acme = tenant(&crm, BuiltIn::Owner).await;
        let draft = CustomerDraft {
            email: Some(" Ada@Example.com ".to_owned()),
            country: Some("united states".to_owned()),
            phone: Some("(202) 456-1111".to_owned()),
            website: Some("example.com".to_owned()),
            ..company("  Löwen GmbH ")
        };
        let created = acme.customers().create(draft).await.unwrap();
        assert_eq!(created.name, "Löwen GmbH");
        assert_eq!(created.country.as_deref(), Some("US"));
        assert_eq!(created.phone.as_deref(), Some("+12024561111"));
        assert_eq!(created.version, 1);
        assert_eq!(acme.customers().get(created.id).await.unwrap(), created);
        let found = acme.customers().find(Find::all().search("lowen ada@").counted()).await.unwrap();
        assert_eq!((found.items, found.total), (vec![created], Some(1)));
    }

    async fn every_fault_is_named_at_once(crm: Crm) {
        let acme = tenant(&crm, BuiltIn::Owner).await;
        let draft = CustomerDraft {
            email: Some("nobody".to_owned()),
            country: Some("Atlantis".to_owned()),
            employee_count: Some(-1),
            custom_fields: CustomFields::from([("colour", "red".into())]),
            ..CustomerDraft::default()
        };
        let Error::Invalid(faults) = acme.customers().create(draft).await.unwrap_err() else {
            panic!("expected field faults")
        };
        let fields: Vec<&str> = faults.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(fields, ["country", "email", "employeeCount", "customFields.colour"]);
    }

    async fn a_stale_version_changes_nothing(crm: Crm) {
        let acme = tenant(&crm, BuiltIn::Owner).await;
        let created = acme.customers().create(company("Acme")).await.unwrap();
        let pause = CustomerPatch { status: Some(CustomerStatus::Paused), ..CustomerPatch::default() };
        let paused = acme.customers().patch(created.id, Some(1), pause.clone()).await.unwrap();
        assert_eq!(paused.version, 2);
        let stale = acme.customers().patch(created.id, Some(1), CustomerPatch::default()).await;
        assert!(matches!(stale, Err(Error::Stale { expected: 1, .. })), "{stale:?}");
        let same = acme.customers().patch(created.id, None, pause).await.unwrap();
        assert_eq!(same.version, 2, "nothing changed, so no version was made");
    }

    async fn a_deleted_customer_is_gone_and_can_be_brought_back(crm: Crm) {
        let acme = tenant(&crm, BuiltIn::Owner).await;
        let created = acme.customers().create(company("Acme")).await.unwrap();
        acme.customers().delete(created.id, None).await.unwrap();
        let gone = acme.customers().get(created.id).await;
        assert!(matches!(gone, Err(Error::NotFound { .. })), "{gone:?}");
        assert_eq!(acme.customers().count(Where::all()).await.unwrap(), 0);
        let deleted = acme.customers().find(Find::all().deleted(Deleted::Only)).await.unwrap();
        assert_eq!(deleted.items.len(), 1);
        let back = acme.customers().restore(created.id, None).await.unwrap();
        assert_eq!((back.version, back.deleted_at), (3, None));
    }

    async fn reach_decides_what_is_seen_and_what_may_be_written(crm: Crm) {
        let owner = tenant(&crm, BuiltIn::Owner).await;
        let rep: UserId = crm.new_id();
        let actor = Actor::new(owner.actor().tenant(), rep).with_role(BuiltIn::SalesRep);
        let reps = crm.tenant(actor);
        let theirs = CustomerDraft { assigned_to: Some(rep), ..company("Theirs") };
        let theirs = owner.customers().create(theirs).await.unwrap();
        let other = owner.customers().create(company("Other")).await.unwrap();

        let seen = reps.customers().find(Find::all().counted()).await.unwrap();
        assert_eq!((seen.total, seen.items[0].id), (Some(1), theirs.id));
        assert!(matches!(reps.customers().get(other.id).await, Err(Error::NotFound { .. })));
        let stats = reps.customers().stats(Where::all()).await.unwrap();
        assert_eq!((stats.total, stats.new_this_month), (1, 1));

        let refused = reps.customers().create(company("New")).await.unwrap_err();
        assert_eq!(
            refused.to_string(),
            "permission customers:create is required (reach assigned or wider)"
        );
        let refused = reps.customers().delete(theirs.id, None).await.unwrap_err();
        assert!(matches!(refused, Error::Forbidden { held: None, .. }));
        let away = CustomerPatch {
            assigned_to: crm.new_id::<User>().into(),
            ..CustomerPatch::default()
        };
        let refused = reps.customers().patch(theirs.id, None, away).await.unwrap_err();
        assert_eq!(
            refused.to_string(),
            "permission customers:update is held at reach assigned only, this record needs all"
        );
    }

    async fn a_record_of_another_tenant_is_not_there(crm: Crm) {
        let (one, two) = (tenant(&crm, BuiltIn::Owner).await, tenant(&crm, BuiltIn::Owner).await);
        let created = one.customers().create(company("Acme")).await.unwrap();
        assert!(matches!(two.customers().get(created.id).await, Err(Error::NotFound { .. })));
        let deleted = two.customers().delete(created.id, None).await;
        assert!(matches!(deleted, Err(Error::NotFound { .. })));
        let tag = one.tags().create(TagDraft { name: "VIP".into(), color: None }).await.unwrap();
        let draft = CustomerDraft { tags: vec![tag.id], ..company("Other") };
        let refused = two.customers().create(draft).await.unwrap_err();
        assert!(matches!(refused, Error::Invalid(faults) if faults[0].code == "UNKNOWN_TAG"));
    }

    async fn a_tenants_own_fields_are_typed_filtered_and_sorted(crm: Crm) {
        let acme = tenant(&crm, BuiltIn::Owner).await;
        let define = |key: &str, field_type| CustomFieldDraft {
            record_type: "customers".into(),
            key: key.into(),
            label: key.into(),
            field_type,
            ..CustomFieldDraft::default()
        };
        acme.custom_fields().create(define("seats", CustomType::Number)).await.unwrap();
        let choice = CustomFieldDraft {
            options: vec!["gold".into(), "silver".into()],
            default: Some("silver".into()),
            ..define("plan", CustomType::Choice)
        };
        acme.custom_fields().create(choice).await.unwrap();
        for (name, seats) in [("A", "30"), ("B", "4"), ("C", "100")] {
            let custom_fields = CustomFields::from([("seats", seats.into())]);
            acme.customers().create(CustomerDraft { custom_fields, ..company(name) }).await.unwrap();
        }
        let seats = Customer::CUSTOM_FIELDS.key("seats", CustomType::Number);
        let find = Find::from(seats.ge(30)).sort(seats.desc());
        let found = acme.customers().find(find).await.unwrap().items;
        let names: Vec<&str> = found.iter().map(|customer| customer.name.as_str()).collect();
        assert_eq!(names, ["C", "A"]);
        assert_eq!(found[0].custom_fields.get("plan"), Some(&"silver".into()));
        let wrong = CustomFields::from([("seats", "many".into()), ("plan", "lead".into())]);
        let refused = CustomerDraft { custom_fields: wrong, ..company("D") };
        let Error::Invalid(faults) = acme.customers().create(refused).await.unwrap_err() else {
            panic!("expected field faults")
        };
        assert_eq!(faults.len(), 2);
    }

    async fn scopes_narrow_what_a_role_may_do(crm: Crm) {
        let owner = tenant(&crm, BuiltIn::Owner).await;
        let scopes = crm_core::access::Scopes::new(["clients:read"]);
        let reader = crm.tenant(owner.actor().clone().with_scopes(scopes));
        assert!(reader.customers().find(Find::all()).await.is_ok());
        let refused = reader.customers().create(company("Acme")).await;
        assert!(matches!(refused, Err(Error::Forbidden { .. })), "{refused:?}");
    }

    async fn a_service_answers_for_its_own_records_only(crm: Crm) {
        use crm_core::Entity;
        let owner = tenant(&crm, BuiltIn::Owner).await;
        owner.customers().create(company("Acme")).await.unwrap();
        let grants = Grants::default().with(Permission::of("tags", "read"), Reach::All);
        let actor = Actor::new(owner.actor().tenant(), crm.new_id()).with_grants(&grants);
        let tags = crm.tenant(actor).tags();
        let figures = tags.aggregate(Aggregate::count(Customer::schema().clone())).await;
        assert!(matches!(figures, Err(Error::Internal(_))), "{figures:?}");
        let records = tags.select(Query::new(Customer::schema().clone())).await;
        assert!(matches!(records, Err(Error::Internal(_))), "{records:?}");
    }

    async fn an_own_role_holds_what_it_was_given(crm: Crm) {
        let grants = Grants::default()
            .with(Permission::of("customers", "read"), Reach::All)
            .with(Permission::of("customers", "create"), Reach::All);
        let desk = tenant(&crm, Role::new("front desk", grants)).await;
        let created = desk.customers().create(company("Acme")).await.unwrap();
        let refused = desk.customers().patch(created.id, None, CustomerPatch::default()).await;
        assert!(matches!(refused, Err(Error::Forbidden { .. })), "{refused:?}");
    }
}

#[tokio::test]
async fn a_moved_clock_moves_what_is_new() {
    let clock = std::sync::Arc::new(ManualClock::at("2026-03-31T22:30:00Z".parse().unwrap()));
    let crm = Crm::builder(MemoryStore::new()).shared_clock(clock.clone()).build().await.unwrap();
    let paris = crm_core::tenants::TenantDraft {
        name: "Paris".into(),
        time_zone: Some("Europe/Paris".into()),
        ..Default::default()
    };
    let paris = crm.system().create_tenant_with(paris).await.unwrap();
    let paris = crm.tenant(Actor::new(paris.id, crm.new_id()).with_role(BuiltIn::Owner));
    clock.advance(TimeDelta::hours(-1));
    paris.customers().create(company("March in Paris")).await.unwrap();
    clock.advance(TimeDelta::hours(1));
    paris.customers().create(company("April in Paris")).await.unwrap();
    let stats = paris.customers().stats(Where::all()).await.unwrap();
    assert_eq!((stats.total, stats.new_this_month), (2, 1));
}

/// A store where somebody else is always faster to change what is there.
#[derive(Debug)]
struct Contended(MemoryStore);

#[async_trait]
impl Store for Contended {
    async fn prepare(&self, catalogue: &Catalogue) -> Result<()> {
        self.0.prepare(catalogue).await
    }

    async fn query(&self, query: &Scoped<Query>) -> Result<Page<Record>> {
        self.0.query(query).await
    }

    async fn aggregate(&self, aggregate: &Scoped<Aggregate>) -> Result<Vec<Group>> {
        self.0.aggregate(aggregate).await
    }

    async fn commit(&self, batch: &Scoped<Batch>) -> Result<Commit> {
        let operations = batch.request().operations();
        match operations.iter().position(|o| matches!(o, Operation::Update { .. })) {
            Some(operation) => Err(Error::Rejected { operation, reason: Rejection::Stale }),
            None => self.0.commit(batch).await,
        }
    }
}

#[tokio::test]
async fn who_expected_no_version_is_not_told_of_a_stale_one() {
    let crm = Crm::builder(Contended(MemoryStore::new())).build().await.unwrap();
    let acme = tenant(&crm, BuiltIn::Owner).await;
    let created = acme.customers().create(company("Acme")).await.unwrap();
    let pause = CustomerPatch { status: Some(CustomerStatus::Paused), ..CustomerPatch::default() };
    let busy = acme.customers().patch(created.id, None, pause.clone()).await;
    assert!(matches!(busy, Err(Error::Conflict { code: "BUSY", .. })), "{busy:?}");
    let stale = acme.customers().patch(created.id, Some(1), pause).await;
    assert!(matches!(stale, Err(Error::Stale { expected: 1, .. })), "{stale:?}");
    let busy = crm.system().suspend(acme.actor().tenant()).await;
    assert!(matches!(busy, Err(Error::Conflict { code: "BUSY", .. })), "{busy:?}");
}

#[tokio::test]
async fn a_tenants_log_begins_with_the_tenant() {
    let store = std::sync::Arc::new(MemoryStore::new());
    let crm = Crm::builder_on(store.clone()).build().await.unwrap();
    crm.system().create_tenant("Acme").await.unwrap();
    let counts = format!("{store:?}");
    for one in [r#""tenants": 1"#, r#""audit_entries": 1"#, r#""events": 1"#] {
        assert!(counts.contains(one), "{counts}");
    }
}
