//! `crm-server serve` as a process of its own, to be ended in any way.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use crm_server::config::Algorithm;
use crm_server::tokens::generate_key;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// What a process is started with, again and again.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) address: SocketAddr,
    environment: Vec<(String, String)>,
    log: PathBuf,
}

impl Settings {
    /// On a free port, with this in the environment.
    pub(crate) fn of(environment: &[(String, String)]) -> Self {
        let address = free_address();
        let log = format!("crm-server-{}-{}.log", std::process::id(), address.port());
        let log = std::env::temp_dir().join(log);
        let settings = Self { address, environment: environment.to_vec(), log };
        settings.with("CRM_BIND", &address.to_string())
    }

    /// On a free port, over these databases: the one to serve, and the one to migrate.
    pub(crate) fn new(url: &str, owner_url: &str) -> Self {
        let key = generate_key(Algorithm::EdDsa).unwrap();
        Self::of(&[])
            .with("DATABASE_URL", url)
            .with("CRM_MIGRATION_DATABASE_URL", owner_url)
            .with("CRM_DATABASE_ACQUIRE_TIMEOUT", "2s")
            .with("CRM_DATABASE_STATEMENT_TIMEOUT", "5s")
            .with("CRM_TOKEN_ALGORITHM", "EdDSA")
            .with("CRM_TOKEN_KEY", key.reveal())
            .with("CRM_MFA_KEY", "what second factors are sealed under")
            // Quick; everything else is as in production.
            .with("CRM_PASSWORD_MEMORY_KIB", "64")
            .with("CRM_PASSWORD_ITERATIONS", "1")
            // Its callers write as fast as they can.
            .with("CRM_RATE_ADDRESS", "off")
            .with("CRM_RATE_USER", "off")
            .with("CRM_RATE_TENANT", "off")
    }

    /// With this in the environment, too.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(set, _)| set != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Without this in the environment.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.environment.retain(|(set, _)| set != name);
        self
    }

    /// The same on another port: another instance of one installation.
    pub(crate) fn beside(&self) -> Self {
        let address = free_address();
        let log = self.log.with_extension(format!("{}.log", address.port()));
        Self { address, log, ..self.clone() }.with("CRM_BIND", &address.to_string())
    }

    /// All of its environment.
    pub(crate) fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    /// With its log written there.
    pub(crate) fn logging_to(mut self, log: impl Into<PathBuf>) -> Self {
        self.log = log.into();
        self
    }
}

/// A command of the binary that ends by itself: whether it succeeded, and what it said.
pub(crate) async fn run(arguments: &[&str], environment: &[(String, String)]) -> (bool, String) {
    let mut command = command(environment);
    let ended = command.args(arguments).stdin(Stdio::null()).output().await.unwrap();
    let said = [ended.stdout, ended.stderr].concat();
    (ended.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// The binary with nothing in its environment but this, where there is no configuration file.
fn command(environment: &[(String, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crm-server"));
    for (name, _) in std::env::vars() {
        if name.starts_with("CRM_") || name == "DATABASE_URL" {
            command.env_remove(name);
        }
    }
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    command.current_dir(std::env::temp_dir());
    command
}

/// A port that the system gives to nobody by itself, so that it is still free after a restart.
fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let base = 20_000 + (std::process::id() % 500) as u16 * 20;
    loop {
        let address =
            SocketAddr::from(([127, 0, 0, 1], base + NEXT.fetch_add(1, Ordering::Relaxed)));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// A process that listens.
#[derive(Debug)]
pub(crate) struct Process {
    settings: Settings,
    child: Child,
}

impl Process {
    /// Starts one, and waits until it listens.
    pub(crate) async fn start(settings: Settings) -> Self {
        let child = spawn(&settings).await;
        Self { settings, child }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.settings.address
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.settings.log).unwrap()
    }

    /// `kill -9`.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asks it to end, as an orchestrator does, and waits for that; how it ended.
    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        let pid = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().await.unwrap();
        assert!(sent.success());
        self.child.wait().await.unwrap()
    }

    /// Asks it to read its keys again.
    pub(crate) async fn hang_up(&self) {
        let pid = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-HUP", &pid]).status().await.unwrap();
        assert!(sent.success());
    }

    /// Starts it after it was killed.
    pub(crate) async fn start_again(&mut self) {
        self.child = spawn(&self.settings).await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.settings.log.starts_with(std::env::temp_dir()) && !std::thread::panicking() {
            let _ = std::fs::remove_file(&self.settings.log);
        }
    }
}

async fn spawn(settings: &Settings) -> Child {
    let log = File::options().create(true).append(true).open(&settings.log).unwrap();
    let mut child = command(&settings.environment)
        .arg("serve")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    let listening = tokio::time::timeout(Duration::from_secs(60), said.next_line()).await;
    if !matches!(&listening, Ok(Ok(Some(line))) if line.starts_with("listening on")) {
        let log = settings.log.is_file().then(|| std::fs::read_to_string(&settings.log));
        panic!("the server does not start: {listening:?}; its log: {log:?}");
    }
    child
}
