//! Who one is: shown, and changed by oneself; and one's password.

use crm_core::Error;
use crm_core::auth::{ChangePassword, ProfileDraft};
use crm_core::users::User;
use poem::Request;
use poem_openapi::{Object, OpenApi};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::sessions::EndedView;
use super::{OfferView, ProfileView, UserView};
use crate::api::body::Body;
use crate::api::caller::{SignedIn, origin};
use crate::api::envelope::Reply;
use crate::api::error::ApiError;

/// One's own profile and password.
#[derive(Debug, Clone, Copy)]
pub struct ProfileApi;

/// What one says of oneself. What is left out is cleared.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct ProfileInput {
    /// The version of the user that is expected.
    pub version: Option<i64>,
    /// The e-mail address as it is, or nothing: a new one has to be proven first, and is refused
    /// here.
    pub email: Option<String>,
    /// What one is called, also in the tenant that one works in.
    pub name: String,
    /// A name to sign in with instead of the address.
    pub username: Option<String>,
    /// One's language and customs (BCP 47); those of the tenant where none is given.
    pub locale: Option<String>,
    /// One's phone number at work in the tenant that one works in.
    pub phone: Option<String>,
    /// What the front end is to remember: an object of 16 KiB at most.
    pub preferences: Option<Value>,
}

/// A new password.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct PasswordInput {
    /// The password until now.
    pub current_password: String,
    /// The password from now on: 8 to 256 characters, none that is tried first, nor one's name.
    pub new_password: String,
    /// A code of the second factor, where one has one and did not show it within the last five
    /// minutes.
    pub code: Option<String>,
}

#[OpenApi(prefix_path = "/auth")]
impl ProfileApi {
    /// Get one's own profile
    #[oai(path = "/profile", method = "get")]
    async fn profile(&self, caller: SignedIn) -> Result<Reply<ProfileView>, ApiError> {
        reply(&caller, User::clone(&caller.user), None).await
    }

    /// Change one's own profile
    ///
    /// The name and the phone number are also those by which the tenant worked in knows one. An
    /// address has an operation of its own, since a new one has to be proven.
    #[oai(path = "/profile", method = "put")]
    async fn set_profile(
        &self,
        caller: SignedIn,
        input: Body<ProfileInput>,
        request: &Request,
    ) -> Result<Reply<ProfileView>, ApiError> {
        let ProfileInput { version, email, name, username, locale, phone, preferences } = input.0;
        let same = email.is_none_or(|email| email.trim().to_lowercase() == caller.user.email_lower);
        if !same {
            let message = "a new address has to be proven: POST /auth/change-email";
            return Err(Error::invalid("email", "EMAIL_UNPROVEN", message).into());
        }
        let draft = ProfileDraft { name, username, locale, phone, preferences };
        let tenant = caller.at_work()?.map(|membership| membership.tenant.id);
        let (auth, user) = (caller.app().crm().auth(), caller.user.id);
        let changed = auth.set_profile(user, tenant, version, draft, &origin(request)).await?;
        caller.app().standings().forget(caller.session()?);
        let member = match tenant {
            Some(tenant) => auth.membership(user, tenant).await?.map(|place| place.member),
            None => None,
        };
        let phone = member.and_then(|member| member.phone);
        reply(&caller, changed, Some(phone)).await
    }

    /// Change one's own password
    ///
    /// Needs the one until now. All other sessions end: whoever knew the old one is signed out.
    #[oai(path = "/change-password", method = "post")]
    async fn change_password(
        &self,
        caller: SignedIn,
        input: Body<PasswordInput>,
        request: &Request,
    ) -> Result<Reply<EndedView>, ApiError> {
        let PasswordInput { current_password: current, new_password: new, code } = input.0;
        let change = ChangePassword { current, new, code, origin: origin(request) };
        let auth = caller.app().crm().auth();
        let ended = auth.change_password(caller.session()?, caller.user.id, change).await?;
        for session in &ended {
            caller.app().standings().forget(*session);
        }
        Ok(Reply::new(EndedView { ended: ended.len() as u64 }))
    }
}

async fn reply(
    caller: &SignedIn,
    user: User,
    phone: Option<Option<String>>,
) -> Result<Reply<ProfileView>, ApiError> {
    let version = user.version;
    // Which tenants else want its user is none of a key's business.
    let offers = match caller.api_key() {
        None => caller.app().crm().auth().invitations(user.id).await?,
        Some(_) => Vec::new(),
    };
    let invitations = offers.into_iter().map(|(tenant, member)| OfferView {
        tenant_id: tenant.id.uuid(),
        tenant_name: tenant.name,
        roles: member.roles,
        asked_at: member.updated_at,
    });
    let recovery_codes_left = match (user.has_second_factor, caller.api_key()) {
        (true, None) => caller.app().crm().auth().recovery_codes_left(user.id).await?,
        _ => None,
    };
    let membership = caller.membership.as_deref();
    let known = || membership.and_then(|membership| membership.member.phone.clone());
    let profile = ProfileView {
        user: UserView::from(user),
        tenant: membership.map(|membership| membership.tenant.clone().into()),
        roles: membership.map(|m| m.member.roles.clone()).unwrap_or_default(),
        title: membership.and_then(|membership| membership.member.title.clone()),
        phone: phone.unwrap_or_else(known),
        recovery_codes_left,
        invitations: invitations.collect(),
    };
    Ok(Reply::new(profile).version(version))
}
