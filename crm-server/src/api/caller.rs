//! Who calls: the bearer of an access token, in a tenant or in none.
//!
//! Asking for a [`Caller`] is what guards an operation; the document says so by itself.

use std::sync::Arc;
use std::time::Duration;

use crm_core::access::Origin;
use crm_core::auth::{Membership, Session};
use crm_core::idempotency::Attempt;
use crm_core::tenants::TenantId;
use crm_core::users::{User, UserId};
use crm_core::{Id, TenantCrm};
use poem::http::{StatusCode, header};
use poem::{Request, RequestBody};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use super::error::{ApiError, Fault};
use crate::app::App;
use crate::config::Limits;
use crate::middleware::{Choice, RequestContext};
use crate::tokens::{Claims, TokenError};

/// The name of the scheme in the document.
pub const SCHEME: &str = "bearer";

/// A user who has signed in, whatever the tenant.
#[derive(Debug)]
pub struct SignedIn {
    app: Arc<App>,
    /// The user.
    pub user: Arc<User>,
    /// The session.
    pub session: Id<Session>,
    /// The tenant, with the user's place in it; none where the user works in none.
    pub membership: Option<Arc<Membership>>,
}

/// A user at work in a tenant.
#[derive(Debug)]
pub struct Caller {
    app: Arc<App>,
    crm: TenantCrm,
    membership: Arc<Membership>,
}

impl Caller {
    /// Whoever a request's token stands for, at work in a tenant: for routes of a host's own,
    /// beside the API's, that hold the [`App`] as data.
    ///
    /// # Errors
    /// Those of [`SignedIn::of`]; 403 where the user works in no tenant.
    pub async fn of(request: &Request) -> Result<Self, ApiError> {
        let SignedIn { app, membership, .. } = SignedIn::of(request).await?;
        let Some(membership) = membership else {
            let fault = Fault::new("NO_TENANT", "you work in no tenant: choose or create one");
            return Err(ApiError::new(StatusCode::FORBIDDEN, fault));
        };
        Ok(Self::new(app, membership, request))
    }

    fn new(app: Arc<App>, membership: Arc<Membership>, request: &Request) -> Self {
        let crm = app.crm().tenant(membership.actor().with_origin(origin(request)));
        Self { app, crm, membership }
    }

    /// The tenant's CRM, as far as the caller's permissions reach.
    pub fn crm(&self) -> &TenantCrm {
        &self.crm
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
    /// The server.
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// The same user at work in the tenant that a path names.
    ///
    /// # Errors
    /// 404 where the user is no member of it.
    pub async fn at(&self, request: &Request, tenant: TenantId) -> Result<Caller, ApiError> {
        let app = Arc::clone(&self.app);
        let standing =
            app.standings().of(app.crm(), self.session, self.user.id, Some(tenant)).await?;
        let standing =
            standing.ok_or_else(|| ApiError::unauthenticated("the session has ended"))?;
        let membership =
            standing.membership.ok_or_else(|| not_a_member(&Choice::Path(tenant.to_string())))?;
        Ok(Caller::new(app, membership, request))
    }

    /// Whoever a request's token stands for.
    ///
    /// # Errors
    /// 401 where there is none or it holds no more; 404 or 403 where the request chose a tenant
    /// that the user is no member of.
    pub async fn of(request: &Request) -> Result<Self, ApiError> {
        let app = app(request)?;
        let claims = claims(&app, request)?;
        let chosen = request.data::<Arc<RequestContext>>().and_then(|context| context.chosen.get());
        let tenant = match chosen {
            Some(choice) => Some(chosen_tenant(choice)?),
            None => claims.tid.map(TenantId::new),
        };
        let (session, user) = (Id::new(claims.sid), UserId::new(claims.sub));
        let standing = app.standings().of(app.crm(), session, user, tenant).await?;
        let standing =
            standing.ok_or_else(|| ApiError::unauthenticated("the session has ended"))?;
        if let Some(context) = request.data::<Arc<RequestContext>>() {
            // The first answer stands.
            let _ = context.caller.set((claims.sub, tenant.map(Id::uuid)));
        }
        match (chosen, &standing.membership) {
            (Some(choice), None) => Err(not_a_member(choice)),
            _ => Ok(Self { app, user: standing.user, session, membership: standing.membership }),
        }
    }
}

fn app(request: &Request) -> Result<Arc<App>, ApiError> {
    let app = request.data::<Arc<App>>().cloned();
    app.ok_or_else(|| ApiError::internal("the routes are mounted without their server"))
}

fn claims(app: &App, request: &Request) -> Result<Arc<Claims>, ApiError> {
    let mut headers = request.headers().get_all(header::AUTHORIZATION).iter();
    // Of two, a proxy may have checked the one and the server would take the other.
    let header = headers.next().filter(|_| headers.next().is_none());
    let bearer = header.and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, token) = value.trim().split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let Some(token) = bearer else {
        return Err(ApiError::unauthenticated("expected an access token: Authorization: Bearer …"));
    };
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
        attempt: request.data::<Arc<Attempt>>().cloned(),
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
