//! Users, who sign in, and members, who they are in one tenant.

use std::collections::HashMap;
use std::fmt;

use chrono::{DateTime, Utc};

use crate::error::{Error, FieldError, Result};
use crate::id::Id;
use crate::store::{Deleted, Filter, MAX_LIMIT, Page, Path, Query, Value, Window};
use crate::{Choice, Entity, Find, TenantCrm};

/// The identifier of a user.
pub type UserId = Id<User>;

/// Whether somebody may sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Choice)]
pub enum UserStatus {
    /// They may.
    #[default]
    Active,
    /// They may not; their records stay.
    Inactive,
}

/// A person who signs in, whatever tenants they work in.
#[derive(Clone, PartialEq, Entity)]
#[entity(name = "users", global, owners(nobody))]
#[entity(unique(name = "users_email", fields(email_lower)))]
#[entity(unique(name = "users_username", fields(username)))]
pub struct User {
    /// The identifier.
    pub id: Id<Self>,
    /// The version.
    pub version: i64,
    /// When they signed up.
    pub created_at: DateTime<Utc>,
    /// When they were last changed.
    pub updated_at: DateTime<Utc>,
    /// When they were deleted.
    pub deleted_at: Option<DateTime<Utc>>,
    /// Their e-mail address, compared without case.
    #[entity(filter, sort, search)]
    pub email: String,
    /// A name to sign in with instead.
    #[entity(filter, search)]
    pub username: Option<String>,
    /// What they are called.
    #[entity(filter, sort, search)]
    pub name: String,
    /// Where their picture is.
    pub avatar: Option<String>,
    /// What they told the front end to remember.
    pub preferences: Option<serde_json::Value>,
    /// The hash of their password; none where they have none.
    #[entity(computed, secret)]
    pub password: Option<String>,
    /// What the address is known by: in lower case, accents and all. The key of folded text would
    /// take `jörg@` for `jorg@`, who is somebody else.
    #[entity(computed, filter, code)]
    pub email_lower: String,
    /// Whether they may sign in.
    #[entity(computed, filter)]
    pub status: UserStatus,
    /// When they last signed in.
    #[entity(computed)]
    pub last_login_at: Option<DateTime<Utc>>,
}

/// Says who it is, and leaves the hash of the password out, so that no log shows it.
impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("id", &self.id)
            .field("version", &self.version)
            .field("deleted_at", &self.deleted_at)
            .field("email", &self.email)
            .field("username", &self.username)
            .field("name", &self.name)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// A user in one tenant.
#[derive(Debug, Clone, PartialEq, Entity)]
#[entity(name = "members", tenant, owners(assigned(user)), no_default_draft)]
#[entity(unique(name = "members_user", fields(user)))]
pub struct Member {
    /// The identifier.
    pub id: Id<Self>,
    /// The version.
    pub version: i64,
    /// When they joined.
    pub created_at: DateTime<Utc>,
    /// When they were last changed.
    pub updated_at: DateTime<Utc>,
    /// When they left.
    pub deleted_at: Option<DateTime<Utc>>,
    /// Who they are.
    #[entity(filter, references = "users")]
    pub user: UserId,
    /// What they are called, as in the user.
    #[entity(filter, sort, search)]
    pub name: String,
    /// Their e-mail address, as in the user.
    #[entity(filter, sort, search)]
    pub email: String,
    /// The codes of their roles.
    #[entity(filter)]
    pub roles: Vec<String>,
    /// Their title.
    #[entity(filter, sort, search)]
    pub title: Option<String>,
    /// Whether they may work in this tenant.
    #[entity(filter, sort)]
    pub status: UserStatus,
}

/// Refuses users that are not active members of the tenant, where this CRM keeps its users.
/// `named` gives each with the field that names it.
pub(crate) async fn check_members(
    within: &TenantCrm,
    named: &[(&'static str, UserId)],
) -> Result<Vec<FieldError>> {
    if !within.crm().keeps_users() || named.is_empty() {
        return Ok(Vec::new());
    }
    let ids = named.iter().map(|(_, user)| Value::Uuid(user.uuid())).collect();
    let query = Query::new(Member::schema().clone())
        .filter(
            Filter::In(Path::field(Member::USER.index()), ids)
                .and(Member::STATUS.eq(UserStatus::Active).into_filter()),
        )?
        .window(Window::Page { offset: 0, limit: MAX_LIMIT })?;
    let members = within.query_for_rules(query).await?;
    let known = |user: &UserId| {
        let value = Value::Uuid(user.uuid());
        members.items.iter().any(|member| *member.get(Member::USER.index()) == value)
    };
    let unknown = named.iter().filter(|(_, user)| !known(user));
    Ok(unknown
        .map(|(field, _)| {
            FieldError::new(*field, "UNKNOWN_USER", "expected an active member of the tenant")
        })
        .collect())
}

/// The members of a tenant with these user identifiers, one for each, also of those who have left
/// or are inactive: for showing who a record is assigned to. Names and addresses of colleagues are
/// no secret within a tenant.
///
/// # Errors
/// [`Error::Limit`] beyond [`MAX_LIMIT`] users.
pub async fn colleagues(within: &TenantCrm, users: &[UserId]) -> Result<Vec<Member>> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    if users.len() > MAX_LIMIT as usize {
        let limit = u64::from(MAX_LIMIT);
        return Err(Error::Limit { what: "the number of users asked for".to_owned(), limit });
    }
    // Who left and came back has several members: the live one counts, else the last.
    let mut found: HashMap<UserId, Member> = HashMap::new();
    let mut after = None;
    loop {
        let query = Find::from(Member::USER.any_of(users.iter().copied()))
            .deleted(Deleted::Include)
            .into_query()?
            .window(Window::Cursor { after, limit: MAX_LIMIT })?;
        let Page { items, next, .. } = within.query_for_rules(query).await?;
        for record in items {
            let member = Member::from_values(record.into_values())?;
            match found.get(&member.user) {
                Some(_) if member.deleted_at.is_some() => {}
                _ => drop(found.insert(member.user, member)),
            }
        }
        after = next;
        if after.is_none() {
            return Ok(found.into_values().collect());
        }
    }
}
