//! The service of members.

use super::effective::permissions_of;
use super::{Member, MemberDraft, Permissions, User, UserDraft, UserId, UserStatus, colleagues};
use crate::TenantCrm;
use crate::access::{Grant, Reach};
use crate::audit::Action;
use crate::auth::one_time::{Asked, is_contended};
use crate::auth::{Purpose, TOKENS_AN_HOUR, check_username};
use crate::entity::{Draft, Entity};
use crate::error::{Error, Faults, Result};
use crate::id::Id;
use crate::mail::{MailKind, NewMail, no_mail};
use crate::records::{ATTEMPTS, Records, Rules, Unit};
use crate::roles::known;
use crate::store::{Deleted, Filter, Path, Query, Value, Window, system};
use crate::values::Email;

/// Somebody who is to work in a tenant, and whom the installation does not know yet.
#[derive(Clone, Default)]
pub struct NewMember {
    /// The e-mail address.
    pub email: String,
    /// The password to sign in with.
    pub password: String,
    /// What they are called in the tenant; the part of the address before the `@` where none is
    /// given.
    pub name: Option<String>,
    /// A name to sign in with instead of the address.
    pub username: Option<String>,
    /// The codes of their roles.
    pub roles: Vec<String>,
    /// Their title.
    pub title: Option<String>,
    /// Their phone number at work.
    pub phone: Option<String>,
}

/// Leaves the password out, so that no log shows it.
impl std::fmt::Debug for NewMember {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { email, name, username, roles, title, phone, password: _ } = self;
        f.debug_struct("NewMember")
            .field("email", email)
            .field("name", name)
            .field("username", username)
            .field("roles", roles)
            .field("title", title)
            .field("phone", phone)
            .finish_non_exhaustive()
    }
}

/// The people of a tenant, for hosts that let this library keep their users.
///
/// Whoever changes one holds whatever that member held before and holds afterwards; a tenant
/// keeps at least one active owner; who is deactivated or leaves is signed out of the tenant in
/// the same commit. See [`Records`] for finding, replacing, patching and deleting: deleting a
/// member lets it leave, and its records stay.
#[derive(Debug, Clone)]
pub struct Members(Records<Member>);

impl std::ops::Deref for Members {
    type Target = Records<Member>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Members {
    pub(crate) fn new(within: TenantCrm) -> Self {
        Self(within.records())
    }

    /// Asks a user to be a member: until they agree
    /// ([`Auth::accept_invitation`](crate::auth::Auth::accept_invitation)) they have no right in
    /// the tenant, and it is not among theirs. Needs `users:create`. Who was one before comes
    /// back, with these roles and nothing else that it had.
    ///
    /// # Errors
    /// As [`Records::create`]; a conflict with code `DUPLICATE` where it is a member already;
    /// [`Error::Forbidden`] where a role may do what the actor may not.
    pub async fn create(&self, draft: MemberDraft) -> Result<Member> {
        let permission = Records::<Member>::permission("create");
        for _ in 0..ATTEMPTS {
            let reach = self.within().actor().require(&permission)?;
            let done = match self.ever(draft.user).await? {
                Some(member) if member.deleted_at.is_none() => return Err(already("user")),
                Some(before) => {
                    let mut after: Member =
                        draft.clone().into_entity(crate::entity::SystemFields::of(&before));
                    after.email.clone_from(&before.email);
                    if after.name.trim().is_empty() {
                        after.name.clone_from(&before.name);
                    }
                    self.0.put(&permission, reach, Action::Restored, before, after).await
                }
                None => {
                    let unit = Unit::within(self.within());
                    let member = draft.clone().into_entity(unit.fresh());
                    self.0.admit(unit, member).await
                }
            };
            match done {
                Err(Error::Stale { .. }) => {}
                // They are being asked elsewhere, too.
                Err(error) if is_contended(&error) => {}
                // Somebody else made it one at the same moment.
                Err(Error::Conflict { code: "DUPLICATE", .. }) => return Err(already("user")),
                done => return done,
            }
        }
        Err(Error::busy(Member::ENTITY, draft.user))
    }

    /// Makes a user, and that user a member. Needs `users:create`.
    ///
    /// # Errors
    /// As [`Members::create`], with every fault at once; a conflict with field `username` where
    /// another user is called so, and with code `USER_EXISTS` where somebody has signed up by the
    /// address. Whoever did is not taken in unasked for: anybody can sign up by any address, and
    /// would have the seat with a password of their own. [`Members::add`] is for those who are known.
    pub async fn enrol(&self, new: NewMember) -> Result<Member> {
        self.within().actor().require(&Records::<Member>::permission("create"))?;
        let crm = self.within().crm();
        let (user, draft, email) = self.checked(&new).await?;
        let hash = crm.hasher()?.hash(new.password).await?;
        for _ in 0..ATTEMPTS {
            if let Some(user) = crm.auth().by_email(&email).await? {
                let member = self.ever(user.id).await?;
                let here = member.is_some_and(|member| member.deleted_at.is_none());
                return Err(if here { already("email") } else { signed_up() });
            }
            let mut unit = Unit::within(self.within());
            let mut user: User = user.clone().into_entity(unit.fresh());
            user.password = Some(hash.clone());
            user.email_lower = email.key();
            let mut member =
                MemberDraft { user: user.id, ..draft.clone() }.into_entity(unit.fresh());
            member.email.clone_from(&user.email);
            unit.insert(user)?;
            match self.0.admit(unit, member).await {
                Err(Error::Stale { .. }) => {}
                // Somebody signed up by it at the same moment.
                Err(Error::Conflict { field: Some(field), .. }) if field == "emailLower" => {}
                done => return done,
            }
        }
        Err(Error::busy(User::ENTITY, new.email))
    }

    /// Asks the user of this e-mail address to be a member, where there is one. Needs
    /// `users:create`.
    ///
    /// # Errors
    /// As [`Members::create`]; [`Error::Invalid`] with code `UNKNOWN_USER` where nobody has the
    /// address, which tells as much.
    pub async fn add(
        &self,
        email: &str,
        roles: Vec<String>,
        title: Option<String>,
    ) -> Result<Member> {
        self.within().actor().require(&Records::<Member>::permission("create"))?;
        let address = Email::parse("email", email)?;
        let user = self.within().crm().auth().by_email(&address).await?.ok_or_else(|| {
            Error::invalid("email", "UNKNOWN_USER", "expected the address of somebody signed up")
        })?;
        let draft = MemberDraft { user: user.id, name: user.name, roles, title, phone: None };
        self.create(draft).await.map_err(by_address)
    }

    /// Lets the actor leave the tenant, which takes no permission: nobody is kept where they do not
    /// want to be. Its sessions there end with the commit.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the actor is no member; [`Error::Stale`] where a version was
    /// expected and is not the current one; a refusal with code `LAST_OWNER`.
    pub async fn leave(&self, expected: Option<i64>) -> Result<Member> {
        let permission = Records::<Member>::permission("delete");
        let user = self.within().actor().user();
        for _ in 0..ATTEMPTS {
            let member = self.ever(user).await?.filter(|member| member.deleted_at.is_none());
            let member = member.ok_or_else(|| Error::not_found(Member::ENTITY, user))?;
            if let Some(expected) = expected.filter(|expected| *expected != member.version) {
                let (kind, id) = (Member::ENTITY.to_owned(), user.to_string());
                return Err(Error::Stale { kind, id, expected });
            }
            let left = member.clone();
            match self.0.put(&permission, Reach::All, Action::Deleted, member, left).await {
                Err(Error::Stale { .. }) => {}
                done => return done,
            }
        }
        Err(Error::busy(Member::ENTITY, user))
    }

    /// Lets a member work in the tenant, or no longer: then its sessions there end with the
    /// commit. Needs `users:update`.
    ///
    /// # Errors
    /// As [`Records::replace`]; a refusal with code `LAST_OWNER`.
    pub async fn set_status(
        &self,
        id: Id<Member>,
        expected: Option<i64>,
        status: UserStatus,
    ) -> Result<Member> {
        self.0.change(id, expected, move |member| member.status = status).await
    }

    /// Sends a member the link that sets their password anew, in place of setting one for them.
    /// Needs `users:update`, and all that the member may do.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`]; [`Error::Limit`] where they were sent as many
    /// within the hour as may be; a refusal with code `NO_MAIL` where this CRM sends no mails.
    pub async fn send_reset(&self, id: Id<Member>) -> Result<()> {
        let within = self.within();
        let (crm, actor) = (within.crm(), within.actor());
        let permission = Records::<Member>::permission("update");
        for _ in 0..ATTEMPTS {
            let reach = actor.require(&permission)?;
            let member = self.get(id).await?;
            self.0.require_reach(&permission, reach, &member).await?;
            let codes = member.roles.iter().map(String::as_str);
            let roles = known(crm, actor.tenant(), codes).await?;
            actor.require_all(&roles.together(&member.roles, &member.grants))?;
            if !crm.sends_mails() {
                return Err(no_mail());
            }
            let user = crm.auth().user(member.user).await?;
            let mut unit = Unit::within(within);
            let asked = Asked {
                purpose: Purpose::ResetPassword,
                address: user.email_lower.clone(),
                subject: user.email_lower.clone(),
                user: Some(user.id),
                tenant: Some(actor.tenant()),
            };
            let Some(token) = crm.auth().ask(&mut unit, asked).await? else {
                let what = "the number of mails for a new password within an hour".to_owned();
                return Err(Error::Limit { what, limit: u64::from(TOKENS_AN_HOUR) });
            };
            let by = colleagues(within, &[actor.user()]).await?.into_iter().next();
            let mail = NewMail::to_user(MailKind::ResetPassword, &user).about(actor.tenant());
            unit.mail(mail.with(token).telling("by", by.map(|by| by.name)))?;
            unit.did(&member, serde_json::json!({"passwordReset": {"to": "sent"}}))?;
            unit.check(member)?;
            match unit.commit(within).await {
                Ok(_) => return Ok(()),
                Err(Error::Stale { .. }) => {}
                Err(error) if is_contended(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::busy(Member::ENTITY, id))
    }

    /// Lets a member try to sign in again at once, whoever has failed to under their name. Needs
    /// `users:update`, and all that the member holds.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`]; a refusal with code `ABOVE_ONESELF`.
    pub async fn unlock(&self, id: Id<Member>) -> Result<Member> {
        let member = self.beneath(id).await?;
        let crm = self.within().crm();
        for _ in 0..ATTEMPTS {
            let failures = crm.auth().failures_of(member.user).await?;
            if failures.is_empty() {
                return Ok(member);
            }
            let count: i64 = failures.iter().map(|counted| counted.failures).sum();
            let mut unit = self.about_a_user();
            unit.did(&member, serde_json::json!({"failedSignIns": {"from": count}}))?;
            for counted in failures {
                unit.remove_silently(counted)?;
            }
            match unit.commit_as_system().await {
                Ok(_) => return Ok(member),
                // Somebody fails at this very moment.
                Err(Error::Stale { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::busy(Member::ENTITY, id))
    }

    /// Takes a member's second factor away, who has lost it, and ends all their sessions. Where
    /// there is none, nothing changes. Needs `users:update`, and all that the member holds.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Forbidden`]; refusals
    /// with codes `ABOVE_ONESELF`, `ONESELF`, since one's own is taken away with password and code,
    /// and `WORKS_ELSEWHERE`: it is not one tenant's to take what guards another.
    pub async fn reset_second_factor(&self, id: Id<Member>) -> Result<Member> {
        let member = self.beneath(id).await?;
        let (crm, user) = (self.within().crm(), member.user);
        let refused =
            |code, message: &str| Err(Error::Refused { code, message: message.to_owned() });
        if user == self.within().actor().user() {
            let message = "one's own second factor is taken away with password and code";
            return refused("ONESELF", message);
        }
        let auth = crm.auth();
        if auth.works_elsewhere(user, self.within().actor().tenant()).await? {
            let message = "the user works in other tenants too, which it guards as well";
            return refused("WORKS_ELSEWHERE", message);
        }
        for _ in 0..ATTEMPTS {
            let mut unit = self.about_a_user();
            if !auth.take_second_factor(&mut unit, user).await? {
                return Ok(member);
            }
            match unit.commit_as_system().await {
                Ok(_) => return Ok(member),
                // Used, or signed in with, at this very moment.
                Err(Error::Stale { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::busy(Member::ENTITY, id))
    }

    /// A member whom the actor may change and who stands not above the actor: for what concerns
    /// the user that the member is.
    async fn beneath(&self, id: Id<Member>) -> Result<Member> {
        let member = self.get(id).await?;
        let permission = Records::<Member>::permission("update");
        let actor = self.within().actor();
        let reach = actor.require(&permission)?;
        self.0.require_reach(&permission, reach, &member).await?;
        let codes = member.roles.iter().map(String::as_str);
        let roles = known(self.within().crm(), actor.tenant(), codes).await?;
        actor.require_all(&roles.together(&member.roles, &member.grants))?;
        Ok(member)
    }

    /// A change of what is the installation's and not the tenant's, told of in the tenant's log.
    /// Whether the actor may is asked before.
    fn about_a_user(&self) -> Unit {
        let actor = self.within().actor();
        let unit = Unit::system(self.within().crm(), Some(actor.tenant()), Some(actor.user()));
        unit.with_origin(actor.origin().clone())
    }

    /// Gives a member these grants beside those of its roles, in place of those it had. Needs
    /// `users:update`.
    ///
    /// # Errors
    /// As [`Records::replace`]; [`Error::Forbidden`] for what the actor does not hold.
    pub async fn set_grants(
        &self,
        id: Id<Member>,
        expected: Option<i64>,
        grants: Vec<Grant>,
    ) -> Result<Member> {
        self.0.change(id, expected, move |member| member.grants.clone_from(&grants)).await
    }

    /// What a member may do, and what gives it. Needs `users:read`.
    ///
    /// # Errors
    /// As [`Records::get`].
    pub async fn permissions(&self, id: Id<Member>) -> Result<Permissions> {
        permissions_of(self.within(), self.get(id).await?).await
    }

    /// The member that a user is or was.
    pub(super) async fn ever(&self, user: UserId) -> Result<Option<Member>> {
        let query = Query::new(Member::schema().clone())
            .filter(Filter::In(Path::field(system::ID), vec![Value::Uuid(user.uuid())]))?
            .window(Window::Page { offset: 0, limit: 1 })?
            .deleted(Deleted::Include);
        let found = self.within().query_for_rules(query).await?.items.into_iter().next();
        found.map(|record| Member::from_values(record.into_values())).transpose()
    }

    async fn checked(&self, new: &NewMember) -> Result<(UserDraft, MemberDraft, Email)> {
        let mut faults = Faults::default();
        let email = faults.absorb(Email::parse("email", &new.email))?;
        let names = [Some(&new.email), new.username.as_ref(), new.name.as_ref()];
        let names: Vec<&str> = names.into_iter().flatten().map(String::as_str).collect();
        let auth = self.within().crm().auth();
        faults.absorb(auth.check_password("password", &new.password, &names))?;
        let username = faults.absorb(check_username("username", new.username.as_deref()))?;
        let before_at = new.email.trim().split('@').next().unwrap_or_default();
        let name = match new.name.as_deref().map(str::trim) {
            Some(name) if !name.is_empty() => name,
            // Of an address that is none, one fault is enough.
            _ if before_at.is_empty() => "-",
            _ => before_at,
        };
        let nobody = self.within().crm().new_id();
        let draft = MemberDraft {
            user: nobody,
            name: name.to_owned(),
            roles: new.roles.clone(),
            title: new.title.clone(),
            phone: new.phone.clone(),
        };
        let mut member = draft.clone().into_entity(Unit::within(self.within()).fresh());
        faults.absorb(member.check(None, self.within()).await)?;
        faults.into_result()?;
        let email = email.ok_or_else(|| Error::internal("an address was neither good nor bad"))?;
        let user = UserDraft {
            email: email.as_str().to_owned(),
            username: username.flatten(),
            name: member.name.clone(),
            ..UserDraft::default()
        };
        Ok((user, draft, email))
    }
}

fn already(field: &str) -> Error {
    let message = "is a member of the tenant already".to_owned();
    Error::Conflict { code: "DUPLICATE", field: Some(field.to_owned()), message }
}

fn signed_up() -> Error {
    let message = "somebody signed up by this address: add them as a member of the tenant if it \
                   is the person you mean";
    Error::Conflict {
        code: "USER_EXISTS",
        field: Some("email".to_owned()),
        message: message.to_owned(),
    }
}

/// Says a fault of the user in the words of who named an address.
fn by_address(error: Error) -> Error {
    match error {
        Error::Conflict { code: "DUPLICATE", field: Some(field), .. } if field == "user" => {
            already("email")
        }
        error => error,
    }
}
