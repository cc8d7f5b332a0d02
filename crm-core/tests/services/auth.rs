//! Users and their sessions, on both stores.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use crm_core::access::{BuiltIn, Origin, Permission, Reach};
use crm_core::auth::{ChangePassword, SignIn, SignUp};
use crm_core::customers::CustomerDraft;
use crm_core::ports::{PasswordHasher, Sealer};
use crm_core::store::Store;
use crm_core::users::{Member, UserStatus, colleagues};
use crm_core::{Crm, CrmBuilder, Error, Id, ManualClock, Result, SeededRandom};
use crm_store_memory::MemoryStore;
use crm_store_postgres::testing::TestDatabase;

use crate::meddling::Meddling;

/// Fast and transparent: what hashing costs is the business of whoever brings a real one.
#[derive(Debug)]
pub(crate) struct Plain;

#[async_trait]
impl PasswordHasher for Plain {
    async fn hash(&self, password: String) -> Result<String> {
        Ok(format!("plain:{password}"))
    }

    async fn verify(&self, password: String, hash: Option<String>) -> Result<bool> {
        Ok(hash == Some(format!("plain:{password}")))
    }
}

/// Keeps the place and nothing secret.
#[derive(Debug)]
pub(crate) struct Labelled;

impl Sealer for Labelled {
    fn seal(&self, plain: &[u8], place: &str) -> Result<String> {
        let octets: Vec<String> = plain.iter().map(u8::to_string).collect();
        Ok(format!("{place}:{}", octets.join(",")))
    }

    fn open(&self, sealed: &str, place: &str) -> Result<Vec<u8>> {
        let octets = sealed.strip_prefix(&format!("{place}:")).unwrap();
        Ok(octets.split(',').map(|octet| octet.parse().unwrap()).collect())
    }
}

pub(crate) struct Set {
    pub(crate) crm: Crm,
    pub(crate) clock: Arc<ManualClock>,
    _database: Option<TestDatabase>,
}

async fn set(builder: CrmBuilder, database: Option<TestDatabase>) -> Set {
    let clock = Arc::new(ManualClock::at(crate::support::start()));
    let builder = builder.shared_clock(clock.clone()).random(SeededRandom::new(1));
    let builder = builder.users(Plain).sealer(Labelled);
    Set { crm: builder.build().await.unwrap(), clock, _database: database }
}

pub(crate) async fn on_both(test: impl AsyncFn(Set)) {
    test(set(Crm::builder(MemoryStore::new()), None).await).await;
    let database = TestDatabase::migrated().await.unwrap();
    let store = crate::support::store_on(&database).await;
    test(set(Crm::builder(store), Some(database)).await).await;
}

pub(crate) fn ada() -> SignUp {
    SignUp {
        email: "Ada@Example.com".to_owned(),
        password: "correct horse".to_owned(),
        username: Some("ada".to_owned()),
        tenant_name: Some("Acme".to_owned()),
        ..SignUp::default()
    }
}

pub(crate) fn sign_in(login: &str, password: &str) -> SignIn {
    SignIn { login: login.to_owned(), password: password.to_owned(), ..SignIn::default() }
}

#[tokio::test]
async fn signing_up_makes_the_owner_of_a_tenant() {
    on_both(async |Set { crm, .. }| {
        let signed_in = crm.auth().sign_up(ada()).await.unwrap();
        let membership = signed_in.membership.unwrap();
        assert_eq!(membership.tenant.name, "Acme");
        assert_eq!(membership.member.roles, ["owner"]);
        let reach = membership.actor().reach(&Permission::of("tenants", "delete"));
        assert_eq!(reach, Some(Reach::All));
        let acme = crm.tenant(membership.actor());
        let draft = CustomerDraft {
            company_name: Some("First".to_owned()),
            assigned_to: Some(signed_in.user.id),
            ..CustomerDraft::default()
        };
        acme.customers().create(draft).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_record_is_assigned_to_members_only() {
    on_both(async |Set { crm, .. }| {
        let ada = crm.auth().sign_up(ada()).await.unwrap().membership.unwrap();
        let other = SignUp {
            email: "bob@example.com".to_owned(),
            username: None,
            tenant_name: None,
            ..self::ada()
        };
        let bob = crm.auth().sign_up(other).await.unwrap().user;
        let draft = || CustomerDraft {
            company_name: Some("First".to_owned()),
            coach: Some(bob.id),
            ..CustomerDraft::default()
        };
        let acme = crm.tenant(ada.actor());
        let refused = acme.customers().create(draft()).await.unwrap_err();
        let Error::Invalid(faults) = refused else { panic!("{refused}") };
        assert_eq!((faults[0].field.as_str(), faults[0].code), ("coach", "UNKNOWN_USER"));
        assert!(colleagues(&acme, &[bob.id]).await.unwrap().is_empty());
        crm.system().add_member(ada.tenant.id, bob.id, &[BuiltIn::User]).await.unwrap();
        acme.customers().create(draft()).await.unwrap();
        assert_eq!(colleagues(&acme, &[bob.id]).await.unwrap().len(), 1, "shown at once");
    })
    .await;
}

#[tokio::test]
async fn signing_in_takes_address_or_name_and_refuses_all_else_alike() {
    on_both(async |Set { crm, .. }| {
        crm.auth().sign_up(ada()).await.unwrap();
        for login in ["ada@example.COM", " ADA "] {
            let signed_in = crm.auth().sign_in(sign_in(login, "correct horse")).await.unwrap();
            assert_eq!(signed_in.tenants.len(), 1);
            assert!(signed_in.membership.is_some());
        }
        let somewhere = crm.system().create_tenant("Other").await.unwrap().id;
        let foreign = SignIn { tenant: Some(somewhere), ..sign_in("ada", "correct horse") };
        let tries = [
            sign_in("ada", "wrong horse"),
            sign_in("nobody", "correct horse"),
            sign_in("", ""),
            foreign,
        ];
        for request in tries {
            let refused = crm.auth().sign_in(request).await.unwrap_err();
            assert_eq!(refused.to_string(), "the login or the password is wrong");
        }
    })
    .await;
}

#[tokio::test]
async fn an_address_is_taken_once_whatever_its_case() {
    on_both(async |Set { crm, .. }| {
        crm.auth().sign_up(ada()).await.unwrap();
        let again = SignUp { email: "ADA@example.com".to_owned(), username: None, ..ada() };
        let refused = crm.auth().sign_up(again).await.unwrap_err();
        let Error::Conflict { code, field, .. } = refused else { panic!("{refused}") };
        assert_eq!((code, field.as_deref()), ("DUPLICATE", Some("email")));
        let alone = crm.auth().sign_in(sign_in("ada", "correct horse")).await.unwrap();
        assert_eq!(alone.tenants.len(), 1, "nothing of the refused sign-up was kept");
    })
    .await;
}

#[tokio::test]
async fn a_session_ends_by_signing_out_or_by_time() {
    on_both(async |Set { crm, clock, .. }| {
        let out = crm.auth().sign_up(ada()).await.unwrap();
        assert_eq!(crm.auth().sign_out(&out.refresh_token).await.unwrap(), [out.session.id]);
        assert_eq!(crm.auth().sign_out("garbage").await.unwrap(), []);
        assert!(crm.auth().refresh(&out.refresh_token).await.is_err());

        let kept = SignIn { remember: true, ..sign_in("ada", "correct horse") };
        let kept = crm.auth().sign_in(kept).await.unwrap();
        let brief = crm.auth().sign_in(sign_in("ada", "correct horse")).await.unwrap();
        clock.advance(TimeDelta::days(31));
        assert!(crm.auth().refresh(&brief.refresh_token).await.is_err());
        assert!(crm.auth().refresh(&kept.refresh_token).await.is_ok());
    })
    .await;
}

#[tokio::test]
async fn every_fault_of_a_sign_up_is_named_at_once() {
    on_both(async |Set { crm, .. }| {
        let request = SignUp {
            email: "nobody".to_owned(),
            password: "short".to_owned(),
            username: Some("a@b".to_owned()),
            tenant_name: Some(" ".to_owned()),
            ..SignUp::default()
        };
        let refused = crm.auth().sign_up(request).await.unwrap_err();
        let Error::Invalid(faults) = refused else { panic!("{refused}") };
        let fields: Vec<&str> = faults.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(fields, ["email", "password", "username", "tenantName"]);
    })
    .await;
}

#[tokio::test]
async fn ending_a_session_is_noted_for_all_servers() {
    on_both(async |Set { crm, clock, .. }| {
        let out = crm.auth().sign_up(ada()).await.unwrap();
        clock.advance(TimeDelta::minutes(2));
        crm.auth().sign_in(sign_in("ada", "correct horse")).await.unwrap();
        assert_eq!(crm.auth().recent_changes().await.unwrap(), [], "signing in takes nothing away");
        crm.auth().end(out.session.id).await.unwrap();
        let noted = crm.auth().recent_changes().await.unwrap();
        assert_eq!(noted.len(), 1);
        assert_eq!(noted[0].session, Some(out.session.id));
        clock.advance(TimeDelta::minutes(2));
        assert_eq!(crm.auth().recent_changes().await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn joining_a_tenant_is_noted_for_all_servers() {
    on_both(async |Set { crm, clock, .. }| {
        let acme = crm.auth().sign_up(ada()).await.unwrap().membership.unwrap().tenant.id;
        let bob = SignUp { email: "bob@example.com".to_owned(), username: None, ..ada() };
        let bob = crm.auth().sign_up(bob).await.unwrap().user;
        clock.advance(TimeDelta::minutes(2));
        crm.system().add_member(acme, bob.id, &[BuiltIn::User]).await.unwrap();
        let noted = crm.auth().recent_changes().await.unwrap();
        assert_eq!(noted.len(), 1, "a server may remember that bob is no member");
        assert_eq!((noted[0].user, noted[0].tenant), (Some(bob.id), Some(acme)));
    })
    .await;
}

#[tokio::test]
async fn nobody_takes_a_name_that_reads_as_anothers_address() {
    on_both(async |Set { crm, .. }| {
        crm.auth().sign_up(ada()).await.unwrap();
        for name in ["ada\u{ff20}example.com", "a\u{a0}b", "a b", "ada\u{200b}", "\u{202e}ada"] {
            let username = Some(name.to_owned());
            let mallory = SignUp { email: "mallory@example.com".to_owned(), username, ..ada() };
            let refused = crm.auth().sign_up(mallory).await.unwrap_err();
            assert!(matches!(&refused, Error::Invalid(faults) if faults[0].field == "username"));
        }
    })
    .await;
}

#[tokio::test]
async fn an_address_with_other_letters_is_anothers() {
    on_both(async |Set { crm, .. }| {
        let email = "ada@ex\u{e4}mple.com".to_owned();
        crm.auth().sign_up(SignUp { email, ..ada() }).await.unwrap();
        let other = crm.auth().sign_in(sign_in("ada@example.com", "correct horse")).await;
        assert!(matches!(other, Err(Error::Unauthenticated(_))), "{other:?}");
        crm.auth().sign_in(sign_in("ADA@EX\u{c4}MPLE.com", "correct horse")).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_suspended_tenant_is_left_out_until_it_is_resumed() {
    on_both(async |Set { crm, clock, .. }| {
        let first = crm.auth().sign_up(ada()).await.unwrap();
        let acme = first.membership.unwrap().tenant.id;
        clock.advance(TimeDelta::seconds(1));
        let globex = crm.system().create_tenant("Globex").await.unwrap().id;
        crm.system().add_member(globex, first.user.id, &[BuiltIn::User]).await.unwrap();
        clock.advance(TimeDelta::minutes(2));
        crm.system().suspend(acme).await.unwrap();
        let noted = crm.auth().recent_changes().await.unwrap();
        assert_eq!(noted.iter().map(|note| note.tenant).collect::<Vec<_>>(), [Some(acme)]);

        let names = |tenants: &[crm_core::tenants::Tenant]| -> Vec<String> {
            tenants.iter().map(|tenant| tenant.name.clone()).collect()
        };
        let signed_in = crm.auth().sign_in(sign_in("ada", "correct horse")).await.unwrap();
        assert_eq!(names(&signed_in.tenants), ["Globex"]);
        assert_eq!(signed_in.membership.unwrap().tenant.name, "Globex");
        let wanted = SignIn { tenant: Some(acme), ..sign_in("ada", "correct horse") };
        let refused = crm.auth().sign_in(wanted).await;
        assert!(matches!(refused, Err(Error::Unauthenticated(_))), "{refused:?}");
        assert!(crm.auth().membership(signed_in.user.id, acme).await.unwrap().is_none());

        crm.system().resume(acme).await.unwrap();
        let signed_in = crm.auth().sign_in(sign_in("ada", "correct horse")).await.unwrap();
        assert_eq!(names(&signed_in.tenants), ["Acme", "Globex"]);
        assert_eq!(signed_in.membership.unwrap().tenant.name, "Globex", "the one of last time");
        let wanted = SignIn { tenant: Some(acme), ..sign_in("ada", "correct horse") };
        assert_eq!(crm.auth().sign_in(wanted).await.unwrap().membership.unwrap().tenant.id, acme);
    })
    .await;
}

#[tokio::test]
async fn no_log_shows_a_secret() {
    on_both(async |Set { crm, .. }| {
        let signed_up = crm.auth().sign_up(ada()).await.unwrap();
        let asked = sign_in("ada", "correct horse");
        let all = format!("{:?} {asked:?} {signed_up:?}", ada());
        assert!(all.contains("Acme"));
        assert!(!all.contains("horse") && !all.contains(&signed_up.refresh_token), "{all}");
    })
    .await;
}

#[tokio::test]
async fn addresses_that_differ_by_an_accent_are_two_peoples() {
    on_both(async |Set { crm, .. }| {
        let sign_up = |email: &str, tenant: &str| SignUp {
            email: email.to_owned(),
            username: None,
            tenant_name: Some(tenant.to_owned()),
            ..ada()
        };
        crm.auth().sign_up(sign_up("jörg@example.com", "One")).await.unwrap();
        crm.auth().sign_up(sign_up("jorg@example.com", "Two")).await.unwrap();
        for (login, tenant) in [("JÖRG@example.com", "One"), ("Jorg@Example.com", "Two")] {
            let signed_in = crm.auth().sign_in(sign_in(login, "correct horse")).await.unwrap();
            assert_eq!(signed_in.membership.unwrap().tenant.name, tenant);
        }
    })
    .await;
}

/// A member that is deactivated at the moment of a sign-in has no session in the tenant that comes
/// to life again with it.
async fn no_session_begins_beside_a_deactivation(store: Arc<dyn Store>) {
    let meddling = Meddling::with(Arc::clone(&store));
    let crm = Crm::builder_on(Arc::clone(&meddling) as _).users(Plain).build().await.unwrap();
    let aside = Crm::builder_on(store).users(Plain).build().await.unwrap();
    let owner = crate::members::owner(&crm).await;
    let tenant = owner.actor().tenant();
    let bob = owner.members().enrol(crate::members::new("bob", &["user"])).await.unwrap();
    let elsewhere = SignUp {
        email: "eve@example.com".to_owned(),
        password: "correct horse".to_owned(),
        tenant_name: Some("Elsewhere".to_owned()),
        ..SignUp::default()
    };
    let eve = crm.auth().sign_up(elsewhere).await.unwrap();
    owner.members().add("eve@example.com", vec!["user".to_owned()], None).await.unwrap();
    crate::members::agree(&crm, eve.user.id, tenant).await;

    let status = |member: Id<Member>, status: UserStatus| {
        let there = aside.tenant(owner.actor().clone());
        async move {
            there.members().set_status(member, None, status).await.unwrap();
        }
    };
    meddling.before_commit(status(bob.id, UserStatus::Inactive));
    let asked = SignIn { tenant: Some(tenant), ..sign_in("bob@example.com", "correct horse") };
    let refused = crm.auth().sign_in(asked).await.unwrap_err();
    assert!(matches!(refused, Error::Unauthenticated(_)), "{refused}");

    meddling.before_commit(status(eve.user.id.cast(), UserStatus::Inactive));
    let origin = Origin::default();
    let refused = crm.auth().switch(eve.session.id, eve.user.id, tenant, &origin).await;
    assert!(matches!(refused, Err(Error::NotFound { .. })), "{refused:?}");

    // Somebody who is only called otherwise from now on signs in all the same.
    status(bob.id, UserStatus::Active).await;
    let there = aside.tenant(owner.actor().clone());
    meddling.before_commit(async move {
        let name = |member: &mut Member| member.name = "Robert".to_owned();
        there.members().change(bob.id, None, name).await.unwrap();
    });
    let asked = SignIn { tenant: Some(tenant), ..sign_in("bob@example.com", "correct horse") };
    let signed_in = crm.auth().sign_in(asked).await.unwrap();
    assert_eq!(signed_in.membership.unwrap().member.name, "Robert");
}

#[tokio::test]
async fn no_session_begins_beside_a_deactivation_in_memory() {
    no_session_begins_beside_a_deactivation(Arc::new(MemoryStore::new())).await;
}

#[tokio::test]
async fn no_session_begins_beside_a_deactivation_on_postgres() {
    let database = TestDatabase::migrated().await.unwrap();
    let store = crate::support::store_on(&database).await;
    no_session_begins_beside_a_deactivation(Arc::new(store)).await;
}

/// However often others sign in at the same moment, no session begins by a password that was
/// changed just before it.
async fn no_session_begins_beside_a_changed_password(store: Arc<dyn Store>) {
    let meddling = Meddling::with(Arc::clone(&store));
    let crm = Crm::builder_on(Arc::clone(&meddling) as _).users(Plain).build().await.unwrap();
    let aside = Crm::builder_on(store).users(Plain).build().await.unwrap();
    let ada = aside.auth().sign_up(ada()).await.unwrap();
    let there = aside.clone();
    // What is said last happens first.
    meddling.before_commit(async move {
        let change = ChangePassword {
            current: "correct horse".to_owned(),
            new: "another battery".to_owned(),
            code: None,
            origin: Origin::default(),
        };
        there.auth().change_password(ada.session.id, ada.user.id, change).await.unwrap();
    });
    // As often as the time of signing in is written at all.
    for _ in 0..5 {
        let there = aside.clone();
        meddling.before_commit(async move {
            there.auth().sign_in(sign_in("ada", "correct horse")).await.unwrap();
        });
    }
    let refused = crm.auth().sign_in(sign_in("ada", "correct horse")).await;
    assert!(matches!(refused, Err(Error::Unauthenticated(_))), "{refused:?}");
}

#[tokio::test]
async fn no_session_begins_beside_a_changed_password_in_memory() {
    no_session_begins_beside_a_changed_password(Arc::new(MemoryStore::new())).await;
}

#[tokio::test]
async fn no_session_begins_beside_a_changed_password_on_postgres() {
    let database = TestDatabase::migrated().await.unwrap();
    let store = crate::support::store_on(&database).await;
    no_session_begins_beside_a_changed_password(Arc::new(store)).await;
}

#[tokio::test]
async fn what_was_switched_to_ends_with_what_it_was_switched_from() {
    on_both(async |Set { crm, clock, .. }| {
        let auth = crm.auth();
        let ada = auth.sign_up(ada()).await.unwrap();
        let other = crm.system().create_tenant("Other").await.unwrap();
        crm.system().add_member(other.id, ada.user.id, &[BuiltIn::User]).await.unwrap();
        let user = ada.user.id;
        let origin = Origin::default();
        clock.advance(TimeDelta::seconds(1));
        let switched = auth.switch(ada.session.id, user, other.id, &origin).await.unwrap();
        clock.advance(TimeDelta::seconds(1));
        let again = auth.switch(switched.session.id, user, other.id, &origin).await.unwrap();
        clock.advance(TimeDelta::seconds(1));
        let apart = auth.sign_in(sign_in("ada", "correct horse")).await.unwrap();
        assert_eq!(apart.session.tenant, Some(other.id), "where they worked last");
        let mut ended = auth.sign_out(&switched.refresh_token).await.unwrap();
        ended.sort_unstable();
        assert_eq!(ended, [ada.session.id, switched.session.id, again.session.id]);
        for token in [ada.refresh_token, switched.refresh_token, again.refresh_token] {
            assert!(matches!(auth.refresh(&token).await, Err(Error::Unauthenticated(_))));
        }
        assert!(auth.is_live(apart.session.id).await.unwrap(), "another sign-in is another family");

        // A spent token that turns up ends what a thief made of it too.
        let next = auth.refresh(&apart.refresh_token).await.unwrap();
        clock.advance(TimeDelta::seconds(11));
        let theirs = auth.switch(next.session.id, user, other.id, &origin).await.unwrap();
        auth.refresh(&apart.refresh_token).await.unwrap_err();
        assert!(!auth.is_live(theirs.session.id).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn a_user_has_so_many_sessions_at_once_and_none_where_they_do_not_work() {
    on_both(async |Set { crm, clock, .. }| {
        let auth = crm.auth();
        let owner = crate::members::owner(&crm).await;
        let bob = owner.members().enrol(crate::members::new("bob", &["user"])).await.unwrap();
        let mut sessions = Vec::new();
        for _ in 0..103 {
            clock.advance(TimeDelta::milliseconds(2));
            sessions.push(auth.sign_in(sign_in("bob@example.com", "correct horse")).await.unwrap());
        }
        for (i, signed_in) in sessions.iter().enumerate() {
            assert_eq!(auth.is_live(signed_in.session.id).await.unwrap(), i >= 3, "{i}");
        }
        owner.members().set_status(bob.id, None, UserStatus::Inactive).await.unwrap();
        owner.members().set_status(bob.id, None, UserStatus::Active).await.unwrap();
        for signed_in in &sessions {
            assert!(!auth.is_live(signed_in.session.id).await.unwrap());
        }

        // A tenant that is shut ends the session that asks for more of it.
        let held = auth.sign_in(sign_in("bob@example.com", "correct horse")).await.unwrap();
        let tenant = owner.actor().tenant();
        crm.system().suspend(tenant).await.unwrap();
        auth.refresh(&held.refresh_token).await.unwrap_err();
        crm.system().resume(tenant).await.unwrap();
        assert!(!auth.is_live(held.session.id).await.unwrap());
        auth.refresh(&held.refresh_token).await.unwrap_err();
    })
    .await;
}

#[tokio::test]
async fn whoever_wants_to_leaves() {
    on_both(async |Set { crm, .. }| {
        let owner = crate::members::owner(&crm).await;
        let bob = crate::members::colleague(&owner, "bob", &["readonly"]).await;
        let me = crate::members::me(&bob);
        assert!(matches!(bob.members().delete(me, None).await, Err(Error::Forbidden { .. })));
        assert!(matches!(bob.members().leave(Some(7)).await, Err(Error::Stale { .. })));
        let signed_in =
            crm.auth().sign_in(sign_in("bob@example.com", "correct horse")).await.unwrap();
        bob.members().leave(None).await.unwrap();
        assert!(!crm.auth().is_live(signed_in.session.id).await.unwrap());
        assert!(matches!(bob.members().leave(None).await, Err(Error::NotFound { .. })));
        let refused = owner.members().leave(None).await.unwrap_err();
        assert!(matches!(refused, Error::Refused { code: "LAST_OWNER", .. }), "{refused}");
    })
    .await;
}
