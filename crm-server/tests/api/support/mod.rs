//! What every test of the suite starts from: a server of its own, and callers of it.
//!
//! ```ignore
//! for_each_store! {
//!     /// Sentence that the test proves.
//!     async fn a_server_that_is_up_says_so(server: &TestServer) {
//!         server.anonymous().get("/health/live").await.is(200);
//!     }
//! }
//! ```

mod client;
mod collector;
mod conforms;
mod document;
mod founder;
mod people;
mod post;
mod redis;
mod samples;
mod server;
mod watched;

pub(crate) use client::{Answer, Client};
pub(crate) use collector::{CERTIFICATE as COLLECTORS_CERTIFICATE, Collector, Received};
pub(crate) use conforms::{faults, resolve};
pub(crate) use document::check;
pub(crate) use document::document;
pub(crate) use founder::{Founder, GIVEN};
pub(crate) use people::{PASSWORD, Person};
pub(crate) use post::{Letter, MailServer, Manner};
pub(crate) use redis::Redis;
pub(crate) use samples::{Kept, SAMPLES};
pub(crate) use server::{Backend, TestServer};
pub(crate) use watched::{Audited, Watched};

/// Whether something becomes true within the second that is promised, and a little more.
pub(crate) async fn soon(mut check: impl AsyncFnMut() -> bool) -> bool {
    for _ in 0..30 {
        if check().await {
            return true;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    false
}

/// Runs each test on the memory store and on PostgreSQL.
macro_rules! for_each_store {
    ($($(#[doc = $doc:literal])* async fn $name:ident($server:ident: &TestServer) $body:block)*) => {$(
        $(#[doc = $doc])*
        mod $name {
            use super::*;

            async fn case($server: &TestServer) $body

            #[tokio::test]
            async fn on_memory() {
                let server = TestServer::start($crate::support::Backend::Memory).await;
                case(&server).await;
                server.stop().await;
            }

            #[tokio::test]
            async fn on_postgres() {
                let server = TestServer::start($crate::support::Backend::Postgres).await;
                case(&server).await;
                server.stop().await;
            }
        }
    )*};
}
pub(crate) use for_each_store;
