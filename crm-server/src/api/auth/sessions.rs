//! The sessions in which somebody is signed in: shown to them, and ended by them.
//!
//! Nobody sees or ends the sessions of anybody else here, whatever they may do in a tenant.

use chrono::{DateTime, Utc};
use crm_core::Id;
use crm_core::auth::{Session, device_name};
use poem_openapi::param::Path;
use poem_openapi::{Object, OpenApi};
use serde::Serialize;
use uuid::Uuid;

use super::Done;
use crate::api::caller::SignedIn;
use crate::api::envelope::Reply;
use crate::api::error::ApiError;

/// One's own sessions.
#[derive(Debug, Clone, Copy)]
pub struct SessionsApi;

/// A session in which one is signed in.
#[derive(Debug, Clone, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename = "LiveSession", rename_all = "camelCase")]
pub struct LiveSessionView {
    /// The identifier.
    pub id: Uuid,
    /// Whether it is the one of this request.
    pub current: bool,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it was last used, give or take some minutes.
    pub last_used_at: DateTime<Utc>,
    /// When it ends unless it is prolonged.
    pub expires_at: DateTime<Utc>,
    /// The device, as far as its client told: `Firefox on Windows`.
    pub device: Option<String>,
    /// What the client called itself when it signed in.
    pub user_agent: Option<String>,
    /// The address that one signed in from.
    pub ip_address: Option<String>,
    /// The tenant worked in; none where there was none yet.
    pub tenant_id: Option<Uuid>,
    /// Whether one asked to be remembered.
    pub remembered: bool,
    /// How one was authenticated, in the words of RFC 8176: `pwd`, `otp`.
    pub methods: Vec<String>,
}

impl LiveSessionView {
    fn of(session: Session, current: Id<Session>) -> Self {
        Self {
            id: session.id.uuid(),
            current: session.id == current,
            created_at: session.created_at,
            last_used_at: session.used_at,
            expires_at: session.expires_at,
            device: session.agent.as_deref().and_then(device_name),
            user_agent: session.agent,
            ip_address: session.address,
            tenant_id: session.tenant.map(Id::uuid),
            remembered: session.remembered,
            methods: session.methods,
        }
    }
}

/// How many sessions ended.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "EndedSessions")]
pub struct EndedView {
    /// How many.
    pub ended: u64,
}

#[OpenApi(prefix_path = "/auth")]
impl SessionsApi {
    /// List the sessions in which one is signed in
    ///
    /// The one used last at the front, a hundred at most. Each tenant that was switched to has one
    /// of its own.
    #[oai(path = "/sessions", method = "get")]
    async fn list(&self, caller: SignedIn) -> Result<Reply<Vec<LiveSessionView>>, ApiError> {
        let sessions = caller.app().crm().auth().sessions(caller.user.id).await?;
        let (each, this) = (sessions.into_iter(), caller.session()?);
        Ok(Reply::new(each.map(|one| LiveSessionView::of(one, this)).collect()))
    }

    /// End one of one's sessions
    ///
    /// With it end those that it was switched from and to, so that nobody stays signed in on that
    /// device: their access tokens stop working at once. Ending the one of this request signs out.
    #[oai(path = "/sessions/:id", method = "delete")]
    async fn end(&self, caller: SignedIn, id: Path<Uuid>) -> Result<Reply<Done>, ApiError> {
        let auth = caller.app().crm().auth();
        for ended in auth.end_own(caller.user.id, Id::new(id.0)).await? {
            caller.app().standings().forget(ended);
        }
        Ok(Reply::new(Done {}).message("the session has ended"))
    }

    /// End all of one's sessions but this one
    ///
    /// This one stays, with those that it was switched from and to. Access tokens of the others
    /// stop working at once.
    #[oai(path = "/sessions", method = "delete")]
    async fn end_others(&self, caller: SignedIn) -> Result<Reply<EndedView>, ApiError> {
        let ended = caller.app().crm().auth().end_others(caller.user.id, caller.session()?).await?;
        for ended in &ended {
            caller.app().standings().forget(*ended);
        }
        Ok(Reply::new(EndedView { ended: ended.len() as u64 }))
    }
}
