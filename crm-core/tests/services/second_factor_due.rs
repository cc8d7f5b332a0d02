//! Where a second factor is due: in tenants and for roles that ask for one, before credentials
//! change, and on every way into a session, on both stores.

use chrono::TimeDelta;
use crm_core::auth::{Acceptance, Membership, NewApiKey, Session, SignUp, SignedIn};
use crm_core::tenants::TenantDraft;
use crm_core::users::InvitationDraft;
use crm_core::{Crm, Id, ManualClock, TenantCrm};

use crate::auth::ada;
use crate::by_mail::{refused, token};
use crate::mail::{Postbox, Set, on_both};
use crate::second_factor::{PASSWORD, challenged, code, enrol, finish, nowhere};

async fn founder(crm: &Crm) -> (SignedIn, TenantCrm) {
    let signed_in = crm.auth().sign_up(ada()).await.unwrap();
    let acme = crm.tenant(signed_in.membership.clone().unwrap().actor());
    (signed_in, acme)
}

async fn asks_for_one(acme: &TenantCrm, all: bool, roles: &[&str]) {
    let require_mfa_roles = roles.iter().map(|role| (*role).to_owned()).collect();
    let settings = TenantDraft {
        name: "Acme".into(),
        require_mfa: all,
        require_mfa_roles,
        ..TenantDraft::default()
    };
    acme.tenant_settings().replace(None, settings).await.unwrap();
}

async fn place(crm: &Crm, of: &SignedIn) -> Membership {
    let tenant = of.session.tenant.unwrap();
    crm.auth().membership(of.user.id, tenant).await.unwrap().unwrap()
}

async fn now(crm: &Crm, of: &SignedIn) -> Session {
    crm.auth().session(of.session.id).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_tenant_or_a_role_that_asks_for_one_admits_nobody_without() {
    on_both(async |Set { crm, clock, .. }| {
        let (first, acme) = founder(&crm).await;
        for (all, roles) in [(true, &[][..]), (false, &["owner"][..]), (true, &["admin"][..])] {
            asks_for_one(&acme, all, roles).await;
            refused(place(&crm, &first).await.admits(&now(&crm, &first).await), "MFA_REQUIRED");
        }
        asks_for_one(&acme, false, &["admin", "user"]).await;
        place(&crm, &first).await.admits(&now(&crm, &first).await).unwrap();
        asks_for_one(&acme, true, &[]).await;
        let user = async || crm.auth().user(first.user.id).await.unwrap();
        refused(place(&crm, &first).await.admits_keys_of(&user().await), "MFA_REQUIRED");
        enrol(&crm, &clock, &first).await;
        place(&crm, &first).await.admits(&now(&crm, &first).await).unwrap();
        place(&crm, &first).await.admits_keys_of(&user().await).unwrap();
    })
    .await;
}

#[tokio::test]
async fn no_api_key_says_who_must_have_one_nor_is_one_made_without_it() {
    on_both(async |Set { crm, clock, .. }| {
        let (first, acme) = founder(&crm).await;
        let all = || vec!["*".to_owned()];
        let new = |session: Option<Id<Session>>, code: Option<String>| {
            let name = "Reports".to_owned();
            NewApiKey { name, scopes: all(), session, code, ..NewApiKey::default() }
        };
        let key = acme.api_keys().create(new(None, None)).await.unwrap().key;
        let actor = acme.actor().clone().with_api_key(key.id, key.scopes());
        let program = crm.tenant(actor);
        let named = |name: &str| TenantDraft { name: name.into(), ..TenantDraft::default() };
        program.tenant_settings().replace(None, named("Acme & Co")).await.unwrap();
        let strict = TenantDraft { require_mfa: true, ..named("Acme") };
        refused(program.tenant_settings().replace(None, strict).await, "NOT_BY_KEY");
        let owners = vec!["owner".to_owned()];
        let strict = TenantDraft { require_mfa_roles: owners, ..named("Acme") };
        refused(program.tenant_settings().replace(None, strict).await, "NOT_BY_KEY");

        let (secret, _) = enrol(&crm, &clock, &first).await;
        let at = Some(first.session.id);
        refused(acme.api_keys().create(new(None, None)).await, "MFA_CODE_REQUIRED");
        acme.api_keys().create(new(at, None)).await.unwrap();
        clock.advance(TimeDelta::minutes(5));
        refused(acme.api_keys().create(new(at, None)).await, "MFA_CODE_REQUIRED");
        refused(acme.api_keys().create(new(at, Some("000000".into()))).await, "INVALID_CODE");
        let shown = Some(code(&secret, &clock));
        acme.api_keys().create(new(at, shown.clone())).await.unwrap();
        // It is not asked for again so soon, and the same code may come along.
        acme.api_keys().create(new(at, shown)).await.unwrap();
    })
    .await;
}

/// Somebody who has a second factor and is asked into a tenant, and the token of the mail.
async fn invited(crm: &Crm, clock: &ManualClock, post: &Postbox) -> (SignedIn, String, String) {
    let (_, acme) = founder(crm).await;
    let bob = SignUp {
        email: "bob@example.com".to_owned(),
        username: Some("bob".to_owned()),
        tenant_name: None,
        ..ada()
    };
    let bob = crm.auth().sign_up(bob).await.unwrap();
    let (secret, _) = enrol(crm, clock, &bob).await;
    let draft = InvitationDraft {
        email: "bob@example.com".to_owned(),
        roles: vec!["user".to_owned()],
        ..InvitationDraft::default()
    };
    acme.invitations().invite(draft).await.unwrap();
    let (token, _) = token(crm, post, "invitation", "bob@example.com").await;
    (bob, secret, token.unwrap())
}

#[tokio::test]
async fn whoever_accepts_an_invitation_has_shown_it_or_has_to_first() {
    on_both(async |Set { crm, clock, post, .. }| {
        let (bob, _, token) = invited(&crm, &clock, &post).await;
        let auth = crm.auth();
        let by = |user, session, password: Option<&str>| Acceptance {
            token: Some(token.clone()),
            user,
            session,
            password: password.map(str::to_owned),
            ..Acceptance::default()
        };
        let user = Some(bob.user.id);
        let by_password = auth.accept_invitation(by(None, None, Some(PASSWORD))).await;
        refused(by_password, "MFA_CODE_REQUIRED");
        refused(auth.accept_invitation(by(user, None, None)).await, "MFA_CODE_REQUIRED");
        let elsewhere = Some(Id::new(uuid::Uuid::from_u128(7)));
        refused(auth.accept_invitation(by(user, elsewhere, None)).await, "UNAUTHENTICATED");
        let at = Some(bob.session.id);
        let there = auth.accept_invitation(by(user, at, None)).await.unwrap().session;
        let before = now(&crm, &bob).await;
        assert_eq!(there.second_factor_at, before.second_factor_at);
        assert!(there.second_factor_at.is_some() && there.id != before.id);
        assert_eq!((there.family, there.methods), (before.family, before.methods));
    })
    .await;
}

#[tokio::test]
async fn a_session_in_another_tenant_is_as_good_as_the_one_before() {
    on_both(async |Set { crm, clock, .. }| {
        let (first, _) = founder(&crm).await;
        let (secret, _) = enrol(&crm, &clock, &first).await;
        let signed_in =
            finish(&crm, &challenged(&crm).await, &code(&secret, &clock)).await.unwrap();
        let strict =
            TenantDraft { name: "Strict".into(), require_mfa: true, ..TenantDraft::default() };
        let (strict, _) = crm.tenants_of(first.user.id).create(strict).await.unwrap();
        let (user, at) = (first.user.id, signed_in.session.id);
        let there = crm.auth().switch(at, user, strict.id, &nowhere()).await.unwrap();
        there.membership.unwrap().admits(&there.session).unwrap();
        // A password alone is not let in to it at all.
        let without = SignUp { email: "eve@example.com".into(), username: None, ..ada() };
        let eve = crm.auth().sign_up(without).await.unwrap();
        let role = [crm_core::access::BuiltIn::User];
        crm.system().add_member(strict.id, eve.user.id, &role).await.unwrap();
        let there = crm.auth().switch(eve.session.id, eve.user.id, strict.id, &nowhere()).await;
        let there = there.unwrap();
        refused(there.membership.unwrap().admits(&there.session), "MFA_REQUIRED");
    })
    .await;
}

#[tokio::test]
async fn a_password_that_is_set_anew_by_mail_goes_round_no_second_factor() {
    on_both(async |Set { crm, clock, post, .. }| {
        let (first, _) = founder(&crm).await;
        let (secret, _) = enrol(&crm, &clock, &first).await;
        crm.auth().forgot_password("ada@example.com").await.unwrap();
        let (reset, _) = token(&crm, &post, "reset_password", "Ada@Example.com").await;
        let new = "battery staple".to_owned();
        crm.auth().reset_password(&reset.unwrap(), new.clone(), nowhere()).await.unwrap();
        assert!(crm.auth().sessions(first.user.id).await.unwrap().is_empty());
        let entry = crm.auth().enter(crate::auth::sign_in("ada", &new)).await.unwrap();
        let crm_core::auth::Entry::SecondStep(step) = entry else { panic!("without") };
        finish(&crm, &step, &code(&secret, &clock)).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn its_user_is_told_when_it_comes_and_goes() {
    on_both(async |Set { crm, clock, post, .. }| {
        let (first, acme) = founder(&crm).await;
        let (secret, _) = enrol(&crm, &clock, &first).await;
        let told = async |kind: &str| token(&crm, &post, kind, "Ada@Example.com").await.1;
        assert_eq!(told("second_factor_added").await, 1);
        let (at, user) = (first.session.id, first.user.id);
        let shown = code(&secret, &clock);
        let password = PASSWORD.to_owned();
        crm.auth().remove_second_factor(at, user, password, &shown, &nowhere()).await.unwrap();
        assert_eq!(told("second_factor_removed").await, 1);

        let bob = acme.members().enrol(crate::members::new("bob", &["user"])).await.unwrap();
        let signed_in = crate::auth::sign_in("bob@example.com", PASSWORD);
        let signed_in = crm.auth().sign_in(signed_in).await.unwrap();
        enrol(&crm, &clock, &signed_in).await;
        acme.members().reset_second_factor(bob.id).await.unwrap();
        assert_eq!(token(&crm, &post, "second_factor_removed", "bob@example.com").await.1, 1);
    })
    .await;
}
