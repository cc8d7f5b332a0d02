//! Tenants as their own people make, change, delete and bring them back, on both stores.

use chrono::TimeDelta;
use crm_core::access::{Actor, BuiltIn, Grant, Grants, Permission, Reach};
use crm_core::store::Deleted;
use crm_core::tenants::{Tenant, TenantDraft};
use crm_core::{Choice, Error, Find};

use crate::auth::{Set, on_both};
use crate::members::{again, colleague, me, owner, sign_up};

fn named(name: &str) -> TenantDraft {
    TenantDraft { name: name.to_owned(), ..TenantDraft::default() }
}

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> &'static str {
    result.unwrap_err().code()
}

#[tokio::test]
async fn who_makes_a_tenant_owns_it_and_is_somebody_else_elsewhere() {
    on_both(async |Set { crm, clock, .. }| {
        let ada = owner(&crm).await;
        let bob = colleague(&ada, "bob", &["readonly"]).await;
        clock.advance(TimeDelta::seconds(1));
        let mine = crm.tenants_of(bob.actor().user());
        let (globex, member) = mine.create(named(" Globex ")).await.unwrap();
        assert_eq!(
            (globex.name.as_str(), member.roles.as_slice()),
            ("Globex", &["owner".to_owned()][..])
        );
        let all = mine.find(Find::all().sort(Tenant::NAME.asc()).counted()).await.unwrap();
        assert_eq!(all.total, Some(2));
        let places: Vec<(&str, &str)> = all
            .items
            .iter()
            .map(|(tenant, member)| (tenant.name.as_str(), member.roles[0].as_str()))
            .collect();
        assert_eq!(places, [("Acme", "readonly"), ("Globex", "owner")]);
        let found = mine.find(Tenant::NAME.contains("glob")).await.unwrap().items;
        assert_eq!(found.len(), 1);
        let other = crm.tenants_of(ada.actor().user()).find(Find::all()).await.unwrap().items;
        assert_eq!(other.len(), 1, "nobody sees where others are");
        ada.members().delete(me(&bob), None).await.unwrap();
        assert_eq!(mine.find(Find::all()).await.unwrap().items.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn settings_are_checked_and_each_fault_names_its_field() {
    on_both(async |Set { crm, .. }| {
        let ada = owner(&crm).await;
        let wrong = TenantDraft {
            name: " ".to_owned(),
            domain: Some("not a domain".to_owned()),
            locale: Some("klingon!".to_owned()),
            time_zone: Some("Mars/Olympus".to_owned()),
            currency: Some("XXXX".to_owned()),
            ..TenantDraft::default()
        };
        for refused in [
            ada.tenant_settings().replace(None, wrong.clone()).await.unwrap_err(),
            crm.tenants_of(ada.actor().user()).create(wrong.clone()).await.unwrap_err(),
        ] {
            let Error::Invalid(faults) = refused else { panic!("{refused}") };
            let mut fields: Vec<&str> = faults.iter().map(|fault| fault.field.as_str()).collect();
            fields.sort_unstable();
            assert_eq!(fields, ["currency", "domain", "locale", "name", "timeZone"]);
        }
        let right = TenantDraft {
            name: "Acme".to_owned(),
            domain: Some("Acme.Example.".to_owned()),
            locale: Some("de-at".to_owned()),
            time_zone: Some("europe/vienna".to_owned()),
            currency: Some("eur".to_owned()),
            require_mfa: false,
            require_mfa_roles: vec!["owner".to_owned(), "admin".to_owned(), "owner".to_owned()],
        };
        let tenant = ada.tenant_settings().replace(Some(1), right.clone()).await.unwrap();
        assert_eq!((tenant.version, tenant.domain.as_deref()), (2, Some("acme.example")));
        assert_eq!(tenant.time_zone.as_deref(), Some("Europe/Vienna"));
        assert_eq!(
            (tenant.locale.as_deref(), tenant.currency.as_deref()),
            (Some("de-AT"), Some("EUR"))
        );
        assert_eq!(tenant.require_mfa_roles, ["admin", "owner"]);
        assert_eq!(ada.tenant_settings().get().await.unwrap(), tenant);
        let unknown =
            TenantDraft { require_mfa_roles: vec!["auditor".to_owned()], ..right.clone() };
        for refused in [
            ada.tenant_settings().replace(None, unknown.clone()).await.unwrap_err(),
            crm.tenants_of(ada.actor().user()).create(unknown).await.unwrap_err(),
        ] {
            let Error::Invalid(faults) = refused else { panic!("{refused}") };
            assert_eq!((&*faults[0].field, faults[0].code), ("requireMfaRoles", "UNKNOWN_ROLE"));
        }
        assert_eq!(code(ada.tenant_settings().replace(Some(1), right).await), "STALE_VERSION");
    })
    .await;
}

#[tokio::test]
async fn settings_are_for_who_may_change_them() {
    on_both(async |Set { crm, .. }| {
        let ada = owner(&crm).await;
        for role in BuiltIn::ALL {
            let name = role.code().replace('_', "-");
            let somebody = colleague(&ada, &name, &[role.code()]).await;
            let settings = somebody.tenant_settings();
            settings.get().await.unwrap();
            let changed = settings.replace(None, named(&name)).await;
            let may = matches!(role, BuiltIn::Owner | BuiltIn::Admin);
            assert_eq!(changed.is_ok(), may, "{role}");
            if *role != BuiltIn::Owner {
                assert_eq!(code(settings.delete(None).await), "FORBIDDEN", "{role}");
            }
        }
        // Nobody is assigned a tenant: a narrower reach than all is none here.
        for action in ["update", "delete"] {
            let grant = Grant::new(Permission::of("tenants", action), Reach::Assigned);
            let grants: Grants = [grant].into_iter().collect();
            let narrow = Actor::new(ada.actor().tenant(), ada.actor().user()).with_grants(&grants);
            let settings = crm.tenant(narrow).tenant_settings();
            let done = match action {
                "update" => settings.replace(None, named("Mine")).await,
                _ => settings.delete(None).await,
            };
            assert_eq!(code(done), "FORBIDDEN", "{action}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_deleted_tenant_is_nobodys_place_of_work_and_comes_back_in_time() {
    on_both(async |Set { crm, clock, .. }| {
        let ada = owner(&crm).await;
        let amy = colleague(&ada, "amy", &["admin"]).await;
        let (acme, user) = (ada.actor().tenant(), ada.actor().user());
        let mine = crm.tenants_of(user);
        clock.advance(TimeDelta::minutes(2));
        ada.tenant_settings().delete(None).await.unwrap();
        let noted = crm.auth().recent_changes().await.unwrap();
        assert_eq!(noted.iter().map(|note| note.tenant).collect::<Vec<_>>(), [Some(acme)]);
        assert!(crm.auth().membership(user, acme).await.unwrap().is_none());
        assert_eq!(code(ada.tenant_settings().get().await), "NOT_FOUND");
        assert!(mine.find(Find::all()).await.unwrap().items.is_empty());
        let deleted = || Find::all().deleted(Deleted::Include);
        assert_eq!(mine.find(deleted()).await.unwrap().items.len(), 1);

        // Who could not delete it neither sees it nor brings it back; strangers learn nothing.
        let hers = crm.tenants_of(amy.actor().user());
        assert!(hers.find(deleted()).await.unwrap().items.is_empty());
        assert_eq!(code(hers.restore(acme).await), "FORBIDDEN");
        let eve = sign_up(&crm, "eve", None).await.user.id;
        assert_eq!(code(crm.tenants_of(eve).restore(acme).await), "NOT_FOUND");

        clock.advance(TimeDelta::days(29));
        let (back, member) = mine.restore(acme).await.unwrap();
        assert_eq!((back.deleted_at, back.version), (None, 3));
        assert_eq!(member.user, user);
        assert_eq!(code(mine.restore(acme).await), "NOT_FOUND", "it is there already");
        let ada = again(&ada, me(&ada)).await;
        ada.tenant_settings().delete(Some(3)).await.unwrap();
        clock.advance(TimeDelta::days(31));
        assert_eq!(code(mine.restore(acme).await), "NOT_FOUND", "its time is over");
        assert!(mine.find(deleted()).await.unwrap().items.is_empty());
    })
    .await;
}

#[tokio::test]
async fn suspension_is_the_operators_to_lift() {
    on_both(async |Set { crm, .. }| {
        let ada = owner(&crm).await;
        let acme = ada.actor().tenant();
        crm.system().suspend(acme).await.unwrap();
        let mine = crm.tenants_of(ada.actor().user());
        assert_eq!(mine.find(Find::all()).await.unwrap().items.len(), 1, "it is shown as it is");
        assert!(crm.auth().membership(ada.actor().user(), acme).await.unwrap().is_none());
        // Deleting and bringing back does not lift it.
        ada.tenant_settings().delete(None).await.unwrap();
        mine.restore(acme).await.unwrap();
        assert!(crm.auth().membership(ada.actor().user(), acme).await.unwrap().is_none());
    })
    .await;
}
