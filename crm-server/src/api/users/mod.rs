//! The tenant's people. A member is shown under its user's identifier, which is also what records
//! name as their owners.

mod activity;
mod invitations;
mod permissions;
mod roles;
mod stats;
mod view;

use crm_core::users::{Member, NewMember, UserId, UserStatus};
use crm_core::{Error, Id};
use poem::Request;
use poem_openapi::param::{Path, Query as Parameter};
use poem_openapi::{Object, OpenApi};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::auth::Done;
use super::body::{Body, MergePatch};
use super::bulk::{self, BulkUpdateInput, BulkView};
use super::caller::Caller;
use super::crud::{self, Resource, Service, parameters};
use super::envelope::{Accepted, Created, Listed, Reply};
use super::error::ApiError;
use super::etag;
use super::export::{self, Exported};
use super::values::Code;
use crate::openapi::BASE;

pub use activity::{ActivityApi, ActivityView};
pub use invitations::{InvitationInput, InvitationResource, InvitationView, InvitationsApi};
pub use permissions::{
    DecisionView, GrantInput, GrantView, HeldView, PermissionView, PermissionsApi,
    PermissionsInput, PermissionsView, SourceView,
};
pub(super) use permissions::{asked, decided};
pub use roles::{
    PermissionChange, ReachChangeView, RecordChangeView, RoleInput, RolePermissionsApi,
    RolePreviewView, RoleResource, RoleView, UserChangeView,
};
pub use stats::{MemberStatsView, StatsApi, lists};
pub use view::{
    HandOverInput, HandOverView, MemberInput, MemberResource, MemberView, NewMemberInput,
};

/// The tenant's people.
#[derive(Debug, Clone, Copy)]
pub struct UsersApi;

/// Whether somebody may work in the tenant.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct StatusInput {
    /// The version that is expected, in place of `If-Match`.
    pub version: Option<i64>,
    /// Whether they may.
    pub status: Option<Code<UserStatus>>,
    /// Whether to let them try to sign in again at once, whoever has failed to under their name.
    #[oai(default)]
    pub unlock: bool,
}

#[OpenApi(prefix_path = "/users")]
impl UsersApi {
    /// List the tenant's users
    ///
    /// Filtered, searched, sorted, and a part at a time.
    #[oai(path = "/", method = "get")]
    async fn list(
        &self,
        caller: Caller,
        request: &Request,
    ) -> Result<Listed<MemberView>, ApiError> {
        crud::list::<MemberResource>(&caller, &parameters(request)?, &[], Ok).await
    }

    /// Create a user in the tenant
    ///
    /// Somebody new, with a password of the tenant's choice. Whoever has signed up already,
    /// `USER_EXISTS`, is added as a member of the tenant or invited instead, and agrees themselves.
    #[oai(path = "/", method = "post")]
    async fn create(
        &self,
        caller: Caller,
        input: Body<NewMemberInput>,
    ) -> Result<Created<MemberView>, ApiError> {
        let NewMemberInput { email, password, name, username, roles, title, phone } = input.0;
        let new = NewMember { email, password, name, username, roles, title, phone };
        let member = caller.crm().members().enrol(new).await?;
        created(&caller, member).await
    }

    /// Get a user
    #[oai(path = "/:id", method = "get")]
    async fn get(
        &self,
        caller: Caller,
        id: Path<Uuid>,
        /// What to embed, separated by commas, instead of what is embedded by itself.
        expand: Parameter<Vec<String>>,
    ) -> Result<Reply<MemberView>, ApiError> {
        crud::get::<MemberResource>(&caller, id.0, &expand.0).await
    }

    /// Replace a user's place in the tenant
    ///
    /// What is left out is cleared. The status and extra permissions have operations of their own
    /// and stay.
    #[oai(path = "/:id", method = "put")]
    async fn replace(
        &self,
        caller: Caller,
        id: Path<Uuid>,
        input: Body<MemberInput>,
        request: &Request,
    ) -> Result<Reply<MemberView>, ApiError> {
        let expected = etag::expected(request, MemberResource::expected(&input.0))?;
        let draft = MemberResource::draft(input.0)?;
        let members = MemberResource::service(caller.crm());
        let member = Service::replace(&members, Id::new(id.0), expected, draft).await?;
        caller.forget_who_may_what();
        crud::reply::<MemberResource>(&caller, member).await
    }

    /// Change a user's place in the tenant
    ///
    /// A JSON merge patch (RFC 7396): what is left out stays, null clears.
    #[oai(path = "/:id", method = "patch")]
    async fn merge(
        &self,
        caller: Caller,
        id: Path<Uuid>,
        patch: MergePatch<MemberInput>,
        request: &Request,
    ) -> Result<Reply<MemberView>, ApiError> {
        let expected = etag::expected(request, patch.version()?)?;
        let member = crud::merge::<MemberResource>(&caller, Id::new(id.0), expected, patch).await?;
        caller.forget_who_may_what();
        crud::reply::<MemberResource>(&caller, member).await
    }

    /// Let a user leave the tenant
    ///
    /// Its sessions in the tenant end at once. The user and its records stay. Oneself one can always
    /// let leave.
    #[oai(path = "/:id", method = "delete")]
    async fn delete(
        &self,
        caller: Caller,
        id: Path<Uuid>,
        request: &Request,
    ) -> Result<Reply<MemberView>, ApiError> {
        let expected = etag::expected(request, None)?;
        let members = caller.crm().members();
        let member = match id.0 == caller.membership().member.user.uuid() {
            true => members.leave(expected).await?,
            false => members.delete(Id::new(id.0), expected).await?,
        };
        caller.forget_who_may_what();
        crud::reply::<MemberResource>(&caller, member).await
    }

    /// Export users
    ///
    /// Everything that the list would find under the same filter, search and order, as a file.
    #[oai(path = "/export", method = "get")]
    async fn export(&self, caller: Caller, request: &Request) -> Result<Exported, ApiError> {
        export::export::<MemberResource>(caller, request).await
    }

    /// Change many users' places in the tenant
    ///
    /// Each as if it were changed alone, by the same JSON merge patch; the answer says what became
    /// of each.
    #[oai(path = "/bulk-update", method = "post")]
    async fn bulk_update(
        &self,
        caller: Caller,
        input: Body<BulkUpdateInput>,
    ) -> Result<Reply<BulkView>, ApiError> {
        bulk::update::<MemberResource>(&caller, input.0).await
    }

    /// Bring back a user who left
    ///
    /// They are `invited` until they agree.
    #[oai(path = "/:id/restore", method = "post")]
    async fn restore(
        &self,
        caller: Caller,
        id: Path<Uuid>,
        request: &Request,
    ) -> Result<Reply<MemberView>, ApiError> {
        let expected = etag::expected(request, None)?;
        let member = caller.crm().members().restore(Id::new(id.0), expected).await?;
        caller.forget_who_may_what();
        crud::reply::<MemberResource>(&caller, member).await
    }

    /// Activate, deactivate or unlock a user
    ///
    /// A deactivated user's sessions in the tenant end at once. `unlock` forgets who has failed to
    /// sign in under the user's name, and can be sent without a status.
    #[oai(path = "/:id/status", method = "patch")]
    async fn set_status(
        &self,
        caller: Caller,
        id: Path<Uuid>,
        input: Body<StatusInput>,
        request: &Request,
    ) -> Result<Reply<MemberView>, ApiError> {
        let StatusInput { version, status, unlock } = input.0;
        let expected = etag::expected(request, version)?;
        let id = Id::new(id.0);
        if unlock {
            let member = caller.crm().members().unlock(id).await?;
            if status.is_none() {
                return crud::reply::<MemberResource>(&caller, member).await;
            }
        }
        let status = status.ok_or_else(|| Error::invalid("status", "REQUIRED", "is required"));
        let Code(status) = crud::there_first::<MemberResource, _>(&caller, id, status).await?;
        let member = caller.crm().members().set_status(id, expected, status).await?;
        caller.forget_who_may_what();
        crud::reply::<MemberResource>(&caller, member).await
    }

    /// Send a user the mail that sets their password anew
    ///
    /// Nobody sets or sees somebody else's password. For whoever may do all that the user may.
    #[oai(path = "/:id/reset-password", method = "post")]
    async fn reset_password(
        &self,
        caller: Caller,
        id: Path<Uuid>,
    ) -> Result<Accepted<Done>, ApiError> {
        caller.crm().members().send_reset(Id::new(id.0)).await?;
        Ok(Accepted::new(Done {}).message("a mail is on its way"))
    }

    /// Take a user's second factor away
    ///
    /// Of somebody who has lost it: all their sessions end, and they sign in with the password
    /// alone. Not of oneself, nobody above, and nobody who works in other tenants too.
    #[oai(path = "/:id/mfa", method = "delete")]
    async fn reset_mfa(
        &self,
        caller: Caller,
        id: Path<Uuid>,
    ) -> Result<Reply<MemberView>, ApiError> {
        let member = caller.crm().members().reset_second_factor(Id::new(id.0)).await?;
        caller.forget_who_may_what();
        crud::reply::<MemberResource>(&caller, member).await
    }

    /// Hand a user's records over to another one
    ///
    /// All that the user owns, of the types named or of all, also of one who has left. Where it is
    /// interrupted, calling again goes on.
    #[oai(path = "/:id/hand-over", method = "post")]
    async fn hand_over(
        &self,
        caller: Caller,
        id: Path<Uuid>,
        input: Body<HandOverInput>,
    ) -> Result<Reply<HandOverView>, ApiError> {
        let HandOverInput { to, types } = input.0;
        let to = to.ok_or_else(|| ApiError::required("to"))?;
        let members = caller.crm().members();
        let (from, to) = (UserId::new(id.0), UserId::new(to));
        let handed = members.hand_over(from, to, types.as_deref()).await?;
        Ok(Reply::new(handed.into()))
    }
}

/// The answer to somebody having become a member.
pub(super) async fn created(
    caller: &Caller,
    member: Member,
) -> Result<Created<MemberView>, ApiError> {
    caller.forget_who_may_what();
    let (user, version) = (member.user, member.version);
    let view = crud::view::<MemberResource>(caller, member).await?;
    Ok(Created::new(view, format!("{BASE}/users/{user}")).version(version))
}
