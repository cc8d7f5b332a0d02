//! Signing up, signing in, and the sessions that follow, for hosts that let this library keep
//! their users; and API keys, for these and for others.
//!
//! Access tokens are a host's business; what is kept here is the session behind them and the
//! refresh tokens that prolong it: random, stored as a hash only, each good for one use. A later
//! use of a spent one means that somebody else has it, and ends the session (RFC 9700, 4.14.2).

mod accepting;
pub(crate) mod api_keys;
pub(crate) mod changes;
mod credentials;
mod device;
mod forgotten;
mod lockout;
mod new_address;
pub(crate) mod one_time;
mod passwords;
mod profile;
mod refresh;
mod second_factor;
mod sessions;
mod sign_in;
mod sign_up;
mod verification;

pub use accepting::Acceptance;
pub use api_keys::{
    API_KEY_PREFIX, API_KEY_USE_KEPT, ApiKey, ApiKeys, IssuedApiKey, MOST_API_KEYS, NewApiKey,
};
pub use changes::AccessChange;
pub(crate) use credentials::check_username;
pub use device::device_name;
pub(crate) use lockout::FORGOTTEN;
pub use lockout::{FailedSignIns, Lockout};
pub use new_address::ChangeEmail;
pub use one_time::{OneTimeToken, Purpose, TOKENS_AN_HOUR};
pub use passwords::{ChangePassword, SHORTEST_PASSWORD};
pub use profile::ProfileDraft;
pub use refresh::RefreshToken;
pub(crate) use second_factor::BEGUN;
pub use second_factor::{Challenge, Enrolment, Entry, SecondFactor, SecondStep, one_time_password};
pub use sessions::Session;
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
