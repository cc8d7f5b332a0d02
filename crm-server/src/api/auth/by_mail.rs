//! What one does by a link in a mail: showing that an address is one's own, and setting a forgotten
//! password anew.

use std::sync::Arc;

use poem::Request;
use poem::web::Data;
use poem_openapi::{Object, OpenApi};
use serde::{Deserialize, Serialize};

use super::super::body::Body;
use super::super::caller::{SignedIn, origin};
use super::super::envelope::{Accepted, Reply};
use super::super::error::ApiError;
use super::{Done, UserView};
use crate::app::App;

/// Links in mails.
#[derive(Debug, Clone, Copy)]
pub struct AuthByMailApi;

/// Who forgot their password.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct ForgotPasswordInput {
    /// The e-mail address that they sign in with.
    pub email: String,
}

/// A new password, for a token out of a mail.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct ResetPasswordInput {
    /// The token out of the mail.
    pub token: String,
    /// The new password: 8 to 256 characters.
    pub password: String,
}

/// A token out of a mail.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct TokenInput {
    /// The token out of the mail.
    pub token: String,
}

#[OpenApi(prefix_path = "/auth")]
impl AuthByMailApi {
    /// Ask for a new password
    ///
    /// Where somebody signs in with the address, they are sent a link that sets the password anew,
    /// good for an hour, five within an hour at most. The answer is the same in every case.
    #[oai(path = "/forgot-password", method = "post")]
    async fn forgot_password(
        &self,
        app: Data<&Arc<App>>,
        input: Body<ForgotPasswordInput>,
    ) -> Result<Accepted<Done>, ApiError> {
        app.crm().auth().forgot_password(&input.0.email).await?;
        let message = "if somebody signs in with this address, a mail is on its way to it";
        Ok(Accepted::new(Done {}).message(message))
    }

    /// Set a forgotten password anew
    ///
    /// Spends the token out of the mail. All sessions of the user end.
    #[oai(path = "/reset-password", method = "post")]
    async fn reset_password(
        &self,
        app: Data<&Arc<App>>,
        input: Body<ResetPasswordInput>,
        request: &Request,
    ) -> Result<Reply<Done>, ApiError> {
        let ResetPasswordInput { token, password } = input.0;
        let user = app.crm().auth().reset_password(&token, password, origin(request)).await?;
        app.standings().forget_user(user.id);
        Ok(Reply::new(Done {}).message("sign in with the new password"))
    }

    /// Show that an address is one's own
    ///
    /// Spends the token out of the mail that is sent at sign-up, or once more on request.
    #[oai(path = "/verify-email", method = "post")]
    async fn verify_email(
        &self,
        app: Data<&Arc<App>>,
        input: Body<TokenInput>,
    ) -> Result<Reply<UserView>, ApiError> {
        let user = app.crm().auth().verify_email(&input.0.token).await?;
        app.standings().forget_user(user.id);
        let version = user.version;
        Ok(Reply::new(UserView::from(user)).version(version))
    }

    /// Send oneself the mail that shows that an address is one's own once more
    ///
    /// Nothing is sent where that is known already, or after five within an hour.
    #[oai(path = "/verify-email/resend", method = "post")]
    async fn resend_verification(&self, caller: SignedIn) -> Result<Accepted<Done>, ApiError> {
        caller.app().crm().auth().send_verification(caller.user.id).await?;
        Ok(Accepted::new(Done {}).message("a mail is on its way, unless the address is verified"))
    }
}
