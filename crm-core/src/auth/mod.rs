//! Signing up, signing in, and the sessions that follow, for hosts that let this library keep
//! their users; and API keys, for these and for others.
//!
//! Access tokens are a host's business; what is kept here is the session behind them and the
//! refresh tokens that prolong it: random, stored as a hash only, each good for one use. A second
//! use of a spent one means that somebody else has it, and ends the session (RFC 9700, 4.14.2).

mod accepting;
pub(crate) mod api_keys;
pub(crate) mod changes;
mod credentials;
mod forgotten;
pub(crate) mod one_time;
mod sessions;
mod sign_in;
mod sign_up;
mod verification;

pub use accepting::Acceptance;
pub use api_keys::{
    API_KEY_PREFIX, API_KEY_USE_KEPT, ApiKey, ApiKeys, IssuedApiKey, MOST_API_KEYS, NewApiKey,
};
pub use changes::AccessChange;
pub use credentials::check_password;
pub(crate) use credentials::check_username;
pub use one_time::{OneTimeToken, Purpose, TOKENS_AN_HOUR};
pub use sessions::{RefreshToken, Session};
pub use sign_in::{Membership, SignIn, SignedIn};
pub use sign_up::SignUp;
pub(crate) use sign_up::member;

use crate::crm::Crm;

/// The service of users and their sessions.
#[derive(Debug, Clone)]
pub struct Auth(Crm);

impl Auth {
    pub(crate) fn new(crm: Crm) -> Self {
        Self(crm)
    }
}
