//! What one does by a link in a mail, on both stores: links are good once, for one thing, for a
//! while, and tell nobody who has an account.

use chrono::TimeDelta;
use crm_core::access::{Actor, BuiltIn, Origin};
use crm_core::auth::{SignIn, TOKENS_AN_HOUR};
use crm_core::{Crm, Error};

use crate::mail::{Postbox, Set, on_both, somebody};

/// Sends what is queued; the token of the newest mail of this kind to an address, and how many of
/// them there are.
pub(crate) async fn token(
    crm: &Crm,
    post: &Postbox,
    kind: &str,
    to: &str,
) -> (Option<String>, usize) {
    while crm.system().deliver_mail().await.unwrap().is_some() {}
    let sent = post.sent.lock().unwrap();
    let these: Vec<_> = sent.iter().filter(|m| m.subject == kind && m.to == to).collect();
    let token = these.last().map(|mail| mail.text.rsplit("token=").next().unwrap().to_owned());
    (token, these.len())
}

pub(crate) fn refused<T: std::fmt::Debug>(done: Result<T, Error>, expected: &str) {
    match done.unwrap_err() {
        Error::Invalid(faults) => {
            let codes: Vec<_> = faults.iter().map(|fault| fault.code).collect();
            assert_eq!(codes, [expected]);
        }
        error => assert_eq!(error.code(), expected, "{error}"),
    }
}

async fn signs_in(crm: &Crm, login: &str, password: &str) -> bool {
    let (login, password) = (login.to_owned(), password.to_owned());
    crm.auth().sign_in(SignIn { login, password, ..SignIn::default() }).await.is_ok()
}

#[tokio::test]
async fn a_forgotten_password_is_set_anew_once_and_signs_out_everywhere() {
    on_both(async |Set { crm, post, .. }| {
        let ada = somebody(&crm, "Ada", Some("Acme")).await;
        let auth = crm.auth();
        auth.forgot_password("ADA@example.com").await.unwrap();
        let (reset, _) = token(&crm, &post, "reset_password", "ada@example.com").await;
        let reset = reset.unwrap();
        let new = "a new password".to_owned();
        let short = auth.reset_password(&reset, "short".to_owned(), Origin::default()).await;
        refused(short, "TOO_SHORT");
        let user = auth.reset_password(&reset, new.clone(), Origin::default()).await.unwrap();
        assert!(user.email_verified_at.is_some(), "the mail came to its address");
        assert!(!auth.is_live(ada.session.id).await.unwrap());
        auth.refresh(&ada.refresh_token).await.unwrap_err();
        assert!(!signs_in(&crm, "ada@example.com", "correct horse").await);
        assert!(signs_in(&crm, "ada@example.com", &new).await);
        let again = auth.reset_password(&reset, "another one".to_owned(), Origin::default()).await;
        refused(again, "INVALID_TOKEN");
        assert_eq!(token(&crm, &post, "password_changed", "ada@example.com").await.1, 1);
    })
    .await;
}

#[tokio::test]
async fn of_two_who_spend_a_token_at_once_one_does() {
    on_both(async |Set { crm, post, .. }| {
        somebody(&crm, "Ada", None).await;
        crm.auth().forgot_password("ada@example.com").await.unwrap();
        let (reset, _) = token(&crm, &post, "reset_password", "ada@example.com").await;
        let tries: Vec<_> = (0..6)
            .map(|number| {
                let (crm, reset) = (crm.clone(), reset.clone().unwrap());
                tokio::spawn(async move {
                    let password = format!("password {number}");
                    crm.auth().reset_password(&reset, password, Origin::default()).await.is_ok()
                })
            })
            .collect();
        let mut done = 0;
        for task in tries {
            done += usize::from(task.await.unwrap());
        }
        assert_eq!(done, 1);
    })
    .await;
}

#[tokio::test]
async fn a_token_holds_for_a_while_for_one_purpose_and_until_it_is_replaced() {
    on_both(async |Set { crm, clock, post, .. }| {
        somebody(&crm, "Ada", None).await;
        let auth = crm.auth();
        let set = async |token: &str| {
            auth.reset_password(token, "a new password".to_owned(), Origin::default()).await
        };
        let (verify, _) = token(&crm, &post, "verify_email", "ada@example.com").await;
        let verify = verify.unwrap();
        refused(set(&verify).await, "INVALID_TOKEN");
        auth.forgot_password("ada@example.com").await.unwrap();
        let first = token(&crm, &post, "reset_password", "ada@example.com").await.0.unwrap();
        refused(auth.verify_email(&first).await, "INVALID_TOKEN");
        auth.forgot_password("ada@example.com").await.unwrap();
        let second = token(&crm, &post, "reset_password", "ada@example.com").await.0.unwrap();
        assert_ne!(first, second);
        refused(set(&first).await, "INVALID_TOKEN");
        clock.advance(TimeDelta::hours(1));
        refused(set(&second).await, "INVALID_TOKEN");
        for nonsense in ["", ".", "x", &"a".repeat(5_000), "AAAA.BBBB", &second[..40]] {
            refused(set(nonsense).await, "INVALID_TOKEN");
        }
        auth.verify_email(&verify).await.unwrap();
        refused(auth.verify_email(&verify).await, "INVALID_TOKEN");
    })
    .await;
}

#[tokio::test]
async fn a_password_that_was_set_meanwhile_is_not_forgotten_any_more() {
    on_both(async |Set { crm, clock, post, .. }| {
        somebody(&crm, "Ada", None).await;
        let auth = crm.auth();
        auth.forgot_password("ada@example.com").await.unwrap();
        let first = token(&crm, &post, "reset_password", "ada@example.com").await.0.unwrap();
        clock.advance(TimeDelta::seconds(1));
        auth.reset_password(&first, "a new password".to_owned(), Origin::default()).await.unwrap();
        auth.forgot_password("ada@example.com").await.unwrap();
        let second = token(&crm, &post, "reset_password", "ada@example.com").await.0.unwrap();
        auth.reset_password(&second, "the newest one".to_owned(), Origin::default()).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn who_asks_for_a_new_password_learns_nothing_and_bombs_nobody() {
    on_both(async |Set { crm, clock, post, .. }| {
        somebody(&crm, "Ada", None).await;
        let auth = crm.auth();
        for _ in 0..2 * TOKENS_AN_HOUR {
            auth.forgot_password("ada@example.com").await.unwrap();
            auth.forgot_password("nobody@example.com").await.unwrap();
        }
        let most = TOKENS_AN_HOUR as usize;
        // Those that were asked for together: the newest holds, and it alone is worth sending.
        let (_, sent) = token(&crm, &post, "reset_password", "ada@example.com").await;
        assert_eq!(sent, 1);
        assert_eq!(token(&crm, &post, "reset_password", "nobody@example.com").await.1, 0);
        clock.advance(TimeDelta::minutes(59));
        auth.forgot_password("ada@example.com").await.unwrap();
        assert_eq!(token(&crm, &post, "reset_password", "ada@example.com").await.1, sent);
        clock.advance(TimeDelta::minutes(2));
        let tries: Vec<_> = (0..12)
            .map(|_| {
                let crm = crm.clone();
                tokio::spawn(async move { crm.auth().forgot_password("ada@example.com").await })
            })
            .collect();
        for task in tries {
            task.await.unwrap().unwrap();
        }
        let asked = crm.system().purge().await.unwrap().one_time_tokens;
        assert_eq!(asked, 0);
        assert!(token(&crm, &post, "reset_password", "ada@example.com").await.1 <= sent + most);
        clock.advance(TimeDelta::days(20));
        let purged = crm.system().purge().await.unwrap();
        // Two addresses' first ones, Ada's second ones, and that of her signing up.
        assert!(purged.one_time_tokens <= 3 * most + 1, "{purged:?}");
        assert!(purged.one_time_tokens > 2 * most + 1, "{purged:?}");
        refused(auth.forgot_password("no address").await, "INVALID_EMAIL");
    })
    .await;
}

#[tokio::test]
async fn nobody_above_oneself_is_sent_a_new_password_and_nobody_sees_one() {
    on_both(async |Set { crm, post, .. }| {
        let ada = somebody(&crm, "Ada", Some("Acme")).await;
        let bob = somebody(&crm, "Bob", None).await.user;
        let membership = ada.membership.unwrap();
        let tenant = membership.tenant.id;
        crm.system().add_member(tenant, bob.id, &[BuiltIn::Admin]).await.unwrap();
        let owner = crm.tenant(membership.actor());
        let admin = crm.auth().membership(bob.id, tenant).await.unwrap().unwrap();
        let admin = crm.tenant(admin.actor());
        refused(admin.members().send_reset(ada.user.id.cast()).await, "FORBIDDEN");
        owner.members().send_reset(bob.id.cast()).await.unwrap();
        let (reset, sent) = token(&crm, &post, "reset_password", "bob@example.com").await;
        assert_eq!(sent, 1);
        let new = "a new password".to_owned();
        crm.auth().reset_password(&reset.unwrap(), new, Origin::default()).await.unwrap();
        let stranger = crm.new_id();
        refused(owner.members().send_reset(stranger).await, "NOT_FOUND");
        let reader = crm.tenant(Actor::new(tenant, bob.id).with_role(BuiltIn::Readonly));
        refused(reader.members().send_reset(ada.user.id.cast()).await, "FORBIDDEN");
        for _ in 1..TOKENS_AN_HOUR {
            owner.members().send_reset(bob.id.cast()).await.unwrap();
        }
        refused(owner.members().send_reset(bob.id.cast()).await, "LIMIT_EXCEEDED");
    })
    .await;
}

#[tokio::test]
async fn an_address_is_verified_by_the_mail_that_went_to_it() {
    on_both(async |Set { crm, post, .. }| {
        let ada = somebody(&crm, "Ada", None).await.user;
        assert!(ada.email_verified_at.is_none());
        let auth = crm.auth();
        let first = token(&crm, &post, "verify_email", "ada@example.com").await.0.unwrap();
        auth.send_verification(ada.id).await.unwrap();
        let second = token(&crm, &post, "verify_email", "ada@example.com").await.0.unwrap();
        refused(auth.verify_email(&first).await, "INVALID_TOKEN");
        assert!(auth.verify_email(&second).await.unwrap().email_verified_at.is_some());
        auth.send_verification(ada.id).await.unwrap();
        assert_eq!(token(&crm, &post, "verify_email", "ada@example.com").await.1, 2, "known");
    })
    .await;
}

#[tokio::test]
async fn a_password_that_was_set_anew_is_nobodys_failure() {
    on_both(async |Set { crm, post, .. }| {
        somebody(&crm, "Ada", Some("Acme")).await;
        for _ in 0..6 {
            assert!(!signs_in(&crm, "ada@example.com", "wrong horse").await);
        }
        assert!(!signs_in(&crm, "ada@example.com", "correct horse").await, "held off");
        crm.auth().forgot_password("ada@example.com").await.unwrap();
        let (reset, _) = token(&crm, &post, "reset_password", "ada@example.com").await;
        let new = "a new password".to_owned();
        let set = crm.auth().reset_password(&reset.unwrap(), new.clone(), Origin::default()).await;
        set.unwrap();
        assert!(signs_in(&crm, "ada@example.com", &new).await, "without a wait");
    })
    .await;
}
