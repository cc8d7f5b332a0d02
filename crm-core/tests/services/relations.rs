//! Relations: who sees them, what they may join, and what becomes of them, on both stores.

use std::sync::Arc;

use crm_core::access::{Actor, BuiltIn, Grants, Permission, Reach, Role};
use crm_core::companies::{Company, CompanyDraft, CompanyPatch};
use crm_core::customers::{Customer, CustomerDraft, CustomerPatch};
use crm_core::relations::{
    MOST_NEWEST, Relation, RelationDraft, RelationKindDraft, RelationKindPatch, RelationPatch,
    kinds, kinds_named, newest,
};
use crm_core::store::{Aggregate, Deleted, GroupBy, Store, Value};
use crm_core::tenants::Tenant;
use crm_core::{Change, Crm, EndRef, Entity, Error, Find, TenantCrm, Where};
use crm_store_memory::MemoryStore;
use crm_store_postgres::testing::TestDatabase;
use serde_json::json;

use crate::meddling::Meddling;

async fn acme(crm: &Crm) -> Tenant {
    crm.system().create_tenant("Acme").await.unwrap()
}

fn with(crm: &Crm, tenant: &Tenant, role: impl Into<Role>) -> TenantCrm {
    crm.tenant(Actor::new(tenant.id, crm.new_id()).with_role(role))
}

async fn firm(within: &TenantCrm, name: &str) -> Company {
    within.companies().create(CompanyDraft::named(name)).await.unwrap()
}

async fn buyer(within: &TenantCrm, name: &str) -> Customer {
    within.customers().create(CustomerDraft::company(name)).await.unwrap()
}

fn company(company: &Company) -> EndRef {
    EndRef::new("companies", company.id)
}

fn customer(customer: &Customer) -> EndRef {
    EndRef::new("customers", customer.id)
}

async fn link(within: &TenantCrm, kind: &str, from: EndRef, to: EndRef) -> Result<Relation, Error> {
    within.relations().create(RelationDraft::new(kind, from, to)).await
}

fn told<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    format!("{:?}", result.unwrap_err())
}

/// How many relations every way of reading shows; all of them have to agree.
async fn seen(within: &TenantCrm, which: Where<Relation>) -> u64 {
    let relations = within.relations();
    let page = relations.find(Find::from(which.clone()).counted()).await.unwrap();
    let total = page.total.unwrap();
    assert_eq!(total, page.items.len() as u64);
    assert_eq!(total, relations.count(which.clone()).await.unwrap());
    assert_eq!(total, relations.walk(which.clone().into(), None).await.unwrap().items.len() as u64);
    let ids = page.items.iter().map(|relation| relation.id);
    assert_eq!(total, relations.get_many(ids).await.unwrap().len() as u64);
    let groups = Aggregate::count(Relation::schema().clone())
        .filter(which.into_filter())
        .unwrap()
        .group_by(vec![GroupBy::Value(Relation::KIND.path())])
        .unwrap();
    let sum: i64 = relations
        .aggregate(groups)
        .await
        .unwrap()
        .iter()
        .map(|group| match group.values[0] {
            Value::Int(count) => count,
            _ => panic!("a count is a number"),
        })
        .sum();
    assert_eq!(total, sum as u64);
    total
}

crate::on_both_stores! {
    async fn a_relation_is_listed_from_either_end(crm: Crm) {
        let owner = with(&crm, &acme(&crm).await, BuiltIn::Owner);
        let (acme, ada) = (firm(&owner, "Acme").await, buyer(&owner, "Ada").await);
        let other = firm(&owner, "Other").await;
        let draft = RelationDraft {
            attributes: json!({"since": "2020-01-01", "share": {"percent": 12.5}}),
            ..RelationDraft::new("employs", company(&acme), customer(&ada))
        };
        let made = owner.relations().create(draft).await.unwrap();
        assert_eq!(made.created_by, Some(owner.actor().user()));
        assert_eq!(owner.relations().get(made.id).await.unwrap(), made);
        link(&owner, "partner_of", company(&other), company(&acme)).await.unwrap();
        for (which, count) in [
            (Where::all(), 2),
            (Relation::has(&company(&acme)), 2),
            (Relation::has(&customer(&ada)), 1),
            (Relation::has(&company(&other)), 1),
            (Relation::goes_from(&company(&acme)), 1),
            (Relation::goes_to(&company(&acme)), 1),
            (Relation::goes_to(&customer(&ada)).and(Relation::KIND.eq("employs")), 1),
            (Relation::goes_from(&EndRef::new("customers", acme.id)), 0),
            (Relation::has(&company(&acme)).not(), 0),
        ] {
            assert_eq!(seen(&owner, which.clone()).await, count, "{which:?}");
        }
        let names = kinds_named(&owner, ["employs"]).await.unwrap();
        assert_eq!(names["employs"].inverse_name, "is employed by");
    }

    async fn what_makes_no_sense_is_refused_and_named(crm: Crm) {
        let owner = with(&crm, &acme(&crm).await, BuiltIn::Owner);
        let (acme, ada) = (firm(&owner, "Acme").await, buyer(&owner, "Ada").await);
        let unknown = told(link(&owner, "adores", company(&acme), customer(&ada)).await);
        assert!(unknown.contains("UNKNOWN_KIND") && unknown.contains("employs, "), "{unknown}");
        let itself = told(link(&owner, "partner_of", company(&acme), company(&acme)).await);
        assert!(itself.contains("SELF_REFERENCE"), "{itself}");
        let wrong_way = told(link(&owner, "parent_of", company(&acme), EndRef::new("users", acme.id)).await);
        assert!(wrong_way.contains("NOT_ALLOWED"), "{wrong_way}");
        for record_type in ["", "tags", "relations", "members", "audit_entries", "Companies"] {
            let told = told(link(&owner, "related_to", company(&acme), EndRef::new(record_type, ada.id)).await);
            assert!(told.contains("UNKNOWN_RECORD_TYPE") && told.contains("companies, "), "{told}");
        }
        let with = |attributes| RelationDraft {
            attributes,
            ..RelationDraft::new("employs", company(&acme), customer(&ada))
        };
        for (attributes, code) in [
            (json!([1]), "INVALID_TYPE"),
            (json!("x"), "INVALID_TYPE"),
            (json!({"a": {"b": {"c": {"d": {"e": {}}}}}}), "TOO_DEEP"),
            (json!({"a": "x".repeat(16_385)}), "TOO_LONG"),
        ] {
            let told = told(owner.relations().create(with(attributes)).await);
            assert!(told.contains(code), "{told}");
        }
        owner.relations().create(with(json!({"a": {"b": {"c": {"d": 1}}}}))).await.unwrap();
        // All faults at once.
        let draft = RelationDraft { attributes: json!(1), ..RelationDraft::new("x", company(&acme), EndRef::new("y", ada.id)) };
        let told = told(owner.relations().create(draft).await);
        for code in ["UNKNOWN_KIND", "UNKNOWN_RECORD_TYPE", "INVALID_TYPE"] {
            assert!(told.contains(code), "{told}");
        }
    }

    async fn the_same_is_not_said_twice_in_either_order_where_that_means_the_same(crm: Crm) {
        let owner = with(&crm, &acme(&crm).await, BuiltIn::Owner);
        let (one, two) = (firm(&owner, "One").await, firm(&owner, "Two").await);
        let there = |kind, swap: bool| {
            let ends = if swap { (company(&two), company(&one)) } else { (company(&one), company(&two)) };
            link(&owner, kind, ends.0, ends.1)
        };
        let partners = there("partner_of", false).await.unwrap();
        for swap in [false, true] {
            let told = told(there("partner_of", swap).await);
            assert!(told.contains("DUPLICATE") && told.contains("same kind and ends"), "{told}");
            assert!(!told.contains(&partners.id.to_string()), "{told}");
        }
        let parent = there("parent_of", false).await.unwrap();
        there("parent_of", true).await.unwrap();
        assert!(told(there("parent_of", false).await).contains("DUPLICATE"));
        // A change can take what is taken as little as a creation.
        let other = there("supplies", false).await.unwrap();
        let patch = RelationPatch { kind: Some("partner_of".into()), ..RelationPatch::default() };
        assert!(told(owner.relations().patch(other.id, None, patch).await).contains("DUPLICATE"));
        // Once one is deleted it can be said anew, and then not be brought back.
        owner.relations().delete(parent.id, None).await.unwrap();
        there("parent_of", false).await.unwrap();
        assert!(told(owner.relations().restore(parent.id, None).await).contains("DUPLICATE"));
    }

    async fn a_relation_is_seen_by_whoever_sees_both_ends_and_nobody_else(crm: Crm) {
        let tenant = acme(&crm).await;
        let owner = with(&crm, &tenant, BuiltIn::Owner);
        let user = with(&crm, &tenant, BuiltIn::User);
        let (own, also_own) = (firm(&user, "Own").await, buyer(&user, "Own too").await);
        let theirs = buyer(&owner, "Theirs").await;
        let half = link(&owner, "employs", company(&own), customer(&theirs)).await.unwrap();
        let hidden = link(&owner, "supplies", customer(&theirs), company(&firm(&owner, "Firm").await)).await.unwrap();
        let whole = link(&owner, "employs", company(&own), customer(&also_own)).await.unwrap();
        assert_eq!(seen(&owner, Where::all()).await, 3);
        for which in [
            Where::all(),
            Relation::has(&company(&own)),
            Relation::KIND.eq("employs"),
            Relation::CREATED_BY.eq(owner.actor().user()),
            Relation::TO_ID.eq(theirs.id).not(),
            Relation::TO_ID.present(),
        ] {
            assert_eq!(seen(&user, which.clone()).await, 1, "{which:?}");
        }
        for which in [Relation::has(&customer(&theirs)), Relation::KIND.ne("employs"), Relation::ID.eq(half.id)] {
            assert_eq!(seen(&user, which.clone()).await, 0, "{which:?}");
        }
        assert_eq!(user.relations().get(whole.id).await.unwrap(), whole);
        // What is not seen is not there for anything that is done.
        let never = crm.new_id();
        let attributes = || RelationPatch { attributes: Some(json!({"a": 1})), ..RelationPatch::default() };
        for id in [half.id, hidden.id] {
            let same = |told: String, nobodys: String| assert_eq!(told, nobodys.replace(&never.to_string(), &id.to_string()));
            same(told(user.relations().get(id).await), told(user.relations().get(never).await));
            same(told(user.relations().patch(id, None, attributes()).await), told(user.relations().patch(never, None, attributes()).await));
            same(told(user.relations().delete(id, None).await), told(user.relations().delete(never, None).await));
            same(told(user.relations().restore(id, None).await), told(user.relations().restore(never, None).await));
        }
        user.relations().patch(whole.id, None, attributes()).await.unwrap();
        user.relations().delete(whole.id, None).await.unwrap();
        assert_eq!(seen(&user, Where::all()).await, 0);
        user.relations().restore(whole.id, None).await.unwrap();
        // Whoever may not read one of the types sees none that name it.
        let half_blind = Role::new("half", Grants::default()
            .with(Permission::of("relations", "read"), Reach::All)
            .with(Permission::of("companies", "read"), Reach::All));
        let half_blind = with(&crm, &tenant, half_blind);
        link(&owner, "partner_of", company(&own), company(&firm(&owner, "Firm").await)).await.unwrap();
        assert_eq!(seen(&half_blind, Where::all()).await, 1);
        // What moves out of reach takes its relations with it, and brings them back.
        let give = |to| CustomerPatch { assigned_to: Change::Set(to), ..CustomerPatch::default() };
        owner.customers().patch(also_own.id, None, give(owner.actor().user())).await.unwrap();
        assert_eq!(seen(&user, Where::all()).await, 0);
        owner.customers().patch(also_own.id, None, give(user.actor().user())).await.unwrap();
        assert_eq!(seen(&user, Where::all()).await, 1);
    }

    async fn an_end_out_of_reach_cannot_be_told_from_none(crm: Crm) {
        let tenant = acme(&crm).await;
        let (owner, user) = (with(&crm, &tenant, BuiltIn::Owner), with(&crm, &tenant, BuiltIn::User));
        let (own, theirs) = (firm(&user, "Own").await, buyer(&owner, "Theirs").await);
        let gone = buyer(&user, "Gone").await;
        user.customers().delete(gone.id, None).await.unwrap();
        let other = with(&crm, &acme(&crm).await, BuiltIn::Owner);
        let foreign = buyer(&other, "Foreign").await;
        // There is one already, which the user does not see.
        link(&owner, "employs", company(&own), customer(&theirs)).await.unwrap();
        let never = EndRef::new("customers", crm.new_id::<Customer>());
        let nobodys = told(link(&user, "employs", company(&own), never.clone()).await);
        assert!(nobodys.contains("\"to\"") && nobodys.contains("MISSING_REFERENCE"), "{nobodys}");
        let mine = link(&user, "employs", company(&own), customer(&buyer(&user, "Mine").await)).await.unwrap();
        for hidden in [&theirs, &gone, &foreign] {
            assert_eq!(told(link(&user, "employs", company(&own), customer(hidden)).await), nobodys);
            let patch = RelationPatch { to_id: Some(hidden.id.uuid()), ..RelationPatch::default() };
            assert_eq!(told(user.relations().patch(mine.id, None, patch).await), nobodys);
        }
        assert_eq!(seen(&other, Where::all()).await, 0);
        // Creating needs the permission to, as well as reading both.
        let reader = with(&crm, &tenant, BuiltIn::Readonly);
        let refused = link(&reader, "supplies", company(&own), customer(&theirs)).await;
        assert!(matches!(refused, Err(Error::Forbidden { .. })), "{refused:?}");
    }

    /// Who may create but not read learns that there is one, which is what a refusal must say.
    async fn a_refusal_of_what_is_there_already_tells_nothing_else(crm: Crm) {
        let tenant = acme(&crm).await;
        let owner = with(&crm, &tenant, BuiltIn::Owner);
        let (one, two) = (firm(&owner, "One").await, firm(&owner, "Two").await);
        let first = link(&owner, "supplies", company(&one), company(&two)).await.unwrap();
        let writer = Role::new("writer", Grants::default()
            .with(Permission::of("relations", "create"), Reach::All)
            .with(Permission::of("companies", "read"), Reach::All));
        let writer = with(&crm, &tenant, writer);
        let refused = link(&writer, "supplies", company(&one), company(&two)).await.unwrap_err();
        let Error::Conflict { code, field, message } = &refused else { panic!("{refused:?}") };
        assert_eq!((*code, field.as_deref()), ("DUPLICATE", Some("ends")));
        for secret in [first.id.to_string(), owner.actor().user().to_string(), one.id.to_string()] {
            assert!(!message.contains(&secret), "{message}");
        }
        let unread = writer.relations().find(Find::all()).await;
        assert!(matches!(unread, Err(Error::Forbidden { .. })), "{unread:?}");
    }

    async fn a_deleted_end_hides_its_relations_and_restoring_it_brings_them_back(crm: Crm) {
        let owner = with(&crm, &acme(&crm).await, BuiltIn::Owner);
        let (acme, ada) = (firm(&owner, "Acme").await, buyer(&owner, "Ada").await);
        let made = link(&owner, "employs", company(&acme), customer(&ada)).await.unwrap();
        owner.customers().delete(ada.id, None).await.unwrap();
        assert_eq!(seen(&owner, Where::all()).await, 0);
        assert_eq!(seen(&owner, Relation::has(&company(&acme))).await, 0);
        for deleted in [Deleted::Include, Deleted::Only] {
            let found = owner.relations().find(Find::all().deleted(deleted).counted()).await.unwrap();
            assert_eq!((found.items.len(), found.total), (0, Some(0)));
        }
        let gone = owner.relations().delete(made.id, None).await;
        assert!(matches!(gone, Err(Error::NotFound { .. })), "{gone:?}");
        owner.customers().restore(ada.id, None).await.unwrap();
        assert_eq!(owner.relations().get(made.id).await.unwrap(), made);
        assert_eq!(seen(&owner, Relation::has(&company(&acme))).await, 1);
        // One that was deleted itself stays so.
        owner.relations().delete(made.id, None).await.unwrap();
        owner.companies().delete(acme.id, None).await.unwrap();
        owner.companies().restore(acme.id, None).await.unwrap();
        assert_eq!(seen(&owner, Where::all()).await, 0);
        owner.relations().restore(made.id, None).await.unwrap();
        assert_eq!(seen(&owner, Where::all()).await, 1);
    }

    async fn a_tenants_own_kinds_are_used_like_those_that_all_have(crm: Crm) {
        let tenant = acme(&crm).await;
        let owner = with(&crm, &tenant, BuiltIn::Owner);
        let (acme, ada) = (firm(&owner, "Acme").await, buyer(&owner, "Ada").await);
        let draft = RelationKindDraft {
            key: "mentors".into(),
            name: " is a mentor of ".into(),
            inverse_name: Some("is mentored by".into()),
            from_types: vec!["customers".into(), "customers".into()],
            ..RelationKindDraft::default()
        };
        let kind = owner.relation_kinds().create(draft.clone()).await.unwrap();
        assert_eq!((kind.name.as_str(), kind.from_types.len()), ("is a mentor of", 1));
        assert!(told(owner.relation_kinds().create(draft.clone()).await).contains("DUPLICATE"));
        let known = kinds(&owner).await.unwrap();
        assert!(known.iter().any(|known| known.key == "mentors" && !known.built_in));
        assert!(known.iter().any(|known| known.key == "employs" && known.built_in));
        assert!(told(link(&owner, "mentors", company(&acme), customer(&ada)).await).contains("NOT_ALLOWED"));
        let made = link(&owner, "mentors", customer(&ada), company(&acme)).await.unwrap();
        for (draft, code) in [
            (RelationKindDraft { key: "employs".into(), ..draft.clone() }, "NOT_ALLOWED"),
            (RelationKindDraft { key: "Mentors".into(), ..draft.clone() }, "INVALID_KEY"),
            (RelationKindDraft { key: "a".into(), inverse_name: None, ..draft.clone() }, "REQUIRED"),
            (RelationKindDraft { key: "a".into(), symmetric: true, ..draft.clone() }, "NOT_ALLOWED"),
            (RelationKindDraft { key: "a".into(), to_types: vec!["tags".into()], ..draft.clone() }, "UNKNOWN_RECORD_TYPE"),
        ] {
            let told = told(owner.relation_kinds().create(draft).await);
            assert!(told.contains(code), "{told}");
        }
        for patch in [
            RelationKindPatch { key: Some("tutors".into()), ..RelationKindPatch::default() },
            RelationKindPatch { symmetric: Some(true), ..RelationKindPatch::default() },
        ] {
            assert!(told(owner.relation_kinds().patch(kind.id, None, patch).await).contains("IMMUTABLE"));
        }
        // A kind that goes leaves its relations as they are; they keep its names.
        owner.relation_kinds().delete(kind.id, None).await.unwrap();
        assert!(told(link(&owner, "mentors", customer(&ada), company(&firm(&owner, "B").await)).await).contains("UNKNOWN_KIND"));
        let patch = RelationPatch { attributes: Some(json!({"hours": 2})), ..RelationPatch::default() };
        owner.relations().patch(made.id, None, patch).await.unwrap();
        let names = kinds_named(&owner, ["mentors"]).await.unwrap();
        assert_eq!(names["mentors"].inverse_name, "is mentored by");
        // Another tenant knows nothing of it.
        let other = with(&crm, &acme_of(&crm).await, BuiltIn::Owner);
        assert!(kinds(&other).await.unwrap().iter().all(|kind| kind.built_in));
        assert!(kinds_named(&other, ["mentors"]).await.unwrap().is_empty());
        let reader = with(&crm, &tenant, BuiltIn::User);
        assert!(matches!(reader.relation_kinds().create(draft).await, Err(Error::Forbidden { .. })));
    }

    async fn the_newest_relations_of_many_records_come_with_their_number(crm: Crm) {
        let tenant = acme(&crm).await;
        let owner = with(&crm, &tenant, BuiltIn::Owner);
        let user = with(&crm, &tenant, BuiltIn::User);
        let (hub, leaf) = (firm(&user, "Hub").await, firm(&user, "Leaf").await);
        let lonely = firm(&user, "Lonely").await;
        let early = link(&owner, "supplies", company(&leaf), company(&hub)).await.unwrap();
        let mut last = Vec::new();
        for number in 0..30 {
            let of = if number % 3 == 0 { &user } else { &owner };
            let to = buyer(of, &format!("Buyer {number}")).await;
            last.push(link(&owner, "employs", company(&hub), customer(&to)).await.unwrap());
        }
        let ids = || [hub.id.uuid(), leaf.id.uuid(), lonely.id.uuid()];
        let found = newest(&owner.relations(), "companies", ids()).await.unwrap();
        assert_eq!((found[&hub.id.uuid()].total, found[&leaf.id.uuid()].total), (31, 1));
        // The clock stands still, so that only the ids say which is newer.
        last.push(early.clone());
        last.sort_by_key(|relation| std::cmp::Reverse(relation.id));
        let newest_first: Vec<Relation> = last.into_iter().take(MOST_NEWEST).collect();
        assert_eq!(found[&hub.id.uuid()].relations, newest_first);
        assert_eq!(found[&leaf.id.uuid()].relations, [early]);
        assert!(!found.contains_key(&lonely.id.uuid()));
        // As everywhere, nothing is counted of what is out of reach.
        let found = newest(&user.relations(), "companies", ids()).await.unwrap();
        assert_eq!((found[&hub.id.uuid()].total, found[&leaf.id.uuid()].total), (11, 1));
        assert!(newest(&owner.relations(), "customers", ids()).await.unwrap().is_empty());
    }
}

async fn acme_of(crm: &Crm) -> Tenant {
    acme(crm).await
}

/// Whatever happens to an end at the moment in which a relation is written is noticed.
async fn both_ends_are_held(store: Arc<dyn Store>) {
    let meddling = Meddling::with(Arc::clone(&store));
    let crm = Crm::builder_on(Arc::clone(&meddling) as _).build().await.unwrap();
    let aside = Crm::builder_on(store).build().await.unwrap();
    let tenant = acme(&crm).await;
    let owner = with(&crm, &tenant, BuiltIn::Owner);
    let beside = aside.tenant(owner.actor().clone());
    let deleting = |id: crm_core::Id<Company>| {
        let there = beside.clone();
        meddling.before_commit(async move {
            there.companies().delete(id, None).await.unwrap();
        });
    };
    for doomed in ["from", "to"] {
        let (one, two) = (firm(&owner, "One").await, firm(&owner, "Two").await);
        deleting(if doomed == "from" { one.id } else { two.id });
        let told = told(link(&owner, "supplies", company(&one), company(&two)).await);
        assert!(told.contains("MISSING_REFERENCE") && told.contains(doomed), "{told}");
    }
    let all = owner.relations().find(Find::all().deleted(Deleted::Include)).await.unwrap();
    assert!(all.items.is_empty());
    // A change, and a deletion, of what is no longer seen comes to nothing.
    let attributes =
        || RelationPatch { attributes: Some(json!({"a": 1})), ..RelationPatch::default() };
    for deletes in [false, true] {
        let (one, two) = (firm(&owner, "One").await, firm(&owner, "Two").await);
        let made = link(&owner, "supplies", company(&one), company(&two)).await.unwrap();
        deleting(two.id);
        let done = match deletes {
            true => owner.relations().delete(made.id, None).await,
            false => owner.relations().patch(made.id, None, attributes()).await,
        };
        assert!(matches!(done, Err(Error::NotFound { .. })), "{done:?}");
        owner.companies().restore(two.id, None).await.unwrap();
        assert_eq!(owner.relations().get(made.id).await.unwrap(), made, "nothing was written");
    }
    // An end that only changes is read again.
    let (one, two) = (firm(&owner, "One").await, firm(&owner, "Two").await);
    let (there, id) = (beside.clone(), two.id);
    meddling.before_commit(async move {
        let patch = CompanyPatch { name: Some("Renamed".into()), ..CompanyPatch::default() };
        there.companies().patch(id, None, patch).await.unwrap();
    });
    link(&owner, "supplies", company(&one), company(&two)).await.unwrap();
}

#[tokio::test]
async fn both_ends_are_held_in_memory() {
    both_ends_are_held(Arc::new(MemoryStore::new())).await;
}

#[tokio::test]
async fn both_ends_are_held_on_postgres() {
    let database = TestDatabase::migrated().await.unwrap();
    let store = crate::support::store_on(&database).await;
    both_ends_are_held(Arc::new(store)).await;
}
