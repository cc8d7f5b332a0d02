//! Proving that an API keeps tenants apart: every operation of its document is called by the
//! owner of one tenant for what is another's.
//!
//! ```text
//! cargo run -p crm-examples --features http --example tenants_apart
//! ```
//!
//! Here it is the API as it comes. Where it is mounted beside operations of one's own, hand in the
//! application's endpoint and a document that has those too.

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use crm_server::app::{App, Parts};
use crm_server::config::{Algorithm, Config};
use crm_server::openapi;
use crm_server::testkit::{
    Ask, Crossing, Document, Exception, Member, Mounted, Report, Server, Tenants, unsigned,
};
use crm_server::tokens::generate_key;
use crm_store_memory::MemoryStore;
use poem::endpoint::BoxEndpoint;
use poem::http::Method;
use serde_json::{Value, json};

/// What is known and right: `operation | place | reason`, a line each. It may only shrink, and a
/// line that is needed no more is a fault.
const KNOWN: &str = "";

/// Tenants come about as everybody's do: somebody signs up.
struct Signups<'a>(&'a Mounted<BoxEndpoint<'static>>);

#[async_trait]
impl Tenants for Signups<'_> {
    async fn tenant(&self, name: &str) -> Member {
        let input = json!({
            "email": format!("owner@{name}.example"),
            "password": "correct horse battery",
            "tenantName": name,
        });
        let ask = Ask::new(Method::POST, "/api/v1/auth/signup").json(&input);
        let session = self.0.ask(ask).await.json();
        let text = |pointer| {
            let text = session.pointer(pointer).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        Member {
            tenant: text("/data/tenant/id"),
            user: text("/data/user/id"),
            token: text("/data/token"),
        }
    }
}

async fn probe() -> Result<Report, Box<dyn Error>> {
    let mut config = Config::default();
    config.tokens.algorithm = Algorithm::EdDsa;
    config.tokens.key = Some(generate_key(Algorithm::EdDsa)?);
    let app = App::new(Parts::new(config, Arc::new(MemoryStore::new()))).await?;
    let server = Mounted(app.endpoint());
    let document = Document::new(serde_json::from_str(openapi::document())?)?;
    let tenants = Signups(&server);

    let somebody = tenants.tenant("somebody").await;
    let keys = server.ask(Ask::new(Method::GET, "/.well-known/jwks.json")).await.json();
    let forged = unsigned(&somebody.token, &keys, &somebody.tenant)?;
    let report = Crossing::new(&server, &document, &tenants)
        // What the schema of its body does not tell.
        .given("POST /custom-fields", json!({"recordType": "customers", "type": "text"}))
        .bad_tokens(forged)
        .run()
        .await;
    Ok(report)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let report = probe().await?;
    println!("{} requests to {} operations", report.asked, report.operations.len());
    report.against(&Exception::list(KNOWN)?)?;
    println!("none of them crossed into another tenant");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_crosses() {
        let report = probe().await.unwrap();
        assert!(report.asked > 1_000, "{}", report.asked);
        assert_eq!(report.against(&Exception::list(KNOWN).unwrap()), Ok(()));
    }
}
