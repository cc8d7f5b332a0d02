//! Mails are queued with what they tell of, sent once, tried again, and forgotten, on both stores.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::TimeDelta;
use crm_core::access::BuiltIn;
use crm_core::auth::{SignIn, SignUp};
use crm_core::mail::{LEASE, MailKind, Outcome, PATIENCE};
use crm_core::ports::{Mail, MailContent, MailError, MailText, MailTexts, Mailer};
use crm_core::tenants::Tenant;
use crm_core::users::MemberDraft;
use crm_core::{Crm, CrmBuilder, Id, ManualClock, Result, SeededRandom, TenantCrm};
use crm_store_memory::MemoryStore;
use crm_store_postgres::testing::TestDatabase;

use crate::auth::{Labelled, Plain};

/// Keeps what it is given, or answers what it is told to.
#[derive(Debug, Default)]
pub(crate) struct Postbox {
    pub(crate) sent: Mutex<Vec<Mail>>,
    pub(crate) refuse: Mutex<Option<MailError>>,
}

#[async_trait]
impl Mailer for Postbox {
    async fn send(&self, mail: Mail) -> Result<(), MailError> {
        // Others may try to send the same one right now.
        tokio::task::yield_now().await;
        if let Some(error) = self.refuse.lock().unwrap().clone() {
            return Err(error);
        }
        self.sent.lock().unwrap().push(mail);
        Ok(())
    }
}

/// Says what it is given, in the words of a program.
#[derive(Debug)]
pub(crate) struct Words;

impl MailTexts for Words {
    fn render(&self, content: &MailContent) -> Result<MailText> {
        let MailContent { kind, locale, name, to, tenant, token, fields, .. } = content;
        let token = token.as_deref().unwrap_or_default();
        let text = format!("{name:?} {tenant:?} {locale:?} {to} {fields:?} token={token}");
        Ok(MailText { subject: kind.to_string(), text, html: None })
    }
}

pub(crate) struct Set {
    pub(crate) crm: Crm,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) post: Arc<Postbox>,
    _database: Option<TestDatabase>,
}

async fn set(builder: CrmBuilder, database: Option<TestDatabase>) -> Set {
    let clock = Arc::new(ManualClock::at(crate::support::start()));
    let post = Arc::new(Postbox::default());
    let builder = builder.shared_clock(clock.clone()).random(SeededRandom::new(1));
    let builder = builder.users(Plain).sealer(Labelled);
    let builder = builder.shared_mails(post.clone(), Arc::new(Words));
    Set { crm: builder.build().await.unwrap(), clock, post, _database: database }
}

pub(crate) async fn on_both(test: impl AsyncFn(Set)) {
    test(set(Crm::builder(MemoryStore::new()), None).await).await;
    let database = TestDatabase::migrated().await.unwrap();
    let store = crate::support::store_on(&database).await;
    test(set(Crm::builder(store), Some(database)).await).await;
}

/// Signs somebody up; the tenant is theirs.
pub(crate) async fn somebody(
    crm: &Crm,
    name: &str,
    tenant: Option<&str>,
) -> crm_core::auth::SignedIn {
    let asked = SignUp {
        email: format!("{}@example.com", name.to_lowercase()),
        password: "correct horse".to_owned(),
        name: Some(name.to_owned()),
        tenant_name: tenant.map(str::to_owned),
        ..SignUp::default()
    };
    crm.auth().sign_up(asked).await.unwrap()
}

/// The owner of a tenant, and somebody whom she made a member: one mail waits.
async fn one_waits(crm: &Crm) -> (TenantCrm, Id<Tenant>) {
    let ada = somebody(crm, "Ada", Some("Acme")).await;
    let bob = somebody(crm, "Bob", None).await.user.id;
    forget(crm).await;
    let membership = ada.membership.unwrap();
    let tenant = membership.tenant.id;
    let acme = crm.tenant(membership.actor());
    let roles = vec!["user".to_owned()];
    let draft = MemberDraft { user: bob, name: "Bob".to_owned(), roles, title: None, phone: None };
    acme.members().create(draft).await.unwrap();
    (acme, tenant)
}

/// Sends what is there so far.
async fn forget(crm: &Crm) {
    while crm.system().deliver_mail().await.unwrap().is_some() {}
}

async fn outcome(crm: &Crm) -> Option<Outcome> {
    crm.system().deliver_mail().await.unwrap().map(|delivery| delivery.outcome)
}

#[tokio::test]
async fn what_happens_is_told_in_the_commit_that_does_it() {
    on_both(async |Set { crm, post, .. }| {
        let (acme, _) = one_waits(&crm).await;
        post.sent.lock().unwrap().clear();
        let delivery = crm.system().deliver_mail().await.unwrap().unwrap();
        assert_eq!((delivery.kind, delivery.outcome), (MailKind::MemberAdded, Outcome::Sent));
        assert!(crm.system().deliver_mail().await.unwrap().is_none());
        let sent = post.sent.lock().unwrap().clone();
        assert_eq!((sent[0].to.as_str(), sent.len()), ("bob@example.com", 1));
        assert!(sent[0].text.contains("Some(\"Acme\")") && sent[0].text.contains("Ada"));
        // What is refused tells nobody.
        let refused = acme.members().add("bob@example.com", vec!["user".to_owned()], None).await;
        refused.unwrap_err();
        assert!(crm.system().deliver_mail().await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn of_many_who_send_only_one_sends_a_mail() {
    on_both(async |Set { crm, post, .. }| {
        one_waits(&crm).await;
        post.sent.lock().unwrap().clear();
        let tries: Vec<_> = (0..8)
            .map(|_| {
                let crm = crm.clone();
                tokio::spawn(async move { crm.system().deliver_mail().await.unwrap() })
            })
            .collect();
        let mut delivered = 0;
        for task in tries {
            delivered += usize::from(task.await.unwrap().is_some());
        }
        assert_eq!((delivered, post.sent.lock().unwrap().len()), (1, 1));
    })
    .await;
}

#[tokio::test]
async fn a_dead_mail_server_delays_a_mail_and_loses_none() {
    on_both(async |Set { crm, clock, post, .. }| {
        one_waits(&crm).await;
        *post.refuse.lock().unwrap() = Some(MailError::Temporary("451 away".to_owned()));
        let mut waits = Vec::new();
        for _ in 0..4 {
            let Some(Outcome::Postponed { until, why }) = outcome(&crm).await else {
                panic!("to be tried again")
            };
            assert_eq!(why, "451 away");
            let now = crm.clock().now();
            waits.push((until - now).num_seconds());
            assert_eq!(outcome(&crm).await, None, "not before its time");
            clock.set(until);
        }
        assert_eq!(waits, [30, 60, 120, 240]);
        *post.refuse.lock().unwrap() = None;
        assert_eq!(outcome(&crm).await, Some(Outcome::Sent));
        assert_eq!(outcome(&crm).await, None);
    })
    .await;
}

#[tokio::test]
async fn a_mail_is_given_up_after_three_days_or_where_it_is_refused_for_good() {
    on_both(async |Set { crm, clock, post, .. }| {
        let (acme, _) = one_waits(&crm).await;
        *post.refuse.lock().unwrap() = Some(MailError::Temporary("451 away".to_owned()));
        let begun = crm.clock().now();
        let mut tries = 0;
        while let Some(outcome) = outcome(&crm).await {
            tries += 1;
            match outcome {
                Outcome::Postponed { until, .. } => clock.set(until),
                Outcome::GivenUp { why } => assert_eq!(why, "451 away"),
                other => panic!("{other:?}"),
            }
        }
        let lasted = crm.clock().now() - begun;
        assert!(lasted <= PATIENCE && lasted > PATIENCE - TimeDelta::hours(6), "{lasted}");
        assert!(tries < 30, "{tries}");
        clock.advance(PATIENCE);
        assert_eq!(outcome(&crm).await, None, "given up for good");
        let cat = somebody(&crm, "Cat", None).await.user.id;
        let roles = vec!["user".to_owned()];
        let draft = MemberDraft { user: cat, name: String::new(), roles, title: None, phone: None };
        *post.refuse.lock().unwrap() = None;
        forget(&crm).await;
        acme.members().create(draft).await.unwrap();
        let never = MailError::Permanent("550 no such user".to_owned());
        *post.refuse.lock().unwrap() = Some(never);
        let why = "550 no such user".to_owned();
        assert_eq!(outcome(&crm).await, Some(Outcome::GivenUp { why }));
        assert_eq!(outcome(&crm).await, None);
    })
    .await;
}

#[tokio::test]
async fn whoever_dies_while_sending_leaves_the_mail_to_others() {
    on_both(async |Set { crm, clock, post, .. }| {
        one_waits(&crm).await;
        let before = post.sent.lock().unwrap().len();
        // Dropped at the first moment at which it waits for the mail server.
        let dies = crm.clone();
        let dying = tokio::spawn(async move { dies.system().deliver_mail().await });
        dying.abort();
        let _ = dying.await;
        clock.advance(LEASE);
        while outcome(&crm).await.is_some() {}
        assert_eq!(post.sent.lock().unwrap().len(), before + 1);
    })
    .await;
}

#[tokio::test]
async fn nobody_is_written_to_who_may_not_sign_in_any_more() {
    on_both(async |Set { crm, post, .. }| {
        let (_, tenant) = one_waits(&crm).await;
        let before = post.sent.lock().unwrap().len();
        let ada = SignIn {
            login: "ada@example.com".to_owned(),
            password: "correct horse".to_owned(),
            ..SignIn::default()
        };
        let ada = crm.auth().sign_in(ada).await.unwrap().membership.unwrap();
        crm.tenant(ada.actor()).tenant_settings().delete(None).await.unwrap();
        assert!(crm.system().tenant(tenant).await.is_err());
        assert_eq!(outcome(&crm).await, Some(Outcome::Dropped), "the tenant is gone");
        assert_eq!(post.sent.lock().unwrap().len(), before);
    })
    .await;
}

#[tokio::test]
async fn what_became_of_mails_is_kept_for_a_week() {
    on_both(async |Set { crm, clock, .. }| {
        one_waits(&crm).await;
        forget(&crm).await;
        clock.advance(TimeDelta::days(6));
        assert_eq!(crm.system().purge().await.unwrap().mails, 0);
        clock.advance(TimeDelta::days(2));
        assert!(crm.system().purge().await.unwrap().mails >= 1);
    })
    .await;
}

#[tokio::test]
async fn a_crm_without_a_mailer_queues_nothing() {
    let crm = Crm::builder(MemoryStore::new()).users(Plain).build().await.unwrap();
    let ada = somebody(&crm, "Ada", Some("Acme")).await.membership.unwrap();
    let bob = somebody(&crm, "Bob", None).await.user.id;
    let acme = crm.tenant(ada.actor());
    let roles = vec![BuiltIn::User.to_string()];
    let draft = MemberDraft { user: bob, name: String::new(), roles, title: None, phone: None };
    acme.members().create(draft).await.unwrap();
    assert!(crm.system().deliver_mail().await.is_err());
    assert_eq!(crm.system().purge().await.unwrap().mails, 0);
}
