//! API keys, on both stores.

use chrono::TimeDelta;
use crm_core::access::{Actor, BuiltIn, Origin, Permission, Scopes};
use crm_core::auth::{API_KEY_USE_KEPT, ApiKey, MOST_API_KEYS, NewApiKey, SignUp};
use crm_core::customers::CustomerDraft;
use crm_core::users::{Member, UserStatus};
use crm_core::{Clock, Crm, Entity, Error, Id, SeededRandom, TenantCrm};

use crate::auth::{Set, on_both};
use crate::on_both_stores;
use crate::support::{Watched, start};

fn new(scopes: &[&str]) -> NewApiKey {
    let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    NewApiKey { name: "Reports".to_owned(), scopes, ..NewApiKey::default() }
}

/// The founder of a tenant, at work in it.
async fn founder(crm: &Crm, name: &str) -> TenantCrm {
    let signed_up = SignUp {
        email: format!("{name}@example.com"),
        password: "correct horse".to_owned(),
        tenant_name: Some(name.to_owned()),
        ..SignUp::default()
    };
    let signed_in = crm.auth().sign_up(signed_up).await.unwrap();
    crm.tenant(signed_in.membership.unwrap().actor())
}

/// Somebody else in a tenant.
async fn colleague(crm: &Crm, tenant: &TenantCrm, name: &str, role: BuiltIn) -> TenantCrm {
    let signed_up = SignUp {
        email: format!("{name}@example.com"),
        password: "correct horse".to_owned(),
        ..SignUp::default()
    };
    let user = crm.auth().sign_up(signed_up).await.unwrap().user.id;
    crm.system().add_member(tenant.actor().tenant(), user, &[role]).await.unwrap();
    let membership = crm.auth().membership(user, tenant.actor().tenant()).await.unwrap();
    crm.tenant(membership.unwrap().actor())
}

#[tokio::test]
async fn a_key_is_shown_once_and_found_by_its_text() {
    on_both(async |Set { crm, .. }| {
        let ada = founder(&crm, "ada").await;
        let issued = ada.api_keys().create(new(&["clients:read", "*"])).await.unwrap();
        let kept = crm.auth().api_key(&issued.secret).await.unwrap().unwrap();
        assert_eq!(kept, issued.key);
        assert_eq!(ada.api_keys().list().await.unwrap(), std::slice::from_ref(&kept));
        assert_eq!((kept.user, kept.tenant), (ada.actor().user(), ada.actor().tenant()));
        assert!(issued.secret.starts_with(&kept.prefix) && kept.prefix.starts_with("crm_"));
        assert_eq!(kept.scopes, ["clients:read", "*"]);
        let told = format!("{kept:?} {issued:?}");
        assert!(!told.contains(&issued.secret) && !kept.hash.contains(&issued.secret[20..]));
        for other in ["", "crm_", &issued.secret[..61], &kept.hash, &kept.prefix] {
            assert!(crm.auth().api_key(other).await.unwrap().is_none(), "{other}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_key_ends_when_it_is_revoked_and_at_its_time() {
    on_both(async |Set { crm, clock, .. }| {
        let ada = founder(&crm, "ada").await;
        let holds = async |text: &str| crm.auth().api_key(text).await.unwrap().is_some();
        let revoked = ada.api_keys().create(new(&["*"])).await.unwrap();
        let end = clock.now() + TimeDelta::hours(1);
        let timed = NewApiKey { expires_at: Some(end), ..new(&["*"]) };
        let timed = ada.api_keys().create(timed).await.unwrap();
        ada.api_keys().revoke(revoked.key.id).await.unwrap();
        assert!(!holds(&revoked.secret).await && holds(&timed.secret).await);
        let again = ada.api_keys().revoke(revoked.key.id).await;
        assert!(matches!(again, Err(Error::NotFound { .. })));
        clock.advance(TimeDelta::hours(1));
        assert!(!holds(&timed.secret).await);
        assert_eq!(ada.api_keys().list().await.unwrap().len(), 1, "shown until it is revoked");

        clock.advance(TimeDelta::days(29));
        assert_eq!(crm.system().purge().await.unwrap().api_keys, 0);
        clock.advance(TimeDelta::days(2));
        assert_eq!(crm.system().purge().await.unwrap().api_keys, 2);
        assert!(ada.api_keys().list().await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn keys_are_ones_own_and_of_one_tenant() {
    on_both(async |Set { crm, .. }| {
        let ada = founder(&crm, "ada").await;
        let bob = colleague(&crm, &ada, "bob", BuiltIn::Admin).await;
        let key = ada.api_keys().create(new(&["*"])).await.unwrap().key;
        let (elsewhere, _) = {
            let mine = crm.tenants_of(ada.actor().user());
            let draft = crm_core::tenants::TenantDraft {
                name: "Elsewhere".to_owned(),
                ..Default::default()
            };
            mine.create(draft).await.unwrap()
        };
        let elsewhere = Actor::new(elsewhere.id, ada.actor().user()).with_role(BuiltIn::Owner);
        for other in [bob, crm.tenant(elsewhere)] {
            assert!(other.api_keys().list().await.unwrap().is_empty());
            for refused in
                [other.api_keys().get(key.id).await, other.api_keys().revoke(key.id).await]
            {
                assert!(matches!(refused, Err(Error::NotFound { .. })));
            }
        }
        assert_eq!(ada.api_keys().get(key.id).await.unwrap(), key);
    })
    .await;
}

#[tokio::test]
async fn whoever_is_deactivated_or_leaves_loses_the_keys_of_that_tenant_for_good() {
    on_both(async |Set { crm, .. }| {
        let ada = founder(&crm, "ada").await;
        let carl = founder(&crm, "carl").await;
        for (name, leaves) in [("bob", false), ("eve", true)] {
            let bob = colleague(&crm, &ada, name, BuiltIn::User).await;
            let user = bob.actor().user();
            crm.system().add_member(carl.actor().tenant(), user, &[BuiltIn::User]).await.unwrap();
            let at_carls = crm.auth().membership(user, carl.actor().tenant()).await.unwrap();
            let at_carls = crm.tenant(at_carls.unwrap().actor());
            let gone = bob.api_keys().create(new(&["*"])).await.unwrap();
            let other = at_carls.api_keys().create(new(&["*"])).await.unwrap();
            let member = Id::<Member>::new(user.uuid());
            let members = ada.members();
            match leaves {
                false => {
                    members.set_status(member, None, UserStatus::Inactive).await.unwrap();
                    members.set_status(member, None, UserStatus::Active).await.unwrap();
                }
                true => {
                    members.delete(member, None).await.unwrap();
                    crm.system()
                        .add_member(ada.actor().tenant(), user, &[BuiltIn::User])
                        .await
                        .unwrap();
                }
            }
            assert!(crm.auth().api_key(&gone.secret).await.unwrap().is_none());
            assert!(bob.api_keys().list().await.unwrap().is_empty());
            assert!(crm.auth().api_key(&other.secret).await.unwrap().is_some());
        }
    })
    .await;
}

#[tokio::test]
async fn nobody_makes_a_key_where_they_are_no_member() {
    on_both(async |Set { crm, .. }| {
        let ada = founder(&crm, "ada").await;
        let carl = founder(&crm, "carl").await;
        let stranger = Actor::new(carl.actor().tenant(), ada.actor().user());
        let stranger = crm.tenant(stranger.with_role(BuiltIn::Owner));
        let refused = stranger.api_keys().create(new(&["*"])).await;
        assert!(matches!(refused, Err(Error::NotFound { .. })));
    })
    .await;
}

#[tokio::test]
async fn when_a_key_was_used_is_kept_now_and_then() {
    on_both(async |Set { crm, clock, .. }| {
        let ada = founder(&crm, "ada").await;
        let key = ada.api_keys().create(new(&["*"])).await.unwrap().key;
        let auth = crm.auth();
        let here = || Some("203.0.113.7".to_owned());
        let first = auth.keep_use_of(key, here()).await.unwrap();
        assert_eq!(ada.api_keys().get(first.id).await.unwrap(), first);
        assert_eq!((first.last_used_at, first.last_address.clone()), (Some(clock.now()), here()));
        clock.advance(API_KEY_USE_KEPT - TimeDelta::seconds(1));
        let same = auth.keep_use_of(first.clone(), None).await.unwrap();
        assert_eq!(same, first);
        clock.advance(TimeDelta::seconds(1));
        let second = auth.keep_use_of(first.clone(), None).await.unwrap();
        assert_eq!((second.last_used_at, second.last_address), (Some(clock.now()), None));
        // Another server kept it at the same moment; and whoever revoked it meanwhile has.
        auth.keep_use_of(first.clone(), here()).await.unwrap();
        ada.api_keys().revoke(first.id).await.unwrap();
        clock.advance(API_KEY_USE_KEPT);
        auth.keep_use_of(first.clone(), here()).await.unwrap();
        assert!(ada.api_keys().list().await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_user_has_so_many_keys_in_a_tenant_and_no_more_at_once() {
    on_both(async |Set { crm, .. }| {
        let ada = founder(&crm, "ada").await;
        let keys = ada.api_keys();
        let mut last = None;
        for _ in 0..MOST_API_KEYS - 1 {
            last = Some(keys.create(new(&["*"])).await.unwrap().key.id);
        }
        // Of several at the same moment one has the last place.
        let one = || keys.create(new(&["*"]));
        let (a, b, c, d) = tokio::join!(one(), one(), one(), one());
        let all = [a, b, c, d];
        assert_eq!(all.iter().filter(|made| made.is_ok()).count(), 1, "{all:?}");
        assert_eq!(keys.list().await.unwrap().len(), MOST_API_KEYS as usize);
        keys.revoke(last.unwrap()).await.unwrap();
        keys.create(new(&["*"])).await.unwrap();
        assert!(matches!(keys.create(new(&["*"])).await, Err(Error::Limit { .. })));
    })
    .await;
}

on_both_stores! {
    async fn all_faults_of_a_new_key_are_named_at_once(crm: Crm) {
        let acme = crm.system().create_tenant("Acme").await.unwrap();
        let ada = crm.tenant(Actor::new(acme.id, crm.new_id()).with_role(BuiltIn::Owner));
        let bad = NewApiKey {
            name: " ".to_owned(),
            scopes: vec!["custmers:read".to_owned()],
            expires_at: Some(start()),
            ..NewApiKey::default()
        };
        let Err(Error::Invalid(faults)) = ada.api_keys().create(bad).await else { panic!() };
        let named: Vec<_> = faults.iter().map(|f| (f.field.as_str(), f.code)).collect();
        assert_eq!(
            named,
            [("name", "REQUIRED"), ("scopes[0]", "UNKNOWN_SCOPE"), ("expiresAt", "OUT_OF_RANGE")]
        );
        assert!(faults[1].message.contains("did you mean customers:read?"));
    }

    async fn a_key_only_narrows_and_makes_no_keys(crm: Crm) {
        let acme = crm.system().create_tenant("Acme").await.unwrap();
        // A host that keeps its users itself has keys too.
        let ada = Actor::new(acme.id, crm.new_id()).with_role(BuiltIn::Readonly);
        let issued = crm.tenant(ada.clone()).api_keys().create(new(&["*"])).await.unwrap();
        let program = ada.clone().with_api_key(issued.key.id, issued.key.scopes());
        let program = crm.tenant(program);
        let refused = program.customers().create(CustomerDraft::company("A")).await.unwrap_err();
        assert!(matches!(refused, Error::Forbidden { .. }));
        for scoped in [program, crm.tenant(ada.with_scopes(Scopes::new(["*"])))] {
            let refused = scoped.api_keys().create(new(&["*"])).await.unwrap_err();
            assert_eq!(refused.code(), "NOT_BY_KEY");
            let refused = scoped.api_keys().revoke(issued.key.id).await.unwrap_err();
            assert_eq!(refused.code(), "NOT_BY_KEY");
        }
    }
}

#[tokio::test]
async fn the_log_tells_of_keys_and_of_what_was_done_by_them_and_never_the_key() {
    let store = Watched::default();
    let log = store.log.clone();
    let builder = Crm::builder(store).random(SeededRandom::new(1));
    let crm = builder.build().await.unwrap();
    let acme = crm.system().create_tenant("Acme").await.unwrap();
    let ada = Actor::new(acme.id, crm.new_id()).with_role(BuiltIn::Owner);
    let keys = crm.tenant(ada.clone()).api_keys();
    let issued = keys.create(new(&["customers:write"])).await.unwrap();
    let origin = Origin { request: Some("r1".to_owned()), ..Origin::default() };
    let program = ada.clone().with_api_key(issued.key.id, issued.key.scopes()).with_origin(origin);
    assert!(program.reach(&Permission::of("customers", "read")).is_none());
    crm.tenant(program).customers().create(CustomerDraft::company("A")).await.unwrap();
    keys.revoke(issued.key.id).await.unwrap();
    let log = log.lock().unwrap();
    let of = |kind: &str| {
        let (entry, _) = log.iter().find(|(_, k)| k == kind).unwrap();
        entry.clone()
    };
    let (made, done, ended) =
        (of("api_keys.created"), of("customers.created"), of("api_keys.deleted"));
    assert_eq!((made.actor, made.api_key), (Some(ada.user()), None));
    assert_eq!(made.changes["scopes"]["to"][0], "customers:write");
    assert_eq!((done.api_key, done.request.as_deref()), (Some(issued.key.id), Some("r1")));
    assert_eq!(ended.record_id, issued.key.id.uuid());
    for (entry, _) in log.iter() {
        let text = entry.changes.to_string();
        assert!(!text.contains(&issued.secret) && !text.contains(&issued.key.hash), "{text}");
    }
    assert!(ApiKey::schema().fields().iter().any(|field| field.name == "hash" && field.secret));
}
