//! Refresh tokens, on both stores: one chain goes on, whoever asks how often, and a thief ends it.

use chrono::TimeDelta;
use crm_core::auth::{RefreshToken, SignIn, SignedIn};
use crm_core::{Crm, Error, Result};

use crate::auth::{Set, ada, on_both, sign_in};

/// More than the grace.
const LATER: TimeDelta = TimeDelta::seconds(11);

async fn refused(crm: &Crm, token: &str) {
    let answer = crm.auth().refresh(token).await;
    assert!(matches!(answer, Err(Error::Unauthenticated(_))), "{answer:?}");
}

/// The same token, so many times at once.
async fn at_once(crm: &Crm, token: &str, times: usize) -> Vec<Result<SignedIn>> {
    let spend = |_| {
        let (auth, token) = (crm.auth(), token.to_owned());
        tokio::spawn(async move { auth.refresh(&token).await })
    };
    let tasks: Vec<_> = (0..times).map(spend).collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

async fn is_live(crm: &Crm, signed_in: &SignedIn) -> bool {
    crm.auth().is_live(signed_in.session.id).await.unwrap()
}

#[tokio::test]
async fn a_spent_token_that_turns_up_later_ends_the_session() {
    on_both(async |Set { crm, clock, .. }| {
        let first = crm.auth().sign_up(ada()).await.unwrap();
        let second = crm.auth().refresh(&first.refresh_token).await.unwrap();
        assert_ne!(first.refresh_token, second.refresh_token);
        assert!(second.membership.is_some());
        clock.advance(LATER);
        refused(&crm, &first.refresh_token).await;
        refused(&crm, &second.refresh_token).await;
        assert!(!is_live(&crm, &first).await);
    })
    .await;
}

#[tokio::test]
async fn who_lost_the_answer_asks_again_and_goes_on() {
    on_both(async |Set { crm, clock, .. }| {
        let first = crm.auth().sign_up(ada()).await.unwrap();
        let lost = crm.auth().refresh(&first.refresh_token).await.unwrap();
        clock.advance(TimeDelta::seconds(9));
        let second = crm.auth().refresh(&first.refresh_token).await.unwrap();
        assert_ne!(lost.refresh_token, second.refresh_token);
        assert_eq!(first.session.id, second.session.id, "of the same session");
        clock.advance(TimeDelta::days(1));
        let third = crm.auth().refresh(&second.refresh_token).await.unwrap();
        crm.auth().refresh(&third.refresh_token).await.unwrap();
        assert!(is_live(&crm, &first).await);
        // Whoever has the answer that was lost is not who went on.
        refused(&crm, &lost.refresh_token).await;
        assert!(!is_live(&crm, &first).await);
    })
    .await;
}

#[tokio::test]
async fn what_was_used_has_no_second_successor() {
    on_both(async |Set { crm, .. }| {
        let first = crm.auth().sign_up(ada()).await.unwrap();
        let second = crm.auth().refresh(&first.refresh_token).await.unwrap();
        let third = crm.auth().refresh(&second.refresh_token).await.unwrap();
        // Within the grace: somebody else is using what came of it.
        refused(&crm, &first.refresh_token).await;
        refused(&crm, &third.refresh_token).await;
        assert!(!is_live(&crm, &first).await);
    })
    .await;
}

#[tokio::test]
async fn a_thief_who_is_quick_is_found_out_by_the_owners_next_use() {
    on_both(async |Set { crm, clock, .. }| {
        let first = crm.auth().sign_up(ada()).await.unwrap();
        let owners = crm.auth().refresh(&first.refresh_token).await.unwrap();
        let thiefs = crm.auth().refresh(&first.refresh_token).await.unwrap();
        clock.advance(TimeDelta::minutes(14));
        refused(&crm, &owners.refresh_token).await;
        refused(&crm, &thiefs.refresh_token).await;
        assert!(!is_live(&crm, &first).await);
    })
    .await;
}

#[tokio::test]
async fn of_sixteen_answers_to_one_token_a_single_one_leads_on() {
    on_both(async |Set { crm, clock, .. }| {
        let first = crm.auth().sign_up(ada()).await.unwrap();
        let auth = crm.auth();
        let all = at_once(&crm, &first.refresh_token, 16).await;
        let answers: Vec<SignedIn> = all.into_iter().map(Result::unwrap).collect();
        let mut tokens: Vec<&str> = answers.iter().map(|a| a.refresh_token.as_str()).collect();
        tokens.sort_unstable();
        tokens.dedup();
        assert_eq!(tokens.len(), 16);
        assert!(is_live(&crm, &first).await);

        // Which of them it kept is the client's secret: whichever it was leads on at once.
        let kept = auth.refresh(answers[3].refresh_token.as_str()).await.unwrap();
        assert!(answers.iter().all(|answer| answer.refresh_token != kept.refresh_token));
        clock.advance(TimeDelta::days(1));
        let next = auth.refresh(&kept.refresh_token).await.unwrap();
        clock.advance(LATER);
        // And each of the others is a thief's by now.
        refused(&crm, &answers[7].refresh_token).await;
        refused(&crm, &next.refresh_token).await;
        assert!(!is_live(&crm, &first).await);
    })
    .await;
}

#[tokio::test]
async fn without_a_grace_every_second_use_ends_the_session() {
    let store = crm_store_memory::MemoryStore::new();
    let builder = Crm::builder(store).users(crate::auth::Plain).refresh_grace(TimeDelta::zero());
    let crm = builder.build().await.unwrap();
    let first = crm.auth().sign_up(ada()).await.unwrap();
    let next = crm.auth().refresh(&first.refresh_token).await.unwrap();
    refused(&crm, &first.refresh_token).await;
    refused(&crm, &next.refresh_token).await;
    let again = crm.auth().sign_in(sign_in("ada", "correct horse")).await.unwrap();
    let all = at_once(&crm, &again.refresh_token, 4).await;
    assert!(all.iter().filter(|answer| answer.is_ok()).count() <= 1);
    assert!(!is_live(&crm, &again).await);
}

#[tokio::test]
async fn a_session_slides_with_its_use_and_for_longer_where_remembered() {
    on_both(async |Set { crm, clock, .. }| {
        crm.auth().sign_up(ada()).await.unwrap();
        let remembered = SignIn { remember: true, ..sign_in("ada", "correct horse") };
        let mut longer = crm.auth().sign_in(remembered).await.unwrap();
        let mut usual = crm.auth().sign_in(sign_in("ada", "correct horse")).await.unwrap();
        for _ in 0..3 {
            clock.advance(TimeDelta::days(29));
            usual = crm.auth().refresh(&usual.refresh_token).await.unwrap();
            assert_eq!(usual.session.expires_at, usual.session.used_at + TimeDelta::days(30));
        }
        longer = crm.auth().refresh(&longer.refresh_token).await.unwrap();
        for _ in 0..3 {
            clock.advance(TimeDelta::days(89));
            longer = crm.auth().refresh(&longer.refresh_token).await.unwrap();
        }
        refused(&crm, &usual.refresh_token).await;
        clock.advance(TimeDelta::days(90));
        refused(&crm, &longer.refresh_token).await;
    })
    .await;
}

#[test]
fn what_is_kept_of_a_token_is_secret() {
    use crm_core::Entity;
    let hash = RefreshToken::schema().field(RefreshToken::HASH.index());
    assert!(hash.secret);
}
