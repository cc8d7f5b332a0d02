//! The memory store under the public suite.

use std::sync::Arc;

use crm_core::Result;
use crm_core::conformance::{self, Failure, Settings};
use crm_core::store::{Catalogue, Store};
use crm_store_memory::MemoryStore;

async fn open(catalogue: Catalogue) -> Result<Arc<dyn Store>> {
    let store = MemoryStore::new();
    store.prepare(&catalogue).await?;
    Ok(Arc::new(store))
}

crm_core::conformance::suite!(open);

#[tokio::test(flavor = "multi_thread")]
async fn all_cases_hold_one_after_the_other_on_one_store() {
    let report = conformance::run(open).await.unwrap();
    assert!(report.failed.is_empty(), "{report}");
    assert!(report.passed.len() > 90, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_answers_programs_as_the_model_does() -> Result<(), Failure> {
    conformance::differential(open, Settings::from_env()).await
}
