//! Signing up, in and out, and who one is.

mod accepting;
mod by_mail;
mod change_email;
mod mfa;
mod profile;
mod sessions;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use crm_core::Error;
use crm_core::auth::{self, Entry, SignIn, SignUp};
use crm_core::tenants::{Tenant, TenantId, TenantStatus};
use crm_core::users::{User, UserStatus};
use poem::Request;
use poem::http::StatusCode;
use poem::web::Data;
use poem_openapi::param::Query as Parameter;
use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use poem_openapi::{Object, OpenApi};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::body::{Body, OptionalBody};
use super::caller::{Caller, SignedIn, origin};
use super::envelope::{Created, Reply};
use super::error::{ApiError, Fault};
use super::users::{DecisionView, asked, decided};
use super::values::Code;
use crate::app::App;
use crate::openapi::BASE;

pub use accepting::{AcceptInvitationInput, AcceptingApi, DeclineInvitationInput};
pub use by_mail::{AuthByMailApi, ForgotPasswordInput, ResetPasswordInput, TokenInput};
pub use change_email::{ChangeEmailApi, ChangeEmailInput};
pub use mfa::{
    ChallengeView, CodeInput, EnrolInput, EnrolmentView, EntryView, LoginMfaInput, MfaApi,
    RecoveryCodesView, RemoveMfaInput,
};
pub use profile::{PasswordInput, ProfileApi, ProfileInput};
pub use sessions::{EndedView, LiveSessionView, SessionsApi};

/// Signing up, in and out.
#[derive(Debug, Clone, Copy)]
pub struct AuthApi;

/// Who signs up.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct SignUpInput {
    /// The e-mail address.
    pub email: String,
    /// The password: 8 to 256 characters, none that is tried first, nor one's own name.
    pub password: String,
    /// What the user is called; the part of the address before the `@` where none is given.
    pub name: Option<String>,
    /// A name to sign in with instead of the address.
    pub username: Option<String>,
    /// The name of a tenant to make, of which the user becomes the owner.
    pub tenant_name: Option<String>,
}

/// Who signs in: by e-mail address or user name.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct LoginInput {
    /// The e-mail address.
    pub email: Option<String>,
    /// The user name, in place of the address.
    pub username: Option<String>,
    /// The password.
    pub password: String,
    /// The tenant to work in; the one joined first where none is named.
    pub tenant_id: Option<Uuid>,
    /// Whether to stay signed in for longer.
    #[oai(default)]
    pub remember_me: bool,
}

/// A refresh token to spend.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct RefreshInput {
    /// The refresh token of the last sign-in or refresh.
    pub refresh_token: String,
}

/// The tenant to work in.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct SwitchInput {
    /// A tenant that the user is a member of.
    pub tenant_id: Option<Uuid>,
}

/// The session to end, where the request carries no access token of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct LogoutInput {
    /// A refresh token of the session.
    pub refresh_token: Option<String>,
}

/// What a sign-in gives.
#[derive(Debug, Clone, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename = "Session", rename_all = "camelCase")]
pub struct SessionView {
    /// The access token, for `Authorization: Bearer …`.
    pub token: String,
    /// `Bearer`.
    pub token_type: String,
    /// For how many seconds the access token holds.
    pub expires_in: i64,
    /// When the access token stops holding.
    pub expiration: DateTime<Utc>,
    /// The token that prolongs the session, once.
    pub refresh_token: String,
    /// When the session ends unless it is prolonged.
    pub refresh_expires_at: DateTime<Utc>,
    /// The user.
    pub user: UserView,
    /// The tenant worked in; none where the user has none yet.
    pub tenant: Option<TenantView>,
    /// The tenants that the user can work in.
    pub tenants: Vec<TenantView>,
    /// The codes of the user's roles in the tenant.
    pub roles: Vec<String>,
    /// What the user may do in the tenant, each with its reach.
    pub permissions: BTreeMap<String, String>,
    /// Whether the tenant asks for a second factor that was not shown: until one has one, there is
    /// nothing to be done in it.
    pub mfa_enrolment_required: bool,
}

/// A user.
#[derive(Debug, Clone, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename = "User", rename_all = "camelCase")]
pub struct UserView {
    /// The identifier.
    pub id: Uuid,
    /// The version, which is also the `ETag`.
    pub version: i64,
    /// When they signed up.
    pub created_at: DateTime<Utc>,
    /// When they were last changed.
    pub updated_at: DateTime<Utc>,
    /// The e-mail address.
    pub email: String,
    /// Whether they showed that it is theirs.
    pub email_verified: bool,
    /// The address that they asked to sign in with instead, until it is confirmed.
    pub pending_email: Option<String>,
    /// A name to sign in with instead.
    pub username: Option<String>,
    /// What they are called.
    pub name: String,
    /// Where their picture is.
    pub avatar: Option<String>,
    /// Their language and customs (BCP 47); those of the tenant where there is none.
    pub locale: Option<String>,
    /// What they told the front end to remember.
    pub preferences: Option<Value>,
    /// Whether they have a second factor, which is asked for when they sign in.
    pub mfa_enabled: bool,
    /// Whether they may sign in.
    pub status: Code<UserStatus>,
    /// When they last signed in.
    pub last_login_at: Option<DateTime<Utc>>,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        let User {
            id,
            version,
            created_at,
            updated_at,
            deleted_at: _,
            email,
            username,
            name,
            avatar,
            locale,
            preferences,
            // Never leaves the server, not even as a hash.
            password: _,
            email_lower: _,
            email_verified_at,
            pending_email,
            has_second_factor,
            status,
            last_login_at,
        } = user;
        Self {
            id: id.uuid(),
            version,
            created_at,
            updated_at,
            email,
            email_verified: email_verified_at.is_some(),
            pending_email,
            username,
            name,
            avatar,
            locale,
            preferences,
            mfa_enabled: has_second_factor,
            status: Code(status),
            last_login_at,
        }
    }
}

/// A tenant.
#[derive(Debug, Clone, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename = "Tenant", rename_all = "camelCase")]
pub struct TenantView {
    /// The identifier.
    pub id: Uuid,
    /// The version, which is also the `ETag`.
    pub version: i64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// What it is called.
    pub name: String,
    /// Its domain on the internet.
    pub domain: Option<String>,
    /// The language and customs of its people (BCP 47).
    pub locale: Option<String>,
    /// Where its days begin (IANA).
    pub time_zone: Option<String>,
    /// What it counts its money in (ISO 4217).
    pub currency: Option<String>,
    /// Whether its people have to show a second factor to work in it.
    pub require_mfa: bool,
    /// The codes of the roles whose people have to, where not all do.
    pub require_mfa_roles: Vec<String>,
    /// Whether its people may work.
    pub status: Code<TenantStatus>,
}

impl From<Tenant> for TenantView {
    fn from(tenant: Tenant) -> Self {
        let Tenant {
            id,
            version,
            created_at,
            updated_at,
            deleted_at: _,
            name,
            domain,
            locale,
            time_zone,
            currency,
            require_mfa,
            require_mfa_roles,
            status,
        } = tenant;
        Self {
            id: id.uuid(),
            version,
            created_at,
            updated_at,
            name,
            domain,
            locale,
            time_zone,
            currency,
            require_mfa,
            require_mfa_roles,
            status: Code(status),
        }
    }
}

/// Who one is.
#[derive(Debug, Clone, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename = "Profile", rename_all = "camelCase")]
pub struct ProfileView {
    /// The user.
    pub user: UserView,
    /// The tenant worked in.
    pub tenant: Option<TenantView>,
    /// The codes of the user's roles in the tenant.
    pub roles: Vec<String>,
    /// The user's title in the tenant.
    pub title: Option<String>,
    /// The user's phone number at work in the tenant.
    pub phone: Option<String>,
    /// How many recovery codes are left; none where there is no second factor.
    pub recovery_codes_left: Option<i64>,
    /// The tenants that ask the user to work in them, to be accepted or declined; none as long as
    /// the address is not verified.
    pub invitations: Vec<OfferView>,
}

/// A tenant that asks a user to work in it.
#[derive(Debug, Clone, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename = "Offer", rename_all = "camelCase")]
pub struct OfferView {
    /// The tenant.
    pub tenant_id: Uuid,
    /// What it is called.
    pub tenant_name: String,
    /// The codes of the roles that the user would have.
    pub roles: Vec<String>,
    /// When it asked.
    pub asked_at: DateTime<Utc>,
}

/// Nothing but the message.
#[derive(Debug, Clone, Default, Serialize, Object)]
#[oai(rename = "Done")]
pub struct Done {}

#[OpenApi(prefix_path = "/auth")]
impl AuthApi {
    /// Sign up
    ///
    /// With `tenantName` also makes the tenant, with the new user as its owner.
    #[oai(path = "/signup", method = "post")]
    async fn sign_up(
        &self,
        app: Data<&Arc<App>>,
        input: Body<SignUpInput>,
        request: &Request,
    ) -> Result<Created<SessionView>, ApiError> {
        let SignUpInput { email, password, name, username, tenant_name } = input.0;
        let asked =
            SignUp { email, password, name, username, tenant_name, origin: origin(request) };
        let signed_in = app.crm().auth().sign_up(asked).await?;
        Ok(Created::new(session(&app, signed_in)?, format!("{BASE}/auth/profile")))
    }

    /// Sign in
    ///
    /// Whoever has a second factor gets no session yet, but is asked for a code of it:
    /// `POST /auth/login/mfa`.
    #[oai(path = "/login", method = "post")]
    async fn login(
        &self,
        app: Data<&Arc<App>>,
        input: Body<LoginInput>,
        request: &Request,
    ) -> Result<Reply<EntryView>, ApiError> {
        let LoginInput { email, username, password, tenant_id, remember_me } = input.0;
        let login = match (email, username) {
            (Some(_), Some(_)) => {
                let message = "expected email or username, got both";
                return Err(Error::invalid("username", "CONTRADICTION", message).into());
            }
            (login, other) => login.or(other).unwrap_or_default(),
        };
        let asked = SignIn {
            login,
            password,
            tenant: tenant_id.map(TenantId::new),
            remember: remember_me,
            origin: origin(request),
        };
        let entry = match app.crm().auth().enter(asked).await? {
            Entry::SignedIn(signed_in) => EntryView::Session(Box::new(session(&app, *signed_in)?)),
            Entry::SecondStep(step) => {
                EntryView::Challenge(ChallengeView::of(step, app.crm().clock().now()))
            }
        };
        Ok(Reply::new(entry))
    }

    /// Prolong a session
    ///
    /// Spends the refresh token for the next one. Whoever never got the answer may send the same
    /// token again within some seconds (`tokens.refresh_grace`), as long as nothing has come of the
    /// first answer: only the last one counts then. Any other use of a spent token ends the session,
    /// since two have it.
    #[oai(path = "/refresh", method = "post")]
    async fn refresh(
        &self,
        app: Data<&Arc<App>>,
        input: Body<RefreshInput>,
    ) -> Result<Reply<SessionView>, ApiError> {
        let signed_in = app.crm().auth().refresh(&input.0.refresh_token).await?;
        app.standings().forget(signed_in.session.id);
        Ok(Reply::new(session(&app, signed_in)?))
    }

    /// Work in another tenant
    ///
    /// Tokens of a new session there; the session before goes on.
    #[oai(path = "/switch-tenant", method = "post")]
    async fn switch_tenant(
        &self,
        caller: SignedIn,
        input: Body<SwitchInput>,
        request: &Request,
    ) -> Result<Reply<SessionView>, ApiError> {
        let tenant = input.0.tenant_id.ok_or_else(|| ApiError::required("tenantId"))?;
        let (tenant, auth) = (TenantId::new(tenant), caller.app().crm().auth());
        let origin = origin(request);
        match auth.switch(caller.session()?, caller.user.id, tenant, &origin).await {
            Ok(signed_in) => Ok(Reply::new(session(caller.app(), signed_in)?)),
            // The same answer whether or not there is such a tenant.
            Err(Error::NotFound { .. }) => {
                let message = "you are no member of that tenant";
                let fault = Fault::at("tenantId", "NOT_A_MEMBER", message);
                Err(ApiError::new(StatusCode::FORBIDDEN, fault))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Sign out
    ///
    /// Ends the session of the access token, that of the refresh token in the body, and those that
    /// were switched to from them: their access tokens stop working at once.
    #[oai(path = "/logout", method = "post")]
    async fn logout(
        &self,
        app: Data<&Arc<App>>,
        input: OptionalBody<LogoutInput>,
        request: &Request,
    ) -> Result<Reply<Done>, ApiError> {
        let auth = app.crm().auth();
        let caller = SignedIn::of(request).await;
        let (token, caller) = match (input.0.refresh_token, caller) {
            (None, Err(error)) => return Err(error),
            (token, caller) => (token, caller.ok()),
        };
        let session = caller.map(|caller| caller.session()).transpose()?;
        let mut ended = Vec::new();
        if let Some(token) = token {
            ended.extend(auth.sign_out(&token).await?);
        }
        if let Some(session) = session {
            ended.extend(auth.end(session).await?);
            ended.push(session);
        }
        for session in ended {
            app.standings().forget(session);
        }
        Ok(Reply::new(Done {}).message("signed out"))
    }

    /// Get one's own permissions in the tenant, each with its reach
    ///
    /// To an API key, those that its scopes leave. With a record, what one may do with that one
    /// instead: of each permission, whether it may be used, what gives it, and what lacks.
    #[oai(path = "/permissions", method = "get")]
    async fn permissions(
        &self,
        caller: Caller,
        /// The type of a record: `customers`.
        resource: Parameter<Option<String>>,
        /// The identifier of that record.
        id: Parameter<Option<Uuid>>,
    ) -> Result<Reply<BTreeMap<String, OwnPermission>>, ApiError> {
        let actor = caller.crm().actor();
        let Some(record) = asked(resource.0, id.0)? else {
            let within = actor.grants().list().into_keys().filter_map(|held| {
                let reach = OwnPermission::Reach(actor.reach(&held)?.to_string());
                Some((held.to_string(), reach))
            });
            return Ok(Reply::new(within.collect()));
        };
        let decided = decided(&caller, actor.user(), &record).await?.into_iter();
        let decided =
            decided.map(|(permission, view)| (permission, OwnPermission::Decision(Box::new(view))));
        Ok(Reply::new(decided.collect()))
    }

    /// Get the codes of one's own roles in the tenant
    #[oai(path = "/roles", method = "get")]
    async fn roles(&self, caller: Caller) -> Result<Reply<Vec<String>>, ApiError> {
        Ok(Reply::new(caller.membership().member.roles.clone()))
    }
}

/// One's own permission: how far it reaches, or what it means for a record.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum OwnPermission {
    /// The reach at which it is held.
    Reach(String),
    /// What it means for the record that was asked for.
    Decision(Box<DecisionView>),
}

impl Type for OwnPermission {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "OwnPermission".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        let one_of = vec![String::schema_ref(), DecisionView::schema_ref()];
        MetaSchemaRef::Inline(Box::new(MetaSchema { one_of, ..MetaSchema::ANY }))
    }

    fn register(registry: &mut Registry) {
        DecisionView::register(registry);
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

fn permissions(membership: &auth::Membership) -> BTreeMap<String, String> {
    let held = membership.grants.list();
    held.into_iter()
        .map(|(permission, reach)| (permission.to_string(), reach.to_string()))
        .collect()
}

fn session(app: &App, signed_in: auth::SignedIn) -> Result<SessionView, ApiError> {
    let auth::SignedIn { user, session, refresh_token, membership, tenants } = signed_in;
    let tenant = membership.as_ref().map(|membership| membership.tenant.id.uuid());
    let signed = app.tokens().sign(user.id.uuid(), tenant, session.id.uuid());
    let signed = signed.map_err(ApiError::internal)?;
    Ok(SessionView {
        token: signed.token,
        token_type: "Bearer".to_owned(),
        expires_in: signed.expires_in,
        expiration: signed.expires_at,
        refresh_token,
        refresh_expires_at: session.expires_at,
        user: user.into(),
        permissions: membership.as_ref().map(permissions).unwrap_or_default(),
        mfa_enrolment_required: membership.as_ref().is_some_and(|m| m.admits(&session).is_err()),
        roles: membership.as_ref().map(|m| m.member.roles.clone()).unwrap_or_default(),
        tenant: membership.map(|membership| membership.tenant.into()),
        tenants: tenants.into_iter().map(TenantView::from).collect(),
    })
}
