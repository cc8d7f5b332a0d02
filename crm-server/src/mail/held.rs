//! Mails that are kept instead of sent: for looking round, and for tests of whoever embeds the
//! server. They hold links that sign people in, so nothing of a real installation keeps them.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use crm_core::Clock;
use crm_core::ports::{Mail, MailError, Mailer};
use parking_lot::Mutex;
use poem::{Endpoint, Response};
use serde_json::json;

/// How many are kept; the oldest go.
const MOST: usize = 500;

/// A mail that was kept.
#[derive(Debug, Clone)]
pub struct Held {
    /// When it would have been sent.
    pub at: DateTime<Utc>,
    /// The mail.
    pub mail: Mail,
}

/// Keeps mails in memory.
#[derive(Debug)]
pub struct HeldMails {
    clock: Arc<dyn Clock>,
    kept: Mutex<VecDeque<Held>>,
}

impl HeldMails {
    /// None yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, kept: Mutex::new(VecDeque::new()) }
    }

    /// Those that are kept, the newest first.
    pub fn all(&self) -> Vec<Held> {
        self.kept.lock().iter().rev().cloned().collect()
    }
}

/// Answers all of them, the newest first, to whoever asks.
pub(crate) fn endpoint(held: Arc<HeldMails>) -> impl Endpoint<Output = Response> + 'static {
    poem::endpoint::make_sync(move |_| {
        let mails = held.all().into_iter().map(|Held { at, mail }| {
            let Mail { id, to, subject, text, html } = mail;
            json!({"id": id, "at": at, "to": to, "subject": subject, "text": text, "html": html})
        });
        let all = json!({"success": true, "data": mails.collect::<Vec<_>>()});
        Response::builder().content_type("application/json; charset=utf-8").body(all.to_string())
    })
}

#[async_trait]
impl Mailer for HeldMails {
    async fn send(&self, mail: Mail) -> Result<(), MailError> {
        let mut kept = self.kept.lock();
        if kept.len() >= MOST {
            kept.pop_front();
        }
        kept.push_back(Held { at: self.clock.now(), mail });
        Ok(())
    }
}
