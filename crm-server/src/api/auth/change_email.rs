//! Signing in with another address: asked for, confirmed at the new one, stopped at the old one.

use std::sync::Arc;

use crm_core::auth::ChangeEmail;
use poem::Request;
use poem::web::Data;
use poem_openapi::{Object, OpenApi};
use serde::{Deserialize, Serialize};

use super::{Done, TokenInput, UserView};
use crate::api::body::Body;
use crate::api::caller::{SignedIn, origin};
use crate::api::envelope::{Accepted, Reply};
use crate::api::error::ApiError;
use crate::app::App;

/// Another address to sign in with.
#[derive(Debug, Clone, Copy)]
pub struct ChangeEmailApi;

/// The address that one is to sign in with.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct ChangeEmailInput {
    /// The new address.
    pub email: String,
    /// One's own password.
    pub password: String,
    /// A code of the second factor, where one has one and did not show it within the last five
    /// minutes.
    pub code: Option<String>,
}

#[OpenApi(prefix_path = "/auth/change-email")]
impl ChangeEmailApi {
    /// Ask for another address to sign in with
    ///
    /// It is sent a link that confirms it, good for a day, unless somebody else has it; the answer
    /// is the same. The address until now is told, with a link that stops it. Until it is confirmed
    /// nothing changes.
    #[oai(path = "/", method = "post")]
    async fn ask(
        &self,
        caller: SignedIn,
        input: Body<ChangeEmailInput>,
        request: &Request,
    ) -> Result<Accepted<Done>, ApiError> {
        let ChangeEmailInput { email, password, code } = input.0;
        let change = ChangeEmail { email, password, code, origin: origin(request) };
        let auth = caller.app().crm().auth();
        let user = auth.change_email(caller.session()?, caller.user.id, change).await?;
        caller.app().standings().forget_user(user.id);
        Ok(Accepted::new(Done {}).message("a mail is on its way to the new address"))
    }

    /// Keep one's address
    ///
    /// Where another one was asked for and has not been confirmed.
    #[oai(path = "/", method = "delete")]
    async fn keep(&self, caller: SignedIn) -> Result<Reply<Done>, ApiError> {
        // Not for API keys, like all of this.
        caller.session()?;
        let user = caller.app().crm().auth().keep_email(caller.user.id).await?;
        caller.app().standings().forget_user(user.id);
        Ok(Reply::new(Done {}).message("the address stays"))
    }

    /// Confirm another address
    ///
    /// Spends the token that was sent to it. All sessions end but the one in which it was asked
    /// for.
    #[oai(path = "/confirm", method = "post")]
    async fn confirm(
        &self,
        app: Data<&Arc<App>>,
        input: Body<TokenInput>,
        request: &Request,
    ) -> Result<Reply<UserView>, ApiError> {
        let user = app.crm().auth().confirm_email(&input.0.token, &origin(request)).await?;
        app.standings().forget_user(user.id);
        let version = user.version;
        Ok(Reply::new(UserView::from(user)).version(version))
    }

    /// Stop a change of address
    ///
    /// Spends the token that was sent to the address of before, which is put back where another
    /// one was confirmed meanwhile. All sessions end: sign in, and set a new password.
    #[oai(path = "/stop", method = "post")]
    async fn stop(
        &self,
        app: Data<&Arc<App>>,
        input: Body<TokenInput>,
        request: &Request,
    ) -> Result<Reply<Done>, ApiError> {
        let user = app.crm().auth().stop_email_change(&input.0.token, &origin(request)).await?;
        app.standings().forget_user(user.id);
        Ok(Reply::new(Done {}).message("the address stays: set a new password now"))
    }
}
