//! Accepting to work in a tenant, or not.

use std::sync::Arc;

use crm_core::auth::Acceptance;
use crm_core::tenants::TenantId;
use poem::Request;
use poem::web::Data;
use poem_openapi::{Object, OpenApi};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::body::Body;
use super::super::caller::{SignedIn, origin};
use super::super::envelope::Reply;
use super::super::error::ApiError;
use super::{Done, SessionView, session};
use crate::app::App;

/// Accepting invitations.
#[derive(Debug, Clone, Copy)]
pub struct AcceptingApi;

/// Somebody who accepts.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct AcceptInvitationInput {
    /// The token out of the mail.
    pub token: Option<String>,
    /// Without a token, and signed in: the tenant that asked one, of `invitations` in the profile.
    pub tenant_id: Option<Uuid>,
    /// A new user's password, 8 to 256 characters; or that of a user who is not signed in.
    pub password: Option<String>,
    /// What a new user is called.
    pub name: Option<String>,
    /// A new user's name to sign in with instead of the address.
    pub username: Option<String>,
}

/// Somebody who does not.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct DeclineInvitationInput {
    /// The token out of the mail.
    pub token: Option<String>,
    /// Without a token, and signed in: the tenant that asked one.
    pub tenant_id: Option<Uuid>,
}

#[OpenApi(prefix_path = "/auth")]
impl AcceptingApi {
    /// Accept an invitation
    ///
    /// By the token out of the mail: as a new user with a password of their own, or as the one who
    /// signs in with the address, who is signed in or gives their password. Whoever is signed in
    /// and has a verified address may name the tenant in place of a token. Answers a session in
    /// the tenant.
    #[oai(path = "/accept-invitation", method = "post")]
    async fn accept(
        &self,
        app: Data<&Arc<App>>,
        input: Body<AcceptInvitationInput>,
        request: &Request,
    ) -> Result<Reply<SessionView>, ApiError> {
        let AcceptInvitationInput { token, tenant_id, password, name, username } = input.0;
        let acceptance = Acceptance {
            tenant: tenant_id.map(TenantId::new),
            password,
            name,
            username,
            ..acceptance(token, request).await?
        };
        let signed_in = app.crm().auth().accept_invitation(acceptance).await?;
        if let Some(tenant) = signed_in.session.tenant {
            app.standings().forget_in(tenant);
        }
        Ok(Reply::new(session(&app, signed_in)?))
    }

    /// Decline an invitation
    ///
    /// It is gone, and whoever sent it can send another one.
    #[oai(path = "/decline-invitation", method = "post")]
    async fn decline(
        &self,
        app: Data<&Arc<App>>,
        input: Body<DeclineInvitationInput>,
        request: &Request,
    ) -> Result<Reply<Done>, ApiError> {
        let DeclineInvitationInput { token, tenant_id } = input.0;
        let tenant = tenant_id.map(TenantId::new);
        let acceptance = Acceptance { tenant, ..acceptance(token, request).await? };
        app.crm().auth().decline_invitation(acceptance).await?;
        Ok(Reply::new(Done {}))
    }
}

/// What a request is about: with a token it takes nobody to be signed in, but one who says so has
/// to be.
async fn acceptance(token: Option<String>, request: &Request) -> Result<Acceptance, ApiError> {
    let says_so = request.headers().contains_key(poem::http::header::AUTHORIZATION);
    let (user, session) = match SignedIn::of(request).await {
        Ok(caller) => (Some(caller.user.id), Some(caller.session()?)),
        Err(error) if says_so || token.is_none() => return Err(error),
        Err(_) => (None, None),
    };
    Ok(Acceptance { token, user, session, origin: origin(request), ..Acceptance::default() })
}
