//! A leaver's records in other hands, on both stores.

use chrono::{DateTime, Utc};
use crm_core::access::{Actor, BuiltIn, Grants, Permission, Reach};
use crm_core::customers::{Customer, CustomerDraft};
use crm_core::users::{UserId, UserStatus};
use crm_core::{Choice, Crm, Entity, Error, Find, Id, Result, Rules, TenantCrm, Where};
use crm_store_memory::MemoryStore;

use crate::auth::{Plain, Set, on_both};
use crate::members::{colleague, me, owner};
use crate::support::Watched;

fn user(within: &TenantCrm) -> UserId {
    within.actor().user()
}

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> &'static str {
    result.unwrap_err().code()
}

async fn customer(by: &TenantCrm, assigned: Option<UserId>, coach: Option<UserId>) -> Customer {
    let draft = CustomerDraft { assigned_to: assigned, coach, ..CustomerDraft::company("Acme") };
    by.customers().create(draft).await.unwrap()
}

async fn owned_by(owner: &TenantCrm, user: UserId) -> u64 {
    let named = Customer::ASSIGNED_TO.eq(user).or(Customer::COACH.eq(user));
    owner.customers().count(named).await.unwrap()
}

#[tokio::test]
async fn everything_of_a_leaver_goes_to_the_one_named() {
    on_both(async |Set { crm, .. }| {
        let ada = owner(&crm).await;
        let (bob, eve) =
            (colleague(&ada, "bob", &["user"]).await, colleague(&ada, "eve", &["user"]).await);
        let (from, to) = (user(&bob), user(&eve));
        let assigned = customer(&bob, Some(from), None).await;
        let both = customer(&ada, Some(from), Some(from)).await;
        let coached = customer(&ada, Some(user(&ada)), Some(from)).await;
        let unassigned = customer(&bob, None, None).await;
        let others = customer(&ada, Some(user(&ada)), None).await;
        let given_away = customer(&ada, Some(user(&ada)), None).await;
        ada.members().delete(me(&bob), None).await.unwrap();

        let handed = ada.members().hand_over(from, to, None).await.unwrap();
        assert!(handed.records.contains(&("customers".to_owned(), 4)), "{handed:?}");
        let now = async |before: &Customer| ada.customers().get(before.id).await.unwrap();
        let (after, before) = (now(&assigned).await, &assigned);
        assert_eq!((after.assigned_to, after.created_by), (Some(to), before.created_by));
        assert_eq!(after.version, before.version + 1);
        let after = now(&both).await;
        assert_eq!((after.assigned_to, after.coach), (Some(to), Some(to)));
        let after = now(&coached).await;
        assert_eq!((after.assigned_to, after.coach), (Some(user(&ada)), Some(to)));
        let after = now(&unassigned).await;
        assert_eq!((after.assigned_to, after.created_by), (Some(to), Some(from)));
        assert_eq!(now(&others).await, others);
        assert_eq!(now(&given_away).await, given_away);
        // The new one sees them; calling again finds nothing left.
        assert_eq!(eve.customers().count(Where::all()).await.unwrap(), 4);
        let again = ada.members().hand_over(from, to, None).await.unwrap();
        assert!(again.records.iter().all(|(_, count)| *count == 0), "{again:?}");
    })
    .await;
}

#[tokio::test]
async fn it_is_for_who_may_and_to_who_can_take_it() {
    on_both(async |Set { crm, .. }| {
        let ada = owner(&crm).await;
        let (bob, eve) =
            (colleague(&ada, "bob", &["user"]).await, colleague(&ada, "eve", &["user"]).await);
        let (from, to) = (user(&bob), user(&eve));
        customer(&bob, Some(from), None).await;
        for role in BuiltIn::ALL {
            let somebody = colleague(&ada, &role.code().replace('_', "-"), &[role.code()]).await;
            if matches!(role, BuiltIn::Owner | BuiltIn::Admin) {
                continue;
            }
            let refused = somebody.members().hand_over(from, to, None).await;
            assert_eq!(code(refused), "FORBIDDEN", "{role}");
        }
        // Changing people is not enough: the records have to be within reach as well.
        let people = Grants::default()
            .with(Permission::of("users", "update"), Reach::All)
            .with(Permission::of("customers", "update"), Reach::Team);
        let actor = Actor::new(ada.actor().tenant(), crm.new_id()).with_grants(&people);
        let lead = crm.tenant(actor.clone());
        assert_eq!(code(lead.members().hand_over(from, to, None).await), "FORBIDDEN");
        let lead = crm.tenant(actor.clone().with_team([from]));
        assert_eq!(code(lead.members().hand_over(from, to, None).await), "FORBIDDEN");
        assert_eq!(owned_by(&ada, from).await, 1, "nothing was done");
        let lead = crm.tenant(actor.with_team([from, to]));
        let all = lead.members().hand_over(from, to, None).await;
        assert_eq!(code(all), "FORBIDDEN", "companies are not for it to change");
        assert_eq!(owned_by(&ada, from).await, 1, "nothing was done");
        let customers = ["customers".to_owned()];
        lead.members().hand_over(from, to, Some(&customers)).await.unwrap();
        assert_eq!(owned_by(&ada, to).await, 1);

        let members = ada.members();
        assert_eq!(code(members.hand_over(to, to, None).await), "VALIDATION_ERROR");
        assert_eq!(code(members.hand_over(to, crm.new_id(), None).await), "VALIDATION_ERROR");
        assert_eq!(code(members.hand_over(crm.new_id(), to, None).await), "NOT_FOUND");
        let types = ["custmers".to_owned()];
        let refused = members.hand_over(to, from, Some(&types)).await.unwrap_err();
        assert!(refused.to_string().ends_with("did you mean customers?"), "{refused}");
        let none = ["members".to_owned()];
        assert_eq!(code(members.hand_over(to, from, Some(&none)).await), "VALIDATION_ERROR");
        members.set_status(me(&bob), None, UserStatus::Inactive).await.unwrap();
        assert_eq!(code(members.hand_over(to, from, None).await), "VALIDATION_ERROR");
        let elsewhere = crate::members::sign_up(&crm, "evil", Some("Elsewhere")).await;
        let there = crm.tenant(elsewhere.membership.unwrap().actor());
        let mine = user(&there);
        assert_eq!(code(there.members().hand_over(to, mine, None).await), "NOT_FOUND");
        assert_eq!(owned_by(&ada, to).await, 1);
    })
    .await;
}

/// A type of a host's own.
#[derive(Clone, Debug, PartialEq, Entity)]
#[entity(name = "visits", tenant, owners(assigned(engineer, companions)), no_default_draft)]
struct Visit {
    id: Id<Self>,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    deleted_at: Option<DateTime<Utc>>,
    /// Who makes it.
    #[entity(filter)]
    engineer: UserId,
    /// Who comes along.
    #[entity(filter)]
    companions: Vec<UserId>,
}

#[async_trait::async_trait]
impl Rules for Visit {
    async fn check(&mut self, _before: Option<&Self>, _within: &TenantCrm) -> Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn types_of_a_hosts_own_come_along_by_themselves() {
    let builder = Crm::builder(MemoryStore::new()).users(Plain).record_type::<Visit>();
    let crm = builder.build().await.unwrap();
    let ada = owner(&crm).await;
    let bob = colleague(&ada, "bob", &["user"]).await;
    let visits = ada.records::<Visit>();
    let companions = vec![user(&ada), user(&bob)];
    let visit = visits.create(VisitDraft { engineer: user(&bob), companions }).await.unwrap();
    customer(&bob, None, None).await;
    assert!(ada.members().handed_over().contains(&"visits".to_owned()));
    let only = ["visits".to_owned()];
    let handed = ada.members().hand_over(user(&bob), user(&ada), Some(&only)).await.unwrap();
    assert_eq!(handed.records, [("visits".to_owned(), 1)]);
    assert_eq!(visits.count(Visit::ENGINEER.eq(user(&ada))).await.unwrap(), 1);
    assert_eq!(visits.get(visit.id).await.unwrap().companions, [user(&ada)], "each once");
    let handed = ada.members().hand_over(user(&bob), user(&ada), None).await.unwrap();
    assert!(handed.records.contains(&("customers".to_owned(), 1)));
}

#[tokio::test]
async fn it_goes_in_bounded_steps_and_each_record_is_told_of() {
    let store = Watched::default();
    let (log, sizes) = (store.log.clone(), store.sizes.clone());
    let crm = Crm::builder(store).users(Plain).build().await.unwrap();
    let ada = owner(&crm).await;
    let bob = colleague(&ada, "bob", &["user"]).await;
    for _ in 0..450 {
        customer(&ada, Some(user(&bob)), None).await;
    }
    log.lock().unwrap().clear();
    sizes.lock().unwrap().clear();
    let handed = ada.members().hand_over(user(&bob), user(&ada), None).await.unwrap();
    assert!(handed.records.contains(&("customers".to_owned(), 450)));
    let sizes = sizes.lock().unwrap().clone();
    assert_eq!(sizes, [601, 601, 151], "three operations for each, and the receiver's");
    let log = log.lock().unwrap().clone();
    assert_eq!(log.len(), 450);
    let change = serde_json::json!({
        "from": user(&bob).to_string(), "to": user(&ada).to_string()
    });
    for (entry, event) in &log {
        assert_eq!(
            (entry.changes["assignedTo"].clone(), event.as_str()),
            (change.clone(), "customers.updated")
        );
        assert_eq!(entry.actor, Some(user(&ada)));
    }
    assert_eq!(ada.customers().find(Find::all().counted()).await.unwrap().total, Some(450));
}
