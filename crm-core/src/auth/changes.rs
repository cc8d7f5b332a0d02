//! What a server that remembers who may do what must forget: told by the store, to all of them.
//!
//! Whatever takes rights away, or gives them, is noted in the commit that does it. A server asks
//! for the notes of the last moments every fraction of a second, and so needs no query when it
//! authenticates a request.

use chrono::{DateTime, TimeDelta, Utc};

use super::{ApiKey, Auth, Session};
use crate::Entity;
use crate::entity::Find;
use crate::error::Result;
use crate::id::Id;
use crate::roles::CustomRole;
use crate::store::{FieldIndex, MAX_LIMIT, Page, Record, Value, system};
use crate::teams::Team;
use crate::tenants::{Tenant, TenantId};
use crate::users::{Member, User, UserId};

/// How far back notes are asked for: longer than a commit takes, and than clocks differ.
const LOOK_BACK: TimeDelta = TimeDelta::seconds(60);

/// A note that something about a session, a user or a tenant has changed. A member is named by
/// its user and its tenant.
#[derive(Debug, Clone, PartialEq, Entity)]
#[entity(name = "access_changes", global, owners(nobody))]
pub struct AccessChange {
    /// The identifier.
    pub id: Id<Self>,
    /// Always 1.
    pub version: i64,
    /// When it was noted.
    pub created_at: DateTime<Utc>,
    /// The same.
    pub updated_at: DateTime<Utc>,
    /// Never.
    pub deleted_at: Option<DateTime<Utc>>,
    /// The session that ended. The note names its tenant too, and concerns nobody else in it.
    pub session: Option<Id<Session>>,
    /// The key that was revoked. The note names its tenant too, and concerns nobody else in it.
    pub api_key: Option<Id<ApiKey>>,
    /// The user who was changed, everywhere or in one tenant.
    pub user: Option<UserId>,
    /// The tenant that was changed, or in which the user was.
    pub tenant: Option<TenantId>,
}

impl Auth {
    /// The notes of the last minute, oldest first. Asking more often than that misses none; the
    /// same note is answered several times.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn recent_changes(&self) -> Result<Vec<AccessChange>> {
        let since = self.0.clock().now() - LOOK_BACK;
        let find = || {
            Find::<AccessChange>::from(AccessChange::CREATED_AT.ge(since))
                .sort(AccessChange::CREATED_AT.asc())
        };
        let mut query = find().first(MAX_LIMIT).into_query()?;
        let mut changes = Vec::new();
        loop {
            let Page { items, next, .. } = self.0.system_query(query).await?;
            for record in items {
                changes.push(AccessChange::from_values(record.into_values())?);
            }
            match next {
                Some(cursor) => query = find().after(cursor, MAX_LIMIT).into_query()?,
                None => return Ok(changes),
            }
        }
    }
}

impl Auth {
    /// Forgets what this CRM remembers of what a note names, because another program on the same
    /// store has changed it: the settings of a tenant, the names of its people.
    pub fn heed(&self, change: &AccessChange) {
        match (change.user, change.tenant) {
            (None, Some(tenant)) => self.0.tenants().forget(tenant),
            (Some(_), Some(tenant)) => self.0.staff().forget(tenant),
            _ => {}
        }
    }
}

/// Whom and what a note names.
#[derive(Debug, Default)]
pub(crate) struct Concerned {
    pub(crate) session: Option<Id<Session>>,
    pub(crate) api_key: Option<Id<ApiKey>>,
    pub(crate) user: Option<UserId>,
    pub(crate) tenant: Option<TenantId>,
}

/// What must be noted of a change: whose session or key, who, where. Of what comes to be, only
/// that somebody joins a tenant or that there is a team: nobody can remember anything else of it.
pub(crate) fn noteworthy(
    schema: &crate::store::Schema,
    before: Option<&Record>,
    after: &Record,
) -> Option<Concerned> {
    let id = after.id();
    let is_new = before.is_none();
    let before = match before {
        Some(before) => before,
        None if [Member::ENTITY, Team::ENTITY].contains(&schema.name()) => after,
        None => return None,
    };
    let none = Concerned::default;
    match schema.name() {
        Session::ENTITY => {
            // How its user was authenticated decides on what may be done in it.
            let telling = [
                Session::ENDED_AT.index(),
                Session::METHODS.index(),
                Session::SECOND_FACTOR_AT.index(),
            ];
            let tenant = named(after, Session::TENANT.index());
            let differs = telling.iter().any(|field| before.get(*field) != after.get(*field));
            differs.then(|| Concerned { session: Some(Id::new(id)), tenant, ..none() })
        }
        ApiKey::ENTITY => {
            let tenant = named(after, ApiKey::TENANT.index());
            let revoked = before.get(system::DELETED_AT) != after.get(system::DELETED_AT);
            revoked.then(|| Concerned { api_key: Some(Id::new(id)), tenant, ..none() })
        }
        User::ENTITY => {
            // Signing in is no change of what somebody may do.
            let changed = differ(before, after, &[User::LAST_LOGIN_AT.index()]);
            changed.then(|| Concerned { user: Some(UserId::new(id)), ..none() })
        }
        // Whoever is given a role makes a new version of it, which changes nobody else.
        CustomRole::ENTITY => {
            differ(before, after, &[]).then(|| Concerned { tenant: after.tenant(), ..none() })
        }
        // Whom somebody manages.
        Team::ENTITY => {
            let words = [Team::NAME.index(), Team::DESCRIPTION.index()];
            let changed = is_new || differ(before, after, &words);
            changed.then(|| Concerned { tenant: after.tenant(), ..none() })
        }
        // Whoever is named in a team comes to a new version, which the team's note tells of.
        Member::ENTITY if !is_new && !differ(before, after, &[]) => None,
        Member::ENTITY => {
            let user = named(after, Member::USER.index())?;
            Some(Concerned { user: Some(user), tenant: after.tenant(), ..none() })
        }
        Tenant::ENTITY => Some(Concerned { tenant: Some(TenantId::new(id)), ..none() }),
        _ => None,
    }
}

/// The record that a field names.
fn named<T>(record: &Record, field: FieldIndex) -> Option<Id<T>> {
    match record.get(field) {
        Value::Uuid(id) => Some(Id::new(*id)),
        _ => None,
    }
}

/// Whether two versions of a record differ in anything but these fields and what every version
/// differs in.
fn differ(before: &Record, after: &Record, ignored: &[FieldIndex]) -> bool {
    let mut fields = (0..).zip(before.values().iter().zip(after.values()));
    fields.any(|(field, (from, to))| {
        from != to
            && ![system::VERSION, system::UPDATED_AT].contains(&field)
            && !ignored.contains(&field)
    })
}
