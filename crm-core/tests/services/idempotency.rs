//! Keys under which something happens once, and what is removed when its time is over.

use std::sync::Arc;

use chrono::TimeDelta;
use crm_core::access::{Actor, BuiltIn, Origin};
use crm_core::audit::Action;
use crm_core::customers::{Customer, CustomerDraft};
use crm_core::idempotency::{Answer, Attempt, Begun, MAX_BODY};
use crm_core::tenants::Purged;
use crm_core::{Crm, Error, ManualClock, SeededRandom, Where};
use crm_store_memory::MemoryStore;
use crm_store_postgres::testing::TestDatabase;

use crate::on_both_stores;

async fn owner(crm: &Crm) -> Actor {
    let tenant = crm.system().create_tenant("Acme").await.unwrap().id;
    Actor::new(tenant, crm.new_id()).with_role(BuiltIn::Owner)
}

async fn first(crm: &Crm, actor: &Actor, key: &str) -> Arc<Attempt> {
    match crm.tenant(actor.clone()).idempotency().begin(key, "a request").await.unwrap() {
        Begun::First(attempt) => attempt,
        Begun::Before(claim) => panic!("{claim:?}"),
    }
}

fn under(attempt: &Arc<Attempt>) -> Origin {
    Origin { attempt: Some(Arc::clone(attempt)), ..Origin::default() }
}

on_both_stores! {
    async fn what_is_written_and_its_claim_are_there_together_or_not_at_all(crm: Crm) {
        let ada = owner(&crm).await;
        let plain = crm.tenant(ada.clone());
        let (one, other) = (first(&crm, &ada, "k").await, first(&crm, &ada, "k").await);
        let create = async |attempt: &Arc<Attempt>, name: &str| {
            let within = crm.tenant(ada.clone().with_origin(under(attempt)));
            within.customers().create(CustomerDraft::company(name)).await
        };
        let made = create(&one, "One").await.unwrap();
        let refused = create(&other, "Other").await.unwrap_err();
        assert_eq!(refused.code(), "IDEMPOTENCY_KEY_IN_USE");
        assert!(one.is_claimed() && !other.is_claimed());
        assert_eq!(plain.customers().count(Where::all()).await.unwrap(), 1);

        let claim = plain.idempotency().claimed("k", "a request").await.unwrap().unwrap();
        assert_eq!(claim.created(), Some(("customers", made.id.uuid())));
        assert_eq!((claim.action, claim.record_version), (Some(Action::Created), Some(1)));
        assert_eq!(claim.answer(), None);
        // What the same request commits next needs no claim.
        create(&one, "Second").await.unwrap();
        assert_eq!(plain.customers().count(Where::all()).await.unwrap(), 2);
    }

    async fn what_is_refused_claims_nothing(crm: Crm) {
        let ada = owner(&crm).await;
        let attempt = first(&crm, &ada, "k").await;
        let within = crm.tenant(ada.clone().with_origin(under(&attempt)));
        within.customers().create(CustomerDraft::default()).await.unwrap_err();
        assert!(!attempt.is_claimed());
        first(&crm, &ada, "k").await;
    }

    async fn an_answer_is_kept_unless_it_is_too_long(crm: Crm) {
        let ada = owner(&crm).await;
        let keys = crm.tenant(ada.clone()).idempotency();
        let answer = |body: &str| Answer {
            status: 201,
            headers: vec![("etag".to_owned(), "\"1\"".to_owned())],
            body: Some(body.to_owned()),
        };
        for (key, body, kept) in [
            ("short", "{\"name\": \"Zo\u{eb} \\u0000\"}".to_owned(), true),
            ("long", "x".repeat(MAX_BODY + 1), false),
        ] {
            let attempt = first(&crm, &ada, key).await;
            keys.keep(&attempt, Some(answer(&body))).await.unwrap();
            let Begun::Before(claim) = keys.begin(key, "a request").await.unwrap() else {
                panic!("{key} is free");
            };
            let found = claim.answer().unwrap();
            assert_eq!((found.status, &found.headers[0].1[..]), (201, "\"1\""));
            assert_eq!(found.body, kept.then_some(body));
        }
        let refused = keys.begin("short", "another request").await.unwrap_err();
        let Error::Invalid(faults) = refused else { panic!("{refused}") };
        assert_eq!(faults[0].code, "IDEMPOTENCY_KEY_REUSED");
    }
}

#[tokio::test]
async fn what_has_had_its_time_is_removed_and_nothing_else() {
    use crate::auth::Plain;
    use crm_core::auth::{SignIn, SignUp};

    let database = TestDatabase::migrated().await.unwrap();
    let builders =
        [Crm::builder(MemoryStore::new()), Crm::builder(crate::support::store_on(&database).await)];
    for builder in builders {
        let clock = Arc::new(ManualClock::at(crate::support::start()));
        let builder = builder.shared_clock(clock.clone()).random(SeededRandom::new(1));
        let crm = builder.users(Plain).build().await.unwrap();
        let system = crm.system();
        let sign_up = SignUp {
            email: "ada@example.com".to_owned(),
            password: "correct horse".to_owned(),
            tenant_name: Some("Acme".to_owned()),
            ..SignUp::default()
        };
        let ada = crm.auth().sign_up(sign_up).await.unwrap();
        let actor = ada.membership.as_ref().unwrap().actor();
        let attempt = first(&crm, &actor, "k").await;
        let within = crm.tenant(actor.clone().with_origin(under(&attempt)));
        within.customers().create(CustomerDraft::company("A")).await.unwrap();
        let purged = async || system.purge().await.unwrap();
        assert_eq!(purged().await, Purged::default());

        clock.advance(TimeDelta::hours(24));
        let refreshed = crm.auth().refresh(&ada.refresh_token).await.unwrap();
        let day = purged().await;
        assert_eq!((day.claims, day.access_changes), (1, 1), "the key, and that Ada joined");
        assert_eq!((day.refresh_tokens, day.sessions), (0, 0), "spent, but kept to be recognised");

        // A session that is over stays for a month, with its tokens.
        crm.auth().sign_out(&refreshed.refresh_token).await.unwrap();
        clock.advance(TimeDelta::days(30));
        let sign_in = SignIn {
            login: "ada@example.com".to_owned(),
            password: "correct horse".to_owned(),
            remember: true,
            ..SignIn::default()
        };
        let later = crm.auth().sign_in(sign_in).await.unwrap();
        let month = purged().await;
        assert_eq!((month.refresh_tokens, month.sessions), (0, 0));
        clock.advance(TimeDelta::seconds(1));
        let month = purged().await;
        assert_eq!((month.refresh_tokens, month.sessions), (2, 1));
        assert!(crm.auth().is_live(later.session.id).await.unwrap());

        // Tokens that were spent long ago go from a session that lives.
        let next = crm.auth().refresh(&later.refresh_token).await.unwrap();
        clock.advance(TimeDelta::days(89));
        let next = crm.auth().refresh(&next.refresh_token).await.unwrap();
        clock.advance(TimeDelta::days(2));
        assert_eq!(purged().await.refresh_tokens, 1);
        crm.auth().refresh(&next.refresh_token).await.unwrap();
        assert_eq!(crm.tenant(actor).records::<Customer>().count(Where::all()).await.unwrap(), 1);
    }
}
