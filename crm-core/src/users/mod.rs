//! Users, who sign in, and members, who they are in one tenant.

mod activity;
mod colleagues;
mod effective;
mod hand_over;
mod invitations;
mod members;
mod rules;
mod stats;
mod why;

use std::fmt;

use chrono::{DateTime, Utc};

pub use activity::Deed;
pub(crate) use colleagues::Staff;
pub use colleagues::colleagues;
pub use effective::{HeldPermission, Permissions, Source};
pub use hand_over::HandedOver;
pub use invitations::{Invitation, InvitationDraft, Invitations};
pub use members::{Members, NewMember};
pub use stats::MemberStats;
pub use why::{Decision, Lacking};

use crate::access::Grant;
use crate::error::{Faults, Result};
use crate::id::Id;
use crate::store::{Filter, MAX_LIMIT, Path, Query, Value, Window};
use crate::values::Phone;
use crate::{Choice, Entity, TenantCrm};

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
    /// They were asked to work in a tenant and have not agreed yet. Of members only, and nobody
    /// but they themselves can change it.
    Invited,
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
    /// Their language and customs (BCP 47); those of the tenant where none is given.
    #[entity(code)]
    pub locale: Option<String>,
    /// What they told the front end to remember.
    pub preferences: Option<serde_json::Value>,
    /// The hash of their password; none where they have none.
    #[entity(computed, secret)]
    pub password: Option<String>,
    /// What the address is known by: in lower case, accents and all. The key of folded text would
    /// take `jörg@` for `jorg@`, who is somebody else.
    #[entity(computed, filter, code)]
    pub email_lower: String,
    /// When they showed that the address is theirs.
    #[entity(computed)]
    pub email_verified_at: Option<DateTime<Utc>>,
    /// The address that they asked to sign in with instead, until it is shown to be theirs.
    #[entity(computed, code)]
    pub pending_email: Option<String>,
    /// Whether they have a second factor, which is asked for when they sign in.
    #[entity(computed)]
    pub has_second_factor: bool,
    /// Whether they may sign in.
    #[entity(computed, filter)]
    pub status: UserStatus,
    /// When they last signed in.
    #[entity(computed)]
    pub last_login_at: Option<DateTime<Utc>>,
}

impl User {
    /// What they are known by, and what is therefore no password of theirs.
    pub fn names(&self) -> Vec<&str> {
        let all = [Some(&self.email), self.username.as_ref(), Some(&self.name)];
        all.into_iter().flatten().map(String::as_str).collect()
    }
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

/// A user in one tenant. Its identifier is the user's: `/users/{id}`, the owners of records and
/// the log all name the same one, and who leaves and comes back is the same member.
#[derive(Debug, Clone, PartialEq, Entity)]
#[entity(name = "members", resource = "users", tenant, owners(assigned(user)), no_default_draft)]
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
    #[entity(filter, references = "users", known_by)]
    pub user: UserId,
    /// What they are called in the tenant.
    #[entity(filter, sort, search, title)]
    pub name: String,
    /// The e-mail address that they sign in with, as the tenant knows it.
    #[entity(computed, filter, sort, search)]
    pub email: String,
    /// The codes of their roles.
    #[entity(filter)]
    pub roles: Vec<String>,
    /// What they may do besides.
    #[entity(computed, filter)]
    pub grants: Vec<Grant>,
    /// Their title.
    #[entity(filter, sort, search)]
    pub title: Option<String>,
    /// Their phone number at work: E.164 where it is one, else as typed.
    #[entity(filter, search, reads = Phone)]
    pub phone: Option<String>,
    /// Whether they may work in this tenant.
    #[entity(computed, filter, sort)]
    pub status: UserStatus,
}

/// The users that a record names, each with the field that names it.
pub(crate) type Named<const N: usize> = [(&'static str, Option<UserId>); N];

/// Notes the users whom a record names from now on and who are no active members of the tenant,
/// where this CRM keeps its users. Whom it named before is not asked about: a leaver stays where
/// they were.
pub(crate) async fn check_named<const N: usize>(
    within: &TenantCrm,
    before: Option<Named<N>>,
    after: Named<N>,
    faults: &mut Faults,
) -> Result<()> {
    let new = after.into_iter().filter(|new| !before.is_some_and(|before| before.contains(new)));
    let named: Vec<(&'static str, UserId)> =
        new.filter_map(|(field, user)| user.map(|user| (field, user))).collect();
    if !within.crm().keeps_users() || named.is_empty() {
        return Ok(());
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
    for (field, _) in unknown {
        faults.add(*field, "UNKNOWN_USER", "expected an active member of the tenant");
    }
    Ok(())
}
