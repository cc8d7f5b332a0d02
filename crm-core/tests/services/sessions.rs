//! Sessions as their users see and end them, on both stores.

use chrono::TimeDelta;
use crm_core::access::{BuiltIn, Origin};
use crm_core::auth::{SignIn, SignUp};
use crm_core::{Crm, Error, Id};

use crate::auth::{Set, ada, on_both, sign_in};

fn from(agent: &str) -> SignIn {
    let origin = Origin {
        address: Some("203.0.113.7".to_owned()),
        agent: Some(agent.to_owned()),
        ..Origin::default()
    };
    SignIn { origin, ..sign_in("ada", "correct horse") }
}

async fn live(crm: &Crm, of: &crm_core::auth::SignedIn) -> Vec<Id<crm_core::auth::Session>> {
    crm.auth().sessions(of.user.id).await.unwrap().into_iter().map(|s| s.id).collect()
}

#[tokio::test]
async fn a_user_sees_their_sessions_and_nobody_elses() {
    on_both(async |Set { crm, clock, .. }| {
        let auth = crm.auth();
        let first = auth.sign_up(ada()).await.unwrap();
        let bob = SignUp { email: "bob@example.com".to_owned(), username: None, ..ada() };
        let bob = auth.sign_up(bob).await.unwrap();
        clock.advance(TimeDelta::minutes(1));
        let long = "x".repeat(2_000);
        let second = auth.sign_in(from(&long)).await.unwrap();
        let sessions = auth.sessions(first.user.id).await.unwrap();
        let ids: Vec<_> = sessions.iter().map(|session| session.id).collect();
        assert_eq!(ids, [second.session.id, first.session.id], "the last used comes first");
        assert_eq!(sessions[0].address.as_deref(), Some("203.0.113.7"));
        assert_eq!(sessions[0].agent.as_ref().map(String::len), Some(512));
        assert_eq!(sessions[0].methods, ["pwd"]);

        clock.advance(TimeDelta::minutes(1));
        auth.refresh(&first.refresh_token).await.unwrap();
        assert_eq!(live(&crm, &first).await, [first.session.id, second.session.id]);
        let used = &auth.sessions(first.user.id).await.unwrap()[0];
        assert_eq!(used.used_at, first.session.created_at + TimeDelta::minutes(2));

        for id in [bob.session.id, crm.new_id()] {
            let refused = auth.end_own(first.user.id, id).await.unwrap_err();
            assert!(matches!(refused, Error::NotFound { .. }), "{refused}");
        }
        assert_eq!(auth.end_own(first.user.id, first.session.id).await.unwrap().len(), 1);
        let again = auth.end_own(first.user.id, first.session.id).await.unwrap_err();
        assert!(matches!(again, Error::NotFound { .. }), "{again}");
        assert_eq!(live(&crm, &first).await, [second.session.id]);
        assert_eq!(live(&crm, &bob).await, [bob.session.id]);
    })
    .await;
}

#[tokio::test]
async fn all_others_end_and_the_device_at_hand_stays() {
    on_both(async |Set { crm, clock, .. }| {
        let auth = crm.auth();
        let here = auth.sign_up(ada()).await.unwrap();
        let other = crm.system().create_tenant("Other").await.unwrap();
        crm.system().add_member(other.id, here.user.id, &[BuiltIn::User]).await.unwrap();
        let origin = Origin::default();
        clock.advance(TimeDelta::seconds(1));
        let there = auth.switch(here.session.id, here.user.id, other.id, &origin).await.unwrap();
        let mut ended = Vec::new();
        for _ in 0..3 {
            clock.advance(TimeDelta::seconds(1));
            ended.push(auth.sign_in(from("curl/8")).await.unwrap().session.id);
        }
        let mut done = auth.end_others(here.user.id, here.session.id).await.unwrap();
        done.sort_unstable();
        assert_eq!(done, ended);
        let mut left = live(&crm, &here).await;
        left.sort_unstable();
        assert_eq!(left, [here.session.id, there.session.id], "what was switched to stays, too");
        assert_eq!(auth.end_others(here.user.id, there.session.id).await.unwrap(), []);
        let over = auth.end_others(here.user.id, ended[0]).await.unwrap_err();
        assert!(matches!(over, Error::NotFound { .. }), "{over}");
    })
    .await;
}

#[tokio::test]
async fn use_is_noted_once_in_five_minutes() {
    on_both(async |Set { crm, clock, .. }| {
        let auth = crm.auth();
        let signed_in = auth.sign_up(ada()).await.unwrap();
        let read = async || auth.session(signed_in.session.id).await.unwrap().unwrap();
        clock.advance(TimeDelta::minutes(4));
        auth.note_use(&read().await).await.unwrap();
        assert_eq!(read().await, signed_in.session, "nothing was written");
        clock.advance(TimeDelta::minutes(1));
        let before = read().await;
        auth.note_use(&before).await.unwrap();
        let after = read().await;
        assert_eq!(after.used_at, signed_in.session.created_at + TimeDelta::minutes(5));
        assert_eq!(after.expires_at, before.expires_at, "only a refresh prolongs it");
        // Another server noted the same use: no fault of anybody's.
        clock.advance(TimeDelta::minutes(5));
        auth.note_use(&before).await.unwrap();
        assert_eq!(read().await, after);
        assert_eq!(auth.recent_changes().await.unwrap(), [], "nobody has to forget anything");
    })
    .await;
}
