//! Signing in, and who somebody is once they have.

use std::sync::Arc;

use super::{Auth, Session};
use crate::access::{Actor, BuiltIn, Grants, Origin};
use crate::entity::{Find, Where};
use crate::error::{Error, Result};
use crate::records::Unit;
use crate::store::MAX_LIMIT;
use crate::tenants::{Tenant, TenantId, TenantStatus};
use crate::users::{Member, User, UserId, UserStatus};
use crate::{Choice, Entity};

/// Who signs in.
#[derive(Debug, Clone, Default)]
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

/// Somebody who has signed in.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The user.
    pub user: User,
    /// The session.
    pub session: Session,
    /// The token that prolongs the session once. Shown now and never again.
    pub refresh_token: String,
    /// The tenant worked in, with the user's place in it.
    pub membership: Option<Membership>,
    /// The tenants that the user could work in.
    pub tenants: Vec<Tenant>,
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
}

impl Membership {
    /// The actor that the user is in the tenant.
    pub fn actor(&self) -> Actor {
        Actor::new(self.tenant.id, self.member.user).with_shared_grants(Arc::clone(&self.grants))
    }
}

impl Auth {
    /// Signs in.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] where the login is unknown, the password wrong, the user
    /// inactive, or no member of the tenant named: the answer and the time it takes are the same.
    pub async fn sign_in(&self, request: SignIn) -> Result<SignedIn> {
        let refused = Error::Unauthenticated("the login or the password is wrong");
        let user = self.by_login(&request.login).await?;
        let hash = user.as_ref().and_then(|user| user.password.clone());
        let hasher = self.0.hasher()?;
        let right = hasher.verify(request.password.clone(), hash.clone()).await?;
        let Some(user) = user.filter(|user| right && user.status == UserStatus::Active) else {
            return Err(refused);
        };
        let members = self.memberships(user.id).await?;
        let tenant = match request.tenant {
            Some(wanted) => match members.iter().find(|(tenant, _)| *tenant == wanted) {
                Some((tenant, _)) => Some(*tenant),
                None => return Err(refused),
            },
            None => members.first().map(|(tenant, _)| *tenant),
        };
        let mut unit = Unit::system(&self.0, None, Some(user.id));
        let mut after = user.clone();
        after.last_login_at = Some(unit.now());
        if hash.is_some_and(|hash| hasher.is_outdated(&hash)) {
            after.password = Some(hasher.hash(request.password).await?);
        }
        after.set_system(unit.next(&user));
        let (session, token) =
            self.begin(&mut unit, user.id, tenant, request.remember, &request.origin)?;
        unit.update_silently(user, after)?;
        match unit.commit_as_system().await {
            Ok(_) => self.describe(session, token).await,
            // Signed in elsewhere at the same moment: only the note of when is lost.
            Err(Error::Stale { .. }) => {
                let mut unit = Unit::system(&self.0, None, Some(session.user));
                let user = session.user;
                let (session, token) =
                    self.begin(&mut unit, user, tenant, request.remember, &request.origin)?;
                unit.commit_as_system().await?;
                self.describe(session, token).await
            }
            Err(error) => Err(error),
        }
    }

    /// A user.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is none.
    pub async fn user(&self, id: UserId) -> Result<User> {
        let filter = crate::store::Filter::In(
            crate::store::Path::field(crate::store::system::ID),
            vec![crate::store::Value::Uuid(id.uuid())],
        );
        let found = self.only::<User>(Where::new(filter)).await?;
        found.ok_or_else(|| Error::not_found(User::ENTITY, id))
    }

    /// A user's place in a tenant, where both may work.
    ///
    /// # Errors
    /// Where the store fails; a user who is no member is no error.
    pub async fn membership(&self, user: UserId, tenant: TenantId) -> Result<Option<Membership>> {
        let members = self.memberships(user).await?;
        let Some((_, member)) = members.into_iter().find(|(id, _)| *id == tenant) else {
            return Ok(None);
        };
        let tenant = match self.0.system().tenant(tenant).await {
            Ok(tenant) if tenant.status == TenantStatus::Active => tenant,
            Ok(_) | Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let grants = Arc::new(grants(&member));
        Ok(Some(Membership { tenant, member, grants }))
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
        let mut tenants = Vec::new();
        for (tenant, _) in self.memberships(session.user).await? {
            match self.0.system().tenant(tenant).await {
                Ok(tenant) => tenants.push(tenant),
                Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(SignedIn { user, session, refresh_token, membership, tenants })
    }

    async fn by_login(&self, login: &str) -> Result<Option<User>> {
        let login = login.trim();
        if login.is_empty() || login.len() > 320 || login.contains('\0') {
            return Ok(None);
        }
        let filter = User::EMAIL.eq(login).or(User::USERNAME.eq(login));
        self.only::<User>(filter).await
    }

    /// The tenants of which a user is an active member, the one joined first at the front.
    async fn memberships(&self, user: UserId) -> Result<Vec<(TenantId, Member)>> {
        let filter = Member::USER.eq(user).and(Member::STATUS.eq(UserStatus::Active));
        let query = Find::all().filter(filter).sort(Member::CREATED_AT.asc()).page(1, MAX_LIMIT);
        let page = self.0.system_query(query.into_query()?).await?;
        let each = |record: crate::store::Record| {
            let tenant = record.tenant();
            let tenant = tenant.ok_or_else(|| Error::internal("a member without a tenant"))?;
            Ok((tenant, Member::from_values(record.into_values())?))
        };
        page.items.into_iter().map(each).collect()
    }
}

/// The union of what a member's roles may do. Roles that are not known give nothing.
fn grants(member: &Member) -> Grants {
    let roles = member.roles.iter().filter_map(|code| BuiltIn::from_code(code));
    roles.fold(Grants::default(), |mut grants, role| {
        grants.merge(&role.grants());
        grants
    })
}
