//! Users and their sessions, on both stores.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use crm_core::access::{BuiltIn, Permission, Reach};
use crm_core::auth::{SignIn, SignUp};
use crm_core::customers::CustomerDraft;
use crm_core::ports::PasswordHasher;
use crm_core::users::colleagues;
use crm_core::{Crm, CrmBuilder, Error, ManualClock, Result, SeededRandom};
use crm_store_memory::MemoryStore;
use crm_store_postgres::testing::TestDatabase;

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

pub(crate) struct Set {
    pub(crate) crm: Crm,
    pub(crate) clock: Arc<ManualClock>,
    _database: Option<TestDatabase>,
}

async fn set(builder: CrmBuilder, database: Option<TestDatabase>) -> Set {
    let clock = Arc::new(ManualClock::at(crate::support::start()));
    let builder = builder.shared_clock(clock.clone()).random(SeededRandom::new(1)).users(Plain);
    Set { crm: builder.build().await.unwrap(), clock, _database: database }
}

pub(crate) async fn on_both(test: impl AsyncFn(Set)) {
    test(set(Crm::builder(MemoryStore::new()), None).await).await;
    let database = TestDatabase::migrated().await.unwrap();
    let store = crate::support::store_on(&database).await;
    test(set(Crm::builder(store), Some(database)).await).await;
}

fn ada() -> SignUp {
    SignUp {
        email: "Ada@Example.com".to_owned(),
        password: "correct horse".to_owned(),
        username: Some("ada".to_owned()),
        tenant_name: Some("Acme".to_owned()),
        ..SignUp::default()
    }
}

fn sign_in(login: &str, password: &str) -> SignIn {
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
async fn a_refresh_token_is_good_once_and_reuse_ends_the_session() {
    on_both(async |Set { crm, .. }| {
        let first = crm.auth().sign_up(ada()).await.unwrap();
        let second = crm.auth().refresh(&first.refresh_token).await.unwrap();
        assert_ne!(first.refresh_token, second.refresh_token);
        assert!(second.membership.is_some());
        let reused = crm.auth().refresh(&first.refresh_token).await;
        assert!(matches!(reused, Err(Error::Unauthenticated(_))), "{reused:?}");
        let ended = crm.auth().refresh(&second.refresh_token).await;
        assert!(matches!(ended, Err(Error::Unauthenticated(_))), "{ended:?}");
        assert!(!crm.auth().is_live(first.session.id).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn two_refreshes_at_once_are_a_reuse() {
    on_both(async |Set { crm, .. }| {
        let first = crm.auth().sign_up(ada()).await.unwrap();
        let auth = crm.auth();
        let (a, b) =
            tokio::join!(auth.refresh(&first.refresh_token), auth.refresh(&first.refresh_token));
        assert!(a.is_ok() as u8 + b.is_ok() as u8 <= 1);
        assert!(!auth.is_live(first.session.id).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn a_session_ends_by_signing_out_or_by_time() {
    on_both(async |Set { crm, clock, .. }| {
        let out = crm.auth().sign_up(ada()).await.unwrap();
        assert_eq!(crm.auth().sign_out(&out.refresh_token).await.unwrap(), Some(out.session.id));
        assert_eq!(crm.auth().sign_out("garbage").await.unwrap(), None);
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
        for name in ["ada\u{ff20}example.com", "a\u{a0}b", "a b"] {
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
        assert_eq!(signed_in.membership.unwrap().tenant.name, "Acme");
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
