//! A second factor of one's own: begun, confirmed, given up; and shown when one signs in.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use crm_core::auth::SecondStep;
use poem::Request;
use poem::web::Data;
use poem_openapi::{Object, OpenApi, Union};
use serde::{Deserialize, Serialize};

use super::{Done, SessionView, session};
use crate::api::body::Body;
use crate::api::caller::{SignedIn, origin};
use crate::api::envelope::Reply;
use crate::api::error::ApiError;
use crate::app::App;
use crate::qr;

/// One's own second factor.
#[derive(Debug, Clone, Copy)]
pub struct MfaApi;

/// What a sign-in is answered with: a session, or the question for a second factor.
#[derive(Debug, Clone, Serialize, Union)]
#[serde(untagged)]
#[oai(rename = "SignInResult", one_of)]
pub enum EntryView {
    /// One is in.
    Session(Box<SessionView>),
    /// One has a second factor and shows it next.
    Challenge(ChallengeView),
}

/// The question for a second factor. There are no tokens yet.
#[derive(Debug, Clone, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename = "MfaChallenge", rename_all = "camelCase")]
pub struct ChallengeView {
    /// True: a code has to be shown by `POST /auth/login/mfa`.
    pub mfa_required: bool,
    /// What it is to be shown with: once, five tries at most.
    pub mfa_token: String,
    /// For how many seconds.
    pub expires_in: i64,
    /// When it is good for nothing any more.
    pub expiration: DateTime<Utc>,
}

impl ChallengeView {
    pub(super) fn of(step: SecondStep, now: DateTime<Utc>) -> Self {
        Self {
            mfa_required: true,
            mfa_token: step.token,
            expires_in: (step.expires_at - now).num_seconds(),
            expiration: step.expires_at,
        }
    }
}

/// A code to finish a sign-in with.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct LoginMfaInput {
    /// The token of the sign-in.
    pub mfa_token: String,
    /// A code of the app, or a recovery code.
    pub code: String,
}

/// The password, before a second factor is begun.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct EnrolInput {
    /// One's own password.
    pub password: String,
}

/// A code.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct CodeInput {
    /// A code of the app; a recovery code where the app was confirmed already.
    pub code: String,
}

/// The password and a code.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct RemoveMfaInput {
    /// One's own password.
    pub password: String,
    /// A code of the app, or a recovery code.
    pub code: String,
}

/// What an authenticator app is to take in. Shown once.
#[derive(Debug, Clone, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename = "Enrolment", rename_all = "camelCase")]
pub struct EnrolmentView {
    /// The secret, in Base32, for typing it in.
    pub secret: String,
    /// The same as an address for the app.
    pub otpauth_uri: String,
    /// The address as a QR code: a PNG image as a `data:` address.
    pub qr_code: Option<String>,
}

/// Codes that stand in for the app, each once. Shown once.
#[derive(Debug, Clone, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename = "NewRecoveryCodes", rename_all = "camelCase")]
pub struct RecoveryCodesView {
    /// The codes.
    pub recovery_codes: Vec<String>,
}

#[OpenApi(prefix_path = "/auth")]
impl MfaApi {
    /// Finish a sign-in with a second factor
    ///
    /// By a code of the app or a recovery code. The token is good once, for five minutes and five
    /// tries; then sign in from the beginning.
    #[oai(path = "/login/mfa", method = "post")]
    async fn finish(
        &self,
        app: Data<&Arc<App>>,
        input: Body<LoginMfaInput>,
        request: &Request,
    ) -> Result<Reply<SessionView>, ApiError> {
        let LoginMfaInput { mfa_token, code } = input.0;
        let auth = app.crm().auth();
        let signed_in = auth.finish_sign_in(&mfa_token, &code, &origin(request)).await?;
        Ok(Reply::new(session(&app, signed_in)?))
    }

    /// Begin to get a second factor
    ///
    /// Answers a secret for an authenticator app (RFC 6238: SHA-1, six digits, thirty seconds).
    /// Nothing asks for it until it is confirmed. Beginning again makes the one before void.
    #[oai(path = "/mfa/totp", method = "post")]
    async fn begin(
        &self,
        caller: SignedIn,
        input: Body<EnrolInput>,
        request: &Request,
    ) -> Result<Reply<EnrolmentView>, ApiError> {
        let (app, user) = (caller.app(), caller.user.id);
        let issuer = &app.config().mfa.issuer;
        let auth = app.crm().auth();
        let password = input.0.password;
        let begun = auth.enrol_second_factor(user, password, issuer, &origin(request)).await?;
        Ok(Reply::new(EnrolmentView {
            qr_code: qr::data_uri(&begun.uri),
            secret: begun.secret,
            otpauth_uri: begun.uri,
        }))
    }

    /// Confirm a second factor
    ///
    /// By a code of the app, which shows that it has the secret. From now on one is asked for a code
    /// when signing in. All other sessions end. Answers ten recovery codes, which are shown once.
    #[oai(path = "/mfa/totp/confirm", method = "post")]
    async fn confirm(
        &self,
        caller: SignedIn,
        input: Body<CodeInput>,
        request: &Request,
    ) -> Result<Reply<RecoveryCodesView>, ApiError> {
        let (auth, code) = (caller.app().crm().auth(), input.0.code);
        let (at, user) = (caller.session()?, caller.user.id);
        let codes = auth.confirm_second_factor(at, user, &code, &origin(request)).await?;
        caller.app().standings().forget_user(user);
        Ok(Reply::new(RecoveryCodesView { recovery_codes: codes }))
    }

    /// Give up one's second factor
    ///
    /// Needs the password and a code. All other sessions end.
    #[oai(path = "/mfa/totp", method = "delete")]
    async fn remove(
        &self,
        caller: SignedIn,
        input: Body<RemoveMfaInput>,
        request: &Request,
    ) -> Result<Reply<Done>, ApiError> {
        let RemoveMfaInput { password, code } = input.0;
        let (auth, at, user) = (caller.app().crm().auth(), caller.session()?, caller.user.id);
        auth.remove_second_factor(at, user, password, &code, &origin(request)).await?;
        caller.app().standings().forget_user(user);
        Ok(Reply::new(Done {}).message("there is no second factor any more"))
    }

    /// Get new recovery codes
    ///
    /// Needs a code. Those of before are void.
    #[oai(path = "/mfa/recovery-codes", method = "post")]
    async fn renew(
        &self,
        caller: SignedIn,
        input: Body<CodeInput>,
        request: &Request,
    ) -> Result<Reply<RecoveryCodesView>, ApiError> {
        let (auth, code) = (caller.app().crm().auth(), input.0.code);
        let (at, user) = (caller.session()?, caller.user.id);
        let codes = auth.renew_recovery_codes(at, user, &code, &origin(request)).await?;
        caller.app().standings().forget_user(user);
        Ok(Reply::new(RecoveryCodesView { recovery_codes: codes }))
    }
}
