//! A role, a permission and a record type of one's own: visits of field engineers, which a
//! supervisor signs off.
//!
//! ```text
//! cargo run -p crm-examples --example own_role
//! ```
//!
//! In memory a record type is there once it is declared. On PostgreSQL it needs its table too:
//! `crm_store_postgres::tables::create_table_sql` writes the statements for a migration of yours.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use crm_core::access::{Actor, Grants, Permission, Reach, Role};
use crm_core::customers::{Customer, CustomerDraft};
use crm_core::users::{User, UserId};
use crm_core::values::{Multiline, required_text};
use crm_core::{Choice, Crm, Entity, Find, Id, Result, Rules, TenantCrm};
use crm_store_memory::MemoryStore;

/// How far a visit has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Choice)]
enum Progress {
    /// Is to be made.
    #[default]
    Planned,
    /// Was made, and somebody has looked at the report.
    SignedOff,
}

/// A visit at a customer's.
#[derive(Clone, Debug, PartialEq, Entity)]
#[entity(name = "visits", tenant, owners(assigned(engineer), creator(created_by)))]
#[entity(no_default_draft)]
struct Visit {
    id: Id<Self>,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    deleted_at: Option<DateTime<Utc>>,
    /// Whom it is made to.
    #[entity(filter, references = "customers")]
    customer: Id<Customer>,
    /// Who makes it.
    #[entity(filter)]
    engineer: Option<UserId>,
    /// Who entered it.
    #[entity(computed, filter)]
    created_by: Option<UserId>,
    /// What it found.
    #[entity(search)]
    report: String,
    /// How far it has come: not for a draft or a patch to say.
    #[entity(computed, filter, sort)]
    progress: Progress,
}

#[async_trait]
impl Rules for Visit {
    async fn check(&mut self, before: Option<&Self>, within: &TenantCrm) -> Result<()> {
        if before.is_none() {
            self.created_by = Some(within.actor().user());
        }
        self.report = required_text("report", &self.report, 2_000, Multiline::Yes)?;
        Ok(())
    }
}

/// What only a supervisor may do.
const SIGN_OFF: Permission = Permission::of("visits", "sign_off");

async fn sign_off(within: &TenantCrm, visit: Id<Visit>) -> Result<Visit> {
    within.actor().require(&SIGN_OFF)?;
    within
        .records::<Visit>()
        .change(visit, None, |visit| visit.progress = Progress::SignedOff)
        .await
}

fn engineer() -> Result<Role> {
    let grants = Grants::default()
        .with_all(&["customers:read"], Reach::All)?
        .with_all(&["visits:read", "visits:create", "visits:update"], Reach::Assigned)?;
    Ok(Role::new("field engineer", grants))
}

fn supervisor() -> Result<Role> {
    let everything = ["customers:read", "customers:create", "visits:read", "visits:update"];
    let grants = Grants::default().with_all(&everything, Reach::All)?.with(SIGN_OFF, Reach::All);
    Ok(Role::new("supervisor", grants))
}

#[tokio::main]
async fn main() -> Result<()> {
    for line in a_day().await? {
        println!("{line}");
    }
    Ok(())
}

async fn a_day() -> Result<Vec<String>> {
    let crm = Crm::builder(MemoryStore::new()).record_type::<Visit>().build().await?;
    let tenant = crm.system().create_tenant("Lifts & Sons").await?;
    let (eve, max, sue) = (crm.new_id::<User>(), crm.new_id::<User>(), crm.new_id::<User>());
    let eve = crm.tenant(Actor::new(tenant.id, eve).with_role(engineer()?));
    let max = crm.tenant(Actor::new(tenant.id, max).with_role(engineer()?));
    let sue = crm.tenant(Actor::new(tenant.id, sue).with_role(supervisor()?));

    let customer = sue.customers().create(CustomerDraft::company("Hotel Ritz")).await?.id;
    let visit = |report: &str, engineer| VisitDraft { customer, engineer, report: report.into() };
    let hers = eve.records::<Visit>().create(visit("cable worn", None)).await?;
    let his = visit("oil changed", Some(max.actor().user()));
    max.records::<Visit>().create(his).await?;

    let mut lines = Vec::new();
    for (name, who) in [("Eve", &eve), ("Sue", &sue)] {
        let seen = who.records::<Visit>().find(Find::all().sort(Visit::CREATED_AT.asc())).await?;
        let reports: Vec<String> = seen.items.into_iter().map(|visit| visit.report).collect();
        lines.push(format!("{name} sees: {}", reports.join(", ")));
    }
    if let Err(refused) = sign_off(&eve, hers.id).await {
        lines.push(format!("Eve: {refused}"));
    }
    lines.push(format!("Sue: {} is {}", hers.report, sign_off(&sue, hers.id).await?.progress));
    if let Err(refused) = eve.records::<Visit>().create(visit(" ", None)).await {
        lines.push(format!("Eve: {refused}"));
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn everybody_sees_and_does_what_the_role_says() {
        assert_eq!(
            super::a_day().await.unwrap(),
            [
                "Eve sees: cable worn",
                "Sue sees: cable worn, oil changed",
                "Eve: permission visits:sign_off is required (reach assigned or wider)",
                "Sue: cable worn is signed_off",
                "Eve: invalid: report: expected a text, got \" \"",
            ],
        );
    }
}
