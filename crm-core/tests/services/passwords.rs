//! Passwords that are changed, refused and hashed anew, and one's own profile, on both stores.

use chrono::TimeDelta;
use crm_core::access::Origin;
use crm_core::auth::{ChangePassword, ProfileDraft, SignUp};
use crm_core::{Crm, Error};
use crm_store_memory::MemoryStore;

use crate::auth::{Plain, Set, ada, on_both, sign_in};

fn change(current: &str, new: &str) -> ChangePassword {
    let (current, new) = (current.to_owned(), new.to_owned());
    ChangePassword { current, new, code: None, origin: Origin::default() }
}

fn codes(refused: Error) -> Vec<(String, &'static str)> {
    let Error::Invalid(faults) = refused else { panic!("{refused}") };
    faults.into_iter().map(|fault| (fault.field, fault.code)).collect()
}

#[tokio::test]
async fn whoever_knows_the_password_changes_it_and_signs_all_others_out() {
    on_both(async |Set { crm, clock, .. }| {
        let auth = crm.auth();
        let here = auth.sign_up(ada()).await.unwrap();
        clock.advance(TimeDelta::seconds(1));
        let other = auth.sign_in(sign_in("ada", "correct horse")).await.unwrap();
        let (session, user) = (here.session.id, here.user.id);
        let changed = change("correct horse", "battery staple");
        let ended = auth.change_password(session, user, changed).await.unwrap();
        assert_eq!(ended, [other.session.id]);
        assert!(auth.is_live(session).await.unwrap());
        assert!(!auth.is_live(other.session.id).await.unwrap());
        auth.sign_in(sign_in("ada", "correct horse")).await.unwrap_err();
        auth.sign_in(sign_in("ada", "battery staple")).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_new_password_is_refused_where_it_is_no_good_one_or_the_old_one_is_wrong() {
    on_both(async |Set { crm, .. }| {
        let auth = crm.auth();
        let here = auth.sign_up(ada()).await.unwrap();
        let (session, user) = (here.session.id, here.user.id);
        let refused = async |current: &str, new: &str| {
            codes(auth.change_password(session, user, change(current, new)).await.unwrap_err())
        };
        let of = |field: &str, code| vec![(field.to_owned(), code)];
        assert_eq!(
            refused("wrong horse", "battery staple").await,
            of("currentPassword", "WRONG_PASSWORD")
        );
        for (new, code) in [
            ("short", "TOO_SHORT"),
            ("Password1", "COMMON_PASSWORD"),
            ("ada@example.com", "OWN_NAME"),
        ] {
            assert_eq!(refused("correct horse", new).await, of("newPassword", code), "{new}");
        }
        let bob = SignUp { email: "bob@example.com".to_owned(), username: None, ..ada() };
        let bob = auth.sign_up(bob).await.unwrap();
        let changed = change("correct horse", "battery staple");
        let foreign = auth.change_password(bob.session.id, user, changed).await;
        assert!(matches!(foreign, Err(Error::Unauthenticated(_))), "{foreign:?}");
        auth.sign_in(sign_in("ada", "correct horse")).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn passwords_that_are_tried_first_are_refused_wherever_one_is_set() {
    on_both(async |Set { crm, .. }| {
        let sign_up = |password: &str| SignUp { password: password.to_owned(), ..ada() };
        for (password, code) in [("iloveyou", "COMMON_PASSWORD"), ("ada-1815-1852", "OWN_NAME")] {
            let refused = crm.auth().sign_up(sign_up(password)).await.unwrap_err();
            assert_eq!(codes(refused), [("password".to_owned(), code)]);
        }
        let owner = crate::members::owner(&crm).await;
        let mut new = crate::members::new("bob", &["user"]);
        new.password = "bob@example.com".to_owned();
        let refused = owner.members().enrol(new).await.unwrap_err();
        assert_eq!(codes(refused), [("password".to_owned(), "OWN_NAME")]);
    })
    .await;
}

#[tokio::test]
async fn a_host_may_ask_for_longer_passwords_and_not_for_shorter_ones() {
    for (asked, shortest) in [(12, 12), (4, 8)] {
        let builder = Crm::builder(MemoryStore::new()).users(Plain).shortest_password(asked);
        let crm = builder.build().await.unwrap();
        let check = |length: usize| {
            let password: String = "a seat by the window".chars().take(length).collect();
            crm.auth().check_password("password", &password, &[])
        };
        assert_eq!(codes(check(shortest - 1).unwrap_err())[0].1, "TOO_SHORT");
        check(shortest).unwrap();
    }
}

#[tokio::test]
async fn a_profile_is_changed_with_the_name_in_the_tenant_at_hand() {
    on_both(async |Set { crm, .. }| {
        let auth = crm.auth();
        let here = auth.sign_up(ada()).await.unwrap();
        let (user, tenant) = (here.user.id, here.membership.unwrap().tenant.id);
        let draft = ProfileDraft {
            name: " Ada King ".to_owned(),
            username: Some("countess".to_owned()),
            locale: Some("en_gb".to_owned()),
            phone: Some("+44 20 7946 0018".to_owned()),
            preferences: Some(serde_json::json!({"theme": "dark"})),
        };
        let set = async |expected, draft: &ProfileDraft| {
            let origin = Origin::default();
            auth.set_profile(user, Some(tenant), expected, draft.clone(), &origin).await
        };
        let changed = set(None, &draft).await.unwrap();
        assert_eq!((changed.name.as_str(), changed.locale.as_deref()), ("Ada King", Some("en-GB")));
        let member = auth.membership(user, tenant).await.unwrap().unwrap().member;
        assert_eq!(member.name, "Ada King");
        assert_eq!(member.phone.as_deref(), Some("+442079460018"));
        assert_eq!(set(None, &draft).await.unwrap().version, changed.version, "nothing to do");
        assert_eq!(auth.user(user).await.unwrap().preferences, draft.preferences);
        auth.sign_in(sign_in("countess", "correct horse")).await.unwrap();

        let stale = set(Some(1), &draft).await.unwrap_err();
        assert!(matches!(stale, Error::Stale { .. }), "{stale}");
        let bad = ProfileDraft {
            name: " ".to_owned(),
            username: Some("a@b".to_owned()),
            locale: Some("klingonisch".to_owned()),
            preferences: Some(serde_json::json!("x".repeat(20_000))),
            ..draft.clone()
        };
        let fields: Vec<String> =
            codes(set(None, &bad).await.unwrap_err()).into_iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["name", "username", "locale", "preferences"]);

        let bob = SignUp { email: "bob@example.com".to_owned(), username: None, ..ada() };
        let bob = auth.sign_up(SignUp { tenant_name: None, ..bob }).await.unwrap().user.id;
        let origin = Origin::default();
        let named = ProfileDraft { phone: None, ..draft.clone() };
        let taken = auth.set_profile(bob, None, None, named, &origin).await.unwrap_err();
        let Error::Conflict { code, field, .. } = taken else { panic!("{taken}") };
        assert_eq!((code, field.as_deref()), ("DUPLICATE", Some("username")));
        let nowhere = ProfileDraft { username: None, ..draft };
        let refused = auth.set_profile(bob, None, None, nowhere, &origin).await.unwrap_err();
        assert_eq!(codes(refused), [("phone".to_owned(), "NO_TENANT")]);
    })
    .await;
}
