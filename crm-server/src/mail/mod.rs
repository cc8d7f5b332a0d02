//! Mails leave the server: what carries them, what they say, and the workers that send what is
//! queued.
//!
//! What is queued when is the library's business; nothing in here decides whom to write to.

mod held;
mod smtp;
mod texts;

use std::sync::{Arc, Weak};
use std::time::Duration;

use crm_core::mail::Outcome;
use crm_core::{Crm, Result};

pub(crate) use held::endpoint as held_endpoint;
pub use held::{Held, HeldMails};
pub use smtp::Smtp;
pub use texts::Texts;

/// How many mails are sent at once.
const WORKERS: usize = 4;
/// How often to look for mails that nobody was woken for: those to be tried again, and those that
/// another server queued and did not send.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Sends what is queued, for as long as somebody holds `alive`.
pub(crate) fn send_what_is_queued<T: Send + Sync + 'static>(alive: &Arc<T>, crm: &Crm) {
    for _ in 0..WORKERS {
        let (alive, crm): (Weak<T>, Crm) = (Arc::downgrade(alive), crm.clone());
        tokio::spawn(async move {
            while alive.strong_count() > 0 {
                if let Err(error) = drain(&crm).await {
                    tracing::warn!(%error, "cannot send what is queued");
                }
                let _ = tokio::time::timeout(LOOK_EVERY, crm.system().mail_queued()).await;
            }
        });
    }
}

async fn drain(crm: &Crm) -> Result<()> {
    while let Some(delivery) = crm.system().deliver_mail().await? {
        let (mail, kind) = (delivery.mail, delivery.kind);
        match delivery.outcome {
            Outcome::Sent => tracing::info!(%mail, %kind, "sent a mail"),
            Outcome::Dropped => tracing::debug!(%mail, %kind, "nobody to send a mail to"),
            Outcome::Postponed { until, why } => {
                tracing::warn!(%mail, %kind, %until, why, "a mail has to wait");
            }
            Outcome::GivenUp { why } => {
                tracing::error!(%mail, %kind, why, "a mail could not be sent");
            }
        }
    }
    Ok(())
}
