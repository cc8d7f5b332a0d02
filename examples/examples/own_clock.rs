//! A clock of one's own: a test, or a trial of month's end, stands at any date.
//!
//! ```text
//! cargo run -p crm-examples --example own_clock
//! ```

use std::error::Error;
use std::sync::Arc;

use chrono::TimeDelta;
use crm_core::access::{Actor, BuiltIn};
use crm_core::customers::CustomerDraft;
use crm_core::tenants::TenantDraft;
use crm_core::{Crm, ManualClock, SeededRandom, Where};
use crm_store_memory::MemoryStore;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    for line in around_midnight().await? {
        println!("{line}");
    }
    Ok(())
}

/// Half an hour before and after April begins in Paris, which is late in March by UTC.
async fn around_midnight() -> Result<Vec<String>, Box<dyn Error>> {
    let clock = Arc::new(ManualClock::at("2026-03-31T21:30:00Z".parse()?));
    let crm = Crm::builder(MemoryStore::new())
        .shared_clock(clock.clone())
        // Identifiers are the same in every run.
        .random(SeededRandom::new(1))
        .build()
        .await?;
    let paris = TenantDraft {
        name: "Paris".into(),
        time_zone: Some("Europe/Paris".into()),
        ..TenantDraft::default()
    };
    let paris = crm.system().create_tenant_with(paris).await?;
    let customers =
        crm.tenant(Actor::new(paris.id, crm.new_id()).with_role(BuiltIn::Owner)).customers();

    let mut lines = Vec::new();
    for name in ["March & Fils", "Avril SA"] {
        let created = customers.create(CustomerDraft::company(name)).await?;
        let stats = customers.stats(Where::all()).await?;
        lines.push(format!(
            "{}: {name} created; {} in all, {} of them new this month",
            created.created_at.format("%F %R UTC"),
            stats.total,
            stats.new_this_month,
        ));
        clock.advance(TimeDelta::hours(1));
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn a_month_begins_at_the_tenants_midnight() {
        assert_eq!(
            super::around_midnight().await.unwrap(),
            [
                "2026-03-31 21:30 UTC: March & Fils created; 1 in all, 1 of them new this month",
                "2026-03-31 22:30 UTC: Avril SA created; 2 in all, 1 of them new this month",
            ],
        );
    }
}
