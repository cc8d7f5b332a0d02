//! Those who are asked to work in the tenant and have not agreed yet.

use chrono::{DateTime, Utc};
use crm_core::records::Records;
use crm_core::users::{Invitation, InvitationDraft};
use crm_core::{Entity, Id, Result, TenantCrm};
use poem::Request;
use poem_openapi::param::{Path, Query as Parameter};
use poem_openapi::{Object, OpenApi};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::body::Body;
use super::super::caller::Caller;
use super::super::crud::{self, CanView, Resource, parameters};
use super::super::envelope::{Created, Listed, Reply};
use super::super::error::ApiError;
use super::super::etag;
use crate::openapi::BASE;

/// Invitations.
#[derive(Debug, Clone, Copy)]
pub struct InvitationsApi;

/// Invitations.
#[derive(Debug)]
pub struct InvitationResource;

/// Somebody who is asked to work in the tenant.
#[derive(Debug, Clone, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename = "Invitation", rename_all = "camelCase")]
pub struct InvitationView {
    /// The identifier.
    pub id: Uuid,
    /// The version, which is also the `ETag`.
    pub version: i64,
    /// When they were first invited.
    pub created_at: DateTime<Utc>,
    /// When the invitation was last changed or sent.
    pub updated_at: DateTime<Utc>,
    /// When it was accepted or cancelled.
    pub deleted_at: Option<DateTime<Utc>>,
    /// The address that they are invited by.
    pub email: String,
    /// What they are called; they may say otherwise.
    pub name: Option<String>,
    /// The codes of the roles that they are to have.
    pub roles: Vec<String>,
    /// The title that they are to have.
    pub title: Option<String>,
    /// Who invited them, the last time.
    pub invited_by: Option<Uuid>,
    /// Until when it can be accepted; sending it again makes it longer.
    pub expires_at: Option<DateTime<Utc>>,
    /// How often it was sent.
    pub sent: i64,
    /// Who accepted it.
    pub accepted_by: Option<Uuid>,
    /// What the caller may do with it; where `expand` asks for it.
    #[serde(rename = "_can", skip_serializing_if = "Option::is_none")]
    #[oai(rename = "_can")]
    pub can: Option<CanView>,
}

/// Somebody to ask.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct InvitationInput {
    /// The address that the invitation goes to.
    pub email: String,
    /// What they are called; they may say otherwise.
    pub name: Option<String>,
    /// The codes of the roles that they are to have, at least one: none that may do more than
    /// whoever invites.
    pub roles: Vec<String>,
    /// The title that they are to have.
    pub title: Option<String>,
}

impl Resource for InvitationResource {
    type Entity = Invitation;
    type Service = Records<Invitation>;
    type View = InvitationView;
    type Input = InvitationInput;

    const PATH: &'static str = "/users/invitations";

    fn service(crm: &TenantCrm) -> Records<Invitation> {
        Records::clone(&crm.invitations())
    }

    fn view(invitation: Invitation) -> InvitationView {
        let Invitation {
            id,
            version,
            created_at,
            updated_at,
            deleted_at,
            email,
            name,
            roles,
            title,
            email_lower: _,
            invited_by,
            expires_at,
            sent,
            accepted_by,
        } = invitation;
        InvitationView {
            id: id.uuid(),
            version,
            created_at,
            updated_at,
            deleted_at,
            email,
            name,
            roles,
            title,
            invited_by: invited_by.map(Id::uuid),
            expires_at,
            sent,
            accepted_by: accepted_by.map(Id::uuid),
            can: None,
        }
    }

    fn can(view: &mut InvitationView) -> &mut Option<CanView> {
        &mut view.can
    }

    fn input(invitation: Invitation) -> InvitationInput {
        let Invitation {
            id: _,
            version: _,
            created_at: _,
            updated_at: _,
            deleted_at: _,
            email,
            name,
            roles,
            title,
            email_lower: _,
            invited_by: _,
            expires_at: _,
            sent: _,
            accepted_by: _,
        } = invitation;
        InvitationInput { email, name, roles, title }
    }

    fn expected(_: &InvitationInput) -> Option<i64> {
        None
    }

    fn draft(input: InvitationInput) -> Result<<Invitation as Entity>::Draft> {
        let InvitationInput { email, name, roles, title } = input;
        Ok(InvitationDraft { email, name, roles, title })
    }
}

#[OpenApi(prefix_path = "/users/invitations")]
impl InvitationsApi {
    /// List those who are invited and have not accepted
    ///
    /// Filtered, searched, sorted, and a part at a time.
    #[oai(path = "/", method = "get")]
    async fn list(
        &self,
        caller: Caller,
        request: &Request,
    ) -> Result<Listed<InvitationView>, ApiError> {
        crud::list::<InvitationResource>(&caller, &parameters(request)?, &[], Ok).await
    }

    /// Invite somebody to work in the tenant
    ///
    /// By a mail to their address, good for seven days, whether or not they sign in yet. Whoever is
    /// invited already is invited anew: by what is said now, and the link of before is void. What
    /// an invitation gives is looked at again when it is accepted, by what its sender may give then.
    #[oai(path = "/", method = "post")]
    async fn create(
        &self,
        caller: Caller,
        input: Body<InvitationInput>,
    ) -> Result<Created<InvitationView>, ApiError> {
        let draft = InvitationResource::draft(input.0)?;
        let invitation = caller.crm().invitations().invite(draft).await?;
        let (id, version) = (invitation.id, invitation.version);
        let view = crud::view::<InvitationResource>(&caller, invitation).await?;
        Ok(Created::new(view, format!("{BASE}/users/invitations/{id}")).version(version))
    }

    /// Get an invitation
    #[oai(path = "/:id", method = "get")]
    async fn get(
        &self,
        caller: Caller,
        id: Path<Uuid>,
        /// What to embed, separated by commas, instead of what is embedded by itself.
        expand: Parameter<Vec<String>>,
    ) -> Result<Reply<InvitationView>, ApiError> {
        crud::get::<InvitationResource>(&caller, id.0, &expand.0).await
    }

    /// Cancel an invitation
    ///
    /// Its link is void at once.
    #[oai(path = "/:id", method = "delete")]
    async fn cancel(
        &self,
        caller: Caller,
        id: Path<Uuid>,
        request: &Request,
    ) -> Result<Reply<InvitationView>, ApiError> {
        let expected = etag::expected(request, None)?;
        let invitation = caller.crm().invitations().delete(Id::new(id.0), expected).await?;
        crud::reply::<InvitationResource>(&caller, invitation).await
    }

    /// Send an invitation once more
    ///
    /// Good for another seven days; the link of before is void.
    #[oai(path = "/:id/resend", method = "post")]
    async fn resend(
        &self,
        caller: Caller,
        id: Path<Uuid>,
    ) -> Result<Reply<InvitationView>, ApiError> {
        let invitation = caller.crm().invitations().resend(Id::new(id.0)).await?;
        crud::reply::<InvitationResource>(&caller, invitation).await
    }
}
