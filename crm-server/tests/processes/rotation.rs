//! The keys of tokens change while two processes serve: by the command, in the file that both
//! read, without a start and without a request that is refused.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crm_core::{Clock, SystemClock};
use crm_server::config::Algorithm;
use crm_server::tokens::generate_key;
use crm_store_postgres::testing::TestDatabase;
use serde_json::Value;

use crate::support::{Caller, Process, Settings, run};

const CUSTOMERS: &str = "/api/v1/customers?limit=1&count=none";

/// Two instances that read one file of keys.
struct Pair {
    one: Process,
    other: Process,
    file: PathBuf,
    environment: Vec<(String, String)>,
    // Dropped last.
    _directory: tempfile::TempDir,
    _database: TestDatabase,
}

impl Pair {
    async fn start() -> Self {
        let database = TestDatabase::migrated().await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("keys.pem");
        std::fs::write(&file, generate_key(Algorithm::Rs256).unwrap().reveal()).unwrap();
        let settings = Settings::new(&database.app_url(), &database.owner_url())
            .without("CRM_TOKEN_KEY")
            .with("CRM_TOKEN_KEY_FILE", file.to_str().unwrap());
        let environment = settings.environment().to_vec();
        let beside = settings.beside();
        let (one, other) = tokio::join!(Process::start(settings), Process::start(beside));
        Self { one, other, file, environment, _directory: directory, _database: database }
    }

    /// `crm-server keys …`: what it said.
    async fn keys(&self, arguments: &[&str]) -> String {
        let arguments = [&["keys"], arguments].concat();
        let (succeeded, said) = run(&arguments, &self.environment).await;
        assert!(succeeded, "{said}");
        said
    }

    fn both(&self) -> [&Process; 2] {
        [&self.one, &self.other]
    }
}

/// The keys that a process publishes.
async fn published(process: &Process) -> Vec<String> {
    let body = Caller::new(process.address(), "").get("/.well-known/jwks.json").await.body(200);
    let keys = body["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// What a token's key is called, and the algorithm.
fn signed_by(caller: &Caller) -> (String, String) {
    let header = URL_SAFE_NO_PAD.decode(caller.token().split('.').next().unwrap()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    let text = |name: &str| header[name].as_str().unwrap().to_owned();
    (text("kid"), text("alg"))
}

/// Waits until it is so, however long that takes.
async fn in_the_end(what: &str, mut check: impl AsyncFnMut() -> bool) {
    for _ in 0..600 {
        if check().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    panic!("it never came to this: {what}");
}

/// Both let in whoever came before.
async fn let_in(pair: &Pair, callers: &[&Caller]) {
    for caller in callers {
        for process in pair.both() {
            caller.at(process.address()).get(CUSTOMERS).await.data(200);
        }
    }
}

#[tokio::test]
async fn keys_change_under_processes_that_serve() {
    let pair = Pair::start().await;
    let (owner, _) = Caller::sign_up(pair.one.address(), "acme").await;
    let email = "owner@acme.example";
    let (old, algorithm) = signed_by(&owner);
    assert_eq!(algorithm, "RS256");
    // The environment says EdDSA: the next key is of that.
    let said = pair.keys(&["rotate", "--after", "30d"]).await;
    let told: Vec<Vec<&str>> = said.lines().map(|line| line.split(' ').collect()).collect();
    assert_eq!(told[0], [old.as_str(), "RS256", "signs"], "{said}");
    assert_eq!(told[1][1..6], ["EdDSA", "is", "accepted,", "and", "signs"], "{said}");
    let new = told[1][0].to_owned();
    // One is asked to read it, the other does so by itself.
    pair.one.hang_up().await;
    for process in pair.both() {
        in_the_end("the next key is published", async || {
            published(process).await == [old.clone(), new.clone()]
        })
        .await;
        let caller = Caller::sign_in(process.address(), email).await;
        assert_eq!(signed_by(&caller).0, old, "it signs in a month");
    }
    // The month passes, at the one first.
    let text = std::fs::read_to_string(&pair.file).unwrap();
    let waits = text.lines().find(|line| line.starts_with("Signs-From: ")).unwrap();
    let now = SystemClock.now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    std::fs::write(&pair.file, text.replace(waits, &format!("Signs-From: {now}"))).unwrap();
    pair.one.hang_up().await;
    in_the_end("the new key signs at the one", async || {
        signed_by(&Caller::sign_in(pair.one.address(), email).await).0 == new
    })
    .await;
    let by_new = Caller::sign_in(pair.one.address(), email).await;
    assert_eq!(signed_by(&by_new), (new.clone(), "EdDSA".to_owned()));
    let_in(&pair, &[&owner, &by_new]).await;
    in_the_end("the new key signs at the other", async || {
        signed_by(&Caller::sign_in(pair.other.address(), email).await).0 == new
    })
    .await;
    let_in(&pair, &[&owner, &by_new]).await;
    // A file that cannot be read changes nothing; one that is right again does.
    let text = std::fs::read_to_string(&pair.file).unwrap();
    std::fs::write(&pair.file, "no keys").unwrap();
    pair.one.hang_up().await;
    in_the_end("it says so", async || pair.one.log().contains("stay as they are")).await;
    let_in(&pair, &[&owner, &by_new]).await;
    std::fs::write(&pair.file, text).unwrap();
    // At last the old one goes, and what it signed with it; nobody else notices.
    let said = pair.keys(&["remove", &old]).await;
    assert!(said.starts_with(&format!("{new} EdDSA signs\n")), "{said}");
    pair.one.hang_up().await;
    for process in pair.both() {
        in_the_end("the old key is forgotten", async || {
            owner.at(process.address()).get(CUSTOMERS).await.status() == Some(401)
        })
        .await;
        assert_eq!(published(process).await, std::slice::from_ref(&new));
        by_new.at(process.address()).get(CUSTOMERS).await.data(200);
    }
}
