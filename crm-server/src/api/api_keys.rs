//! One's own API keys, in the tenant that one works in.

use chrono::{DateTime, Utc};
use crm_core::Id;
use crm_core::auth::{ApiKey, IssuedApiKey, NewApiKey};
use poem_openapi::param::Path;
use poem_openapi::{Object, OpenApi};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::body::Body;
use super::caller::Caller;
use super::envelope::{Created, Reply};
use super::error::ApiError;
use crate::openapi::BASE;

/// API keys.
#[derive(Debug, Clone, Copy)]
pub struct ApiKeysApi;

/// An API key: what is kept of it.
#[derive(Debug, Clone, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename = "ApiKey", rename_all = "camelCase")]
pub struct ApiKeyView {
    /// The identifier.
    pub id: Uuid,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// What it is called.
    pub name: String,
    /// What it begins with.
    pub prefix: String,
    /// What it is limited to.
    pub scopes: Vec<String>,
    /// When it stops holding; never where there is nothing.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was last used, to ten minutes.
    pub last_used_at: Option<DateTime<Utc>>,
    /// The address that it was used from then.
    pub last_address: Option<String>,
}

impl From<ApiKey> for ApiKeyView {
    fn from(key: ApiKey) -> Self {
        let ApiKey {
            id,
            version: _,
            created_at,
            updated_at: _,
            deleted_at: _,
            user: _,
            tenant: _,
            place: _,
            name,
            prefix,
            scopes,
            // Never leaves the server.
            hash: _,
            expires_at,
            last_used_at,
            last_address,
        } = key;
        Self {
            id: id.uuid(),
            created_at,
            name,
            prefix,
            scopes,
            expires_at,
            last_used_at,
            last_address,
        }
    }
}

/// An API key that was just made, with the key itself: shown now and never again.
#[derive(Debug, Clone, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename = "IssuedApiKey", rename_all = "camelCase")]
pub struct IssuedApiKeyView {
    /// The identifier.
    pub id: Uuid,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// What it is called.
    pub name: String,
    /// What it begins with.
    pub prefix: String,
    /// What it is limited to.
    pub scopes: Vec<String>,
    /// When it stops holding; never where there is nothing.
    pub expires_at: Option<DateTime<Utc>>,
    /// The key, for `X-API-Key` or `Authorization: Bearer …`.
    pub key: String,
}

impl From<IssuedApiKey> for IssuedApiKeyView {
    fn from(IssuedApiKey { key, secret }: IssuedApiKey) -> Self {
        let ApiKeyView { id, created_at, name, prefix, scopes, expires_at, .. } = key.into();
        Self { id, created_at, name, prefix, scopes, expires_at, key: secret }
    }
}

/// An API key to make.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct ApiKeyInput {
    /// What it is to be called.
    pub name: String,
    /// What it is limited to, at least one: `customers:read`, `customers:write`,
    /// `followups:manage`, `dashboard:view` and their like, or `*` for whatever you may do. It
    /// never may more than you at the moment of a request.
    pub scopes: Vec<String>,
    /// When it stops holding; never where none is given.
    pub expires_at: Option<DateTime<Utc>>,
    /// A code of the second factor, where one has one and did not show it within the last five
    /// minutes.
    pub code: Option<String>,
}

#[OpenApi(prefix_path = "/auth/api-keys")]
impl ApiKeysApi {
    /// List one's own API keys in the tenant
    ///
    /// The newest first; expired ones among them, and none that were revoked.
    #[oai(path = "/", method = "get")]
    async fn list(&self, caller: Caller) -> Result<Reply<Vec<ApiKeyView>>, ApiError> {
        let keys = caller.crm().api_keys().list().await?;
        Ok(Reply::new(keys.into_iter().map(ApiKeyView::from).collect()))
    }

    /// Create an API key
    ///
    /// It is good in the tenant that one works in, and for nothing that is about credentials and
    /// rights: operations without `apiKey` among their security schemes. The answer shows it
    /// once.
    #[oai(path = "/", method = "post")]
    async fn create(
        &self,
        caller: Caller,
        input: Body<ApiKeyInput>,
    ) -> Result<Created<IssuedApiKeyView>, ApiError> {
        let ApiKeyInput { name, scopes, expires_at, code } = input.0;
        let new = NewApiKey { name, scopes, expires_at, session: caller.session(), code };
        let issued = caller.crm().api_keys().create(new).await?;
        let location = format!("{BASE}/auth/api-keys/{}", issued.key.id);
        Ok(Created::new(issued.into(), location))
    }

    /// Get one of one's own API keys
    #[oai(path = "/:id", method = "get")]
    async fn get(&self, caller: Caller, id: Path<Uuid>) -> Result<Reply<ApiKeyView>, ApiError> {
        Ok(Reply::new(caller.crm().api_keys().get(Id::new(id.0)).await?.into()))
    }

    /// Revoke one of one's own API keys
    ///
    /// It stops working at once, on every server within a second.
    #[oai(path = "/:id", method = "delete")]
    async fn revoke(&self, caller: Caller, id: Path<Uuid>) -> Result<Reply<ApiKeyView>, ApiError> {
        let revoked = caller.crm().api_keys().revoke(Id::new(id.0)).await?;
        caller.forget_key(revoked.id);
        Ok(Reply::new(revoked.into()))
    }
}
