//! What has had its time is removed in the background: expired keys, notes that were heeded,
//! sessions that are over, tenants that were deleted long ago.
//!
//! Every server does it, and none has to: nothing is trusted because it is still there.

use std::sync::{Arc, Weak};
use std::time::Duration;

use crm_core::{Crm, Result};

/// How often.
const EVERY: Duration = Duration::from_secs(600);
/// How many steps at most each time, so that a server that was away for long does not keep the
/// store busy.
const STEPS: usize = 200;
/// How long to leave the store to others between two steps.
const PAUSE: Duration = Duration::from_millis(100);

/// Purges now and then, for as long as somebody holds `alive`.
pub fn now_and_then<T: Send + Sync + 'static>(alive: &Arc<T>, crm: Crm) {
    let alive: Weak<T> = Arc::downgrade(alive);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(EVERY).await;
            if alive.strong_count() == 0 {
                return;
            }
            if let Err(error) = purge(&crm).await {
                tracing::warn!(%error, "cannot remove what has had its time");
            }
        }
    });
}

async fn purge(crm: &Crm) -> Result<()> {
    for _ in 0..STEPS {
        let purged = crm.system().purge().await?;
        tracing::debug!(?purged, "removed what has had its time");
        if purged.tenants > 0 {
            tracing::info!(tenants = purged.tenants, "removed deleted tenants for good");
        }
        if !purged.more {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}
