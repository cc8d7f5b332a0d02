//! Who asks.

use std::collections::HashSet;
use std::sync::Arc;

use super::grants::Grants;
use super::permission::{Permission, Reach};
use super::roles::Role;
use super::scopes::Scopes;
use crate::auth::ApiKey;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::idempotency::Attempt;
use crate::tenants::TenantId;
use crate::users::UserId;

/// Somebody in a tenant, with what they may do. A host makes one from its own authentication, or
/// takes the one that [`crate::auth`] gives for a session.
///
/// ```
/// use crm_core::Id;
/// use crm_core::access::{Actor, BuiltIn, Permission, Reach};
/// # use crm_core::{Random, SystemRandom, SystemClock, Clock};
/// # let (tenant, user) = (SystemRandom.uuid(SystemClock.now()).into(), SystemRandom.uuid(SystemClock.now()).into());
///
/// let actor = Actor::new(tenant, user).with_role(BuiltIn::SalesRep);
/// assert_eq!(actor.reach(&Permission::of("customers", "read")), Some(Reach::Assigned));
/// assert!(actor.reach(&Permission::of("customers", "delete")).is_none());
/// ```
#[derive(Debug, Clone)]
pub struct Actor {
    tenant: TenantId,
    user: UserId,
    grants: Arc<Grants>,
    team: Arc<[UserId]>,
    scopes: Vec<Arc<Scopes>>,
    origin: Origin,
}

/// Where a request came from, for the audit log, and whether it is one that must happen once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// The identifier of the request.
    pub request: Option<String>,
    /// The address of the client.
    pub address: Option<String>,
    /// The API key that it was made with.
    pub api_key: Option<Id<ApiKey>>,
    /// What the client calls itself: `User-Agent`.
    pub agent: Option<String>,
    /// The key under which it is made, claimed by what it writes.
    pub attempt: Option<Arc<Attempt>>,
}

impl Actor {
    /// A user in a tenant who may do nothing yet.
    pub fn new(tenant: TenantId, user: UserId) -> Self {
        Self {
            tenant,
            user,
            grants: Arc::default(),
            team: Arc::new([]),
            scopes: Vec::new(),
            origin: Origin::default(),
        }
    }

    /// With what a role may do, on top of what was given before.
    #[must_use]
    pub fn with_role(self, role: impl Into<Role>) -> Self {
        let role = role.into();
        self.with_grants(role.grants())
    }

    /// With these grants, on top of what was given before.
    #[must_use]
    pub fn with_grants(mut self, grants: &Grants) -> Self {
        Arc::make_mut(&mut self.grants).merge(grants);
        self
    }

    /// With grants that are shared between requests, in place of what was given before.
    #[must_use]
    pub fn with_shared_grants(mut self, grants: Arc<Grants>) -> Self {
        self.grants = grants;
        self
    }

    /// Managing a team of these users: what [`Reach::Team`] means.
    #[must_use]
    pub fn with_team(mut self, team: impl Into<Arc<[UserId]>>) -> Self {
        self.team = team.into();
        self
    }

    /// Limited to these scopes, on top of those that limit it already: of a key, and of a token
    /// that was given out for it.
    #[must_use]
    pub fn with_scopes(mut self, scopes: Scopes) -> Self {
        self.scopes.push(Arc::new(scopes));
        self
    }

    /// Asking by an API key, within its scopes, on top of those that limit it already. The log
    /// names the key.
    #[must_use]
    pub fn with_api_key(mut self, key: Id<ApiKey>, scopes: impl Into<Arc<Scopes>>) -> Self {
        self.scopes.push(scopes.into());
        self.origin.api_key = Some(key);
        self
    }

    /// Asking from this place. By a key it stays asked for by that key.
    #[must_use]
    pub fn with_origin(mut self, origin: Origin) -> Self {
        let api_key = origin.api_key.or(self.origin.api_key);
        self.origin = Origin { api_key, ..origin };
        self
    }

    /// The tenant.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// The user.
    pub fn user(&self) -> UserId {
        self.user
    }

    /// The users of the teams that the user manages, without the user.
    pub fn team(&self) -> &[UserId] {
        &self.team
    }

    /// Where the request came from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether a key asks, or a token that was given out for one, rather than somebody who has
    /// signed in.
    pub fn is_key(&self) -> bool {
        self.origin.api_key.is_some() || !self.scopes.is_empty()
    }

    /// What is held, before scopes narrow it.
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// The reach at which a permission is held within the scopes, if it is.
    pub fn reach(&self, permission: &Permission) -> Option<Reach> {
        let allowed = self.scopes.iter().all(|scopes| scopes.allow(permission));
        if allowed { self.grants.reach(permission) } else { None }
    }

    /// The reach at which a permission is held.
    ///
    /// # Errors
    /// [`Error::Forbidden`] where it is not.
    pub fn require(&self, permission: &Permission) -> Result<Reach> {
        self.reach(permission).ok_or_else(|| Error::Forbidden {
            permission: permission.clone(),
            held: None,
            needed: Reach::Assigned,
        })
    }

    /// That whoever holds these grants reaches nobody among these people by them whom this one does
    /// not: what they hold for teams is held here for all, or for a team that these people are in.
    /// Scopes count.
    ///
    /// # Errors
    /// [`Error::Forbidden`] with the first permission that does not reach as far; a refusal with
    /// code `ABOVE_ONESELF` where a field is left out here that is not left out there.
    pub(crate) fn require_over(&self, grants: &Grants, people: &[UserId]) -> Result<()> {
        let mut of_teams = grants.parts().filter(|(_, reach)| *reach == Reach::Team).peekable();
        if people.is_empty() || of_teams.peek().is_none() {
            return Ok(());
        }
        let team: HashSet<&UserId> = self.team.iter().collect();
        let in_team = people.iter().all(|user| *user == self.user || team.contains(user));
        for (permission, _) in of_teams {
            let held = self.reach(&permission);
            let least = if in_team { Reach::Team } else { Reach::All };
            if held < Some(least) {
                return Err(Error::Forbidden { permission, held, needed: least });
            }
            self.require_fields(grants, &permission)?;
        }
        Ok(())
    }

    /// That a permission leaves out nothing here that it does not leave out there.
    fn require_fields(&self, grants: &Grants, permission: &Permission) -> Result<()> {
        match self.grants.lacks_of(grants, permission) {
            None => Ok(()),
            Some(field) => {
                let message = format!("{field} is left out of your {permission}");
                Err(Error::Refused { code: "ABOVE_ONESELF", message })
            }
        }
    }

    /// That each of these permissions is held for all records, whatever their reach here. Scopes
    /// count.
    ///
    /// # Errors
    /// [`Error::Forbidden`] with the first that is not.
    pub(crate) fn require_for_all(&self, grants: &Grants) -> Result<()> {
        for (permission, _) in grants.parts() {
            let held = self.reach(&permission);
            if held < Some(Reach::All) {
                return Err(Error::Forbidden { permission, held, needed: Reach::All });
            }
        }
        Ok(())
    }

    /// That all of this is held, each permission at its reach or a wider one: nobody gives what
    /// they lack, nor changes what stands above them. Scopes count.
    ///
    /// # Errors
    /// [`Error::Forbidden`] with the first permission that is lacking; a refusal with code
    /// `ABOVE_ONESELF` where all that is known is held but what may yet come is not, or a field is
    /// left out here that is not left out there.
    ///
    /// ```
    /// # use crm_core::{Random, SystemRandom, SystemClock, Clock};
    /// # let (tenant, user) = (SystemRandom.uuid(SystemClock.now()).into(), SystemRandom.uuid(SystemClock.now()).into());
    /// use crm_core::access::{Actor, BuiltIn};
    ///
    /// let admin = Actor::new(tenant, user).with_role(BuiltIn::Admin);
    /// assert!(admin.require_all(&BuiltIn::Admin.grants()).is_ok());
    /// assert!(admin.require_all(&BuiltIn::Owner.grants()).is_err());
    /// ```
    pub fn require_all(&self, grants: &Grants) -> Result<()> {
        let excepted = self.grants.exceptions().cloned();
        let excepted = excepted
            .filter_map(|permission| grants.reach(&permission).map(|reach| (permission, reach)));
        for (permission, needed) in grants.parts().chain(excepted) {
            let held = self.reach(&permission);
            if held < Some(needed) {
                return Err(Error::Forbidden { permission, held, needed });
            }
            self.require_fields(grants, &permission)?;
        }
        if grants.is_open() && !self.grants.is_open() {
            let message = "every permission there is or will be is not yours to give or change";
            return Err(Error::Refused { code: "ABOVE_ONESELF", message: message.to_owned() });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::BuiltIn;

    fn actor(grants: &Grants) -> Actor {
        let id = uuid::Uuid::nil();
        Actor::new(id.into(), id.into()).with_grants(grants)
    }

    #[test]
    fn only_who_holds_all_of_it_stands_level() {
        let all = [BuiltIn::Owner, BuiltIn::Admin, BuiltIn::Manager, BuiltIn::User];
        for (i, upper) in all.iter().enumerate() {
            for (j, lower) in all.iter().enumerate() {
                let level = actor(&upper.grants()).require_all(&lower.grants()).is_ok();
                assert_eq!(level, i <= j, "{upper} over {lower}");
            }
        }
        assert!(actor(&BuiltIn::User.grants()).require_all(&Grants::default()).is_ok());
    }

    #[test]
    fn a_narrower_reach_is_not_enough() {
        let read = Permission::of("customers", "read");
        let narrow = Grants::default().with(read.clone(), Reach::Team);
        let wide = Grants::default().with(read, Reach::All);
        assert!(actor(&wide).require_all(&narrow).is_ok());
        let refused = actor(&narrow).require_all(&wide).unwrap_err();
        assert!(matches!(
            refused,
            Error::Forbidden { held: Some(Reach::Team), needed: Reach::All, .. }
        ));
    }

    #[test]
    fn what_is_yet_to_come_is_held_by_who_holds_everything_only() {
        let robots = Permission::of("robots", "build");
        let without = Grants::everything().without(robots.clone());
        assert!(actor(&without).require_all(&Grants::everything()).is_err());
        assert!(actor(&Grants::everything()).require_all(&without).is_ok());
        let listed: Grants = BuiltIn::Owner
            .grants()
            .list()
            .into_iter()
            .map(|(permission, reach)| crate::access::Grant::new(permission, reach))
            .collect();
        let refused = actor(&listed).require_all(&Grants::everything()).unwrap_err();
        assert_eq!(refused.code(), "ABOVE_ONESELF");
        assert!(actor(&without).require_all(&Grants::default().with(robots, Reach::All)).is_err());
    }

    #[test]
    fn a_key_gives_no_more_than_its_scopes_allow() {
        let key = actor(&BuiltIn::Owner.grants()).with_scopes(Scopes::new(["users:manage"]));
        assert!(key.require_all(&BuiltIn::Readonly.grants()).is_err());
    }

    #[test]
    fn scopes_given_twice_narrow_twice() {
        let id = uuid::Uuid::nil();
        let actor = Actor::new(id.into(), id.into()).with_role(BuiltIn::Owner);
        let actor =
            actor.with_scopes(Scopes::new(["customers:read"])).with_scopes(Scopes::new(["*"]));
        assert!(actor.reach(&Permission::of("customers", "read")).is_some());
        assert!(actor.reach(&Permission::of("customers", "delete")).is_none());
    }
}
