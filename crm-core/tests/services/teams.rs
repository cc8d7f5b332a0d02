//! Who manages whom, and that nobody comes to reach more by it than somebody gave who had it, on
//! both stores.

use crm_core::access::{Actor, BuiltIn, Grant, Permission, Reach, Scopes};
use crm_core::customers::{Customer, CustomerDraft};
use crm_core::roles::CustomRoleDraft;
use crm_core::teams::{MOST_MANAGERS, MOST_MEMBERS, Team, TeamDraft, of_people};
use crm_core::users::{UserId, UserStatus};
use crm_core::{Change, Crm, Error, Find, Result, TenantCrm, Where};

use crate::auth::{Set, on_both};
use crate::members::{again, colleague, me, owner, sign_up};

fn user(within: &TenantCrm) -> UserId {
    within.actor().user()
}

fn named(name: &str, members: &[UserId], managers: &[UserId]) -> TeamDraft {
    let (members, managers) = (members.to_vec(), managers.to_vec());
    TeamDraft { name: name.to_owned(), description: None, members, managers }
}

async fn customer(owner: &TenantCrm, assigned: UserId) -> Customer {
    let draft = CustomerDraft { assigned_to: Some(assigned), ..CustomerDraft::company("Acme") };
    owner.customers().create(draft).await.unwrap()
}

async fn sees(who: &TenantCrm, customer: &Customer) -> bool {
    // With what they may do by now.
    let who = again(who, me(who)).await;
    who.customers().get(customer.id).await.is_ok()
}

fn is_forbidden<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::Forbidden { .. }))
}

fn fault<T: std::fmt::Debug>(result: Result<T, Error>) -> (String, &'static str) {
    match result.unwrap_err() {
        Error::Invalid(faults) => (faults[0].field.clone(), faults[0].code),
        other => panic!("{other}"),
    }
}

async fn with_grants(owner: &TenantCrm, name: &str, grants: &[(&str, Reach)]) -> TenantCrm {
    let who = colleague(owner, name, &["sales_rep"]).await;
    let grants = grants.iter().map(|(text, reach)| Grant::new(text.parse().unwrap(), *reach));
    owner.members().set_grants(me(&who), None, grants.collect()).await.unwrap();
    again(owner, me(&who)).await
}

const TEAMS: [(&str, Reach); 4] = [
    ("teams:read", Reach::All),
    ("teams:create", Reach::All),
    ("teams:update", Reach::All),
    ("teams:delete", Reach::All),
];

#[tokio::test]
async fn a_manager_reaches_what_the_members_of_the_team_own_and_nothing_else() {
    on_both(async |Set { crm, .. }| {
        let ada = owner(&crm).await;
        let boss = colleague(&ada, "boss", &["manager"]).await;
        let second = colleague(&ada, "second", &["manager"]).await;
        let (bob, eve) =
            (colleague(&ada, "bob", &["user"]).await, colleague(&ada, "eve", &["user"]).await);
        let of = [
            customer(&ada, user(&boss)).await,
            customer(&ada, user(&bob)).await,
            customer(&ada, user(&eve)).await,
            customer(&ada, user(&second)).await,
        ];
        let seen = async |who: &TenantCrm| {
            let mut seen = [false; 4];
            for (seen, customer) in seen.iter_mut().zip(&of) {
                *seen = sees(who, customer).await;
            }
            seen
        };
        assert_eq!(seen(&boss).await, [true, false, false, false]);
        let managers = [user(&boss), user(&second)];
        let team = ada.teams().create(named("Field", &[user(&bob)], &managers)).await.unwrap();
        // Another manager is not in the team by managing it.
        assert_eq!(seen(&boss).await, [true, true, false, false]);
        assert_eq!(seen(&bob).await, [false, true, false, false]);
        // And is in it where the team says so.
        let all = crm_core::teams::TeamPatch {
            members: Some(vec![user(&bob), user(&second), user(&boss)]),
            ..Default::default()
        };
        ada.teams().patch(team.id, None, all).await.unwrap();
        assert_eq!(seen(&boss).await, [true, true, false, true]);
        assert_eq!(seen(&second).await, [true, true, false, true]);
        // Several teams are one.
        let other = ada.teams().create(named("Inside", &[user(&eve)], &[user(&boss)])).await;
        assert_eq!(seen(&boss).await, [true; 4]);
        ada.teams().delete(other.unwrap().id, None).await.unwrap();
        assert_eq!(seen(&boss).await, [true, true, false, true]);
        ada.teams()
            .restore(
                ada.teams()
                    .find(Find::<Team>::all().deleted(crm_core::store::Deleted::Only))
                    .await
                    .unwrap()
                    .items[0]
                    .id,
                None,
            )
            .await
            .unwrap();
        assert_eq!(seen(&boss).await, [true; 4]);

        // People and teams are seen by whoever manages them, and by nobody else.
        let boss = again(&ada, me(&boss)).await;
        let people = boss.members().find(Find::all().counted()).await.unwrap().total;
        assert_eq!(people, Some(4), "boss, bob, eve and the second manager, not the owner");
        let second = again(&ada, me(&second)).await;
        // A team is its people's: one manages the second manager, who manages the other team.
        let teams = second.teams().find(Find::all()).await.unwrap().items;
        assert_eq!(teams.len(), 2);
        ada.teams().create(named("Others", &[user(&ada)], &[])).await.unwrap();
        assert_eq!(boss.teams().find(Find::all().counted()).await.unwrap().total, Some(2));
        assert!(is_forbidden(&bob.teams().find(Find::all()).await));
        assert!(of_people(&bob, &[user(&bob)]).await.unwrap().is_empty());
        let of_eve = of_people(&boss, &[user(&eve)]).await.unwrap();
        assert_eq!(of_eve.len(), 1);
        // What managers reach they may change at the reach of changing.
        boss.customers().delete(of[1].id, None).await.unwrap();
        assert!(is_forbidden(&second.teams().delete(team.id, None).await));
    })
    .await;
}

#[tokio::test]
async fn what_a_team_is_like_is_checked() {
    on_both(async |Set { crm, .. }| {
        let ada = owner(&crm).await;
        let bob = colleague(&ada, "bob", &["user"]).await;
        let stranger = sign_up(&crm, "eve", Some("Elsewhere")).await.user.id;
        let teams = ada.teams();
        let twice = named(" Field sales ", &[user(&bob), user(&bob)], &[user(&ada), user(&ada)]);
        let team = teams.create(twice).await.unwrap();
        assert_eq!(
            (team.name.as_str(), team.members.len(), team.managers.len()),
            ("Field sales", 1, 1)
        );
        assert_eq!(fault(teams.create(named("", &[], &[])).await), ("name".to_owned(), "REQUIRED"));
        let same = teams.create(named("FIELD SALES", &[], &[])).await.unwrap_err();
        assert_eq!(same.code(), "DUPLICATE");
        let unknown = |field: &str| (format!("{field}[0]"), "UNKNOWN_USER");
        assert_eq!(fault(teams.create(named("X", &[stranger], &[])).await), unknown("members"));
        assert_eq!(fault(teams.create(named("X", &[], &[stranger])).await), unknown("managers"));
        ada.members().set_status(me(&bob), None, UserStatus::Inactive).await.unwrap();
        assert_eq!(fault(teams.create(named("X", &[user(&bob)], &[])).await), unknown("members"));
        // Whoever is in it already stays in it.
        let renamed = teams.replace(team.id, None, named("Y", &[user(&bob)], &[])).await.unwrap();
        assert_eq!(renamed.members, [user(&bob)]);
        let many = |count: usize| (0..count).map(|_| crm.new_id()).collect::<Vec<UserId>>();
        let beyond = fault(teams.create(named("X", &many(MOST_MEMBERS + 1), &[])).await);
        assert_eq!(beyond, ("members".to_owned(), "TOO_MANY"));
        let beyond = fault(teams.create(named("X", &[], &many(MOST_MANAGERS + 1))).await);
        assert_eq!(beyond, ("managers".to_owned(), "TOO_MANY"));
    })
    .await;
}

#[tokio::test]
async fn nobody_brings_into_reach_what_is_out_of_their_own() {
    on_both(async |Set { crm, .. }| {
        let ada = owner(&crm).await;
        // Somebody who may change teams as they like and reads customers of their own team only.
        let mut held = TEAMS.to_vec();
        held.push(("customers:read", Reach::Team));
        held.push(("users:read", Reach::All));
        let sly = with_grants(&ada, "sly", &held).await;
        let boss = colleague(&ada, "boss", &["sales_rep"]).await;
        let reader = [Grant::new("customers:read".parse().unwrap(), Reach::Team)];
        ada.members().set_grants(me(&boss), None, reader.to_vec()).await.unwrap();
        let (bob, eve) =
            (colleague(&ada, "bob", &["user"]).await, colleague(&ada, "eve", &["user"]).await);
        let (of_bob, of_eve) = (customer(&ada, user(&bob)).await, customer(&ada, user(&eve)).await);
        let (me_sly, victim) = (user(&sly), user(&bob));

        let refused = async |result: Result<Team>| {
            let Err(Error::Forbidden { permission, held, needed }) = result else {
                panic!("{result:?}")
            };
            assert_eq!(permission, Permission::of("customers", "read"));
            assert_eq!((held, needed), (Some(Reach::Team), Reach::All));
            assert!(!sees(&sly, &of_bob).await && !sees(&boss, &of_bob).await);
        };
        let teams = sly.teams();
        // Oneself over somebody, somebody else over somebody.
        refused(teams.create(named("A", &[victim], &[me_sly])).await).await;
        refused(teams.create(named("A", &[victim], &[user(&boss)])).await).await;
        // In two steps: first the one, then the other.
        let team = teams.create(named("A", &[], &[me_sly])).await.unwrap();
        refused(teams.replace(team.id, None, named("A", &[victim], &[me_sly])).await).await;
        let other = teams.create(named("B", &[victim], &[])).await.unwrap();
        refused(teams.replace(other.id, None, named("B", &[victim], &[me_sly])).await).await;
        refused(teams.replace(other.id, None, named("B", &[victim], &[user(&boss)])).await).await;
        // By a team of before that is brought back.
        let old = ada.teams().create(named("Old", &[victim], &[me_sly])).await.unwrap();
        assert!(sees(&sly, &of_bob).await);
        ada.teams().delete(old.id, None).await.unwrap();
        refused(teams.restore(old.id, None).await).await;
        // With a token that says nothing of customers, not even over whom one manages.
        let narrow = Actor::new(ada.actor().tenant(), user(&ada)).with_role(BuiltIn::Owner);
        let narrow = crm.tenant(narrow.with_scopes(Scopes::new(["teams:manage"])));
        let by_key = narrow.teams().replace(team.id, None, named("A", &[victim], &[me_sly])).await;
        assert!(is_forbidden(&by_key), "{by_key:?}");
        // With many at once.
        let change = crm_core::records::Bulk::Change(Box::new(move |team: &mut Team| {
            team.managers = vec![me_sly];
            team.members = vec![victim];
            Ok(())
        }));
        let which = crm_core::records::Selection::Ids(vec![(team.id, None), (other.id, None)]);
        let outcomes = teams.bulk(which, &change, Default::default()).await.unwrap();
        assert!(outcomes.iter().all(|one| is_forbidden(&one.result)), "{outcomes:?}");
        assert!(!sees(&sly, &of_bob).await);

        // Whom one reaches oneself one may put into another's reach: their manager gave them.
        ada.teams().create(named("Sly's", &[user(&eve)], &[me_sly])).await.unwrap();
        let sly = again(&ada, me(&sly)).await;
        let team = sly.teams().create(named("C", &[user(&eve), me_sly], &[user(&boss)])).await;
        assert!(sees(&boss, &of_eve).await);
        // Whoever manages nothing that counts may be named by anybody.
        let clerk = user(&colleague(&ada, "clerk", &["user"]).await);
        sly.teams().create(named("D", &[victim], &[clerk])).await.unwrap();
        sly.teams().delete(team.unwrap().id, None).await.unwrap();
        assert!(!sees(&boss, &of_eve).await);
    })
    .await;
}

#[tokio::test]
async fn who_manages_people_is_given_no_more_over_them_than_the_giver_has() {
    on_both(async |Set { crm, .. }| {
        let ada = owner(&crm).await;
        let mut held = TEAMS.to_vec();
        held.extend([
            ("users:read", Reach::All),
            ("users:update", Reach::All),
            ("roles:read", Reach::All),
            ("roles:manage", Reach::All),
            ("customers:read", Reach::Team),
        ]);
        let sly = with_grants(&ada, "sly", &held).await;
        let puppet = colleague(&ada, "puppet", &["employee"]).await;
        ada.members()
            .change(me(&puppet), None, |member| member.roles = vec!["sales_rep".into()])
            .await
            .unwrap();
        let role = CustomRoleDraft { name: "Empty".into(), ..CustomRoleDraft::default() };
        let role = ada.roles().create(role).await.unwrap();
        let bob = colleague(&ada, "bob", &["user"]).await;
        let of_bob = customer(&ada, user(&bob)).await;
        // Who holds nothing for teams can be made manager of anybody…
        let puppets = named("P", &[user(&bob)], &[user(&puppet)]);
        ada.members().change(me(&puppet), None, |m| m.roles = vec!["empty".into()]).await.unwrap();
        let team = sly.teams().create(puppets).await.unwrap();
        // …and is given nothing for them afterwards, by whatever way.
        let reader = || vec![Grant::new("customers:read".parse().unwrap(), Reach::Team)];
        let extra = sly.members().set_grants(me(&puppet), None, reader()).await;
        assert!(is_forbidden(&extra), "{extra:?}");
        let grant = Grant::new("customers:read".parse().unwrap(), Reach::Team);
        let wider = sly.roles().grant(role.id, None, grant.clone()).await;
        assert!(is_forbidden(&wider), "{wider:?}");
        let readers = CustomRoleDraft {
            name: "Readers".into(),
            grants: reader(),
            ..CustomRoleDraft::default()
        };
        sly.roles().create(readers).await.unwrap();
        let roles = |member: &mut crm_core::users::Member| member.roles = vec!["readers".into()];
        let given = sly.members().change(me(&puppet), None, roles).await;
        assert!(is_forbidden(&given), "{given:?}");
        assert!(!sees(&puppet, &of_bob).await);
        // Without people it may be given, and a role that nobody has may be made wider.
        sly.teams().delete(team.id, None).await.unwrap();
        sly.members().change(me(&puppet), None, roles).await.unwrap();
        sly.roles().grant(role.id, None, grant).await.unwrap();
        assert!(!sees(&puppet, &of_bob).await);
        let back = sly.teams().restore(team.id, None).await;
        assert!(is_forbidden(&back), "{back:?}");
        // Whoever holds it for all gives it over anybody.
        ada.teams().restore(team.id, None).await.unwrap();
        assert!(sees(&puppet, &of_bob).await);
    })
    .await;
}

#[tokio::test]
async fn who_leaves_the_tenant_leaves_its_teams_with_the_same_commit() {
    on_both(async |Set { crm, .. }| {
        let ada = owner(&crm).await;
        let boss = colleague(&ada, "boss", &["manager"]).await;
        let bob = colleague(&ada, "bob", &["user"]).await;
        let teams = ada.teams();
        let both = [user(&bob), user(&boss)];
        let first = teams.create(named("First", &both, &[user(&boss)])).await.unwrap();
        let second = teams.create(named("Second", &[user(&boss)], &both)).await.unwrap();
        let gone = teams.create(named("Gone", &both, &both)).await.unwrap();
        teams.delete(gone.id, None).await.unwrap();
        let hr = colleague(&ada, "hal", &["admin"]).await;
        let nobody_else = Grant::new(Permission::of("teams", "read"), Reach::Assigned);
        ada.members().set_grants(me(&hr), None, vec![nobody_else]).await.unwrap();
        // Deactivated is not gone.
        ada.members().set_status(me(&bob), None, UserStatus::Inactive).await.unwrap();
        assert_eq!(teams.get(first.id).await.unwrap().members, both);
        ada.members().set_status(me(&bob), None, UserStatus::Active).await.unwrap();
        bob.members().leave(None).await.unwrap();
        let now = async |team: &Team| teams.get(team.id).await.unwrap();
        let (after, other) = (now(&first).await, now(&second).await);
        assert_eq!((after.members, after.version), (vec![user(&boss)], first.version + 1));
        assert_eq!((other.managers, other.members), (vec![user(&boss)], vec![user(&boss)]));
        // Who comes back is in none, also of one that comes back.
        ada.members().restore(me(&bob), None).await.unwrap();
        assert_eq!(now(&first).await.members, [user(&boss)]);
        ada.members().delete(me(&bob), None).await.unwrap();
        let back = teams.restore(gone.id, None).await.unwrap();
        assert_eq!((back.members, back.managers), (vec![user(&boss)], vec![user(&boss)]));
    })
    .await;
}

#[tokio::test]
async fn of_a_leaver_and_a_team_that_takes_them_in_one_comes_second() {
    on_both(async |Set { crm, .. }| {
        let ada = owner(&crm).await;
        for round in 0..8 {
            let bob = colleague(&ada, &format!("bob{round}"), &["user"]).await;
            let (teams, members) = (ada.teams(), ada.members());
            let draft = named(&format!("T{round}"), &[user(&bob)], &[user(&bob)]);
            let (taken, left) = tokio::join!(teams.create(draft), members.delete(me(&bob), None));
            left.unwrap();
            match taken {
                // They left afterwards, and the team with it.
                Ok(team) => {
                    let team = teams.get(team.id).await.unwrap();
                    assert!(team.people().is_empty(), "round {round}: {team:?}");
                }
                Err(Error::Invalid(faults)) => assert_eq!(faults[0].code, "UNKNOWN_USER"),
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(ada.customers().count(Where::all()).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_team_of_thousands_is_one_filter() {
    on_both(async |Set { crm, .. }| {
        let tenant = crm.system().create_tenant("Large").await.unwrap().id;
        let (boss, mate): (UserId, UserId) = (crm.new_id(), crm.new_id());
        let mut people: Vec<UserId> = (0..8_999).map(|_| crm.new_id()).collect();
        people.push(mate);
        let owner = crm.tenant(Actor::new(tenant, boss).with_role(BuiltIn::Owner));
        let ada = owner
            .crm()
            .tenant(Actor::new(tenant, boss).with_role(BuiltIn::Manager).with_team(people));
        let draft = CustomerDraft::company("Acme");
        let made = owner.customers().create(draft).await.unwrap();
        assert!(ada.customers().get(made.id).await.is_ok());
        let city = crm_core::customers::CustomerPatch {
            city: Change::Set("Kiel".to_owned()),
            ..Default::default()
        };
        ada.customers().patch(made.id, None, city).await.unwrap();
        assert_eq!(ada.customers().count(Where::all()).await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_host_that_keeps_its_users_asks_whom_they_manage() {
    let crm = Crm::new(crm_store_memory::MemoryStore::new()).await.unwrap();
    let tenant = crm.system().create_tenant("Acme").await.unwrap().id;
    let [boss, bob, eve]: [UserId; 3] = [crm.new_id(), crm.new_id(), crm.new_id()];
    let owner = crm.tenant(Actor::new(tenant, crm.new_id()).with_role(BuiltIn::Owner));
    owner.teams().create(named("Field", &[bob, boss], &[boss])).await.unwrap();
    assert_eq!(crm.system().managed_by(tenant, boss).await.unwrap(), [bob]);
    assert!(crm.system().managed_by(tenant, bob).await.unwrap().is_empty());
    // What they may do is not known here: nobody gives over people what they lack over them.
    let grants = crm_core::access::Grants::default()
        .with(Permission::of("teams", "read"), Reach::All)
        .with(Permission::of("teams", "create"), Reach::All)
        .with(Permission::of("customers", "read"), Reach::Team);
    let sly = crm.tenant(Actor::new(tenant, boss).with_grants(&grants).with_team([bob]));
    assert!(is_forbidden(&sly.teams().create(named("A", &[eve], &[boss])).await));
    assert!(is_forbidden(&sly.teams().create(named("A", &[eve], &[bob])).await));
    sly.teams().create(named("A", &[bob], &[eve])).await.unwrap();
}
