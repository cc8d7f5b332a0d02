//! Tenants for the test kit, founded by signing up, and watched beneath the API.

use std::sync::LazyLock;

use async_trait::async_trait;
use crm_server::testkit::{Given, Listening, Member, SignUps, Tenants, given};

use super::watched::Watched;

/// What our document does not tell of how operations are called.
pub(crate) static GIVEN: LazyLock<Given> = LazyLock::new(given);

/// Founds tenants on a server.
pub(crate) struct Founder<'a> {
    sign_ups: SignUps<'a>,
    watched: Option<&'a Watched>,
}

impl<'a> Founder<'a> {
    pub(crate) fn at(door: &'a Listening) -> Self {
        Self { sign_ups: SignUps::new(door), watched: None }
    }

    /// On a server over a store that is watched.
    pub(crate) fn watching(door: &'a Listening, watched: &'a Watched) -> Self {
        Self { watched: Some(watched), ..Self::at(door) }
    }
}

#[async_trait]
impl Tenants for Founder<'_> {
    async fn tenant(&self, name: &str) -> Member {
        self.sign_ups.tenant(name).await
    }

    async fn stranger(&self) -> String {
        self.sign_ups.stranger().await
    }

    async fn session(&self, member: &Member) -> String {
        self.sign_ups.session(member).await
    }

    async fn password(&self, member: &Member) -> String {
        self.sign_ups.password(member).await
    }

    async fn code(&self, member: &Member, first: bool) -> String {
        self.sign_ups.code(member, first).await
    }

    /// Whatever was written there, shown by the API or not: the log and the events as well.
    async fn digest(&self, member: &Member) -> String {
        let tenant = member.tenant.parse().unwrap();
        let written = self.watched.map(|watched| watched.written(tenant));
        format!("{written:?}")
    }
}
