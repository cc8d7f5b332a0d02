//! Signing in, and who somebody is once they have.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::second_factor::Entry;
use super::sessions::Beginning;
use super::{Auth, Session};
use crate::Entity;
use crate::access::{Actor, Grants, Origin, Reach};
use crate::entity::{Find, Where};
use crate::error::{Error, Result};
use crate::records::Unit;
use crate::roles::known;
use crate::store::{Filter, MAX_LIMIT, Path, Record, Value, system};
use crate::teams::managed_by;
use crate::tenants::{Tenant, TenantId, TenantStatus};
use crate::users::{Member, User, UserId, UserStatus};
use crate::values::Email;

/// Who signs in.
#[derive(Clone, Default)]
pub struct SignIn {
    /// The e-mail address or user name.
    pub login: String,
    /// The password.
    pub password: String,
    /// The tenant to work in; the one joined first where none is named.
    pub tenant: Option<TenantId>,
    /// Whether to stay signed in for longer.
    pub remember: bool,
    /// Where the request came from.
    pub origin: Origin,
}

/// Leaves the password out, so that no log shows it.
impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { login, tenant, remember, origin, password: _ } = self;
        f.debug_struct("SignIn")
            .field("login", login)
            .field("tenant", tenant)
            .field("remember", remember)
            .field("origin", origin)
            .finish_non_exhaustive()
    }
}

/// Somebody who has signed in.
#[derive(Clone)]
pub struct SignedIn {
    /// The user.
    pub user: User,
    /// The session.
    pub session: Session,
    /// The token that prolongs the session once. Shown now and never again.
    pub refresh_token: String,
    /// The tenant worked in, with the user's place in it.
    pub membership: Option<Membership>,
    /// The tenants that the user could work in, the one joined first at the front.
    pub tenants: Vec<Tenant>,
}

/// Leaves the refresh token out, so that no log shows it.
impl fmt::Debug for SignedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, session, membership, tenants, refresh_token: _ } = self;
        f.debug_struct("SignedIn")
            .field("user", user)
            .field("session", session)
            .field("membership", membership)
            .field("tenants", tenants)
            .finish_non_exhaustive()
    }
}

/// A user's place in a tenant.
#[derive(Debug, Clone)]
pub struct Membership {
    /// The tenant.
    pub tenant: Tenant,
    /// The user's place in it.
    pub member: Member,
    /// What the user may do in it.
    pub grants: Arc<Grants>,
    /// Whom the user manages, where that counts: nobody where nothing is held for teams.
    pub team: Arc<[UserId]>,
    /// Whether nobody is to work here with these roles without a second factor. For a host to heed:
    /// see [`Membership::admits`].
    pub requires_second_factor: bool,
}

impl Membership {
    /// Whether the user may work in the tenant by this session: not where a second factor is
    /// required and was not shown in it. Until then they may only get one, or go elsewhere.
    ///
    /// # Errors
    /// A refusal with code `MFA_REQUIRED`.
    pub fn admits(&self, session: &Session) -> Result<()> {
        self.insist(session.second_factor_at.is_some())
    }

    /// Whether the user's API keys are good in the tenant: not those of somebody who has no second
    /// factor where one is required. Who has one has shown it when they made the key.
    ///
    /// # Errors
    /// As [`Membership::admits`].
    pub fn admits_keys_of(&self, user: &User) -> Result<()> {
        self.insist(user.has_second_factor)
    }

    fn insist(&self, shown: bool) -> Result<()> {
        if !self.requires_second_factor || shown {
            return Ok(());
        }
        let message = "the tenant asks for a second factor: get one first".to_owned();
        Err(Error::Refused { code: "MFA_REQUIRED", message })
    }

    /// The actor that the user is in the tenant.
    pub fn actor(&self) -> Actor {
        Actor::new(self.tenant.id, self.member.user)
            .with_shared_grants(Arc::clone(&self.grants))
            .with_team(Arc::clone(&self.team))
    }
}

/// How often signing in is tried while others change the user.
const ATTEMPTS: u32 = 3;

impl Auth {
    /// Signs in somebody who has no second factor; see [`Auth::enter`].
    ///
    /// # Errors
    /// As [`Auth::enter`]; a refusal with code `MFA_CODE_REQUIRED` where the user has one.
    pub async fn sign_in(&self, request: SignIn) -> Result<SignedIn> {
        match self.enter(request).await? {
            Entry::SignedIn(signed_in) => Ok(*signed_in),
            Entry::SecondStep(_) => {
                let message = "a second factor has to be shown".to_owned();
                Err(Error::Refused { code: "MFA_CODE_REQUIRED", message })
            }
        }
    }

    /// Signs in by a password. Whoever has a second factor is asked for it, and is in once they
    /// have shown it: [`Auth::finish_sign_in`].
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] where the login is unknown, the password wrong, the user
    /// inactive, or no member of the tenant named: the answer and the time it takes are the same.
    /// [`Error::TooManyAttempts`] where too many tries failed before, also where there is no such
    /// login.
    pub async fn enter(&self, request: SignIn) -> Result<Entry> {
        let refused = Error::Unauthenticated("the login or the password is wrong");
        let hasher = self.0.hasher()?;
        let claimed = self.by_login(&request.login).await?;
        let guess = self.guess(&request.login, claimed.as_ref(), &request.origin).await?;
        self.admit(&guess).await?;
        let mut verified = None;
        for attempt in 1.. {
            let found = self.by_login(&request.login).await?;
            let hash = found.as_ref().and_then(|user| user.password.clone());
            let right = (hash.is_some() && hash == verified)
                || hasher.verify(request.password.clone(), hash.clone()).await?;
            let Some(user) = found.filter(|user| right && user.status == UserStatus::Active) else {
                break;
            };
            let Some(place) = self.workplace(user.id, request.tenant).await? else { break };
            // Others may have guessed while it was compared: of many tries at once no more count
            // than one after the other.
            self.admit(&guess).await?;
            let outdated = hash.as_deref().is_some_and(|hash| hasher.is_outdated(hash));
            if user.has_second_factor {
                // What was counted stays until it is shown.
                let anew = match outdated {
                    true => Some(hasher.hash(request.password.clone()).await?),
                    false => None,
                };
                match self.challenge(user, anew, request.tenant, request.remember).await {
                    Ok(step) => return Ok(Entry::SecondStep(step)),
                    Err(Error::Stale { .. }) => {
                        verified = hash;
                        continue;
                    }
                    Err(error) => return Err(error),
                }
            }
            let tenant = place.as_ref().map(|(tenant, _)| tenant.id);
            let mut unit = Unit::system(&self.0, None, Some(user.id));
            self.make_room(&mut unit, user.id).await?;
            let beginning =
                Beginning::by_password(user.id, tenant, request.remember, &request.origin);
            let (session, token) = self.begin(&mut unit, &beginning)?;
            // Sessions end with the commit that deactivates their member: this one must not begin
            // unnoticed by it.
            if let Some((tenant, member)) = place {
                unit.check_in(tenant.id, member)?;
            }
            // In the end only the note of when is lost, not the person; a changed password is met.
            if attempt <= ATTEMPTS {
                let mut after = user.clone();
                after.last_login_at = Some(unit.now());
                if outdated {
                    after.password = Some(hasher.hash(request.password.clone()).await?);
                }
                after.set_system(unit.next(&user));
                unit.update_silently(user, after)?;
            } else {
                unit.check(user)?;
            }
            match unit.commit_as_system().await {
                Ok(_) => {
                    self.succeeded(&guess).await?;
                    let signed_in = self.describe(session, token).await?;
                    return Ok(Entry::SignedIn(Box::new(signed_in)));
                }
                // Signed in elsewhere at the same moment, or changed by somebody who took the
                // password away: asked again, since the second must not be missed.
                Err(Error::Stale { .. }) => verified = hash,
                Err(error) => return Err(error),
            }
        }
        self.failed(&guess).await?;
        Err(refused)
    }

    /// Where a user is to work: in the tenant named, else where they last did. None where they are
    /// no active member of the one named; of no tenant at all where they work in none.
    pub(super) async fn workplace(
        &self,
        user: UserId,
        wanted: Option<TenantId>,
    ) -> Result<Option<Option<(Tenant, Member)>>> {
        let Some(wanted) = wanted else { return self.last_place(user).await.map(Some) };
        let place = self.membership(user, wanted).await?;
        Ok(place.map(|Membership { tenant, member, .. }| Some((tenant, member))))
    }

    /// A user.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is none.
    pub async fn user(&self, id: UserId) -> Result<User> {
        let filter = Filter::In(Path::field(system::ID), vec![Value::Uuid(id.uuid())]);
        let found = self.only::<User>(Where::new(filter)).await?;
        found.ok_or_else(|| Error::not_found(User::ENTITY, id))
    }

    /// A user's place in a tenant, where both may work.
    ///
    /// # Errors
    /// Where the store fails; a user who is no member is no error.
    pub async fn membership(&self, user: UserId, tenant: TenantId) -> Result<Option<Membership>> {
        let find = Find::from(active_member(user)).page(1, 1);
        let within = self.0.tenant(Actor::new(tenant, user));
        let found = within.query_for_rules(find.into_query()?).await?.items.into_iter().next();
        let Some(record) = found else { return Ok(None) };
        let member = Member::from_values(record.into_values())?;
        let tenant = match self.0.system().tenant(tenant).await {
            Ok(tenant) if tenant.status == TenantStatus::Active => tenant,
            Ok(_) | Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let codes = member.roles.iter().map(String::as_str);
        let roles = known(&self.0, tenant.id, codes).await?;
        let grants = Arc::new(roles.together(&member.roles, &member.grants));
        let for_teams = grants.list().into_values().any(|reach| reach == Reach::Team);
        let team = match for_teams {
            true => managed_by(&self.0, tenant.id, user).await?.into(),
            false => Arc::default(),
        };
        let by_role = |code: &String| tenant.require_mfa_roles.contains(code);
        let requires_second_factor = tenant.require_mfa || member.roles.iter().any(by_role);
        Ok(Some(Membership { tenant, member, grants, team, requires_second_factor }))
    }

    /// Whether a user is an active member of another tenant than this one.
    pub(crate) async fn works_elsewhere(&self, user: UserId, tenant: TenantId) -> Result<bool> {
        Ok(self.memberships(user).await?.iter().any(|(other, _)| other.id != tenant))
    }

    pub(super) async fn describe(
        &self,
        session: Session,
        refresh_token: String,
    ) -> Result<SignedIn> {
        let user = self.user(session.user).await?;
        if user.status != UserStatus::Active {
            return Err(Error::Unauthenticated("the user may not sign in"));
        }
        let membership = match session.tenant {
            Some(tenant) => self.membership(session.user, tenant).await?,
            None => None,
        };
        let tenants = self.tenants(session.user).await?;
        Ok(SignedIn { user, session, refresh_token, membership, tenants })
    }

    /// The user who signs in with this. An address is compared letter by letter, without case
    /// only: the key that lists compare by takes `exämple.com` and `example.com` for one, and
    /// those are two people's.
    async fn by_login(&self, login: &str) -> Result<Option<User>> {
        let login = login.trim();
        if login.is_empty() || login.len() > 320 || login.contains('\0') {
            return Ok(None);
        }
        if !login.contains('@') {
            return self.only::<User>(User::USERNAME.eq(login)).await;
        }
        match Email::parse("login", login) {
            Ok(email) => self.by_email(&email).await,
            Err(_) => Ok(None),
        }
    }

    /// The user of an address.
    pub(crate) async fn by_email(&self, email: &Email) -> Result<Option<User>> {
        self.only::<User>(User::EMAIL_LOWER.eq(email.key())).await
    }

    /// Where a user works who does not say so: where they last did, else where they came first.
    async fn last_place(&self, user: UserId) -> Result<Option<(Tenant, Member)>> {
        let places = self.memberships(user).await?;
        if places.len() < 2 {
            return Ok(places.into_iter().next());
        }
        let find = Find::from(Session::USER.eq(user).and(Session::TENANT.present()));
        let last = self.0.system_query(find.page(1, 1).into_query()?).await?.items;
        let last = last.into_iter().next().map(|record| Session::from_values(record.into_values()));
        let last = last.transpose()?.and_then(|session| session.tenant);
        let at = places.iter().position(|(tenant, _)| Some(tenant.id) == last).unwrap_or_default();
        Ok(places.into_iter().nth(at))
    }

    /// The active tenants of which a user is an active member, the one joined first at the front;
    /// at most [`MAX_LIMIT`].
    pub(crate) async fn tenants(&self, user: UserId) -> Result<Vec<Tenant>> {
        let places = self.memberships(user).await?;
        Ok(places.into_iter().map(|(tenant, _)| tenant).collect())
    }

    async fn memberships(&self, user: UserId) -> Result<Vec<(Tenant, Member)>> {
        self.places(active_member(user)).await
    }

    /// Members of active tenants that match, the one who came first at the front; at most
    /// [`MAX_LIMIT`].
    pub(super) async fn places(&self, which: Where<Member>) -> Result<Vec<(Tenant, Member)>> {
        let find = Find::from(which).sort(Member::CREATED_AT.asc());
        let members = self.0.system_query(find.page(1, MAX_LIMIT).into_query()?).await?.items;
        if members.is_empty() {
            return Ok(Vec::new());
        }
        let ids = members.iter().filter_map(|member| Some(Value::Uuid(member.tenant()?.uuid())));
        let these = Where::new(Filter::In(Path::field(system::ID), ids.collect()));
        let find = Find::from(these.and(Tenant::STATUS.eq(TenantStatus::Active)));
        let tenants = self.0.system_query(find.page(1, MAX_LIMIT).into_query()?).await?.items;
        let tenants = tenants.into_iter().map(|record| {
            Tenant::from_values(record.into_values()).map(|tenant| (tenant.id, tenant))
        });
        let mut tenants: HashMap<TenantId, Tenant> = tenants.collect::<Result<_>>()?;
        let each = |record: Record| {
            let tenant = record.tenant().and_then(|tenant| tenants.remove(&tenant))?;
            Some(Member::from_values(record.into_values()).map(|member| (tenant, member)))
        };
        members.into_iter().filter_map(each).collect()
    }
}

fn active_member(user: UserId) -> Where<Member> {
    Member::USER.eq(user).and(Member::STATUS.eq(UserStatus::Active))
}
