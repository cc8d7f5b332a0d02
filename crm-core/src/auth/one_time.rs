//! Tokens that are good for one thing, once: the secret part of a link in a mail.
//!
//! The secret is made when the mail is sent and is nowhere but in that mail: what is kept is its
//! hash. Until then there is a token without a secret, which nobody can spend. A mail that is
//! tried again has a new secret each time; those before hold as well, since one may have arrived.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::Auth;
use super::credentials::{fingerprint, secret};
use crate::entity::{Find, Where};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::records::Unit;
use crate::store::{Filter, Path, Value, system};
use crate::tenants::TenantId;
use crate::users::UserId;
use crate::{Choice, Entity};

/// How many tokens of a purpose an address is sent within an hour.
pub const TOKENS_AN_HOUR: u32 = 5;
const HOUR: TimeDelta = TimeDelta::hours(1);
/// How long a token is kept that nobody was sent.
const UNSENT: TimeDelta = TimeDelta::days(4);

/// What a token is good for, and for nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum Purpose {
    /// To show that an address is one's own.
    VerifyEmail,
    /// To set a forgotten password anew.
    ResetPassword,
    /// To work in a tenant.
    Invitation,
    /// To sign in with another address from now on.
    ChangeEmail,
    /// To go on signing in with the address of before.
    KeepEmail,
}

impl Purpose {
    /// How long a token holds from when it is sent.
    fn lasts(self) -> TimeDelta {
        match self {
            Self::VerifyEmail => TimeDelta::days(3),
            Self::ResetPassword => TimeDelta::hours(1),
            Self::Invitation | Self::KeepEmail => TimeDelta::days(7),
            Self::ChangeEmail => TimeDelta::days(1),
        }
    }
}

/// A token: of its secret only hashes.
#[derive(Debug, Clone, PartialEq, Entity)]
#[entity(name = "one_time_tokens", global, owners(nobody), no_default_draft)]
#[entity(unique(name = "one_time_tokens_number", fields(purpose, address, number)))]
#[entity(index(expires_at))]
pub struct OneTimeToken {
    /// The identifier, which is in the token's text.
    pub id: Id<Self>,
    /// The version: of two who spend it at once, one finds another.
    pub version: i64,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it was last sent, or spent.
    pub updated_at: DateTime<Utc>,
    /// Never.
    pub deleted_at: Option<DateTime<Utc>>,
    /// What it is good for.
    #[entity(filter)]
    pub purpose: Purpose,
    /// Whom it is sent to: what that address is known by.
    #[entity(filter, code)]
    pub address: String,
    /// The how manieth of its purpose that address is sent.
    #[entity(filter, sort)]
    pub number: i64,
    /// What it is about: of its purpose, only the newest about the same holds.
    #[entity(filter, code)]
    pub subject: String,
    /// Whose it is.
    pub user: Option<UserId>,
    /// The tenant in which it was asked for.
    #[entity(filter)]
    pub tenant: Option<TenantId>,
    /// The hashes of its secrets.
    #[entity(secret)]
    pub hashes: Vec<String>,
    /// The hash of what must be as it was when it was sent.
    #[entity(code, secret)]
    pub rests_on: Option<String>,
    /// When it stops holding.
    #[entity(filter)]
    pub expires_at: DateTime<Utc>,
    /// When it was spent.
    pub spent_at: Option<DateTime<Utc>>,
}

/// A token to be asked for.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) purpose: Purpose,
    pub(crate) address: String,
    pub(crate) subject: String,
    pub(crate) user: Option<UserId>,
    pub(crate) tenant: Option<TenantId>,
}

/// What the text of a token says: which one, and its secret.
fn read(text: &str) -> Option<(Id<OneTimeToken>, &str)> {
    let (id, secret) = text.split_once('.')?;
    let id: [u8; 16] = URL_SAFE_NO_PAD.decode(id).ok()?.try_into().ok()?;
    (secret.len() <= 64).then_some((Id::new(Uuid::from_bytes(id)), secret))
}

/// The one answer to a token that does not hold, whatever the reason.
pub(crate) fn void() -> Error {
    let message = "expected a token that was sent by mail, and is neither spent, expired nor \
                   replaced by another";
    Error::invalid("token", "INVALID_TOKEN", message)
}

/// Somebody else asked for one at the same moment; to be tried again.
pub(crate) fn is_contended(error: &Error) -> bool {
    matches!(error, Error::Conflict { code: "DUPLICATE", field: Some(field), .. } if field == "number")
}

impl Auth {
    /// Adds a token to a change; none where the address was sent as many within the hour as it may
    /// be. The commit fails where somebody else asks for one of the same at the same moment
    /// ([`is_contended`]).
    pub(crate) async fn ask(
        &self,
        unit: &mut Unit,
        asked: Asked,
    ) -> Result<Option<Id<OneTimeToken>>> {
        let Asked { purpose, address, subject, user, tenant } = asked;
        let of_address = OneTimeToken::PURPOSE.eq(purpose).and(OneTimeToken::ADDRESS.eq(&*address));
        let latest = Find::from(of_address).sort(OneTimeToken::NUMBER.desc());
        let latest = latest.page(1, TOKENS_AN_HOUR).into_query()?;
        let latest = self.0.system_query(latest).await?.items.into_iter();
        let latest = latest.map(|record| OneTimeToken::from_values(record.into_values()));
        let latest: Vec<OneTimeToken> = latest.collect::<Result<_>>()?;
        let lately = latest.iter().filter(|token| token.created_at > unit.now() - HOUR).count();
        if lately >= TOKENS_AN_HOUR as usize {
            return Ok(None);
        }
        let system = unit.fresh::<OneTimeToken>();
        unit.insert_silently(OneTimeToken {
            id: system.id,
            version: system.version,
            created_at: system.created_at,
            updated_at: system.updated_at,
            deleted_at: None,
            purpose,
            address,
            number: latest.first().map_or(1, |token| token.number + 1),
            subject,
            user,
            tenant,
            hashes: Vec::new(),
            rests_on: None,
            expires_at: unit.now() + UNSENT,
            spent_at: None,
        })?;
        Ok(Some(system.id))
    }

    /// Gives a token that is about to be sent its secret, in a change that others add to: the
    /// token's text. None where it does not hold any more.
    pub(crate) async fn arm(
        &self,
        unit: &mut Unit,
        id: Id<OneTimeToken>,
        user: Option<UserId>,
        rests_on: Option<&str>,
    ) -> Result<Option<String>> {
        let Some(before) = self.one_time(id).await? else { return Ok(None) };
        if before.spent_at.is_some() || !self.is_newest(&before).await? {
            return Ok(None);
        }
        let secret = secret(self.0.random());
        let mut after = before.clone();
        after.hashes.push(fingerprint(&secret));
        after.user = user.or(before.user);
        after.rests_on = rests_on.map(fingerprint);
        after.expires_at = unit.now() + before.purpose.lasts();
        after.set_system(unit.next(&before));
        unit.update_silently(before, after)?;
        Ok(Some(format!("{}.{secret}", URL_SAFE_NO_PAD.encode(id.uuid().as_bytes()))))
    }

    /// The token that a text is of, where it is good for this purpose, now.
    ///
    /// # Errors
    /// The same for all that are not: [`void`].
    pub(crate) async fn holding(&self, purpose: Purpose, text: &str) -> Result<OneTimeToken> {
        let Some((id, secret)) = read(text.trim()) else { return Err(void()) };
        let Some(token) = self.one_time(id).await? else { return Err(void()) };
        let hash = fingerprint(secret);
        let holds = token.purpose == purpose
            && token.hashes.contains(&hash)
            && token.spent_at.is_none()
            && token.expires_at > self.0.clock().now()
            && self.is_newest(&token).await?;
        if holds { Ok(token) } else { Err(void()) }
    }

    /// Spends a token along with what it is spent for: of two who do at the same time, the commit
    /// of one is stale.
    pub(crate) fn spend(unit: &mut Unit, token: OneTimeToken) -> Result<()> {
        let mut spent = OneTimeToken { spent_at: Some(unit.now()), ..token.clone() };
        spent.set_system(unit.next(&token));
        unit.update_silently(token, spent)
    }

    async fn one_time(&self, id: Id<OneTimeToken>) -> Result<Option<OneTimeToken>> {
        let filter = Filter::In(Path::field(system::ID), vec![Value::Uuid(id.uuid())]);
        self.only::<OneTimeToken>(Where::new(filter)).await
    }

    /// Whether no other token was asked for about the same since.
    async fn is_newest(&self, token: &OneTimeToken) -> Result<bool> {
        let same = OneTimeToken::PURPOSE
            .eq(token.purpose)
            .and(OneTimeToken::ADDRESS.eq(&*token.address))
            .and(OneTimeToken::SUBJECT.eq(&*token.subject))
            .and(OneTimeToken::NUMBER.gt(token.number));
        Ok(self.only::<OneTimeToken>(same).await?.is_none())
    }
}

impl OneTimeToken {
    /// Whether what it rests on is still as it was when it was sent.
    pub(crate) fn still_rests_on(&self, what: &str) -> bool {
        self.rests_on.as_deref() == Some(&*fingerprint(what))
    }
}
