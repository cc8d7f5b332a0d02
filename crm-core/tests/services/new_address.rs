//! Signing in with another address, on both stores: only once it is shown to be one's own, and not
//! where the owner of the old one stops it.

use chrono::TimeDelta;
use crm_core::access::Origin;
use crm_core::auth::{ChangeEmail, SignIn, SignedIn, TOKENS_AN_HOUR};
use crm_core::users::User;
use crm_core::{Crm, Error, Result};

use crate::by_mail::{refused, token};
use crate::mail::{Postbox, Set, on_both, somebody};
use crate::second_factor::{code, enrol, nowhere};

const OLD: &str = "ada@example.com";
const NEW: &str = "Ada@Elsewhere.example";
const PASSWORD: &str = "correct horse";

fn to(email: &str) -> ChangeEmail {
    let (email, password) = (email.to_owned(), PASSWORD.to_owned());
    ChangeEmail { email, password, ..ChangeEmail::default() }
}

async fn ask(crm: &Crm, of: &SignedIn, email: &str) -> Result<User> {
    crm.auth().change_email(of.session.id, of.user.id, to(email)).await
}

/// Somebody whose address was shown to be theirs.
async fn ada(crm: &Crm, post: &Postbox) -> SignedIn {
    let ada = somebody(crm, "Ada", Some("Acme")).await;
    let (verify, _) = token(crm, post, "verify_email", OLD).await;
    crm.auth().verify_email(&verify.unwrap()).await.unwrap();
    ada
}

async fn confirming(crm: &Crm, post: &Postbox, email: &str) -> Option<String> {
    token(crm, post, "change_email", email).await.0
}

async fn stopping(crm: &Crm, post: &Postbox, email: &str) -> Option<String> {
    token(crm, post, "email_changing", email).await.0
}

async fn confirm(crm: &Crm, token: &str) -> Result<User> {
    crm.auth().confirm_email(token, &nowhere()).await
}

async fn stop(crm: &Crm, token: &str) -> Result<User> {
    crm.auth().stop_email_change(token, &nowhere()).await
}

async fn signs_in(crm: &Crm, login: &str) -> bool {
    let (login, password) = (login.to_owned(), PASSWORD.to_owned());
    crm.auth().sign_in(SignIn { login, password, ..SignIn::default() }).await.is_ok()
}

#[tokio::test]
async fn a_new_address_is_ones_own_once_it_is_confirmed_and_every_tenant_knows_it() {
    on_both(async |Set { crm, post, .. }| {
        let ada = ada(&crm, &post).await;
        let bob = somebody(&crm, "Bob", Some("Bob's")).await;
        let there = bob.session.tenant.unwrap();
        let role = [crm_core::access::BuiltIn::User];
        crm.system().add_member(there, ada.user.id, &role).await.unwrap();
        let other = SignIn { login: OLD.into(), password: PASSWORD.into(), ..SignIn::default() };
        let other = crm.auth().sign_in(other).await.unwrap();
        refused(ask(&crm, &ada, OLD).await, "SAME_EMAIL");
        refused(ask(&crm, &ada, "nowhere").await, "INVALID_EMAIL");
        let wrong = ChangeEmail { password: "wrong horse".into(), ..to(NEW) };
        let wrong = crm.auth().change_email(ada.session.id, ada.user.id, wrong).await;
        refused(wrong, "WRONG_PASSWORD");

        let asked = ask(&crm, &ada, NEW).await.unwrap();
        assert_eq!((&*asked.email, asked.pending_email.as_deref()), (OLD, Some(NEW)));
        assert!(signs_in(&crm, OLD).await && !signs_in(&crm, NEW).await);
        let link = confirming(&crm, &post, NEW).await.unwrap();
        assert!(!format!("{asked:?}").contains(&link));
        refused(crm.auth().verify_email(&link).await, "INVALID_TOKEN");
        refused(stop(&crm, &link).await, "INVALID_TOKEN");
        let changed = confirm(&crm, &link).await.unwrap();
        assert_eq!((&*changed.email, changed.pending_email), (NEW, None));
        assert!(changed.email_verified_at.is_some());
        assert!(signs_in(&crm, NEW).await && !signs_in(&crm, OLD).await);
        refused(confirm(&crm, &link).await, "INVALID_TOKEN");
        for tenant in [ada.session.tenant.unwrap(), there] {
            let place = crm.auth().membership(ada.user.id, tenant).await.unwrap().unwrap();
            assert_eq!(place.member.email, NEW);
        }
        assert!(crm.auth().is_live(ada.session.id).await.unwrap(), "where it was asked for");
        assert!(!crm.auth().is_live(other.session.id).await.unwrap());
        assert_eq!(token(&crm, &post, "email_changed", OLD).await.1, 1);
    })
    .await;
}

#[tokio::test]
async fn the_owner_of_the_old_address_stops_it_before_and_after() {
    on_both(async |Set { crm, clock, post, .. }| {
        let ada = ada(&crm, &post).await;
        ask(&crm, &ada, NEW).await.unwrap();
        let (new, old) = (
            confirming(&crm, &post, NEW).await.unwrap(),
            stopping(&crm, &post, OLD).await.unwrap(),
        );
        stop(&crm, &old).await.unwrap();
        refused(confirm(&crm, &new).await, "INVALID_TOKEN");
        refused(stop(&crm, &old).await, "INVALID_TOKEN");
        assert!(!crm.auth().is_live(ada.session.id).await.unwrap());

        // Whoever moves on twice is brought back all the same, and cannot move back.
        let thief = SignIn { login: OLD.into(), password: PASSWORD.into(), ..SignIn::default() };
        let thief = crm.auth().sign_in(thief).await.unwrap();
        ask(&crm, &thief, NEW).await.unwrap();
        let old = stopping(&crm, &post, OLD).await.unwrap();
        confirm(&crm, &confirming(&crm, &post, NEW).await.unwrap()).await.unwrap();
        ask(&crm, &thief, "third@example.com").await.unwrap();
        let thiefs = stopping(&crm, &post, NEW).await.unwrap();
        let third = confirming(&crm, &post, "third@example.com").await.unwrap();
        confirm(&crm, &third).await.unwrap();
        clock.advance(TimeDelta::days(6));
        let back = stop(&crm, &old).await.unwrap();
        assert_eq!((&*back.email, back.pending_email), (OLD, None));
        assert!(crm.auth().sessions(ada.user.id).await.unwrap().is_empty());
        refused(stop(&crm, &thiefs).await, "INVALID_TOKEN");
        let place = crm.auth().membership(ada.user.id, ada.session.tenant.unwrap()).await.unwrap();
        assert_eq!(place.unwrap().member.email, OLD);
    })
    .await;
}

#[tokio::test]
async fn links_hold_for_a_while_and_only_for_what_was_asked_last() {
    on_both(async |Set { crm, clock, post, .. }| {
        let ada = ada(&crm, &post).await;
        ask(&crm, &ada, NEW).await.unwrap();
        let first = confirming(&crm, &post, NEW).await.unwrap();
        ask(&crm, &ada, "third@example.com").await.unwrap();
        refused(confirm(&crm, &first).await, "INVALID_TOKEN");
        let third = confirming(&crm, &post, "third@example.com").await.unwrap();
        crm.auth().keep_email(ada.user.id).await.unwrap();
        refused(confirm(&crm, &third).await, "INVALID_TOKEN");
        // With another password, what was asked for with the old one is void.
        ask(&crm, &ada, NEW).await.unwrap();
        let change = crm_core::auth::ChangePassword {
            current: PASSWORD.into(),
            new: "battery staple".into(),
            code: None,
            origin: Origin::default(),
        };
        let link = confirming(&crm, &post, NEW).await.unwrap();
        crm.auth().change_password(ada.session.id, ada.user.id, change).await.unwrap();
        refused(confirm(&crm, &link).await, "INVALID_TOKEN");
        let again = ChangeEmail { password: "battery staple".into(), ..to(NEW) };
        crm.auth().change_email(ada.session.id, ada.user.id, again).await.unwrap();
        let late = confirming(&crm, &post, NEW).await.unwrap();
        clock.advance(TimeDelta::days(1));
        refused(confirm(&crm, &late).await, "INVALID_TOKEN");
    })
    .await;
}

#[tokio::test]
async fn an_address_of_somebody_else_is_refused_and_nobody_is_told_whose_it_is() {
    on_both(async |Set { crm, post, .. }| {
        let ada = ada(&crm, &post).await;
        somebody(&crm, "Bob", None).await;
        // The same answer; nobody is written to but who asks.
        ask(&crm, &ada, "bob@example.com").await.unwrap();
        assert!(confirming(&crm, &post, "bob@example.com").await.is_none());
        // Taken between the mail and the link.
        ask(&crm, &ada, "eve@example.com").await.unwrap();
        let link = confirming(&crm, &post, "eve@example.com").await.unwrap();
        let eve = somebody(&crm, "Eve", None).await;
        let taken = confirm(&crm, &link).await.unwrap_err();
        let text = taken.to_string();
        assert_eq!(taken.code(), "DUPLICATE", "{text}");
        assert!(!text.contains("Eve") && !text.contains(&eve.user.id.to_string()), "{text}");
        assert!(signs_in(&crm, OLD).await);
    })
    .await;
}

#[tokio::test]
async fn whoever_never_had_the_old_address_stops_nothing_and_a_second_factor_is_asked_for() {
    on_both(async |Set { crm, clock, post, .. }| {
        let bob = somebody(&crm, "Bob", None).await;
        ask(&crm, &bob, "robert@example.com").await.unwrap();
        assert!(stopping(&crm, &post, "bob@example.com").await.is_none());
        let (secret, _) = enrol(&crm, &clock, &bob).await;
        clock.advance(TimeDelta::minutes(5));
        refused(ask(&crm, &bob, NEW).await, "MFA_CODE_REQUIRED");
        let shown = ChangeEmail { code: Some(code(&secret, &clock)), ..to(NEW) };
        crm.auth().change_email(bob.session.id, bob.user.id, shown).await.unwrap();
        let link = confirming(&crm, &post, NEW).await.unwrap();
        confirm(&crm, &link).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn nobody_has_the_crm_write_to_many_addresses() {
    on_both(async |Set { crm, post, .. }| {
        let ada = ada(&crm, &post).await;
        for number in 0..TOKENS_AN_HOUR {
            ask(&crm, &ada, &format!("{number}@example.com")).await.unwrap();
        }
        let more = ask(&crm, &ada, NEW).await;
        assert!(matches!(more, Err(Error::Limit { .. })), "{more:?}");
    })
    .await;
}

#[tokio::test]
async fn of_two_who_want_an_address_at_once_one_gets_it() {
    on_both(async |Set { crm, post, .. }| {
        let ada = ada(&crm, &post).await;
        let bob = somebody(&crm, "Bob", None).await;
        let mut tasks = Vec::new();
        let mut links = Vec::new();
        for of in [&ada, &bob] {
            ask(&crm, of, NEW).await.unwrap();
            links.push(confirming(&crm, &post, NEW).await.unwrap());
        }
        for link in links {
            let crm = crm.clone();
            tasks.push(tokio::spawn(async move { confirm(&crm, &link).await }));
        }
        let mut done = Vec::new();
        for task in tasks {
            done.push(task.await.unwrap());
        }
        assert_eq!(done.iter().filter(|one| one.is_ok()).count(), 1, "{done:?}");
        assert!(done.iter().any(|one| one.as_ref().is_err_and(|e| e.code() == "DUPLICATE")));
    })
    .await;
}
