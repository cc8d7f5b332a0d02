//! Many records changed by one call, each as if it were changed alone, on both stores.

use std::sync::Arc;

use chrono::TimeDelta;
use crm_core::access::{Actor, BuiltIn};
use crm_core::custom_fields::{CustomFieldDraft, CustomFields, CustomType};
use crm_core::customers::{Customer, CustomerDraft};
use crm_core::records::{Bulk, How, MAX_BATCH, MAX_BULK, Outcome, Selection};
use crm_core::roles::CustomRoleDraft;
use crm_core::store::{Filter, Store};
use crm_core::users::Member;
use crm_core::{Choice, Crm, Error, Find, Id, TenantCrm};
use crm_store_memory::MemoryStore;
use crm_store_postgres::testing::TestDatabase;

use crate::auth::{Set, on_both};
use crate::meddling::Meddling;
use crate::members::{again, colleague, me, owner};
use crate::support::{store_on, two_over};

const ATOMIC: How = How { atomic: true, until: None };

fn change<E>(change: impl Fn(&mut E) + Send + Sync + 'static) -> Bulk<E> {
    Bulk::Change(Box::new(move |entity| {
        change(entity);
        Ok(())
    }))
}

fn ids<E>(ids: impl IntoIterator<Item = Id<E>>) -> Selection<E> {
    Selection::Ids(ids.into_iter().map(|id| (id, None)).collect())
}

/// `changed`, `unchanged`, or the code of what went wrong.
fn told<E>(outcomes: &[Outcome<E>]) -> Vec<&'static str> {
    let each = |outcome: &Outcome<E>| match &outcome.result {
        Ok((_, true)) => "changed",
        Ok((_, false)) => "unchanged",
        Err(error) => error.code(),
    };
    outcomes.iter().map(each).collect()
}

async fn customers(within: &TenantCrm, cities: &[&str]) -> Vec<Customer> {
    let mut made = Vec::new();
    for city in cities {
        let city = Some((*city).to_owned());
        let draft = CustomerDraft { city, ..CustomerDraft::company("A") };
        made.push(within.customers().create(draft).await.unwrap());
    }
    made
}

fn in_city(city: &str) -> Selection<Customer> {
    Selection::Filter(Customer::CITY.eq(city.to_owned()).into_filter())
}

fn to_city(city: &'static str) -> Bulk<Customer> {
    change(move |customer: &mut Customer| customer.city = Some(city.to_owned()))
}

async fn owners_at_work(within: &TenantCrm) -> usize {
    let members = within.members().find(Find::all()).await.unwrap().items;
    members.iter().filter(|member| member.is_owner() && member.is_at_work()).count()
}

#[tokio::test]
async fn the_last_owners_do_not_leave_together() {
    on_both(async |Set { crm, .. }| {
        let ada = owner(&crm).await;
        let bob = colleague(&ada, "bob", &["owner"]).await;
        let both = || ids([me(&ada), me(&bob)]);
        let demote = change(|member: &mut Member| member.roles = vec!["user".to_owned()]);
        let refused = ada.members().bulk(both(), &demote, ATOMIC).await;
        assert_eq!(refused.unwrap_err().code(), "ENTANGLED");
        assert_eq!(owners_at_work(&ada).await, 2);
        let outcomes = ada.members().bulk(both(), &Bulk::Delete, How::default()).await.unwrap();
        assert_eq!(told(&outcomes), ["changed", "LAST_OWNER"]);
        assert_eq!(owners_at_work(&again(&bob, me(&bob)).await).await, 1);
    })
    .await;
}

#[tokio::test]
async fn many_members_are_given_a_role_of_ones_own_all_or_none() {
    on_both(async |Set { crm, .. }| {
        let ada = owner(&crm).await;
        let mut people = Vec::new();
        for name in ["bob", "cleo", "dora"] {
            people.push(me(&colleague(&ada, name, &["user"]).await));
        }
        let grants = vec!["customers:read@all".parse().unwrap()];
        let draft =
            CustomRoleDraft { name: "Auditor".into(), grants, ..CustomRoleDraft::default() };
        let role = ada.roles().create(draft).await.unwrap();
        let give = change(|member: &mut Member| member.roles = vec!["auditor".to_owned()]);
        let outcomes = ada.members().bulk(ids(people.clone()), &give, ATOMIC).await.unwrap();
        assert_eq!(told(&outcomes), ["changed"; 3]);
        // Somebody is given it: that is a version of the role, and one for all of them.
        assert_eq!(ada.roles().get(role.id).await.unwrap().version, role.version + 1);
        let outcomes = ada.roles().bulk(ids([role.id]), &Bulk::Delete, How::default()).await;
        assert_eq!(told(&outcomes.unwrap()), ["IN_USE"]);
        // Nobody gives what they lack, whether to one or to many.
        let manager = colleague(&ada, "eve", &["admin"]).await;
        let raise = change(|member: &mut Member| member.roles = vec!["owner".to_owned()]);
        let outcomes = manager.members().bulk(ids(people), &raise, How::default()).await.unwrap();
        assert!(told(&outcomes).iter().all(|code| *code != "changed"), "{outcomes:?}");
        assert_eq!(owners_at_work(&ada).await, 1);
    })
    .await;
}

#[tokio::test]
async fn built_in_roles_are_named_and_stay() {
    on_both(async |Set { crm, .. }| {
        let ada = owner(&crm).await;
        let draft =
            |name: &str| CustomRoleDraft { name: name.into(), ..CustomRoleDraft::default() };
        let one = ada.roles().create(draft("One")).await.unwrap();
        let two = ada.roles().create(draft("Two")).await.unwrap();
        let all = ada.roles().find(Find::all()).await.unwrap().items;
        let built_in = all.iter().find(|role| role.code == BuiltIn::Agent.code()).unwrap().id;
        let some = || ids([one.id, built_in, two.id, built_in]);
        let outcomes = ada.roles().bulk(some(), &Bulk::Delete, ATOMIC).await.unwrap();
        assert_eq!(told(&outcomes), ["BUILT_IN_ROLE"; 2]);
        let outcomes = ada.roles().bulk(some(), &Bulk::Delete, How::default()).await.unwrap();
        assert_eq!(told(&outcomes), ["changed", "BUILT_IN_ROLE", "changed"]);
        let all = Selection::Filter(Filter::All);
        let outcomes = ada.roles().bulk(all, &Bulk::Delete, How::default()).await.unwrap();
        assert_eq!(told(&outcomes), Vec::<&str>::new(), "none of its own is left");
    })
    .await;
}

#[tokio::test]
async fn a_unique_field_of_ones_own_takes_one_of_many() {
    on_both(async |Set { crm, .. }| {
        let ada = owner(&crm).await;
        let made = customers(&ada, &["A", "B", "C"]).await;
        let draft = CustomFieldDraft {
            record_type: "customers".into(),
            key: "number".into(),
            label: "Number".into(),
            field_type: CustomType::Text,
            unique: true,
            ..CustomFieldDraft::default()
        };
        ada.custom_fields().create(draft).await.unwrap();
        let number = |value: &'static str| {
            change(move |customer: &mut Customer| {
                customer.custom_fields = CustomFields::from([("number", value.into())]);
            })
        };
        let of = |some: &[Customer]| ids(some.iter().map(|one| one.id).collect::<Vec<_>>());
        let refused = ada.customers().bulk(of(&made), &number("7"), ATOMIC).await;
        assert!(refused.is_err() || !told(&refused.unwrap()).contains(&"changed"));
        for one in &made {
            assert_eq!(ada.customers().get(one.id).await.unwrap(), *one, "nothing was written");
        }
        let outcomes = ada.customers().bulk(of(&made), &number("7"), How::default()).await.unwrap();
        assert_eq!(told(&outcomes), ["changed", "DUPLICATE", "DUPLICATE"]);
        // All or none names the one whose value is taken.
        let outcomes = ada.customers().bulk(of(&made[1..2]), &number("7"), ATOMIC).await.unwrap();
        assert_eq!((outcomes[0].id, told(&outcomes)), (made[1].id, vec!["DUPLICATE"]));
        // What no definition allows is refused of each.
        let wrong = change(|customer: &mut Customer| {
            customer.custom_fields = CustomFields::from([("colour", "red".into())]);
        });
        let outcomes = ada.customers().bulk(of(&made), &wrong, How::default()).await.unwrap();
        assert_eq!(told(&outcomes), ["VALIDATION_ERROR"; 3]);
    })
    .await;
}

#[tokio::test]
async fn nothing_is_begun_when_the_time_is_up() {
    on_both(async |Set { crm, clock, .. }| {
        let ada = owner(&crm).await;
        let made = customers(&ada, &["Kiel", "Kiel"]).await;
        let until = Some(crm.clock().now());
        clock.advance(TimeDelta::seconds(1));
        let how = How { atomic: false, until };
        let outcomes = ada.customers().bulk(in_city("Kiel"), &Bulk::Delete, how).await.unwrap();
        assert_eq!(told(&outcomes), ["NOT_REACHED"; 2]);
        assert_eq!(ada.customers().get(made[0].id).await.unwrap(), made[0]);
        let how = How { until: Some(crm.clock().now() + TimeDelta::seconds(1)), ..how };
        let outcomes = ada.customers().bulk(in_city("Kiel"), &Bulk::Delete, how).await.unwrap();
        assert_eq!(told(&outcomes), ["changed"; 2]);
    })
    .await;
}

#[tokio::test]
async fn there_is_a_most_that_one_call_changes() {
    on_both(async |Set { crm, .. }| {
        let ada = owner(&crm).await;
        let some = |count: usize| ids((0..count).map(|_| crm.new_id()).collect::<Vec<_>>());
        let delete = Bulk::Delete;
        for (count, how, fits) in [
            (MAX_BATCH, ATOMIC, true),
            (MAX_BATCH + 1, ATOMIC, false),
            (MAX_BULK, How::default(), true),
            (MAX_BULK + 1, How::default(), false),
        ] {
            let done = ada.customers().bulk(some(count), &delete, how).await;
            match done {
                Ok(outcomes) => assert!(fits && outcomes.len() == count, "{count}"),
                Err(error) => assert!(!fits && matches!(error, Error::Limit { .. }), "{error}"),
            }
        }
    })
    .await;
}

/// What happens between reading and writing, on both stores: `meddle` gets another program.
async fn against(test: impl AsyncFn(TenantCrm, TenantCrm, Arc<Meddling>)) {
    let database = TestDatabase::migrated().await.unwrap();
    let stores: [Arc<dyn Store>; 2] =
        [Arc::new(MemoryStore::new()), Arc::new(store_on(&database).await)];
    for store in stores {
        let meddling = Meddling::with(store);
        let [one, other] = two_over(Arc::clone(&meddling) as _).await;
        let tenant = one.system().create_tenant("Acme").await.unwrap().id;
        let user = one.new_id();
        let within = |crm: &Crm| crm.tenant(Actor::new(tenant, user).with_role(BuiltIn::Owner));
        test(within(&one), within(&other), meddling).await;
    }
}

#[tokio::test]
async fn what_a_filter_chose_must_still_match_when_it_is_changed() {
    against(async |ada, bob, meddling| {
        let made = customers(&ada, &["Kiel", "Kiel", "Kiel"]).await;
        let mut there = 3;
        for how in [How::default(), ATOMIC] {
            let (moving, bob) = (made[usize::from(how.atomic)].id, bob.clone());
            meddling.before_commit(async move {
                let moved = |customer: &mut Customer| customer.city = Some("Bonn".to_owned());
                bob.customers().change(moving, None, moved).await.unwrap();
            });
            let done = ada.customers().bulk(in_city("Kiel"), &to_city("Ulm"), how).await.unwrap();
            there -= 1;
            assert_eq!(told(&done), vec!["changed"; there]);
            assert!(done.iter().all(|one| one.id != moving), "{done:?}");
            let moved = ada.customers().get(moving).await.unwrap();
            assert_eq!(moved.city.as_deref(), Some("Bonn"));
            let back = ada.customers().bulk(in_city("Ulm"), &to_city("Kiel"), how).await.unwrap();
            assert_eq!(told(&back), vec!["changed"; there]);
        }
    })
    .await;
}

#[tokio::test]
async fn one_that_keeps_changing_does_not_stand_in_the_way_of_the_others() {
    against(async |ada, bob, meddling| {
        let made = customers(&ada, &["Kiel", "Kiel"]).await;
        let (first, version) = (made[0].id, made[0].version);
        let bob = bob.clone();
        meddling.before_commit(async move {
            let noted = |customer: &mut Customer| customer.notes = Some("called".to_owned());
            bob.customers().change(first, None, noted).await.unwrap();
        });
        let which = Selection::Ids(vec![(first, Some(version)), (made[1].id, None)]);
        let outcomes = ada.customers().bulk(which, &to_city("Ulm"), How::default()).await.unwrap();
        assert_eq!(told(&outcomes), ["STALE_VERSION", "changed"]);
        let after = ada.customers().get(first).await.unwrap();
        assert_eq!((after.city.as_deref(), after.notes.as_deref()), (Some("Kiel"), Some("called")));
    })
    .await;
}
