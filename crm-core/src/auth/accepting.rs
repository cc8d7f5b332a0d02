//! Accepting to work in a tenant: by the link of an invitation, or of somebody who has an account
//! and was added; whoever shows that an address is theirs may also do it by being signed in.

use std::fmt;

use super::one_time::{OneTimeToken, Purpose, void};
use super::sessions::Beginning;
use super::{Auth, Membership, Session, SignedIn, check_username};
use crate::access::{Actor, Origin};
use crate::audit::Action;
use crate::entity::{Draft, Entity, Find, SystemFields, Where};
use crate::error::{Error, Faults, Result};
use crate::id::Id;
use crate::records::{ATTEMPTS, Unit};
use crate::roles::{Known, known};
use crate::store::{Deleted, Filter, Path, Value, system};
use crate::tenants::{Tenant, TenantId, TenantStatus};
use crate::users::{Invitation, Member, User, UserDraft, UserId, UserStatus};
use crate::values::{Email, Multiline, clean_text};

/// Somebody who accepts.
#[derive(Clone, Default)]
pub struct Acceptance {
    /// The token out of the mail.
    pub token: Option<String>,
    /// Without a token, the tenant that has asked the user who is signed in.
    pub tenant: Option<TenantId>,
    /// Who is signed in.
    pub user: Option<UserId>,
    /// The session in which they are. Without it, the one that they get there begins anew: whoever
    /// has a second factor has to come with it.
    pub session: Option<Id<Session>>,
    /// A new user's password, or that of a user who is not signed in.
    pub password: Option<String>,
    /// What a new user is called.
    pub name: Option<String>,
    /// A new user's name to sign in with.
    pub username: Option<String>,
    /// Where the request came from.
    pub origin: Origin,
}

/// Leaves out what is secret, so that no log shows it.
impl fmt::Debug for Acceptance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptance")
            .field("tenant", &self.tenant)
            .field("user", &self.user)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// What is accepted.
enum Offer {
    /// An invitation of an address, which still stands, and by whom.
    Invitation(Box<(Invitation, Membership)>),
    /// A place that a user was given and has not taken.
    Place(Box<Member>),
}

impl Auth {
    /// Takes somebody into a tenant who accepts it, and signs them in there. Their address counts
    /// as theirs where they come by the link.
    ///
    /// An invitation gives its roles only where whoever sent it is at work in the tenant and could
    /// give them now.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming `token` where there is nothing to accept by it, or not any more;
    /// `password` where the address is a user's who is neither signed in nor gives their password,
    /// or a new user's is none; [`Error::Unauthenticated`] where the password is wrong, and
    /// [`Error::TooManyAttempts`] as in [`Auth::sign_in`]; a refusal with code `OTHER_ADDRESS` where
    /// somebody else is signed in, `MFA_CODE_REQUIRED` where somebody who has a second factor is
    /// not, `EMAIL_NOT_VERIFIED` where somebody accepts without a link whose address may be
    /// anybody's; a conflict with code `DUPLICATE` where they are at work there already.
    pub async fn accept_invitation(&self, acceptance: Acceptance) -> Result<SignedIn> {
        for _ in 0..ATTEMPTS {
            let (token, tenant, offer) = self.offer(&acceptance).await?;
            let from = match (acceptance.session, acceptance.user) {
                (Some(session), Some(user)) => Some(self.own_session(session, user).await?),
                _ => None,
            };
            let unit = Unit::system(&self.0, Some(tenant), None);
            let mut unit = unit.with_origin(acceptance.origin.clone());
            let user = match &offer {
                Offer::Place(member) => {
                    let user = self.user(member.user).await?;
                    Some(self.proven(&acceptance, user).await?)
                }
                Offer::Invitation(invited) => {
                    let email = Email::parse("email", &invited.0.email)?;
                    match self.by_email(&email).await? {
                        Some(user) => Some(self.proven(&acceptance, user).await?),
                        None => None,
                    }
                }
            };
            let user = match (user, &offer) {
                (Some(before), _) => {
                    let mut user = before.clone();
                    if token.is_some() && before.email_verified_at.is_none() {
                        user.email_verified_at = Some(unit.now());
                    }
                    user.last_login_at = Some(unit.now());
                    user.set_system(unit.next(&before));
                    unit = unit.by(user.id);
                    unit.update_silently(before, user.clone())?;
                    user
                }
                (None, Offer::Invitation(invited)) if acceptance.user.is_none() => {
                    let user = self.new_user(&unit, &invited.0, &acceptance).await?;
                    unit = unit.by(user.id);
                    unit.insert(user.clone())?;
                    user
                }
                (None, _) => return Err(other_address()),
            };
            self.take_place(&mut unit, tenant, &user, offer).await?;
            if let Some(token) = token {
                Self::spend(&mut unit, token)?;
            }
            self.make_room(&mut unit, user.id).await?;
            let (origin, from) = (&acceptance.origin, from.as_ref());
            let remembered = from.is_some_and(|from| from.remembered);
            let beginning = Beginning {
                from,
                ..Beginning::by_password(user.id, Some(tenant), remembered, origin)
            };
            let (session, refresh) = self.begin(&mut unit, &beginning)?;
            // What ends the one before must not miss this one.
            if let Some(from) = from.filter(|from| !unit.concerns(*from)) {
                unit.check(from.clone())?;
            }
            match unit.commit_as_system().await {
                Ok(_) => return self.describe(session, refresh).await,
                // Accepted, cancelled or changed at this moment.
                Err(Error::Stale { .. }) => {}
                // Somebody signed up by the address.
                Err(Error::Conflict { field: Some(field), .. }) if field == "emailLower" => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::busy(Invitation::ENTITY, "of the token"))
    }

    /// Lets somebody say no: the invitation is gone, or the place that they were given.
    ///
    /// # Errors
    /// As [`Auth::accept_invitation`].
    pub async fn decline_invitation(&self, acceptance: Acceptance) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let (token, tenant, offer) = self.offer(&acceptance).await?;
            let unit = Unit::system(&self.0, Some(tenant), acceptance.user);
            let mut unit = unit.with_origin(acceptance.origin.clone());
            match offer {
                Offer::Invitation(invited) => {
                    let (before, _) = *invited;
                    let mut after = before.clone();
                    let deleted_at = Some(unit.now());
                    after.set_system(SystemFields { deleted_at, ..unit.next(&before) });
                    unit.update(before, after, Action::Deleted)?;
                }
                Offer::Place(before) => {
                    let mut after = Member::clone(&before);
                    let deleted_at = Some(unit.now());
                    after.set_system(SystemFields { deleted_at, ..unit.next(&*before) });
                    unit.update(*before, after, Action::Deleted)?;
                }
            }
            if let Some(token) = token {
                Self::spend(&mut unit, token)?;
            }
            match unit.commit_as_system().await {
                Ok(_) => return Ok(()),
                Err(Error::Stale { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::busy(Invitation::ENTITY, "of the token"))
    }

    /// The tenants that have given a user a place that they have not taken; of an address that may
    /// be anybody's, none. At most [`MAX_LIMIT`](crate::store::MAX_LIMIT).
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is no such user.
    pub async fn invitations(&self, user: UserId) -> Result<Vec<(Tenant, Member)>> {
        let user = self.user(user).await?;
        if !self.is_known(&user) {
            return Ok(Vec::new());
        }
        self.places(Member::USER.eq(user.id).and(Member::STATUS.eq(UserStatus::Invited))).await
    }

    /// Whether the address of a user is theirs, as far as this CRM can find out.
    fn is_known(&self, user: &User) -> bool {
        user.email_verified_at.is_some() || !self.0.sends_mails()
    }

    /// What somebody accepts, and where.
    async fn offer(
        &self,
        acceptance: &Acceptance,
    ) -> Result<(Option<OneTimeToken>, TenantId, Offer)> {
        let Acceptance { token, tenant, user, .. } = acceptance;
        if let Some(token) = token {
            let token = self.holding(Purpose::Invitation, token).await?;
            let Some(tenant) = token.tenant else { return Err(void()) };
            self.require_active(tenant).await?;
            let offer = match token.user.filter(|user| token.subject == user.to_string()) {
                Some(user) => self.place(tenant, user).await?.map(Box::new).map(Offer::Place),
                None => self.standing(tenant, &token).await?.map(Box::new).map(Offer::Invitation),
            };
            return Ok((Some(token), tenant, offer.ok_or_else(void)?));
        }
        let (Some(tenant), Some(user)) = (*tenant, *user) else {
            return Err(Error::invalid("token", "REQUIRED", "is required"));
        };
        let nothing = || Error::not_found(Tenant::ENTITY, tenant);
        let place = self.place(tenant, user).await?.ok_or_else(nothing)?;
        self.require_active(tenant).await.map_err(|error| match error {
            Error::Invalid(_) => nothing(),
            other => other,
        })?;
        if !self.is_known(&self.user(user).await?) {
            return Err(Error::Refused {
                code: "EMAIL_NOT_VERIFIED",
                message: "show first that your address is yours, by the mail that was sent to it"
                    .to_owned(),
            });
        }
        Ok((None, tenant, Offer::Place(Box::new(place))))
    }

    async fn require_active(&self, tenant: TenantId) -> Result<()> {
        match self.0.system().tenant(tenant).await {
            Ok(tenant) if tenant.status == TenantStatus::Active => Ok(()),
            Ok(_) | Err(Error::NotFound { .. }) => Err(void()),
            Err(error) => Err(error),
        }
    }

    /// The place that a user was given and has not taken.
    async fn place(&self, tenant: TenantId, user: UserId) -> Result<Option<Member>> {
        let invited = Member::USER.eq(user).and(Member::STATUS.eq(UserStatus::Invited));
        self.within::<Member>(tenant, invited, Deleted::Exclude).await
    }

    /// The invitation of a token, where it stands, with whoever sent it.
    async fn standing(
        &self,
        tenant: TenantId,
        token: &OneTimeToken,
    ) -> Result<Option<(Invitation, Membership)>> {
        let Ok(id) = token.subject.parse::<Id<Invitation>>() else { return Ok(None) };
        let these = Where::new(Filter::In(Path::field(system::ID), vec![Value::Uuid(id.uuid())]));
        let found = self.within::<Invitation>(tenant, these, Deleted::Exclude).await?;
        let now = self.0.clock().now();
        let Some(invitation) = found.filter(|found| found.expires_at > Some(now)) else {
            return Ok(None);
        };
        let Some(by) = invitation.invited_by else { return Ok(None) };
        let Some(inviter) = self.membership(by, tenant).await? else { return Ok(None) };
        let roles = self.roles_of(tenant, &invitation).await?;
        let all_there = invitation.roles.iter().all(|code| roles.grants(code).is_some());
        let given = roles.together(&invitation.roles, &[]);
        let may = all_there && inviter.actor().require_all(&given).is_ok();
        Ok(may.then_some((invitation, inviter)))
    }

    async fn roles_of(&self, tenant: TenantId, invitation: &Invitation) -> Result<Known> {
        known(&self.0, tenant, invitation.roles.iter().map(String::as_str)).await
    }

    /// The user, where whoever accepts is that user.
    async fn proven(&self, acceptance: &Acceptance, user: User) -> Result<User> {
        if user.status != UserStatus::Active {
            return Err(void());
        }
        match (acceptance.user, &acceptance.password) {
            (Some(signed_in), _) if signed_in == user.id => {
                if user.has_second_factor && acceptance.session.is_none() {
                    return Err(sign_in_first());
                }
                Ok(user)
            }
            (Some(_), _) => Err(other_address()),
            (None, Some(password)) => {
                let guess = self.guess_of(&user, &acceptance.origin).await?;
                self.admit(&guess).await?;
                let hasher = self.0.hasher()?;
                if !hasher.verify(password.clone(), user.password.clone()).await? {
                    self.failed(&guess).await?;
                    return Err(Error::Unauthenticated("the password is wrong"));
                }
                // As in signing in: others may have guessed meanwhile.
                self.admit(&guess).await?;
                if user.has_second_factor {
                    return Err(sign_in_first());
                }
                Ok(user)
            }
            (None, None) => {
                let message = "is required, or signing in: somebody signs in with this address";
                Err(Error::invalid("password", "REQUIRED", message))
            }
        }
    }

    async fn new_user(
        &self,
        unit: &Unit,
        invitation: &Invitation,
        acceptance: &Acceptance,
    ) -> Result<User> {
        let mut faults = Faults::default();
        let password = acceptance.password.clone().unwrap_or_default();
        let known_by =
            [Some(&invitation.email), acceptance.name.as_ref(), acceptance.username.as_ref()];
        let known_by: Vec<&str> = known_by.into_iter().flatten().map(String::as_str).collect();
        faults.absorb(self.check_password("password", &password, &known_by))?;
        let name = acceptance.name.as_deref().unwrap_or_default();
        let name = faults.absorb(clean_text("name", name, 200, Multiline::No))?.flatten();
        let username = check_username("username", acceptance.username.as_deref());
        let username = faults.absorb(username)?.flatten();
        faults.into_result()?;
        let before_at = invitation.email.split('@').next().unwrap_or_default().to_owned();
        let name = name.or_else(|| invitation.name.clone()).unwrap_or(before_at);
        let email = invitation.email.clone();
        let draft = UserDraft { email, username, name, ..UserDraft::default() };
        let mut user: User = draft.into_entity(unit.fresh());
        user.password = Some(self.0.hasher()?.hash(password).await?);
        user.email_lower.clone_from(&invitation.email_lower);
        user.email_verified_at = Some(unit.now());
        user.last_login_at = Some(unit.now());
        Ok(user)
    }

    /// Makes a user the member that was offered, along with what that rests on.
    async fn take_place(
        &self,
        unit: &mut Unit,
        tenant: TenantId,
        user: &User,
        offer: Offer,
    ) -> Result<()> {
        let (invitation, inviter) = match offer {
            Offer::Place(before) => {
                let mut after = Member { status: UserStatus::Active, ..Member::clone(&before) };
                after.set_system(unit.next(&*before));
                return unit.update(*before, after, Action::Updated);
            }
            Offer::Invitation(invited) => *invited,
        };
        let mut member = super::member(unit, user, &invitation.roles);
        member.title.clone_from(&invitation.title);
        let itself = Member::USER.eq(user.id);
        match self.within::<Member>(tenant, itself, Deleted::Include).await? {
            None => unit.insert(member)?,
            Some(before) if before.deleted_at.is_some() || before.status == UserStatus::Invited => {
                let action =
                    if before.deleted_at.is_some() { Action::Restored } else { Action::Updated };
                member.set_system(SystemFields { deleted_at: None, ..unit.next(&before) });
                unit.update(before, member, action)?;
            }
            Some(_) => {
                let message = "you are a member of the tenant already".to_owned();
                return Err(Error::Conflict { code: "DUPLICATE", field: None, message });
            }
        }
        // The roles are neither deleted nor made wider at the same moment, and whoever gives them
        // is still who they were.
        let roles = self.roles_of(tenant, &invitation).await?;
        for role in invitation.roles.iter().filter_map(|code| roles.own(code)) {
            let next = crate::roles::CustomRole { version: role.version + 1, ..role.clone() };
            unit.update_silently(role.clone(), next)?;
        }
        unit.check(inviter.member)?;
        let mut accepted = Invitation { accepted_by: Some(user.id), ..invitation.clone() };
        let deleted_at = Some(unit.now());
        accepted.set_system(SystemFields { deleted_at, ..unit.next(&invitation) });
        unit.update(invitation, accepted, Action::Updated)
    }

    /// A tenant's record, for a rule.
    async fn within<E: Entity>(
        &self,
        tenant: TenantId,
        filter: Where<E>,
        deleted: Deleted,
    ) -> Result<Option<E>> {
        let within = self.0.tenant(Actor::new(tenant, Id::new(uuid::Uuid::nil())));
        let query = Find::all().filter(filter).deleted(deleted).page(1, 1).into_query()?;
        let found = within.query_for_rules(query).await?.items.into_iter().next();
        found.map(|record| E::from_values(record.into_values())).transpose()
    }
}

fn sign_in_first() -> Error {
    let message = "a second factor has to be shown: sign in first".to_owned();
    Error::Refused { code: "MFA_CODE_REQUIRED", message }
}

fn other_address() -> Error {
    let message = "the invitation is for another address than that of whoever is signed in";
    Error::Refused { code: "OTHER_ADDRESS", message: message.to_owned() }
}
