//! Becoming a user, and with a tenant's name also the owner of a new tenant.

use std::fmt;

use super::credentials::check_username;
use super::sessions::Beginning;
use super::{Auth, SignedIn};
use crate::access::{Actor, BuiltIn, Origin};
use crate::audit::Action;
use crate::entity::{Draft, SystemFields};
use crate::error::{Error, Faults, Result};
use crate::records::{ATTEMPTS, Unit};
use crate::store::Deleted;
use crate::tenants::{Tenant, TenantDraft, TenantId};
use crate::users::{Member, User, UserDraft, UserId, UserStatus};
use crate::values::{Email, Multiline, clean_text, required_text};
use crate::{Choice, Entity, Find};

/// Who signs up.
#[derive(Clone, Default)]
pub struct SignUp {
    /// The e-mail address.
    pub email: String,
    /// The password.
    pub password: String,
    /// What the user is called; the part of the address before the `@` where none is given.
    pub name: Option<String>,
    /// A name to sign in with instead of the address.
    pub username: Option<String>,
    /// The name of a tenant to make, of which the user becomes the owner.
    pub tenant_name: Option<String>,
    /// Where the request came from.
    pub origin: Origin,
}

/// Leaves the password out, so that no log shows it.
impl fmt::Debug for SignUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { email, name, username, tenant_name, origin, password: _ } = self;
        f.debug_struct("SignUp")
            .field("email", email)
            .field("name", name)
            .field("username", username)
            .field("tenant_name", tenant_name)
            .field("origin", origin)
            .finish_non_exhaustive()
    }
}

impl Auth {
    /// Makes a user, its tenant if asked for, and signs in, in one commit.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every fault; [`Error::Conflict`] where the address or the user
    /// name is taken.
    pub async fn sign_up(&self, request: SignUp) -> Result<SignedIn> {
        let (user, tenant) = self.checked(&request)?;
        let hash = self.0.hasher()?.hash(request.password.clone()).await?;
        let tenant_id =
            tenant.as_ref().map(|_| TenantId::new(self.0.random().uuid(self.0.clock().now())));
        let mut unit = Unit::system(&self.0, tenant_id, None).with_origin(request.origin.clone());
        let mut user: User = user.into_entity(unit.fresh());
        user.password = Some(hash);
        user.email_lower = Email::parse("email", &user.email)?.key();
        user.last_login_at = Some(unit.now());
        unit.insert(user.clone())?;
        self.ask_for_proof(&mut unit, &user).await?;
        if let (Some(draft), Some(id)) = (tenant, tenant_id) {
            let mut system = unit.fresh::<Tenant>();
            system.id = id;
            let mut tenant: Tenant = draft.into_entity(system);
            tenant.check()?;
            unit.insert(tenant)?;
            unit.insert(member(&unit, &user, &[BuiltIn::Owner.code().to_owned()]))?;
        }
        let beginning = Beginning::by_password(user.id, tenant_id, false, &request.origin);
        let (session, token) = self.begin(&mut unit, &beginning)?;
        unit.commit_as_system().await.map_err(|error| match error {
            // The caller knows the address, not what it is known by.
            // Or somebody signs up by it at this moment, and is being written to.
            Error::Conflict { code, field: Some(field), .. }
                if field == "emailLower" || field == "number" =>
            {
                Error::Conflict {
                    code,
                    field: Some("email".to_owned()),
                    message: "another user has the same address".to_owned(),
                }
            }
            error => error,
        })?;
        self.describe(session, token).await
    }

    /// Makes a user a member; see [`System::add_member`](crate::tenants::System::add_member).
    pub(crate) async fn add_member(
        &self,
        tenant: TenantId,
        user: UserId,
        roles: &[BuiltIn],
    ) -> Result<Member> {
        let user = self.user(user).await?;
        let roles: Vec<String> = roles.iter().map(|role| role.code().to_owned()).collect();
        for _ in 0..ATTEMPTS {
            let mut unit = Unit::system(&self.0, Some(tenant), None);
            // Who left and comes back is the same member.
            let within = self.0.tenant(Actor::new(tenant, user.id));
            let find = Find::from(Member::ID.eq(user.id.cast::<Member>()))
                .deleted(Deleted::Only)
                .page(1, 1);
            let left = within.query_for_rules(find.into_query()?).await?.items.into_iter().next();
            let mut member = member(&unit, &user, &roles);
            match left {
                Some(left) => {
                    let left = Member::from_values(left.into_values())?;
                    let system = SystemFields { deleted_at: None, ..unit.next(&left) };
                    member.set_system(system);
                    unit.update(left, member.clone(), Action::Restored)?;
                }
                None => unit.insert(member.clone())?,
            }
            match unit.commit_as_system().await {
                Ok(_) => return Ok(member),
                Err(Error::Stale { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::busy(Member::ENTITY, user.id))
    }

    fn checked(&self, request: &SignUp) -> Result<(UserDraft, Option<TenantDraft>)> {
        let mut faults = Faults::default();
        let email = faults.absorb(Email::parse("email", &request.email))?;
        let names = [Some(&request.email), request.username.as_ref(), request.name.as_ref()];
        let names: Vec<&str> = names.into_iter().flatten().map(String::as_str).collect();
        faults.absorb(self.check_password("password", &request.password, &names))?;
        let name = request.name.as_deref().unwrap_or_default();
        let name = faults.absorb(clean_text("name", name, 200, Multiline::No))?.flatten();
        let username = check_username("username", request.username.as_deref());
        let username = faults.absorb(username)?.flatten();
        let tenant = match &request.tenant_name {
            Some(name) => {
                let name = required_text("tenantName", name, 200, Multiline::No);
                faults.absorb(name)?.map(|name| TenantDraft { name, ..TenantDraft::default() })
            }
            None => None,
        };
        faults.into_result()?;
        let email = email.map(|email| email.as_str().to_owned()).unwrap_or_default();
        let before_at = email.split('@').next().unwrap_or_default().to_owned();
        let user =
            UserDraft { name: name.unwrap_or(before_at), email, username, ..UserDraft::default() };
        Ok((user, tenant))
    }
}

/// A user as a member with these roles.
pub(crate) fn member(unit: &Unit, user: &User, roles: &[String]) -> Member {
    let system = unit.fresh::<Member>();
    Member {
        id: user.id.cast(),
        version: system.version,
        created_at: system.created_at,
        updated_at: system.updated_at,
        deleted_at: None,
        user: user.id,
        name: user.name.clone(),
        email: user.email.clone(),
        roles: roles.to_vec(),
        grants: Vec::new(),
        title: None,
        phone: None,
        status: UserStatus::Active,
    }
}
