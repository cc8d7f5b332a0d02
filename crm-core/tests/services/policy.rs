//! What each role may do, to whose records: proven by doing it, on both stores, and written down
//! in `docs/policy.md` for people to read. `UPDATE_GOLDEN=1` writes the file anew.

use std::fmt::Write;

use crm_core::access::{Actor, BuiltIn, permissions};
use crm_core::customers::{Customer, CustomerDraft, CustomerPatch};
use crm_core::store::{Aggregate, Deleted};
use crm_core::tenants::TenantId;
use crm_core::users::UserId;
use crm_core::{Choice, Crm, Entity, Error, Find, Id, TenantCrm, Where};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/policy.md");

/// Whose record it is, seen from the actor.
#[derive(Debug, Clone, Copy)]
enum Whose {
    Assigned,
    Coached,
    TeamMates,
    Strangers,
    CreatedUnassigned,
    StrangersUnassigned,
    CreatedButAssignedAway,
}

const WHOSE: [(Whose, &str); 7] = [
    (Whose::Assigned, "assigned to me"),
    (Whose::Coached, "I am its coach"),
    (Whose::TeamMates, "of my team"),
    (Whose::Strangers, "of others"),
    (Whose::CreatedUnassigned, "mine, nobody's"),
    (Whose::StrangersUnassigned, "others', nobody's"),
    (Whose::CreatedButAssignedAway, "mine, given away"),
];

struct Cast {
    me: UserId,
    mate: UserId,
    stranger: UserId,
    tenant: TenantId,
    crm: Crm,
}

impl Cast {
    async fn new(crm: &Crm) -> Self {
        let user = || UserId::new(crm.random().uuid(crm.clock().now()));
        let (me, mate, stranger) = (user(), user(), user());
        let tenant = crm.system().create_tenant("Acme").await.unwrap().id;
        Self { me, mate, stranger, tenant, crm: crm.clone() }
    }

    fn with(&self, user: UserId, role: BuiltIn) -> TenantCrm {
        let actor = Actor::new(self.tenant, user).with_role(role).with_team([self.mate]);
        self.crm.tenant(actor)
    }

    async fn record(&self, whose: Whose) -> Customer {
        let company = |assigned_to: Option<UserId>, coach: Option<UserId>| CustomerDraft {
            company_name: Some("Acme".to_owned()),
            assigned_to,
            coach,
            ..CustomerDraft::default()
        };
        let (creator, draft) = match whose {
            Whose::Assigned => (self.stranger, company(Some(self.me), None)),
            Whose::Coached => (self.stranger, company(Some(self.stranger), Some(self.me))),
            Whose::TeamMates => (self.stranger, company(Some(self.mate), None)),
            Whose::Strangers => (self.stranger, company(Some(self.stranger), None)),
            Whose::CreatedUnassigned => (self.me, company(None, None)),
            Whose::StrangersUnassigned => (self.stranger, company(None, None)),
            Whose::CreatedButAssignedAway => (self.me, company(Some(self.stranger), None)),
        };
        self.with(creator, BuiltIn::Owner).customers().create(draft).await.unwrap()
    }
}

fn outcome<T>(result: Result<T, Error>) -> &'static str {
    match result {
        Ok(_) => "yes",
        Err(Error::NotFound { .. }) => "not there",
        Err(Error::Forbidden { .. }) => "forbidden",
        Err(other) => panic!("{other}"),
    }
}

/// That every way of reading agrees on whether the actor sees the record.
async fn seen(as_role: &TenantCrm, id: Id<Customer>) -> &'static str {
    let customers = as_role.customers();
    let got = outcome(customers.get(id).await);
    let this = || Customer::ID.eq(id);
    let listed = customers.find(Find::from(this()).counted()).await;
    let (listed, total) = match listed {
        Ok(page) => (page.items.len() as u64, page.total.unwrap()),
        Err(Error::Forbidden { .. }) => return outcome(customers.get(id).await),
        Err(other) => panic!("{other}"),
    };
    let counted = customers.count(this()).await.unwrap();
    let searched = customers.find(Find::from(this()).search("acm")).await.unwrap().items.len();
    let many = customers.get_many([id]).await.unwrap().len();
    let walked = customers.walk(Find::from(this()), None).await.unwrap().items.len();
    let stats = customers.stats(this()).await.unwrap().total;
    let summed = Aggregate::count(Customer::schema().clone()).filter(this().into_filter()).unwrap();
    let summed = customers.aggregate(summed).await.unwrap()[0].values[0].clone();
    let expected = u64::from(got == "yes");
    let all = [listed, total, counted, searched as u64, many as u64, walked as u64, stats];
    assert_eq!(all, [expected; 7], "every way of reading sees the same");
    assert_eq!(summed, i64::try_from(expected).unwrap().into());
    got
}

async fn row(cast: &Cast, role: BuiltIn, whose: Whose) -> [&'static str; 5] {
    let as_role = cast.with(cast.me, role);
    let record = cast.record(whose).await;
    let read = seen(&as_role, record.id).await;
    let note = CustomerPatch { notes: "x".to_owned().into(), ..CustomerPatch::default() };
    let update = outcome(as_role.customers().patch(record.id, None, note).await);
    let away = CustomerPatch {
        assigned_to: cast.stranger.into(),
        coach: crm_core::Change::Clear,
        notes: "given away".to_owned().into(),
        ..CustomerPatch::default()
    };
    let before = cast.with(cast.stranger, BuiltIn::Owner).customers().get(record.id).await.unwrap();
    let give_away = outcome(as_role.customers().patch(record.id, None, away).await);
    let owner = cast.with(cast.stranger, BuiltIn::Owner);
    if give_away != "yes" {
        let after = owner.customers().get(record.id).await.unwrap();
        assert_eq!(after, before, "a refused change leaves nothing behind");
    }
    // A record that was given away is put back before it is deleted.
    let record = cast.record(whose).await;
    let delete = outcome(as_role.customers().delete(record.id, None).await);
    if delete != "yes" {
        owner.customers().delete(record.id, None).await.unwrap();
    }
    let restore = outcome(as_role.customers().restore(record.id, None).await);
    let deleted = as_role.customers().load(record.id, Deleted::Include).await;
    assert!(restore != "yes" || deleted.unwrap().deleted_at.is_none());
    [read, update, give_away, delete, restore]
}

async fn table(crm: &Crm) -> String {
    let mut out = String::from(
        "# Who may do what\n\n\
         Generated by `UPDATE_GOLDEN=1 cargo nextest run -p crm-core --test services policy` and proven by \
         every run of it, on both stores.\n\n\
         ## Permissions of the built-in roles\n\n\
         The widest reach at which a role holds a permission.\n\n",
    );
    out.push_str("| permission |");
    for role in BuiltIn::ALL {
        write!(out, " {} |", role.code()).unwrap();
    }
    out.push_str("\n| --- |");
    out.push_str(&" --- |".repeat(BuiltIn::ALL.len()));
    out.push('\n');
    for (_, permission) in permissions() {
        write!(out, "| {permission} |").unwrap();
        for role in BuiltIn::ALL {
            let reach = role.grants().reach(&permission);
            write!(out, " {} |", reach.map_or("-", |reach| reach.code())).unwrap();
        }
        out.push('\n');
    }
    out.push_str(
        "\n## Customers\n\n\
         What comes of trying. \"give away\" assigns the record to somebody whom the role does \
         not reach; \"create\" creates one of that kind.\n",
    );
    for role in BuiltIn::ALL {
        let cast = Cast::new(crm).await;
        write!(
            out,
            "\n### {}\n\n| record | read | update | give away | delete | restore |\n\
             | --- | --- | --- | --- | --- | --- |\n",
            role.code()
        )
        .unwrap();
        for (whose, name) in WHOSE {
            let cells = row(&cast, *role, whose).await;
            writeln!(out, "| {name} | {} |", cells.join(" | ")).unwrap();
        }
        let as_role = cast.with(cast.me, *role);
        let create = |assigned_to| {
            let customers = as_role.customers();
            async move {
                let draft = CustomerDraft {
                    company_name: Some("New".to_owned()),
                    assigned_to,
                    ..CustomerDraft::default()
                };
                outcome(customers.create(draft).await)
            }
        };
        writeln!(
            out,
            "\nCreates one for itself: {}; for its team: {}; for others: {}.",
            create(None).await,
            create(Some(cast.mate)).await,
            create(Some(cast.stranger)).await
        )
        .unwrap();
        // Whatever was tried, the figures of the role are those of its own list.
        if let Ok(page) = as_role.customers().find(Find::all().counted()).await {
            let count = as_role.customers().count(Where::all()).await.unwrap();
            assert_eq!(page.total, Some(count));
        }
    }
    out
}

crate::on_both_stores! {
    async fn the_policy_is_what_is_written_down(crm: Crm) {
        let table = table(&crm).await;
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(FILE, &table).unwrap();
        }
        let written = std::fs::read_to_string(FILE).unwrap_or_default();
        assert!(written == table, "docs/policy.md is stale: its first lines say how to write it anew");
    }
}
