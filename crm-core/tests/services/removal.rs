//! Removing tenants for good: what a host's own record types add to it. The product's own are
//! removed, on both stores, by the server's suite.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use crm_core::access::{Actor, BuiltIn};
use crm_core::{Change, Crm, Entity, Find, Id, ManualClock, Result, Rules, TenantCrm, Where};
use crm_store_memory::MemoryStore;

/// A type whose records refer to each other.
#[derive(Clone, Debug, PartialEq, Entity)]
#[entity(name = "folders", tenant, owners(nobody))]
struct Folder {
    id: Id<Self>,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    deleted_at: Option<DateTime<Utc>>,
    /// What it lies in.
    #[entity(filter, references = "folders")]
    parent: Option<Id<Folder>>,
}

#[async_trait::async_trait]
impl Rules for Folder {
    async fn check(&mut self, _before: Option<&Self>, _within: &TenantCrm) -> Result<()> {
        Ok(())
    }
}

async fn deleted_long_ago(fill: impl AsyncFn(&TenantCrm)) -> (Crm, TenantCrm) {
    let clock = Arc::new(ManualClock::at(crate::support::start()));
    let builder = Crm::builder(MemoryStore::new()).shared_clock(clock.clone());
    let crm = builder.record_type::<Folder>().build().await.unwrap();
    let acme = crm.system().create_tenant("Acme").await.unwrap();
    let within = crm.tenant(Actor::new(acme.id, crm.new_id()).with_role(BuiltIn::Owner));
    fill(&within).await;
    within.tenant_settings().delete(None).await.unwrap();
    clock.advance(TimeDelta::days(30));
    (crm, within)
}

#[tokio::test]
async fn records_that_refer_to_each_other_go_from_the_last_to_the_first() {
    let (crm, within) = deleted_long_ago(async |within| {
        let mut parent = None;
        for _ in 0..7 {
            parent =
                Some(within.records::<Folder>().create(FolderDraft { parent }).await.unwrap().id);
        }
    })
    .await;
    let mut steps = 0;
    let tenants = loop {
        let purged = crm.system().purge().await.unwrap();
        steps += 1;
        assert!(steps < 30, "{purged:?}");
        if purged.tenants > 0 {
            break purged.tenants;
        }
    };
    assert_eq!(tenants, 1);
    assert_eq!(within.records::<Folder>().count(Where::all()).await.unwrap(), 0);
}

#[tokio::test]
async fn a_ring_is_told_of_and_keeps_the_tenant() {
    let (crm, within) = deleted_long_ago(async |within| {
        let folders = within.records::<Folder>();
        let one = folders.create(FolderDraft::default()).await.unwrap();
        let other = folders.create(FolderDraft { parent: Some(one.id) }).await.unwrap();
        let patch = FolderPatch { parent: Change::Set(other.id) };
        folders.patch(one.id, None, patch).await.unwrap();
    })
    .await;
    let error = loop {
        match crm.system().purge().await {
            Ok(purged) => assert!(purged.more && purged.tenants == 0, "{purged:?}"),
            Err(error) => break error.to_string(),
        }
    };
    assert!(error.contains("folders"), "{error}");
    assert_eq!(within.records::<Folder>().find(Find::all()).await.unwrap().items.len(), 2);
}
