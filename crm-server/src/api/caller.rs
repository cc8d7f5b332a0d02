//! Who calls: the bearer of an access token, in a tenant or in none, or of an API key, in its
//! tenant.
//!
//! Asking for a [`Caller`] is what guards an operation; the document says so by itself.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crm_core::access::Origin;
use crm_core::auth::{API_KEY_PREFIX, ApiKey, Membership, Session};
use crm_core::idempotency::Attempt;
use crm_core::tenants::TenantId;
use crm_core::users::{User, UserId};
use crm_core::{Id, TenantCrm};
use poem::http::{HeaderMap, HeaderName, StatusCode, header};
use poem::{Request, RequestBody};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use super::by_key;
use super::error::{ApiError, Fault};
use crate::app::App;
use crate::config::Limits;
use crate::middleware::{Choice, RequestContext};
use crate::standing::{KeyStanding, KnownKey, Standing, hash_of};
use crate::tokens::{Claims, TokenError};

/// The name of the scheme in the document.
pub const SCHEME: &str = "bearer";
/// The header that an API key can come in, in place of `Authorization`.
pub const API_KEY_HEADER: HeaderName = HeaderName::from_static("x-api-key");

/// What a request came with.
#[derive(Debug, Clone)]
enum Credential {
    /// An access token, of a session.
    Session(Arc<Session>),
    /// A key, in its tenant.
    Key(Arc<KeyStanding>),
}

impl Credential {
    /// Whether it lets the user work in a tenant: not where a second factor is asked for that was
    /// not shown.
    fn is_admitted(&self, user: &User, membership: &Membership) -> crm_core::Result<()> {
        match self {
            Self::Session(session) => membership.admits(session),
            Self::Key(_) => membership.admits_keys_of(user),
        }
    }
}

/// A user who has signed in, whatever the tenant; or whose API key calls.
#[derive(Debug)]
pub struct SignedIn {
    app: Arc<App>,
    /// The user.
    pub user: Arc<User>,
    credential: Credential,
    /// The tenant, with the user's place in it; none where the user works in none.
    pub membership: Option<Arc<Membership>>,
}

/// A user at work in a tenant.
#[derive(Debug)]
pub struct Caller {
    app: Arc<App>,
    crm: TenantCrm,
    membership: Arc<Membership>,
    credential: Credential,
}

impl Caller {
    /// Whoever a request's token stands for, at work in a tenant: for routes of a host's own,
    /// beside the API's, that hold the [`App`] as data. There, an API key is refused.
    ///
    /// # Errors
    /// Those of [`SignedIn::of`]; 403 where the user works in no tenant, or the tenant asks for a
    /// second factor that was not shown.
    pub async fn of(request: &Request) -> Result<Self, ApiError> {
        Self::at_work(SignedIn::of(request).await?, request)
    }

    /// The same for routes of a host's own that API keys may call, too: those that do nothing but
    /// what [`Caller::crm`] lets them, because it knows the scopes.
    ///
    /// # Errors
    /// As [`Caller::of`].
    pub async fn of_person_or_key(request: &Request) -> Result<Self, ApiError> {
        Self::at_work(SignedIn::recognised(request, true).await?, request)
    }

    fn at_work(signed_in: SignedIn, request: &Request) -> Result<Self, ApiError> {
        let SignedIn { app, user, membership, credential } = signed_in;
        let Some(membership) = membership else {
            let fault = Fault::new("NO_TENANT", "you work in no tenant: choose or create one");
            return Err(ApiError::new(StatusCode::FORBIDDEN, fault));
        };
        Self::new(app, &user, membership, credential, request)
    }

    /// Where the tenant asks for a second factor, nobody is at work in it who has shown none.
    fn new(
        app: Arc<App>,
        user: &User,
        membership: Arc<Membership>,
        credential: Credential,
        request: &Request,
    ) -> Result<Self, ApiError> {
        credential.is_admitted(user, &membership)?;
        let mut actor = membership.actor().with_origin(origin(request));
        if let Credential::Key(of) = &credential {
            actor = actor.with_api_key(of.key.id, Arc::clone(&of.scopes));
        }
        let crm = app.crm().tenant(actor);
        Ok(Self { app, crm, membership, credential })
    }

    /// The tenant's CRM, as far as the caller's permissions reach.
    pub fn crm(&self) -> &TenantCrm {
        &self.crm
    }

    /// The session of whoever has signed in; none where an API key calls.
    pub fn session(&self) -> Option<Id<Session>> {
        match &self.credential {
            Credential::Session(session) => Some(session.id),
            Credential::Key(_) => None,
        }
    }

    /// The caller's place in the tenant.
    pub fn membership(&self) -> &Membership {
        &self.membership
    }

    /// Forgets on this server who may do what in the tenant, now that the caller has changed it:
    /// the next request need not wait for the note of it.
    pub fn forget_who_may_what(&self) {
        self.app.standings().forget_in(self.membership.tenant.id);
    }

    /// Forgets an API key on this server, now that the caller has revoked it.
    pub fn forget_key(&self, key: Id<ApiKey>) {
        self.app.standings().forget_key(key);
    }

    /// Room for one more export, until it is given back.
    ///
    /// # Errors
    /// 503 where there is none.
    pub fn room_for_export(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        Arc::clone(self.app.exports()).try_acquire_owned().map_err(|_| {
            let message = "too many exports are being made: limits.exports";
            ApiError::unavailable("OVERLOADED", message, Duration::from_secs(5))
        })
    }

    /// What one request may ask for.
    pub fn limits(&self) -> &Limits {
        &self.app.config().limits
    }
}

impl SignedIn {
    /// The user's place in the tenant worked in, where they may work in it as they have come.
    ///
    /// # Errors
    /// 403 where the tenant asks for a second factor that was not shown.
    pub fn at_work(&self) -> Result<Option<&Membership>, ApiError> {
        if let Some(membership) = &self.membership {
            self.credential.is_admitted(&self.user, membership)?;
        }
        Ok(self.membership.as_deref())
    }

    /// The server.
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// The session of whoever has signed in.
    ///
    /// # Errors
    /// 403 where an API key calls: no key has a session.
    pub fn session(&self) -> Result<Id<Session>, ApiError> {
        match &self.credential {
            Credential::Session(session) => Ok(session.id),
            Credential::Key(_) => Err(by_key::refused()),
        }
    }

    /// The API key that calls; none where somebody has signed in.
    pub fn api_key(&self) -> Option<Id<ApiKey>> {
        match &self.credential {
            Credential::Session(_) => None,
            Credential::Key(of) => Some(of.key.id),
        }
    }

    /// The same user at work in the tenant that a path names.
    ///
    /// # Errors
    /// 404 where the user is no member of it, or the key is another tenant's.
    pub async fn at(&self, request: &Request, tenant: TenantId) -> Result<Caller, ApiError> {
        let app = Arc::clone(&self.app);
        let (membership, credential) = match &self.credential {
            Credential::Session(session) => {
                let (crm, user) = (app.crm(), self.user.id);
                let standing = app.standings().of(crm, session.id, user, Some(tenant)).await?;
                let standing = standing.ok_or_else(session_has_ended)?;
                (standing.membership, Credential::Session(standing.session))
            }
            Credential::Key(of) => {
                let membership = self.membership.clone().filter(|_| of.key.tenant == tenant);
                (membership, self.credential.clone())
            }
        };
        let membership =
            membership.ok_or_else(|| not_a_member(&Choice::Path(tenant.to_string())))?;
        Caller::new(app, &self.user, membership, credential, request)
    }

    /// Whoever a request's token or key stands for.
    ///
    /// # Errors
    /// 401 where there is none or it holds no more; 404 or 403 where the request chose a tenant
    /// that the user is no member of, or that the key is not for; 403 where no key reaches what
    /// is asked for.
    pub async fn of(request: &Request) -> Result<Self, ApiError> {
        Self::recognised(request, false).await
    }

    /// The same; by a key also to where nobody has said that keys reach it, if they `may`.
    async fn recognised(request: &Request, may: bool) -> Result<Self, ApiError> {
        let app = app(request)?;
        let context = request.data::<Arc<RequestContext>>();
        let chosen = context.and_then(|context| context.chosen.get());
        let (user, key, found) = match named(request.headers())? {
            Named::Token(token) => {
                let claims = claims(&app, token)?;
                let found = Self::by_token(Arc::clone(&app), &claims, chosen).await;
                (UserId::new(claims.sub), None, found)
            }
            Named::Key(key) => {
                let address = context.and_then(|context| context.address);
                let of = Self::by_key(&app, key, address).await?;
                let (user, key) = (of.user.id, Some(of.key.id));
                let reached = if may { Ok(()) } else { by_key::check(request) };
                let found = reached.and_then(|()| Self::of_key(Arc::clone(&app), of, chosen));
                (user, key, found)
            }
        };
        // Whose session has ended is nobody.
        let ended = |error: &ApiError| error.status() == StatusCode::UNAUTHORIZED;
        if let Some(context) = context
            && !found.as_ref().is_err_and(ended)
        {
            // The tenant of whoever is no member of it is not charged.
            let membership = found.as_ref().ok().and_then(|found| found.membership.as_ref());
            let tenant = membership.map(|membership| membership.tenant.id);
            admit(&app, context, user, key, tenant).await?;
        }
        found
    }

    async fn by_token(
        app: Arc<App>,
        claims: &Claims,
        chosen: Option<&Choice>,
    ) -> Result<Self, ApiError> {
        let tenant = match chosen {
            Some(choice) => Some(chosen_tenant(choice)?),
            None => claims.tid.map(TenantId::new),
        };
        let (session, user) = (Id::new(claims.sid), UserId::new(claims.sub));
        let standing = app.standings().of(app.crm(), session, user, tenant).await?;
        let Standing { user, session, membership } = standing.ok_or_else(session_has_ended)?;
        match (chosen, &membership) {
            (Some(choice), None) => Err(not_a_member(choice)),
            _ => Ok(Self { app, user, credential: Credential::Session(session), membership }),
        }
    }

    async fn by_key(
        app: &App,
        text: &str,
        address: Option<IpAddr>,
    ) -> Result<Arc<KeyStanding>, ApiError> {
        let hash = hash_of(text);
        let of = match app.standings().known_key(app.crm(), &hash) {
            KnownKey::Holds(of) => Some(of),
            known => {
                // Whoever tries keys does not get at the store with each of them.
                if matches!(known, KnownKey::Never) {
                    app.rate().look_at(address).await?;
                }
                app.standings().of_key(app.crm(), text, hash, address).await?
            }
        };
        of.ok_or_else(|| ApiError::unauthenticated("the API key is not valid"))
    }

    /// By a key, which is for one tenant: to name that one is no choice.
    fn of_key(
        app: Arc<App>,
        of: Arc<KeyStanding>,
        chosen: Option<&Choice>,
    ) -> Result<Self, ApiError> {
        let (user, membership) = (Arc::clone(&of.user), Arc::clone(&of.membership));
        match chosen {
            Some(choice) if chosen_tenant(choice)? != membership.tenant.id => {
                Err(not_a_member(choice))
            }
            _ => {
                let (credential, membership) = (Credential::Key(of), Some(membership));
                Ok(Self { app, user, credential, membership })
            }
        }
    }
}

/// Counts a request of whoever is known now, once, however often it is asked who that is.
async fn admit(
    app: &App,
    context: &RequestContext,
    user: UserId,
    key: Option<Id<ApiKey>>,
    tenant: Option<TenantId>,
) -> Result<(), ApiError> {
    let _ = context.caller.set((user.uuid(), tenant.map(Id::uuid)));
    if context.admitted.get().is_some() {
        return Ok(());
    }
    let (standing, verdict) = app.rate().by_user(user, key, tenant).await;
    if let Some(standing) = standing {
        // The first answer stands.
        let _ = context.rate.set(standing);
    }
    verdict?;
    let _ = context.admitted.set(());
    Ok(())
}

fn session_has_ended() -> ApiError {
    ApiError::unauthenticated("the session has ended")
}

fn app(request: &Request) -> Result<Arc<App>, ApiError> {
    let app = request.data::<Arc<App>>().cloned();
    app.ok_or_else(|| ApiError::internal("the routes are mounted without their server"))
}

/// What a request says it may.
enum Named<'a> {
    Token(&'a str),
    Key(&'a str),
}

/// The one credential of a request. Of two, a proxy may have checked the one and the server would
/// take the other.
fn named(headers: &HeaderMap) -> Result<Named<'_>, ApiError> {
    let mut bearers = headers.get_all(header::AUTHORIZATION).iter();
    let mut keys = headers.get_all(API_KEY_HEADER).iter();
    let (bearer, key) = (bearers.next(), keys.next());
    if bearers.next().is_some() || keys.next().is_some() || (bearer.is_some() && key.is_some()) {
        let message = "expected one credential: Authorization or X-API-Key, once";
        return Err(ApiError::unauthenticated(message));
    }
    if let Some(key) = key {
        return match key.to_str() {
            Ok(key) => Ok(Named::Key(key.trim())),
            Err(_) => Err(ApiError::unauthenticated("the API key is not valid")),
        };
    }
    let bearer = bearer.and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, token) = value.trim().split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    match bearer {
        Some(key) if key.starts_with(API_KEY_PREFIX) => Ok(Named::Key(key)),
        Some(token) => Ok(Named::Token(token)),
        None => Err(ApiError::unauthenticated(
            "expected an access token or an API key: Authorization: Bearer …",
        )),
    }
}

fn claims(app: &App, token: &str) -> Result<Arc<Claims>, ApiError> {
    app.tokens().verify(token).map_err(|error| {
        tracing::debug!(%error, "access token refused");
        match error {
            TokenError::Expired => ApiError::new(
                StatusCode::UNAUTHORIZED,
                Fault::new("TOKEN_EXPIRED", "the access token holds no more"),
            ),
            _ => ApiError::unauthenticated("the access token is not valid"),
        }
    })
}

fn chosen_tenant(choice: &Choice) -> Result<TenantId, ApiError> {
    match choice {
        Choice::Path(text) | Choice::Header(text) => {
            text.trim().parse::<Uuid>().map(TenantId::new).map_err(|_| not_a_member(choice))
        }
    }
}

/// The same answer whether or not there is such a tenant.
fn not_a_member(choice: &Choice) -> ApiError {
    match choice {
        Choice::Path(_) => ApiError::not_found("there is no such tenant"),
        Choice::Header(_) => ApiError::new(
            StatusCode::FORBIDDEN,
            Fault::at("X-Tenant-ID", "NOT_A_MEMBER", "you are no member of that tenant"),
        ),
    }
}

/// Where a request came from, for the audit log, and the key that it happens once under.
pub fn origin(request: &Request) -> Origin {
    let context = request.data::<Arc<RequestContext>>();
    Origin {
        request: context.map(|context| context.id.clone()),
        address: context.and_then(|context| context.address).map(|address| address.to_string()),
        agent: request
            .headers()
            .get(header::USER_AGENT)
            .map(|agent| String::from_utf8_lossy(agent.as_bytes()).into_owned()),
        attempt: request.data::<Arc<Attempt>>().cloned(),
        api_key: None,
    }
}

impl<'a> ApiExtractor<'a> for SignedIn {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn security_schemes() -> Vec<&'static str> {
        vec![SCHEME]
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        Ok(Self::of(request).await?)
    }
}

impl<'a> ApiExtractor<'a> for Caller {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn security_schemes() -> Vec<&'static str> {
        vec![SCHEME]
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        Ok(Self::of(request).await?)
    }
}
