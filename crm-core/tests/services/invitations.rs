//! Nobody becomes a member without having said so, and nobody by what an inviter could not give,
//! on both stores.

use chrono::TimeDelta;
use crm_core::access::{BuiltIn, Origin};
use crm_core::auth::{Acceptance, SignIn, SignedIn};
use crm_core::users::{Invitation, InvitationDraft, Member, MemberDraft, MemberPatch, UserStatus};
use crm_core::{Crm, Error, Find, Id, TenantCrm};

use crate::by_mail::{refused, token};
use crate::mail::{Postbox, Set, on_both, somebody};

fn to(email: &str, role: &str) -> InvitationDraft {
    InvitationDraft {
        email: email.to_owned(),
        roles: vec![role.to_owned()],
        ..InvitationDraft::default()
    }
}

async fn acme(crm: &Crm) -> TenantCrm {
    let ada = somebody(crm, "Ada", Some("Acme")).await;
    crm.tenant(ada.membership.unwrap().actor())
}

async fn mailed(crm: &Crm, post: &Postbox, address: &str) -> String {
    token(crm, post, "invitation", address).await.0.unwrap()
}

async fn as_new(crm: &Crm, token: &str) -> Result<SignedIn, Error> {
    let acceptance = Acceptance {
        token: Some(token.to_owned()),
        password: Some("correct horse".to_owned()),
        name: Some("Bob".to_owned()),
        ..Acceptance::default()
    };
    crm.auth().accept_invitation(acceptance).await
}

/// Somebody of a role who is at work in the tenant.
async fn colleague(crm: &Crm, within: &TenantCrm, name: &str, role: BuiltIn) -> TenantCrm {
    let user = somebody(crm, name, None).await.user;
    let tenant = within.actor().tenant();
    crm.system().add_member(tenant, user.id, &[role]).await.unwrap();
    let membership = crm.auth().membership(user.id, tenant).await.unwrap().unwrap();
    crm.tenant(membership.actor())
}

fn member(within: &TenantCrm) -> Id<Member> {
    within.actor().user().cast()
}

#[tokio::test]
async fn somebody_new_accepts_once_and_is_a_member_with_an_address_of_their_own() {
    on_both(async |Set { crm, post, .. }| {
        let acme = acme(&crm).await;
        let sent = acme.invitations().invite(to("Bob@Example.com", "user")).await.unwrap();
        assert_eq!((sent.sent, sent.roles.as_slice()), (1, &["user".to_owned()][..]));
        let waiting = acme.invitations().find(Find::<Invitation>::all()).await.unwrap().items;
        assert_eq!(waiting.len(), 1);
        let token = mailed(&crm, &post, "Bob@Example.com").await;
        let nothing = Acceptance { token: Some(token.clone()), ..Acceptance::default() };
        refused(crm.auth().accept_invitation(nothing).await, "TOO_SHORT");
        let bob = as_new(&crm, &token).await.unwrap();
        assert!(bob.user.email_verified_at.is_some());
        let membership = bob.membership.unwrap();
        assert_eq!(membership.member.roles, ["user"]);
        assert_eq!(membership.tenant.id, acme.actor().tenant());
        refused(as_new(&crm, &token).await, "INVALID_TOKEN");
        assert!(acme.invitations().find(Find::<Invitation>::all()).await.unwrap().items.is_empty());
        refused(acme.invitations().invite(to("bob@example.com", "user")).await, "DUPLICATE");
    })
    .await;
}

#[tokio::test]
async fn a_user_who_is_there_accepts_by_signing_in_or_by_their_password() {
    on_both(async |Set { crm, post, .. }| {
        let acme = acme(&crm).await;
        let bob = somebody(&crm, "Bob", Some("Bob's")).await;
        let eve = somebody(&crm, "Eve", None).await;
        acme.invitations().invite(to("bob@example.com", "user")).await.unwrap();
        let token = mailed(&crm, &post, "bob@example.com").await;
        let by = |user, password: Option<&str>| Acceptance {
            token: Some(token.clone()),
            user,
            password: password.map(str::to_owned),
            ..Acceptance::default()
        };
        let auth = crm.auth();
        refused(auth.accept_invitation(by(None, None)).await, "REQUIRED");
        refused(auth.accept_invitation(by(None, Some("wrong"))).await, "UNAUTHENTICATED");
        refused(auth.accept_invitation(by(Some(eve.user.id), None)).await, "OTHER_ADDRESS");
        let there = auth.accept_invitation(by(None, Some("correct horse"))).await.unwrap();
        assert_eq!(there.session.tenant, Some(acme.actor().tenant()));
        assert_eq!((there.user.id, there.tenants.len()), (bob.user.id, 2));
        assert!(there.user.email_verified_at.is_some());

        acme.invitations().invite(to("eve@example.com", "user")).await.unwrap();
        let token = mailed(&crm, &post, "eve@example.com").await;
        let user = Some(eve.user.id);
        let signed_in = Acceptance { token: Some(token), user, ..Acceptance::default() };
        auth.accept_invitation(signed_in).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_invitation_that_is_void_says_no_more_than_that() {
    on_both(async |Set { crm, clock, post, .. }| {
        let acme = acme(&crm).await;
        let invite = async |email: &str| {
            let invitation = acme.invitations().invite(to(email, "user")).await.unwrap();
            (invitation, mailed(&crm, &post, email).await)
        };
        let (cancelled, token) = invite("a@example.com").await;
        acme.invitations().delete(cancelled.id, None).await.unwrap();
        refused(as_new(&crm, &token).await, "INVALID_TOKEN");
        refused(acme.invitations().resend(cancelled.id).await, "NOT_FOUND");

        let (first, old) = invite("b@example.com").await;
        let again = acme.invitations().invite(to("B@example.com", "readonly")).await.unwrap();
        assert_eq!((again.id, again.sent), (first.id, 2), "replaced");
        let new = mailed(&crm, &post, "b@example.com").await;
        refused(as_new(&crm, &old).await, "INVALID_TOKEN");
        acme.invitations().resend(first.id).await.unwrap();
        let newest = mailed(&crm, &post, "b@example.com").await;
        refused(as_new(&crm, &new).await, "INVALID_TOKEN");
        let there = as_new(&crm, &newest).await.unwrap();
        assert_eq!(there.membership.unwrap().member.roles, ["readonly"]);

        let (_, late) = invite("c@example.com").await;
        clock.advance(TimeDelta::days(7));
        refused(as_new(&crm, &late).await, "INVALID_TOKEN");

        let (_, declined) = invite("d@example.com").await;
        let no = Acceptance { token: Some(declined.clone()), ..Acceptance::default() };
        crm.auth().decline_invitation(no).await.unwrap();
        refused(as_new(&crm, &declined).await, "INVALID_TOKEN");
    })
    .await;
}

#[tokio::test]
async fn of_two_who_accept_at_once_one_becomes_a_member() {
    on_both(async |Set { crm, post, .. }| {
        let acme = acme(&crm).await;
        acme.invitations().invite(to("bob@example.com", "user")).await.unwrap();
        let token = mailed(&crm, &post, "bob@example.com").await;
        let tries: Vec<_> = (0..6)
            .map(|_| {
                let (crm, token) = (crm.clone(), token.clone());
                tokio::spawn(async move { as_new(&crm, &token).await.is_ok() })
            })
            .collect();
        let mut accepted = 0;
        for task in tries {
            accepted += usize::from(task.await.unwrap());
        }
        assert_eq!(accepted, 1);
        assert_eq!(acme.members().find(Find::<Member>::all()).await.unwrap().items.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn nobody_invites_into_what_they_could_not_give_then_or_now() {
    on_both(async |Set { crm, post, .. }| {
        let acme = acme(&crm).await;
        let admin = colleague(&crm, &acme, "Adam", BuiltIn::Admin).await;
        let reader = colleague(&crm, &acme, "Rita", BuiltIn::Readonly).await;
        refused(reader.invitations().invite(to("x@example.com", "readonly")).await, "FORBIDDEN");
        refused(admin.invitations().invite(to("x@example.com", "owner")).await, "FORBIDDEN");
        refused(admin.invitations().invite(to("x@example.com", "no_such")).await, "UNKNOWN_ROLE");
        admin.invitations().invite(to("bob@example.com", "admin")).await.unwrap();
        let token = mailed(&crm, &post, "bob@example.com").await;
        let lower = MemberPatch { roles: Some(vec!["user".to_owned()]), ..MemberPatch::default() };
        acme.members().patch(member(&admin), None, lower).await.unwrap();
        refused(as_new(&crm, &token).await, "INVALID_TOKEN");
        acme.members().set_status(member(&admin), None, UserStatus::Inactive).await.unwrap();
        refused(as_new(&crm, &token).await, "INVALID_TOKEN");
        // Whoever may give it takes it on.
        let id = acme.invitations().find(Find::<Invitation>::all()).await.unwrap().items[0].id;
        acme.invitations().resend(id).await.unwrap();
        let token = mailed(&crm, &post, "bob@example.com").await;
        assert_eq!(as_new(&crm, &token).await.unwrap().membership.unwrap().member.roles, ["admin"]);
    })
    .await;
}

#[tokio::test]
async fn guessing_a_password_by_an_invitation_is_slowed_down_as_signing_in_is() {
    on_both(async |Set { crm, post, clock, .. }| {
        let acme = acme(&crm).await;
        somebody(&crm, "Bob", None).await;
        acme.invitations().invite(to("bob@example.com", "user")).await.unwrap();
        let token = mailed(&crm, &post, "bob@example.com").await;
        let by = |password: &str| Acceptance {
            token: Some(token.clone()),
            password: Some(password.to_owned()),
            origin: Origin { address: Some("203.0.113.7".to_owned()), ..Origin::default() },
            ..Acceptance::default()
        };
        let auth = crm.auth();
        for _ in 0..5 {
            refused(auth.accept_invitation(by("wrong horse")).await, "UNAUTHENTICATED");
        }
        // Together with those of signing in, and the right one waits, too.
        refused(auth.accept_invitation(by("correct horse")).await, "TOO_MANY_ATTEMPTS");
        let login = "bob@example.com".to_owned();
        let password = "correct horse".to_owned();
        let origin = by("").origin;
        let request = SignIn { login, password, origin, ..SignIn::default() };
        refused(auth.sign_in(request).await, "TOO_MANY_ATTEMPTS");
        clock.advance(TimeDelta::seconds(1));
        auth.accept_invitation(by("correct horse")).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn whoever_is_added_has_no_place_until_they_agree() {
    on_both(async |Set { crm, post, .. }| {
        let acme = acme(&crm).await;
        let tenant = acme.actor().tenant();
        let bob = somebody(&crm, "Bob", None).await;
        let roles = vec!["admin".to_owned()];
        let added = acme.members().add("bob@example.com", roles, None).await.unwrap();
        assert_eq!(added.status, UserStatus::Invited);
        let auth = crm.auth();
        assert!(auth.membership(bob.user.id, tenant).await.unwrap().is_none());
        auth.refresh(&bob.refresh_token).await.unwrap();
        // Nobody agrees in their place.
        for status in [UserStatus::Active, UserStatus::Inactive] {
            refused(acme.members().set_status(added.id, None, status).await, "NOT_ACCEPTED");
        }
        // Nor somebody who only says that the address is theirs.
        let user = Some(bob.user.id);
        let there = Acceptance { tenant: Some(tenant), user, ..Acceptance::default() };
        assert!(auth.invitations(bob.user.id).await.unwrap().is_empty());
        refused(auth.accept_invitation(there.clone()).await, "EMAIL_NOT_VERIFIED");
        let (verify, _) = token(&crm, &post, "verify_email", "bob@example.com").await;
        auth.verify_email(&verify.unwrap()).await.unwrap();
        assert_eq!(auth.invitations(bob.user.id).await.unwrap().len(), 1);
        let signed_in = auth.accept_invitation(there.clone()).await.unwrap();
        assert_eq!(signed_in.membership.unwrap().member.roles, ["admin"]);
        refused(auth.accept_invitation(there).await, "NOT_FOUND");
        let (late, _) = token(&crm, &post, "member_added", "bob@example.com").await;
        let late = Acceptance { token: late, user, ..Acceptance::default() };
        refused(auth.accept_invitation(late).await, "INVALID_TOKEN");
    })
    .await;
}

#[tokio::test]
async fn whoever_is_added_may_agree_by_the_mail_or_decline() {
    on_both(async |Set { crm, post, .. }| {
        let acme = acme(&crm).await;
        let bob = somebody(&crm, "Bob", None).await.user.id;
        let draft = || MemberDraft {
            user: bob,
            name: String::new(),
            roles: vec!["user".to_owned()],
            title: None,
            phone: None,
        };
        acme.members().create(draft()).await.unwrap();
        let asked = async || token(&crm, &post, "member_added", "bob@example.com").await.0;
        let no = Acceptance { token: asked().await, ..Acceptance::default() };
        crm.auth().decline_invitation(no.clone()).await.unwrap();
        refused(crm.auth().accept_invitation(no).await, "INVALID_TOKEN");
        assert_eq!(acme.members().find(Find::<Member>::all()).await.unwrap().items.len(), 1);
        // Asked once more, also where they are brought back.
        acme.members().create(draft()).await.unwrap();
        let password = Some("correct horse".to_owned());
        let yes = Acceptance { token: asked().await, password, ..Acceptance::default() };
        let there = crm.auth().accept_invitation(yes).await.unwrap();
        assert!(there.membership.is_some() && there.user.email_verified_at.is_some());
        acme.members().delete(bob.cast(), None).await.unwrap();
        let back = acme.members().restore(bob.cast(), None).await.unwrap();
        assert_eq!(back.status, UserStatus::Invited, "whoever left says so themselves");
    })
    .await;
}
