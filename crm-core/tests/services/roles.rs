//! A tenant's own roles, on both stores.

use std::sync::Arc;

use crm_core::access::{Actor, BuiltIn, Grant, Permission, Reach};
use crm_core::customers::CustomerDraft;
use crm_core::roles::{CustomRole, CustomRoleDraft, CustomRolePatch, Roles};
use crm_core::store::{Aggregate, Group, GroupBy};
use crm_core::users::Member;
use crm_core::{Choice, Crm, Entity, Error, Find, TenantCrm, Where};

use crate::auth::{Set, on_both};
use crate::members::{again, colleague, me, new, owner};

fn grant(text: &str) -> Grant {
    text.parse().unwrap()
}

fn role(name: &str, grants: &[&str]) -> CustomRoleDraft {
    CustomRoleDraft {
        name: name.to_owned(),
        grants: grants.iter().map(|text| grant(text)).collect(),
        ..CustomRoleDraft::default()
    }
}

async fn with_roles(as_who: &TenantCrm, whom: &TenantCrm, roles: &[&str]) -> Result<Member, Error> {
    let roles: Vec<String> = roles.iter().map(|role| (*role).to_owned()).collect();
    as_who.members().change(me(whom), None, move |member| member.roles.clone_from(&roles)).await
}

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> &'static str {
    result.unwrap_err().code()
}

const PEOPLE: [&str; 8] = [
    "users:read@all",
    "users:create@all",
    "users:update@all",
    "roles:read@all",
    "roles:manage@all",
    "customers:read@all",
    "tags:read@all",
    "custom_fields:read@all",
];

#[tokio::test]
async fn a_role_of_ones_own_gives_what_it_says() {
    on_both(async |Set { crm, .. }| {
        let ada = owner(&crm).await;
        let draft =
            role("Key Account (EMEA)", &["customers:read@all", "customers:update@assigned"]);
        let made = ada.roles().create(draft).await.unwrap();
        assert_eq!(made.code, "key_account_emea");
        let bob = colleague(&ada, "bob", &["key_account_emea", "employee"]).await;
        let reach = |action| bob.actor().reach(&Permission::of("customers", action));
        assert_eq!(
            (reach("read"), reach("update"), reach("delete")),
            (Some(Reach::All), Some(Reach::Assigned), None)
        );
        // A change of the role is a change of what everybody with it may do.
        ada.roles().grant(made.id, None, grant("customers:delete@all")).await.unwrap();
        let wider = again(&ada, me(&bob)).await;
        assert!(wider.actor().reach(&Permission::of("customers", "delete")).is_some());
        let delete = Permission::of("customers", "delete");
        ada.roles().revoke(made.id, None, delete.clone()).await.unwrap();
        assert!(again(&ada, me(&bob)).await.actor().reach(&delete).is_none());
        assert_eq!(code(ada.roles().revoke(made.id, None, delete).await), "NOT_FOUND");
    })
    .await;
}

#[tokio::test]
async fn the_list_has_the_built_in_roles_too_and_filters_all_alike() {
    on_both(async |Set { crm, .. }| {
        let ada = owner(&crm).await;
        let made = ada.roles().create(role("Auditor", &["audit:view@all"])).await.unwrap();
        let all = ada.roles().find(Find::all().counted()).await.unwrap();
        let codes: Vec<&str> = all.items.iter().map(|role| role.code.as_str()).collect();
        assert_eq!(all.total, Some(9));
        assert_eq!(codes[..4], ["auditor", "owner", "admin", "manager"]);
        let found = ada.roles().find(Find::all().search("AUDIT")).await.unwrap().items;
        assert_eq!(found, std::slice::from_ref(&made));
        let by_code = ada.roles().find(CustomRole::CODE.eq("sales_rep".to_owned())).await.unwrap();
        let rep = &by_code.items[0];
        assert_eq!(Roles::built_in(rep.id), Some(BuiltIn::SalesRep));
        assert_eq!(ada.roles().get(rep.id).await.unwrap(), *rep);
        let holding = CustomRole::GRANTS.eq(grant("audit:view@all"));
        let holding = ada.roles().find(Find::from(holding).sort(CustomRole::CODE.asc())).await;
        let holding = holding.unwrap().items;
        let codes: Vec<&str> = holding.iter().map(|role| role.code.as_str()).collect();
        assert_eq!(codes, ["admin", "auditor", "owner"]);
        let first = ada.roles().find(Find::all().first(4)).await.unwrap();
        let rest = Find::all().after(first.next.unwrap(), 10);
        assert_eq!(ada.roles().find(rest).await.unwrap().items.len(), 5);
        ada.roles().delete(made.id, None).await.unwrap();
        assert_eq!(ada.roles().find(Find::all()).await.unwrap().items.len(), 8);
        let bob = colleague(&ada, "bob", &["user"]).await;
        assert_eq!(code(bob.roles().find(Find::all()).await), "FORBIDDEN");
        assert_eq!(code(bob.roles().get(rep.id).await), "FORBIDDEN");
    })
    .await;
}

#[tokio::test]
async fn the_built_in_roles_count_wherever_roles_are_asked_for() {
    on_both(async |Set { crm, .. }| {
        let ada = owner(&crm).await;
        let roles = ada.roles();
        let made = roles.create(role("Auditor", &["audit:view@all"])).await.unwrap();
        assert_eq!(roles.count(Where::all()).await.unwrap(), 9);
        let viewing = || CustomRole::GRANTS.eq(grant("audit:view@all"));
        assert_eq!(roles.count(viewing()).await.unwrap(), 3);
        let by_code = Aggregate::count(Arc::clone(CustomRole::schema()))
            .filter(viewing().into_filter())
            .unwrap()
            .group_by(vec![GroupBy::Value(CustomRole::CODE.path())])
            .unwrap();
        let groups = roles.aggregate(by_code).await.unwrap();
        let words: Vec<Option<String>> = groups.iter().map(Group::word).collect();
        assert_eq!(words, ["admin", "auditor", "owner"].map(|code| Some(code.to_owned())));
        let walked = roles.walk(Find::all(), None).await.unwrap();
        assert_eq!(walked.items.len(), 9);
        let rep = walked.items.iter().find(|role| role.code == "sales_rep").unwrap();
        let many = roles.get_many([rep.id, made.id, made.id]).await.unwrap();
        assert_eq!(many.len(), 2);
        assert!(many.contains(rep) && many.contains(&made));
        assert_eq!(code(roles.restore(rep.id, None).await), "BUILT_IN_ROLE");
        let bob = colleague(&ada, "bob", &["user"]).await;
        assert_eq!(code(bob.roles().count(Where::all()).await), "FORBIDDEN");
        assert_eq!(code(bob.roles().get_many([rep.id]).await), "FORBIDDEN");
        assert_eq!(code(bob.roles().walk(Find::all(), None).await), "FORBIDDEN");
    })
    .await;
}

#[tokio::test]
async fn built_in_roles_stay_as_they_are() {
    on_both(async |Set { crm, .. }| {
        let ada = owner(&crm).await;
        let roles = ada.roles();
        for built_in in BuiltIn::ALL {
            let find = CustomRole::CODE.eq(built_in.code().to_owned());
            let id = roles.find(find).await.unwrap().items[0].id;
            let refused = [
                roles.replace(id, None, role("Mine", &[])).await,
                roles.patch(id, None, CustomRolePatch::default()).await,
                roles.delete(id, None).await,
                roles.grant(id, None, grant("audit:view@all")).await,
                roles.revoke(id, None, Permission::of("customers", "read")).await,
            ];
            for refused in refused {
                assert_eq!(code(refused), "BUILT_IN_ROLE", "{built_in}");
            }
            // Nor is there another one by its code.
            let draft = CustomRoleDraft { code: built_in.to_string(), ..role("Mine", &[]) };
            assert_eq!(code(roles.create(draft).await), "VALIDATION_ERROR");
        }
    })
    .await;
}

#[tokio::test]
async fn faults_of_a_role_are_named() {
    on_both(async |Set { crm, .. }| {
        let ada = owner(&crm).await;
        let draft = CustomRoleDraft {
            code: "No Code".to_owned(),
            ..role(" ", &["customers:read@all", "customers:fly@all", "custmers:read@all"])
        };
        let refused = ada.roles().create(draft).await.unwrap_err();
        let Error::Invalid(faults) = refused else { panic!("{refused}") };
        let fields: Vec<&str> = faults.iter().map(|fault| fault.field.as_str()).collect();
        let permissions = ["permissions[1].permission", "permissions[2].permission"];
        assert_eq!(fields, ["name", "code", permissions[0], permissions[1]]);
        assert!(faults[3].message.contains("did you mean customers:read"), "{}", faults[3]);
        let made = ada.roles().create(role("One", &["audit:view@all"])).await.unwrap();
        assert_eq!(code(ada.roles().create(role("ONE", &[])).await), "DUPLICATE");
        let renamed = CustomRoleDraft { code: "other".to_owned(), ..role("One", &[]) };
        assert_eq!(code(ada.roles().replace(made.id, None, renamed).await), "VALIDATION_ERROR");
        let twice = role("Two", &["customers:read@assigned", "customers:read@team"]);
        assert_eq!(ada.roles().create(twice).await.unwrap().grants, [grant("customers:read@team")]);
    })
    .await;
}

#[tokio::test]
async fn nobody_makes_a_role_that_may_do_more_than_they_may() {
    on_both(async |Set { crm, .. }| {
        let ada = owner(&crm).await;
        ada.roles().create(role("People", &PEOPLE)).await.unwrap();
        let hr = colleague(&ada, "hal", &["people"]).await;
        let own = hr.roles().create(role("Readers", &["customers:read@team"])).await.unwrap();
        let refused = hr.roles().create(role("Raiders", &["customers:delete@assigned"])).await;
        assert_eq!(code(refused), "FORBIDDEN");
        // Not later either, whatever the way, nor through somebody who has it already.
        with_roles(&hr, &hr, &["people", "readers"]).await.unwrap();
        let hr = again(&ada, me(&hr)).await;
        let more = grant("customers:delete@all");
        assert_eq!(code(hr.roles().grant(own.id, None, more.clone()).await), "FORBIDDEN");
        let draft = role("Readers", &["customers:delete@all"]);
        assert_eq!(code(hr.roles().replace(own.id, None, draft.clone()).await), "FORBIDDEN");
        assert_eq!(
            code(hr.records::<CustomRole>().replace(own.id, None, draft).await),
            "FORBIDDEN"
        );
        // One that was made wider by somebody else is above them from then on.
        ada.roles().grant(own.id, None, grant("audit:view@all")).await.unwrap();
        let bob = colleague(&ada, "bob", &["employee"]).await;
        assert_eq!(code(with_roles(&hr, &bob, &["readers"]).await), "FORBIDDEN");
        let patch = CustomRolePatch { name: Some("Mine".to_owned()), ..CustomRolePatch::default() };
        assert_eq!(code(hr.roles().patch(own.id, None, patch).await), "FORBIDDEN");
        assert_eq!(code(hr.roles().delete(own.id, None).await), "FORBIDDEN");
        let roles = ada.roles();
        let refused = roles.revoke(own.id, None, Permission::of("audit", "view")).await;
        refused.unwrap();
        hr.roles().grant(own.id, None, grant("customers:read@all")).await.unwrap();
        // Without the permission nothing at all.
        let user = colleague(&ada, "uma", &["user"]).await;
        assert_eq!(code(user.roles().create(role("Any", &[])).await), "FORBIDDEN");
    })
    .await;
}

#[tokio::test]
async fn nobody_changes_somebody_above_them_through_a_role() {
    on_both(async |Set { crm, .. }| {
        let ada = owner(&crm).await;
        ada.roles().create(role("People", &PEOPLE)).await.unwrap();
        let shared = ada.roles().create(role("Shared", &["customers:read@all"])).await.unwrap();
        let hr = colleague(&ada, "hal", &["people"]).await;
        let auditor = ["audit:view@all"];
        ada.roles().create(role("Auditor", &auditor)).await.unwrap();
        // An auditor stands above: taking the shared role away would change them.
        let boss = colleague(&ada, "bea", &["auditor", "shared"]).await;
        let revoke = Permission::of("customers", "read");
        assert_eq!(code(hr.roles().revoke(shared.id, None, revoke.clone()).await), "FORBIDDEN");
        // An owner has it too, whom the role gives nothing.
        with_roles(&ada, &ada, &["owner", "shared"]).await.unwrap();
        with_roles(&ada, &boss, &["auditor"]).await.unwrap();
        hr.roles().revoke(shared.id, None, revoke).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_role_in_use_cannot_be_deleted() {
    on_both(async |Set { crm, .. }| {
        let ada = owner(&crm).await;
        let made = ada.roles().create(role("Auditor", &["audit:view@all"])).await.unwrap();
        let bob = colleague(&ada, "bob", &["auditor"]).await;
        let eve = colleague(&ada, "eve", &["auditor", "user"]).await;
        let refused = ada.roles().delete(made.id, None).await.unwrap_err();
        assert_eq!(
            (refused.code(), refused.to_string().as_str()),
            ("IN_USE", "2 members have the role auditor")
        );
        with_roles(&ada, &eve, &["user"]).await.unwrap();
        // Who is inactive has it still; who left does not.
        let inactive = crm_core::users::UserStatus::Inactive;
        ada.members().set_status(me(&bob), None, inactive).await.unwrap();
        assert_eq!(code(ada.roles().delete(made.id, None).await), "IN_USE");
        ada.members().delete(me(&bob), None).await.unwrap();
        ada.roles().delete(made.id, None).await.unwrap();
        // Nobody comes back with a role that there is not.
        let refused = ada.members().restore(me(&bob), None).await.unwrap_err();
        assert!(matches!(&refused, Error::Invalid(f) if f[0].code == "UNKNOWN_ROLE"), "{refused}");
        ada.roles().restore(made.id, None).await.unwrap();
        ada.members().restore(me(&bob), None).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_role_is_either_given_or_deleted_at_one_moment() {
    on_both(async |Set { crm, .. }| {
        let ada = owner(&crm).await;
        let bob = colleague(&ada, "bob", &["user"]).await;
        for round in 0..8 {
            let name = format!("role{round}");
            let made = ada.roles().create(role(&name, &["audit:view@all"])).await.unwrap();
            let (roles, wanted) = (ada.roles(), ["user", name.as_str()]);
            let (deleted, given) =
                tokio::join!(roles.delete(made.id, None), with_roles(&ada, &bob, &wanted));
            assert_ne!(deleted.is_ok(), given.is_ok(), "{deleted:?} {given:?}");
            match deleted {
                Ok(_) => assert_eq!(code(given), "VALIDATION_ERROR"),
                Err(refused) => assert_eq!(refused.code(), "IN_USE"),
            }
            with_roles(&ada, &bob, &["user"]).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_role_that_is_made_wider_at_the_same_moment_is_not_taken() {
    on_both(async |Set { crm, .. }| {
        let ada = owner(&crm).await;
        ada.roles().create(role("People", &PEOPLE)).await.unwrap();
        let hr = colleague(&ada, "hal", &["people"]).await;
        for round in 0..6 {
            let name = format!("role{round}");
            let made = ada.roles().create(role(&name, &["customers:read@all"])).await.unwrap();
            let roles = ada.roles();
            let wanted = ["people", name.as_str()];
            let (wider, taken) = tokio::join!(
                roles.grant(made.id, None, grant("audit:view@all")),
                with_roles(&hr, &hr, &wanted)
            );
            // Taken before it was wider, which made a version of its own; or not at all.
            assert_eq!(taken.is_ok(), wider.unwrap().version == 3);
            if let Err(refused) = taken {
                assert_eq!(refused.code(), "FORBIDDEN");
            }
            with_roles(&ada, &hr, &["people"]).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn giving_a_role_tells_servers_of_one_member_and_changing_it_of_all() {
    on_both(async |Set { crm, clock, .. }| {
        let ada = owner(&crm).await;
        let made = ada.roles().create(role("Auditor", &["audit:view@all"])).await.unwrap();
        clock.advance(chrono::TimeDelta::minutes(2));
        let bob = ada.members().enrol(new("bob", &["auditor"])).await.unwrap();
        let noted = crm.auth().recent_changes().await.unwrap();
        assert_eq!(noted.iter().map(|note| note.user).collect::<Vec<_>>(), [Some(bob.user)]);
        clock.advance(chrono::TimeDelta::minutes(2));
        ada.roles().grant(made.id, None, grant("customers:read@all")).await.unwrap();
        let noted = crm.auth().recent_changes().await.unwrap();
        let tenant = Some(ada.actor().tenant());
        assert_eq!(noted.iter().map(|n| (n.user, n.tenant)).collect::<Vec<_>>(), [(None, tenant)]);
    })
    .await;
}

#[tokio::test]
async fn roles_are_a_tenants_own() {
    on_both(async |Set { crm, .. }| {
        let ada = owner(&crm).await;
        ada.roles().create(role("Auditor", &["audit:view@all"])).await.unwrap();
        let eve = crate::members::sign_up(&crm, "eve", Some("Elsewhere")).await;
        let eve = crm.tenant(eve.membership.unwrap().actor());
        let refused = eve.members().enrol(new("bob", &["auditor"])).await.unwrap_err();
        assert!(matches!(&refused, Error::Invalid(f) if f[0].code == "UNKNOWN_ROLE"), "{refused}");
        assert_eq!(eve.roles().find(Find::all()).await.unwrap().items.len(), 8);
        eve.roles().create(role("Auditor", &["dashboard:view@all"])).await.unwrap();
        let there = crm.system().grants(eve.actor().tenant(), ["auditor"]).await.unwrap();
        assert_eq!(there.reach(&Permission::of("audit", "view")), None);
    })
    .await;
}

crate::on_both_stores! {
    async fn a_host_that_keeps_its_users_has_roles_all_the_same(crm: Crm) {
        let tenant = crm.system().create_tenant("Acme").await.unwrap().id;
        let owner = crm.tenant(Actor::new(tenant, crm.new_id()).with_role(BuiltIn::Owner));
        let made = owner.roles().create(role("Clerk", &["customers:create@all"])).await.unwrap();
        let grants = crm.system().grants(tenant, ["clerk", "unheard_of"]).await.unwrap();
        let clerk = crm.tenant(Actor::new(tenant, crm.new_id()).with_grants(&grants));
        clerk.customers().create(CustomerDraft::company("First")).await.unwrap();
        assert_eq!(code(clerk.customers().find(Find::all()).await), "FORBIDDEN");
        owner.roles().delete(made.id, None).await.unwrap();
        assert_eq!(crm.system().grants(tenant, ["clerk"]).await.unwrap(), Default::default());
    }
}
