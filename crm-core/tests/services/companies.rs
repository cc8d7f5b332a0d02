//! Companies, who may point at them, and records that others name, on both stores.

use std::sync::Arc;

use crm_core::access::{Actor, BuiltIn};
use crm_core::companies::{Company, CompanyDraft, CompanyPatch};
use crm_core::customers::{Customer, CustomerDraft, CustomerPatch};
use crm_core::store::Store;
use crm_core::tenants::Tenant;
use crm_core::{Change, Crm, EndRef, Error, Id, TenantCrm};
use crm_store_memory::MemoryStore;
use crm_store_postgres::testing::TestDatabase;

use crate::meddling::Meddling;

async fn acme(crm: &Crm) -> Tenant {
    crm.system().create_tenant("Acme").await.unwrap()
}

fn with(crm: &Crm, tenant: &Tenant, role: BuiltIn) -> TenantCrm {
    crm.tenant(Actor::new(tenant.id, crm.new_id()).with_role(role))
}

async fn company(within: &TenantCrm, name: &str) -> Company {
    within.companies().create(CompanyDraft::named(name)).await.unwrap()
}

fn at(company: Id<Company>) -> CustomerDraft {
    CustomerDraft { company_id: Some(company), ..CustomerDraft::company("Buyer") }
}

fn moved_to(company: Id<Company>) -> CustomerPatch {
    CustomerPatch { company_id: Change::Set(company), ..CustomerPatch::default() }
}

fn named(company: &Company) -> EndRef {
    EndRef::new("companies", company.id)
}

/// What a refusal tells, whatever was asked.
fn told<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    format!("{:?}", result.unwrap_err())
}

crate::on_both_stores! {
    async fn a_company_is_cleaned_and_found_by_its_domain(crm: Crm) {
        let owner = with(&crm, &acme(&crm).await, BuiltIn::Owner);
        let draft = CompanyDraft {
            domain: Some(" https://www.Loewen.example/about ".into()),
            country: Some("germany".into()),
            phone: Some("030 23125000".into()),
            description: Some("  ".into()),
            ..CompanyDraft::named(" Löwen  GmbH ")
        };
        let made = owner.companies().create(draft).await.unwrap();
        assert_eq!(made.domain.as_deref(), Some("loewen.example"));
        assert_eq!((made.country.as_deref(), made.description.as_deref()), (Some("DE"), None));
        assert_eq!(made.phone.as_deref(), Some("+493023125000"));
        let found = owner.companies().find(Company::DOMAIN.eq("loewen.example")).await.unwrap();
        assert_eq!(found.items, [made]);
        let draft = CompanyDraft {
            domain: Some("nowhere".into()),
            employee_count: Some(-1),
            ..CompanyDraft::default()
        };
        let Error::Invalid(faults) = owner.companies().create(draft).await.unwrap_err() else {
            panic!("expected field faults")
        };
        let fields: Vec<&str> = faults.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(fields, ["name", "domain", "employeeCount"]);
    }

    async fn a_company_out_of_reach_cannot_be_told_from_none(crm: Crm) {
        let tenant = acme(&crm).await;
        let (owner, user) = (with(&crm, &tenant, BuiltIn::Owner), with(&crm, &tenant, BuiltIn::User));
        let (theirs, own) = (company(&owner, "Theirs").await, company(&user, "Own").await);
        let gone = company(&user, "Gone").await;
        user.companies().delete(gone.id, None).await.unwrap();
        let other = with(&crm, &acme(&crm).await, BuiltIn::Owner);
        let foreign = company(&other, "Foreign").await;
        let nobodys = told(user.customers().create(at(crm.new_id())).await);
        assert!(nobodys.contains("companyId") && nobodys.contains("MISSING_REFERENCE"), "{nobodys}");
        for hidden in [theirs.id, gone.id, foreign.id] {
            assert_eq!(told(user.customers().create(at(hidden)).await), nobodys);
        }
        let customer = user.customers().create(at(own.id)).await.unwrap();
        for hidden in [theirs.id, gone.id, foreign.id] {
            assert_eq!(told(user.customers().patch(customer.id, None, moved_to(hidden)).await), nobodys);
        }
        // Who may read no companies at all is told no more.
        let rep = with(&crm, &tenant, BuiltIn::SalesRep);
        let draft = CustomerDraft { assigned_to: Some(rep.actor().user()), ..at(own.id) };
        let assigned = owner.customers().create(draft).await.unwrap();
        assert_eq!(told(rep.customers().patch(assigned.id, None, moved_to(theirs.id)).await), nobodys);
        let city = CustomerPatch { city: Change::Set("Kiel".into()), ..CustomerPatch::default() };
        let kept = rep.customers().patch(assigned.id, None, city).await.unwrap();
        assert_eq!(kept.company_id, Some(own.id), "what stays is not asked about");
    }

    async fn all_faults_are_told_with_a_missing_reference_among_them(crm: Crm) {
        let owner = with(&crm, &acme(&crm).await, BuiltIn::Owner);
        let draft = CustomerDraft { email: Some("nowhere".into()), ..at(crm.new_id()) };
        let told = told(owner.customers().create(draft).await);
        assert!(told.contains("INVALID_EMAIL") && told.contains("MISSING_REFERENCE"), "{told}");
    }

    async fn a_customer_keeps_a_company_that_is_deleted(crm: Crm) {
        let owner = with(&crm, &acme(&crm).await, BuiltIn::Owner);
        let firm = company(&owner, "Firm").await;
        let customer = owner.customers().create(at(firm.id)).await.unwrap();
        owner.companies().delete(firm.id, None).await.unwrap();
        let city = CustomerPatch { city: Change::Set("Kiel".into()), ..CustomerPatch::default() };
        owner.customers().patch(customer.id, None, city).await.unwrap();
        owner.customers().delete(customer.id, None).await.unwrap();
        let restored = owner.customers().restore(customer.id, None).await.unwrap();
        assert_eq!(restored.company_id, Some(firm.id));
        let found = owner.customers().find(Customer::COMPANY_ID.eq(firm.id)).await.unwrap();
        assert_eq!(found.items.len(), 1);
    }

    async fn names_stand_for_what_the_actor_may_read(crm: Crm) {
        let tenant = acme(&crm).await;
        let owner = with(&crm, &tenant, BuiltIn::Owner);
        let user = with(&crm, &tenant, BuiltIn::User);
        let (theirs, own) = (company(&owner, "Theirs").await, company(&user, "Own").await);
        let gone = company(&user, "Gone").await;
        let gone = user.companies().delete(gone.id, None).await.unwrap();
        let customer = user.customers().create(at(own.id)).await.unwrap();
        let member = crm.new_id::<crm_core::users::User>();
        let buyer = EndRef::new("customers", customer.id);
        let asked = [
            named(&theirs), named(&own), named(&gone), buyer.clone(), EndRef::new("users", member),
            EndRef::new("tags", crm.new_id::<Company>()), EndRef::new("members", member),
            EndRef::new("customers", own.id),
        ];
        let ends = user.ends(asked.clone()).await.unwrap();
        let own_end = ends.live(&named(&own)).unwrap();
        assert_eq!((own_end.title.as_str(), own_end.version), ("Own", 1));
        assert_eq!(ends.live(&buyer).unwrap().title, "Buyer");
        let gone_end = ends.get(&named(&gone)).unwrap();
        assert_eq!((gone_end.live, gone_end.version, gone_end.title.as_str()), (false, 2, "Gone"));
        assert!(ends.live(&named(&gone)).is_none());
        for absent in asked.iter().filter(|end| ![&named(&own), &named(&gone), &buyer].contains(end)) {
            assert!(ends.get(absent).is_none(), "{absent}");
        }
        assert!(owner.ends(asked.clone()).await.unwrap().get(&named(&theirs)).is_some());
        let rep = with(&crm, &tenant, BuiltIn::SalesRep);
        assert!(rep.ends(asked).await.unwrap().get(&named(&own)).is_none());
        let types: Vec<&str> = user.end_types().collect();
        assert_eq!(types, ["users", "companies", "customers"]);
    }
}

#[test]
fn a_name_is_a_type_and_an_identifier() {
    let end: EndRef = "customers:0197d8a0-0000-7000-8000-000000000000".parse().unwrap();
    assert_eq!(end.to_string().parse::<EndRef>().unwrap(), end);
    for text in
        ["", "customers", "customers:", ":", "customers:7", "0197d8a0-0000-7000-8000-000000000000"]
    {
        assert!(text.parse::<EndRef>().is_err(), "{text}");
    }
}

/// Whoever points at a company that goes at that moment hears of it.
async fn a_company_is_held_while_a_customer_is_pointed_at_it(store: Arc<dyn Store>) {
    let meddling = Meddling::with(Arc::clone(&store));
    let crm = Crm::builder_on(Arc::clone(&meddling) as _).build().await.unwrap();
    let aside = Crm::builder_on(store).build().await.unwrap();
    let tenant = acme(&crm).await;
    let owner = with(&crm, &tenant, BuiltIn::Owner);
    let beside = aside.tenant(owner.actor().clone());

    let firm = company(&owner, "Firm").await;
    let (there, id) = (beside.clone(), firm.id);
    meddling.before_commit(async move {
        there.companies().delete(id, None).await.unwrap();
    });
    let refused = owner.customers().create(at(firm.id)).await;
    assert!(told(refused).contains("MISSING_REFERENCE"));

    // What only changes is read again, and named all the same; a version that the caller expects
    // is that of the customer.
    let firm = company(&owner, "Firm").await;
    let customer = owner.customers().create(CustomerDraft::company("Buyer")).await.unwrap();
    for expected in [None, Some(customer.version)] {
        let customer = match expected {
            None => owner.customers().create(CustomerDraft::company("Other")).await.unwrap(),
            Some(_) => customer.clone(),
        };
        let (there, id) = (beside.clone(), firm.id);
        meddling.before_commit(async move {
            let name = Some(format!("Firm {}", there.crm().new_id::<Company>()));
            let patch = CompanyPatch { name, ..CompanyPatch::default() };
            there.companies().patch(id, None, patch).await.unwrap();
        });
        let moved =
            owner.customers().patch(customer.id, expected, moved_to(firm.id)).await.unwrap();
        assert_eq!(moved.company_id, Some(firm.id));
    }
    assert_eq!(owner.companies().get(firm.id).await.unwrap().version, 3);
}

#[tokio::test]
async fn a_company_is_held_in_memory() {
    a_company_is_held_while_a_customer_is_pointed_at_it(Arc::new(MemoryStore::new())).await;
}

#[tokio::test]
async fn a_company_is_held_on_postgres() {
    let database = TestDatabase::migrated().await.unwrap();
    let store = crate::support::store_on(&database).await;
    a_company_is_held_while_a_customer_is_pointed_at_it(Arc::new(store)).await;
}
