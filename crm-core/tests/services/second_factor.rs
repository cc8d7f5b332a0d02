//! Second factors, on both stores: a code is good once, whoever shows it first.

use chrono::TimeDelta;
use crm_core::access::Origin;
use crm_core::auth::{Enrolment, Entry, SecondStep, SignIn, SignUp, SignedIn, one_time_password};
use crm_core::{Clock, Crm, Error, ManualClock, Result};

use crate::auth::{Set, ada, on_both, sign_in};

pub(crate) const PASSWORD: &str = "correct horse";

pub(crate) fn nowhere() -> Origin {
    Origin::default()
}

pub(crate) fn code(secret: &str, clock: &ManualClock) -> String {
    one_time_password(secret, clock.now()).unwrap()
}

async fn begin(crm: &Crm, of: &SignedIn) -> Enrolment {
    let password = PASSWORD.to_owned();
    crm.auth().enrol_second_factor(of.user.id, password, "CRM", &nowhere()).await.unwrap()
}

/// Gives somebody a second factor: its secret, and the recovery codes.
pub(crate) async fn enrol(crm: &Crm, clock: &ManualClock, of: &SignedIn) -> (String, Vec<String>) {
    let (auth, user) = (crm.auth(), of.user.id);
    let begun = begin(crm, of).await;
    let shown = code(&begun.secret, clock);
    let codes = auth.confirm_second_factor(of.session.id, user, &shown, &nowhere()).await.unwrap();
    clock.advance(TimeDelta::seconds(30));
    (begun.secret, codes)
}

pub(crate) async fn challenged(crm: &Crm) -> SecondStep {
    match crm.auth().enter(sign_in("ada", PASSWORD)).await.unwrap() {
        Entry::SecondStep(step) => step,
        Entry::SignedIn(_) => panic!("signed in without a second factor"),
    }
}

pub(crate) async fn finish(crm: &Crm, step: &SecondStep, code: &str) -> Result<SignedIn> {
    crm.auth().finish_sign_in(&step.token, code, &nowhere()).await
}

fn is_wrong_code(answer: &Result<SignedIn>) -> bool {
    matches!(answer, Err(Error::Invalid(faults)) if faults[0].code == "INVALID_CODE")
}

#[tokio::test]
async fn who_has_one_is_asked_for_it_and_let_in_by_it() {
    on_both(async |Set { crm, clock, .. }| {
        let auth = crm.auth();
        let first = auth.sign_up(ada()).await.unwrap();
        let other = auth.sign_in(sign_in("ada", PASSWORD)).await.unwrap();
        let begun = begin(&crm, &first).await;
        assert!(begun.uri.contains(&begun.secret) && begun.secret.len() == 32);
        assert!(!format!("{begun:?}").contains(&begun.secret));
        auth.sign_in(sign_in("ada", PASSWORD)).await.unwrap();
        let confirm = async |code: &str| {
            auth.confirm_second_factor(first.session.id, first.user.id, code, &nowhere()).await
        };
        let wrong = confirm("000000").await.unwrap_err();
        assert!(matches!(wrong, Error::Invalid(_)), "{wrong}");
        let codes = confirm(&code(&begun.secret, &clock)).await.unwrap();
        assert_eq!(codes.len(), 10);
        assert!(auth.is_live(first.session.id).await.unwrap());
        assert!(!auth.is_live(other.session.id).await.unwrap(), "all others end");
        let at = auth.session(first.session.id).await.unwrap().unwrap();
        assert_eq!(at.methods, ["pwd", "otp"]);
        let again = confirm(&code(&begun.secret, &clock)).await.unwrap_err();
        assert_eq!(again.code(), "MFA_ON");

        let refused = auth.sign_in(sign_in("ada", PASSWORD)).await.unwrap_err();
        assert_eq!(refused.code(), "MFA_CODE_REQUIRED");
        clock.advance(TimeDelta::seconds(30));
        let step = challenged(&crm).await;
        assert!(is_wrong_code(&finish(&crm, &step, "000000").await));
        let signed_in = finish(&crm, &step, &code(&begun.secret, &clock)).await.unwrap();
        assert_eq!(signed_in.session.methods, ["pwd", "otp"]);
        assert!(signed_in.membership.is_some());
        let again = finish(&crm, &step, &code(&begun.secret, &clock)).await;
        assert!(matches!(again, Err(Error::Unauthenticated(_))), "a token is good once");
    })
    .await;
}

#[tokio::test]
async fn of_two_who_show_one_code_at_once_one_is_let_in() {
    on_both(async |Set { crm, clock, .. }| {
        let first = crm.auth().sign_up(ada()).await.unwrap();
        let (secret, codes) = enrol(&crm, &clock, &first).await;
        for shown in [code(&secret, &clock), codes[0].clone()] {
            let steps = [challenged(&crm).await, challenged(&crm).await];
            let tasks = steps.map(|step| {
                let (crm, shown) = (crm.clone(), shown.clone());
                tokio::spawn(async move { finish(&crm, &step, &shown).await })
            });
            let mut answers = Vec::new();
            for task in tasks {
                answers.push(task.await.unwrap());
            }
            assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
            assert!(answers.iter().any(is_wrong_code), "{answers:?}");
        }
        assert_eq!(crm.auth().recovery_codes_left(first.user.id).await.unwrap(), Some(9));
    })
    .await;
}

#[tokio::test]
async fn a_challenge_is_over_after_five_tries_and_after_five_minutes() {
    on_both(async |Set { crm, clock, .. }| {
        let first = crm.auth().sign_up(ada()).await.unwrap();
        let (secret, codes) = enrol(&crm, &clock, &first).await;
        let step = challenged(&crm).await;
        // One failure short of making the owner wait.
        for _ in 0..4 {
            assert!(is_wrong_code(&finish(&crm, &step, "000000").await));
        }
        let good = finish(&crm, &step, &code(&secret, &clock)).await.unwrap();
        assert!(crm.auth().is_live(good.session.id).await.unwrap());

        let step = challenged(&crm).await;
        for _ in 0..5 {
            assert!(is_wrong_code(&finish(&crm, &step, "000000").await));
        }
        let late = challenged_later(&crm, &clock).await;
        let over = finish(&crm, &step, &codes[0]).await;
        assert!(matches!(over, Err(Error::Unauthenticated(_))), "{over:?}");
        clock.advance(TimeDelta::minutes(5));
        let over = finish(&crm, &late, &codes[0]).await;
        assert!(matches!(over, Err(Error::Unauthenticated(_))), "{over:?}");
        assert_eq!(crm.auth().recovery_codes_left(first.user.id).await.unwrap(), Some(10));
        clock.advance(TimeDelta::seconds(1));
        assert_eq!(crm.system().purge().await.unwrap().challenges, 2);
    })
    .await;
}

/// Five wrong codes make everybody wait a second, as wrong passwords do.
async fn challenged_later(crm: &Crm, clock: &ManualClock) -> SecondStep {
    let refused = crm.auth().enter(sign_in("ada", PASSWORD)).await.unwrap_err();
    assert!(matches!(refused, Error::TooManyAttempts { .. }), "{refused}");
    clock.advance(TimeDelta::seconds(1));
    challenged(crm).await
}

#[tokio::test]
async fn a_recovery_code_is_good_once_and_new_ones_void_the_old() {
    on_both(async |Set { crm, clock, .. }| {
        let auth = crm.auth();
        let first = auth.sign_up(ada()).await.unwrap();
        let (secret, codes) = enrol(&crm, &clock, &first).await;
        let lower = codes[0].to_lowercase().replace('-', " ");
        let signed_in = finish(&crm, &challenged(&crm).await, &lower).await.unwrap();
        assert!(is_wrong_code(&finish(&crm, &challenged(&crm).await, &codes[0]).await));
        let (at, user) = (signed_in.session.id, first.user.id);
        let renew = async |code: &str| auth.renew_recovery_codes(at, user, code, &nowhere()).await;
        assert!(renew("000000").await.is_err());
        let fresh = renew(&code(&secret, &clock)).await.unwrap();
        assert!(fresh.iter().all(|code| !codes.contains(code)));
        assert!(is_wrong_code(&finish(&crm, &challenged(&crm).await, &codes[1]).await));
        finish(&crm, &challenged(&crm).await, &fresh[1]).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn it_is_given_up_with_password_and_code_and_asked_for_again_before_changes() {
    on_both(async |Set { crm, clock, .. }| {
        let auth = crm.auth();
        let first = auth.sign_up(ada()).await.unwrap();
        let (secret, codes) = enrol(&crm, &clock, &first).await;
        let (at, user) = (first.session.id, first.user.id);
        auth.fresh_second_factor(Some(at), user, None, &nowhere()).await.unwrap();
        clock.advance(TimeDelta::minutes(5));
        let asked = auth.fresh_second_factor(Some(at), user, None, &nowhere()).await.unwrap_err();
        assert_eq!(asked.code(), "MFA_CODE_REQUIRED");
        auth.fresh_second_factor(Some(at), user, Some(&codes[0]), &nowhere()).await.unwrap();
        auth.fresh_second_factor(Some(at), user, None, &nowhere()).await.unwrap();

        let remove = async |password: &str, code: &str| {
            let password = password.to_owned();
            auth.remove_second_factor(at, user, password, code, &nowhere()).await
        };
        let wrong = remove("wrong horse", &code(&secret, &clock)).await.unwrap_err();
        assert!(matches!(&wrong, Error::Invalid(f) if f[0].code == "WRONG_PASSWORD"), "{wrong}");
        let wrong = remove(PASSWORD, "000000").await.unwrap_err();
        assert!(matches!(&wrong, Error::Invalid(f) if f[0].code == "INVALID_CODE"), "{wrong}");
        remove(PASSWORD, &code(&secret, &clock)).await.unwrap();
        assert!(!auth.user(user).await.unwrap().has_second_factor);
        let session = auth.session(at).await.unwrap().unwrap();
        assert_eq!((session.methods.len(), session.second_factor_at), (1, None));
        auth.sign_in(sign_in("ada", PASSWORD)).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn another_password_voids_what_was_begun_with_the_old_one() {
    on_both(async |Set { crm, clock, .. }| {
        let auth = crm.auth();
        let first = auth.sign_up(ada()).await.unwrap();
        let (secret, _) = enrol(&crm, &clock, &first).await;
        let step = challenged(&crm).await;
        let change = crm_core::auth::ChangePassword {
            current: PASSWORD.to_owned(),
            new: "battery staple".to_owned(),
            code: None,
            origin: nowhere(),
        };
        auth.change_password(first.session.id, first.user.id, change).await.unwrap();
        let over = finish(&crm, &step, &code(&secret, &clock)).await;
        assert!(matches!(over, Err(Error::Unauthenticated(_))), "{over:?}");
    })
    .await;
}

#[tokio::test]
async fn an_admin_takes_away_what_was_lost_of_nobody_above_and_nobody_elsewhere() {
    on_both(async |Set { crm, clock, .. }| {
        let auth = crm.auth();
        let owner = crate::members::owner(&crm).await;
        let bob = owner.members().enrol(crate::members::new("bob", &["user"])).await.unwrap();
        let signed_in = SignIn { login: "bob@example.com".into(), ..sign_in("", PASSWORD) };
        let signed_in = auth.sign_in(signed_in).await.unwrap();
        owner.members().reset_second_factor(bob.id).await.unwrap();
        assert!(auth.is_live(signed_in.session.id).await.unwrap(), "there was none to take");
        enrol(&crm, &clock, &signed_in).await;

        let me = crate::members::me(&owner);
        assert_eq!(owner.members().reset_second_factor(me).await.unwrap_err().code(), "ONESELF");
        let admin = crate::members::colleague(&owner, "root", &["admin"]).await;
        let above = admin.members().reset_second_factor(me).await.unwrap_err();
        assert!(matches!(above, Error::Forbidden { .. } | Error::Refused { .. }), "{above}");
        let reader = crate::members::colleague(&owner, "eve", &["readonly"]).await;
        let refused = reader.members().reset_second_factor(bob.id).await.unwrap_err();
        assert!(matches!(refused, Error::Forbidden { .. }), "{refused}");

        let other = SignUp { email: "x@example.com".into(), username: None, ..ada() };
        let other = auth.sign_up(other).await.unwrap().membership.unwrap().tenant.id;
        let role = [crm_core::access::BuiltIn::User];
        crm.system().add_member(other, signed_in.user.id, &role).await.unwrap();
        let elsewhere = admin.members().reset_second_factor(bob.id).await.unwrap_err();
        assert_eq!(elsewhere.code(), "WORKS_ELSEWHERE");
        let there = auth.membership(signed_in.user.id, other).await.unwrap().unwrap();
        crm.tenant(there.actor()).members().leave(None).await.unwrap();

        admin.members().reset_second_factor(bob.id).await.unwrap();
        assert!(!auth.user(signed_in.user.id).await.unwrap().has_second_factor);
        assert!(!auth.is_live(signed_in.session.id).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn codes_that_are_shown_at_once_are_slowed_as_those_one_after_the_other() {
    on_both(async |Set { crm, clock, .. }| {
        let first = crm.auth().sign_up(ada()).await.unwrap();
        let (secret, _) = enrol(&crm, &clock, &first).await;
        let mut steps = Vec::new();
        for _ in 0..12 {
            steps.push(challenged(&crm).await);
        }
        let tasks: Vec<_> = steps
            .into_iter()
            .map(|step| {
                let crm = crm.clone();
                tokio::spawn(async move { finish(&crm, &step, "000000").await })
            })
            .collect();
        let mut looked_at = 0;
        for task in tasks {
            let answer = task.await.unwrap();
            match &answer {
                Err(Error::TooManyAttempts { .. }) => {}
                _ => {
                    assert!(is_wrong_code(&answer), "{answer:?}");
                    looked_at += 1;
                }
            }
        }
        assert_eq!(looked_at, 5, "as many as cost nothing");
        // Nor by whoever is signed in.
        let (at, user, right) = (first.session.id, first.user.id, code(&secret, &clock));
        let renewed = crm.auth().renew_recovery_codes(at, user, &right, &nowhere()).await;
        assert!(matches!(renewed, Err(Error::TooManyAttempts { .. })), "{renewed:?}");
        clock.advance(TimeDelta::seconds(30));
        finish(&crm, &challenged(&crm).await, &code(&secret, &clock)).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn nobody_gets_round_it_who_signs_in_while_it_is_confirmed() {
    on_both(async |Set { crm, clock, .. }| {
        let first = crm.auth().sign_up(ada()).await.unwrap();
        let begun = begin(&crm, &first).await;
        let shown = code(&begun.secret, &clock);
        let signing_in = |crm: Crm| async move {
            let _ = crm.auth().enter(sign_in("ada", PASSWORD)).await.unwrap();
        };
        let others: Vec<_> = (0..4).map(|_| tokio::spawn(signing_in(crm.clone()))).collect();
        let (session, user) = (first.session.id, first.user.id);
        crm.auth().confirm_second_factor(session, user, &shown, &nowhere()).await.unwrap();
        for other in others {
            other.await.unwrap();
        }
        let live = crm.auth().sessions(user).await.unwrap();
        assert!(live.iter().all(|one| one.second_factor_at.is_some()), "{live:?}");
    })
    .await;
}

#[tokio::test]
async fn what_was_begun_is_void_after_an_hour_and_purged() {
    on_both(async |Set { crm, clock, .. }| {
        let first = crm.auth().sign_up(ada()).await.unwrap();
        let begun = begin(&crm, &first).await;
        let confirm = async |secret: &str| {
            let shown = code(secret, &clock);
            let (session, user) = (first.session.id, first.user.id);
            crm.auth().confirm_second_factor(session, user, &shown, &nowhere()).await
        };
        clock.advance(TimeDelta::hours(1));
        assert_eq!(confirm(&begun.secret).await.unwrap_err().code(), "MFA_NOT_BEGUN");
        let again = begin(&crm, &first).await;
        assert!(confirm(&begun.secret).await.is_err(), "another one was begun since");
        clock.advance(TimeDelta::minutes(59));
        assert_eq!(crm.system().purge().await.unwrap().second_factors, 0);
        confirm(&again.secret).await.unwrap();
        clock.advance(TimeDelta::days(20));
        assert_eq!(crm.system().purge().await.unwrap().second_factors, 0);
        let bob = SignUp { email: "bob@example.com".into(), username: None, ..ada() };
        begin(&crm, &crm.auth().sign_up(bob).await.unwrap()).await;
        clock.advance(TimeDelta::minutes(61));
        assert_eq!(crm.system().purge().await.unwrap().second_factors, 1);
    })
    .await;
}

#[tokio::test]
async fn who_asked_to_be_remembered_is_and_a_refreshed_session_stays_what_it_was() {
    on_both(async |Set { crm, clock, .. }| {
        let auth = crm.auth();
        let first = auth.sign_up(ada()).await.unwrap();
        let (secret, _) = enrol(&crm, &clock, &first).await;
        let asked = SignIn { remember: true, ..sign_in("ada", PASSWORD) };
        let Entry::SecondStep(step) = auth.enter(asked).await.unwrap() else { panic!() };
        let signed_in = finish(&crm, &step, &code(&secret, &clock)).await.unwrap();
        assert!(signed_in.session.remembered);
        let shown = signed_in.session.second_factor_at;
        clock.advance(TimeDelta::days(1));
        let later = auth.refresh(&signed_in.refresh_token).await.unwrap().session;
        assert_eq!((later.second_factor_at, later.methods.len()), (shown, 2));
    })
    .await;
}

#[tokio::test]
async fn two_may_be_asked_at_once_and_both_finish() {
    on_both(async |Set { crm, clock, .. }| {
        let first = crm.auth().sign_up(ada()).await.unwrap();
        let (secret, _) = enrol(&crm, &clock, &first).await;
        let step = challenged(&crm).await;
        // Another sign-in meanwhile changes the user, and not the password.
        let other = challenged(&crm).await;
        finish(&crm, &other, &code(&secret, &clock)).await.unwrap();
        clock.advance(TimeDelta::seconds(30));
        finish(&crm, &step, &code(&secret, &clock)).await.unwrap();
    })
    .await;
}
