//! Who may change whom, on both stores.

use crm_core::access::{Actor, BuiltIn, Grant, Permission, Reach, Scopes};
use crm_core::auth::{Acceptance, SignIn, SignUp, SignedIn};
use crm_core::tenants::TenantId;
use crm_core::users::{Member, MemberDraft, NewMember, Source, UserId, UserStatus};
use crm_core::{Crm, Error, Find, Id, TenantCrm};

use crate::auth::{Set, on_both};
use crate::support::Watched;

const PASSWORD: &str = "correct horse";

pub(crate) async fn sign_up(crm: &Crm, name: &str, tenant: Option<&str>) -> SignedIn {
    let asked = SignUp {
        email: format!("{name}@example.com"),
        password: PASSWORD.to_owned(),
        name: Some(name.to_owned()),
        tenant_name: tenant.map(str::to_owned),
        ..SignUp::default()
    };
    crm.auth().sign_up(asked).await.unwrap()
}

/// The owner of a new tenant.
pub(crate) async fn owner(crm: &Crm) -> TenantCrm {
    crm.tenant(sign_up(crm, "ada", Some("Acme")).await.membership.unwrap().actor())
}

/// Somebody new in the tenant, with what their roles give them.
pub(crate) async fn colleague(owner: &TenantCrm, name: &str, roles: &[&str]) -> TenantCrm {
    let member = owner.members().enrol(new(name, roles)).await.unwrap();
    again(owner, member.id).await
}

/// A member with what it may do by now.
pub(crate) async fn again(within: &TenantCrm, id: Id<Member>) -> TenantCrm {
    let (crm, tenant) = (within.crm(), within.actor().tenant());
    let membership = crm.auth().membership(id.cast(), tenant).await.unwrap().unwrap();
    crm.tenant(membership.actor())
}

pub(crate) fn new(name: &str, roles: &[&str]) -> NewMember {
    NewMember {
        email: format!("{name}@example.com"),
        password: PASSWORD.to_owned(),
        name: Some(name.to_owned()),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        ..NewMember::default()
    }
}

/// Lets somebody who was added agree to it.
pub(crate) async fn agree(crm: &Crm, user: UserId, tenant: TenantId) {
    let (tenant, user) = (Some(tenant), Some(user));
    let acceptance = Acceptance { tenant, user, ..Acceptance::default() };
    crm.auth().accept_invitation(acceptance).await.unwrap();
}

pub(crate) fn me(within: &TenantCrm) -> Id<Member> {
    within.actor().user().cast()
}

async fn with_roles(as_who: &TenantCrm, whom: Id<Member>, roles: &[&str]) -> Result<Member, Error> {
    let roles: Vec<String> = roles.iter().map(|role| (*role).to_owned()).collect();
    as_who.members().change(whom, None, move |member| member.roles.clone_from(&roles)).await
}

fn is_forbidden<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::Forbidden { .. }))
}

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> &'static str {
    result.unwrap_err().code()
}

#[tokio::test]
async fn a_new_member_signs_in_with_what_its_roles_give() {
    on_both(async |Set { crm, .. }| {
        let ada = owner(&crm).await;
        let asked = NewMember {
            username: Some("bob".to_owned()),
            title: Some(" Clerk ".to_owned()),
            phone: Some("+49 30 123456".to_owned()),
            ..new("bob", &["readonly"])
        };
        let bob = ada.members().enrol(asked).await.unwrap();
        assert_eq!((bob.email.as_str(), bob.title.as_deref()), ("bob@example.com", Some("Clerk")));
        assert_eq!(bob.phone.as_deref(), Some("+4930123456"));
        assert_eq!(bob.id.uuid(), bob.user.uuid(), "a member is known as its user");
        let asked =
            SignIn { login: "bob".to_owned(), password: PASSWORD.to_owned(), ..SignIn::default() };
        let signed_in = crm.auth().sign_in(asked).await.unwrap();
        let actor = signed_in.membership.unwrap().actor();
        assert!(actor.reach(&Permission::of("customers", "read")).is_some());
        assert!(actor.reach(&Permission::of("customers", "create")).is_none());
        let found = ada.members().find(Find::all().search("clerk bob@")).await.unwrap();
        assert_eq!(found.items, [bob]);
    })
    .await;
}

#[tokio::test]
async fn who_signed_up_by_an_address_joins_only_where_they_are_named() {
    on_both(async |Set { crm, .. }| {
        let ada = owner(&crm).await;
        let elsewhere = sign_up(&crm, "eve", Some("Elsewhere")).await;
        let asked = NewMember {
            password: "another horse".to_owned(),
            name: None,
            username: Some("other".to_owned()),
            ..new("eve", &["user"])
        };
        // Whoever took the address first may be anybody, and would keep a password of their own.
        let taken = ada.members().enrol(asked.clone()).await.unwrap_err();
        let Error::Conflict { code: why, field, .. } = taken else { panic!("{taken}") };
        assert_eq!((why, field.as_deref()), ("USER_EXISTS", Some("email")));
        assert!(
            crm.auth().membership(elsewhere.user.id, ada.actor().tenant()).await.unwrap().is_none()
        );
        let roles = vec!["user".to_owned()];
        let joined = ada.members().add("eve@example.com", roles, None).await.unwrap();
        assert_eq!(joined.user, elsewhere.user.id);
        agree(&crm, joined.user, ada.actor().tenant()).await;
        let old = SignIn {
            login: "eve@example.com".to_owned(),
            password: PASSWORD.to_owned(),
            ..SignIn::default()
        };
        let signed_in = crm.auth().sign_in(old).await.unwrap();
        assert_eq!(signed_in.tenants.len(), 2, "with the password that was there before");
        let twice = NewMember { username: None, ..asked };
        let twice = ada.members().enrol(twice).await.unwrap_err();
        let Error::Conflict { code: why, field, .. } = twice else { panic!("{twice}") };
        assert_eq!((why, field.as_deref()), ("DUPLICATE", Some("email")));
        // What is wrong is wrong for both.
        for name in ["eve", "nobody"] {
            let asked = NewMember { password: "short".to_owned(), ..new(name, &["user"]) };
            assert_eq!(code(ada.members().enrol(asked).await), "VALIDATION_ERROR");
        }
    })
    .await;
}

#[tokio::test]
async fn every_fault_of_a_new_member_is_named_at_once() {
    on_both(async |Set { crm, .. }| {
        let ada = owner(&crm).await;
        let asked = NewMember {
            email: "nobody".to_owned(),
            password: "short".to_owned(),
            name: Some("x".repeat(300)),
            username: Some("a@b".to_owned()),
            roles: vec!["user".to_owned(), "bogus".to_owned()],
            title: Some("y".repeat(300)),
            phone: None,
        };
        let refused = ada.members().enrol(asked).await.unwrap_err();
        let Error::Invalid(faults) = refused else { panic!("{refused}") };
        let fields: Vec<&str> = faults.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(fields, ["email", "password", "username", "name", "title", "roles[1]"]);
        let nothing = ada.members().enrol(new("bob", &[])).await.unwrap_err();
        assert!(matches!(&nothing, Error::Invalid(f) if f[0].field == "roles"), "{nothing}");
    })
    .await;
}

#[tokio::test]
async fn nobody_gives_what_they_lack() {
    on_both(async |Set { crm, .. }| {
        let ada = owner(&crm).await;
        let admin = colleague(&ada, "amy", &["admin"]).await;
        let bob = colleague(&ada, "bob", &["user"]).await;
        assert!(is_forbidden(&admin.members().enrol(new("own", &["owner"])).await));
        assert!(is_forbidden(&with_roles(&admin, me(&bob), &["user", "owner"]).await));
        assert!(is_forbidden(&with_roles(&admin, me(&admin), &["admin", "owner"]).await));
        let give = Grant::new(Permission::of("tenants", "delete"), Reach::All);
        assert!(is_forbidden(&admin.members().set_grants(me(&bob), None, vec![give]).await));
        with_roles(&admin, me(&bob), &["admin"]).await.unwrap();

        // Somebody who may change users and little else.
        let hr = colleague(&ada, "hal", &["employee"]).await;
        let people = ["read", "create", "update", "delete"]
            .map(|action| Grant::new(Permission::of("users", action), Reach::All));
        ada.members().set_grants(me(&hr), None, people.to_vec()).await.unwrap();
        let hr = again(&ada, me(&hr)).await;
        hr.members().enrol(new("emp", &["employee"])).await.unwrap();
        for role in ["user", "sales_rep", "manager", "admin", "owner"] {
            let refused = hr.members().enrol(new("x", &[role])).await;
            assert!(is_forbidden(&refused), "{role}: {refused:?}");
            assert!(is_forbidden(&with_roles(&hr, me(&hr), &["employee", role]).await), "{role}");
        }
        let wider = Grant::new(Permission::of("customers", "update"), Reach::Assigned);
        assert!(is_forbidden(&hr.members().set_grants(me(&hr), None, vec![wider]).await));
        let asked = SignIn {
            login: "x@example.com".to_owned(),
            password: PASSWORD.to_owned(),
            ..SignIn::default()
        };
        assert!(
            crm.auth().sign_in(asked).await.is_err(),
            "no user was left behind by what was refused"
        );
    })
    .await;
}

#[tokio::test]
async fn nobody_changes_somebody_above_them() {
    on_both(async |Set { crm, .. }| {
        let ada = owner(&crm).await;
        let admin = colleague(&ada, "amy", &["admin"]).await;
        let other = colleague(&ada, "ann", &["admin"]).await;
        let hr = colleague(&ada, "hal", &["employee"]).await;
        let people = ["read", "update", "delete"]
            .map(|action| Grant::new(Permission::of("users", action), Reach::All));
        ada.members().set_grants(me(&hr), None, people.to_vec()).await.unwrap();
        let hr = again(&ada, me(&hr)).await;
        for (who, whom) in [(&admin, &ada), (&hr, &ada), (&hr, &admin)] {
            let members = who.members();
            let before = ada.members().get(me(whom)).await.unwrap();
            let title = |member: &mut Member| member.title = Some("Fool".to_owned());
            assert!(is_forbidden(&members.change(me(whom), None, title).await));
            assert!(is_forbidden(&with_roles(who, me(whom), &["employee"]).await));
            let audit = Grant::new(Permission::of("users", "read"), Reach::All);
            assert!(is_forbidden(&members.set_grants(me(whom), None, vec![audit]).await));
            let inactive = members.set_status(me(whom), None, UserStatus::Inactive).await;
            assert!(is_forbidden(&inactive));
            assert!(is_forbidden(&members.delete(me(whom), None).await));
            assert_eq!(ada.members().get(me(whom)).await.unwrap(), before);
        }
        // Equals may, and nobody is safe by being inactive.
        admin.members().set_status(me(&other), None, UserStatus::Inactive).await.unwrap();
        assert!(is_forbidden(&with_roles(&hr, me(&other), &["employee"]).await));
        // Somebody without any right to do so cannot even look.
        let bob = colleague(&ada, "bob", &["user"]).await;
        assert!(is_forbidden(&bob.members().get(me(&bob)).await));
        assert!(is_forbidden(&bob.members().enrol(new("x", &["user"])).await));
    })
    .await;
}

#[tokio::test]
async fn a_narrowed_key_of_an_owner_gives_nothing_away() {
    on_both(async |Set { crm, .. }| {
        let ada = owner(&crm).await;
        let actor = Actor::new(ada.actor().tenant(), ada.actor().user()).with_role(BuiltIn::Owner);
        let key = crm.tenant(actor.with_scopes(Scopes::new(["users:manage"])));
        for role in ["owner", "admin", "readonly"] {
            assert!(is_forbidden(&key.members().enrol(new("x", &[role])).await), "{role}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_tenant_keeps_an_active_owner() {
    on_both(async |Set { crm, .. }| {
        let ada = owner(&crm).await;
        let members = ada.members();
        assert_eq!(code(with_roles(&ada, me(&ada), &["admin"]).await), "LAST_OWNER");
        assert_eq!(code(members.delete(me(&ada), None).await), "LAST_OWNER");
        let inactive = members.set_status(me(&ada), None, UserStatus::Inactive).await;
        assert_eq!(code(inactive), "LAST_OWNER");
        let second = colleague(&ada, "oda", &["owner"]).await;
        members.set_status(me(&second), None, UserStatus::Inactive).await.unwrap();
        // One who is inactive does not count.
        assert_eq!(code(with_roles(&ada, me(&ada), &["admin"]).await), "LAST_OWNER");
        members.set_status(me(&second), None, UserStatus::Active).await.unwrap();
        with_roles(&ada, me(&ada), &["admin"]).await.unwrap();
        let refused = second.members().delete(me(&second), None).await;
        assert_eq!(code(refused), "LAST_OWNER");
    })
    .await;
}

#[tokio::test]
async fn of_two_owners_who_demote_each_other_one_remains() {
    on_both(async |Set { crm, .. }| {
        let ada = owner(&crm).await;
        for round in 0..6 {
            let oda = colleague(&ada, &format!("oda{round}"), &["owner"]).await;
            let (to_ada, to_oda) = (me(&ada), me(&oda));
            let (a, b) = match round % 3 {
                0 => tokio::join!(
                    with_roles(&ada, to_oda, &["user"]),
                    with_roles(&oda, to_ada, &["user"])
                ),
                1 => {
                    let (mine, theirs) = (ada.members(), oda.members());
                    tokio::join!(mine.delete(to_oda, None), theirs.delete(to_ada, None))
                }
                _ => {
                    let (mine, theirs) = (ada.members(), oda.members());
                    tokio::join!(
                        mine.set_status(to_oda, None, UserStatus::Inactive),
                        theirs.set_status(to_ada, None, UserStatus::Inactive)
                    )
                }
            };
            assert_ne!(a.is_ok(), b.is_ok(), "round {round}: {a:?} {b:?}");
            let refused = if a.is_ok() { b } else { a };
            assert_eq!(code(refused), "LAST_OWNER");
            let owners =
                Member::ROLES.eq("owner".to_owned()).and(Member::STATUS.eq(UserStatus::Active));
            let owners = ada.members().find(owners).await.unwrap().items;
            assert_eq!(owners.len(), 1, "round {round}");
            // Whoever is left makes the first one an owner again.
            let left = again(&ada, owners[0].id).await;
            if owners[0].id != me(&ada) {
                match round % 3 {
                    0 => drop(with_roles(&left, to_ada, &["owner"]).await.unwrap()),
                    1 => {
                        left.members().restore(to_ada, None).await.unwrap();
                        agree(&crm, to_ada.cast(), ada.actor().tenant()).await;
                    }
                    _ => drop(
                        left.members().set_status(to_ada, None, UserStatus::Active).await.unwrap(),
                    ),
                }
                with_roles(&ada, to_oda, &["user"]).await.unwrap();
            }
        }
    })
    .await;
}

#[tokio::test]
async fn who_is_deactivated_or_leaves_is_signed_out_of_that_tenant_only() {
    on_both(async |Set { crm, clock, .. }| {
        let ada = owner(&crm).await;
        let bob = colleague(&ada, "bob", &["user"]).await;
        let user = bob.actor().user();
        let other = sign_up(&crm, "eve", Some("Elsewhere")).await.membership.unwrap();
        crm.system().add_member(other.tenant.id, user, &[BuiltIn::User]).await.unwrap();
        let sign_in = async |tenant| {
            let login = "bob@example.com".to_owned();
            let asked = SignIn {
                login,
                password: PASSWORD.to_owned(),
                tenant: Some(tenant),
                ..SignIn::default()
            };
            crm.auth().sign_in(asked).await.unwrap()
        };
        let acme = ada.actor().tenant();
        let here = [sign_in(acme).await, sign_in(acme).await];
        let there = sign_in(other.tenant.id).await;
        clock.advance(chrono::TimeDelta::minutes(2));
        ada.members().set_status(user.cast(), None, UserStatus::Inactive).await.unwrap();
        let noted = crm.auth().recent_changes().await.unwrap();
        assert_eq!(noted.iter().filter(|note| note.session.is_some()).count(), 2);
        assert!(noted.iter().all(|note| note.tenant == Some(acme)));
        assert!(noted.iter().any(|note| note.session.is_none() && note.user == Some(user)));
        for session in &here {
            assert!(!crm.auth().is_live(session.session.id).await.unwrap());
            assert!(crm.auth().refresh(&session.refresh_token).await.is_err());
        }
        assert!(crm.auth().is_live(there.session.id).await.unwrap());
        assert!(crm.auth().membership(user, acme).await.unwrap().is_none());
        ada.members().set_status(user.cast(), None, UserStatus::Active).await.unwrap();
        assert!(!crm.auth().is_live(here[0].session.id).await.unwrap(), "what ended stays ended");

        let back = sign_in(acme).await;
        ada.members().delete(user.cast(), None).await.unwrap();
        assert!(!crm.auth().is_live(back.session.id).await.unwrap());
        assert_eq!(crm.auth().user(user).await.unwrap().status, UserStatus::Active);
        assert!(crm.auth().is_live(there.session.id).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn who_left_and_joins_again_has_nothing_of_before() {
    on_both(async |Set { crm, .. }| {
        let ada = owner(&crm).await;
        let bob = colleague(&ada, "bob", &["user"]).await;
        let extra = Grant::new(Permission::of("audit", "view"), Reach::All);
        ada.members().set_grants(me(&bob), None, vec![extra]).await.unwrap();
        ada.members().delete(me(&bob), None).await.unwrap();
        let hr = colleague(&ada, "amy", &["admin"]).await;
        let draft = MemberDraft {
            user: bob.actor().user(),
            name: String::new(),
            roles: vec!["readonly".to_owned()],
            title: None,
            phone: None,
        };
        let back = hr.members().create(draft.clone()).await.unwrap();
        assert_eq!((back.id, back.roles.as_slice()), (me(&bob), &["readonly".to_owned()][..]));
        assert_eq!((back.grants.len(), back.name.as_str()), (0, "bob"));
        assert_eq!(code(hr.members().create(draft).await), "DUPLICATE");
        // As it was only by who could give all of it.
        ada.members().delete(me(&bob), None).await.unwrap();
        crm.system().add_member(ada.actor().tenant(), back.user, &[BuiltIn::User]).await.unwrap();
        assert_eq!(ada.members().get(back.id).await.unwrap().roles, ["user"]);
        with_roles(&ada, back.id, &["owner"]).await.unwrap();
        ada.members().delete(back.id, None).await.unwrap();
        assert!(is_forbidden(&hr.members().restore(back.id, None).await));
        assert_eq!(ada.members().restore(back.id, None).await.unwrap().roles, ["owner"]);
    })
    .await;
}

#[tokio::test]
async fn the_log_tells_of_people_and_of_no_secret() {
    let store = Watched::default();
    let log = store.log.clone();
    let crm = Crm::builder(store).users(crate::auth::Plain).build().await.unwrap();
    let ada = owner(&crm).await;
    log.lock().unwrap().clear();
    let bob = ada.members().enrol(new("bob", &["user"])).await.unwrap();
    ada.members().set_status(bob.id, None, UserStatus::Inactive).await.unwrap();
    let log = log.lock().unwrap().clone();
    let kinds: Vec<(&str, &str)> =
        log.iter().map(|(entry, event)| (entry.resource.as_str(), event.as_str())).collect();
    assert_eq!(
        kinds,
        [
            ("users", "users.created"),
            ("members", "members.created"),
            ("members", "members.updated")
        ]
    );
    let told = format!("{log:?}");
    assert!(told.contains("bob@example.com") && !told.contains("horse"), "{told}");
    for (entry, _) in &log {
        assert_eq!(entry.actor, Some(ada.actor().user()));
        assert_eq!(entry.record_id, bob.user.uuid());
    }
    let change = serde_json::json!({"status": {"from": "active", "to": "inactive"}});
    assert_eq!(log[2].0.changes, change);
}

#[tokio::test]
async fn what_one_may_do_is_told_with_what_gives_it() {
    on_both(async |Set { crm, .. }| {
        let ada = owner(&crm).await;
        let bob = colleague(&ada, "bob", &["readonly", "user"]).await;
        let extra = Grant::new(Permission::of("customers", "delete"), Reach::All);
        ada.members().set_grants(me(&bob), None, vec![extra]).await.unwrap();
        let permissions = ada.members().permissions(me(&bob)).await.unwrap();
        let of = |action| {
            let permission = Permission::of("customers", action);
            permissions.held.iter().find(|held| held.permission == permission)
        };
        let read = of("read").unwrap();
        let role = |code: &str| Source::Role(code.to_owned());
        assert_eq!(read.reach, Reach::All);
        assert_eq!(read.from, [(role("readonly"), Reach::All), (role("user"), Reach::Assigned)]);
        let delete = of("delete").unwrap();
        assert_eq!(delete.reach, Reach::All);
        assert_eq!(delete.from, [(role("user"), Reach::Assigned), (Source::Extra, Reach::All)]);
        assert!(of("export").is_none());
        let bob = again(&ada, me(&bob)).await;
        assert_eq!(bob.actor().reach(&Permission::of("customers", "delete")), Some(Reach::All));
    })
    .await;
}

#[tokio::test]
async fn no_way_leads_round_the_rules() {
    on_both(async |Set { crm, .. }| {
        let ada = owner(&crm).await;
        let admin = colleague(&ada, "amy", &["admin"]).await;
        // The generic service is the same way.
        let raw = admin.records::<Member>();
        let raise = |member: &mut Member| member.roles = vec!["owner".to_owned()];
        assert!(is_forbidden(&raw.change(me(&admin), None, raise).await));
        assert!(is_forbidden(&raw.delete(me(&ada), None).await));
        assert_eq!(code(ada.records::<Member>().delete(me(&ada), None).await), "LAST_OWNER");
        let draft = MemberDraft {
            user: sign_up(&crm, "eve", None).await.user.id,
            name: "Eve".to_owned(),
            roles: vec!["owner".to_owned()],
            title: None,
            phone: None,
        };
        assert!(is_forbidden(&raw.create(draft.clone()).await));
        let other = MemberDraft { user: me(&ada).cast(), roles: vec!["admin".to_owned()], ..draft };
        let replaced = admin.members().replace(me(&admin), None, other).await;
        assert!(
            matches!(&replaced, Err(Error::Invalid(f)) if f[0].code == "IMMUTABLE"),
            "{replaced:?}"
        );
        // Another tenant's owner finds nobody here.
        let eve = sign_up(&crm, "evil", Some("Elsewhere")).await.membership.unwrap();
        let eve = crm.tenant(eve.actor());
        let gone = eve.members().delete(me(&admin), None).await;
        assert!(matches!(gone, Err(Error::NotFound { .. })), "{gone:?}");
    })
    .await;
}
