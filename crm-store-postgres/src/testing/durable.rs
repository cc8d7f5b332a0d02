//! A PostgreSQL of one's own that keeps what it acknowledged: to be stopped in any way, and
//! started again.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crm_core::{Error, Result};
use url::Url;

use super::binaries::{self, cannot};
use super::{LOGIN, OWNER, at, cluster, connect, run, set_up_roles, sign_in};

/// As PostgreSQL has it unless told otherwise.
const DURABLE: &str = "-c fsync=on -c synchronous_commit=on -c full_page_writes=on";
const DATABASE: &str = "crm";
/// Ends the server with us, however we end.
const WATCH: &str = r#"
read -r _
pid=$(head -n 1 "$1/server/data/postmaster.pid" 2>/dev/null)
[ -n "$pid" ] && kill -QUIT "$pid" && while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
rm -rf "$1"
"#;

/// How a server is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// In order, without waiting for its clients.
    Fast,
    /// At once, as in a crash: it recovers from its log when it starts.
    Immediate,
}

/// A server with a database `crm` in it, removed with the value.
#[derive(Debug)]
pub struct DurableServer {
    files: Arc<Files>,
    superuser: Url,
}

#[derive(Debug)]
struct Files {
    home: PathBuf,
    user: u32,
    watch: std::sync::Mutex<Child>,
}

impl DurableServer {
    /// Makes and starts one. Its database is empty, and belongs to [`DurableServer::owner_url`].
    ///
    /// # Errors
    /// Where there is no PostgreSQL, or it refuses.
    pub async fn start() -> Result<Self> {
        let server = Self::bare().await?;
        let mut connection = connect(&server.superuser).await?;
        set_up_roles(&mut connection).await?;
        let create =
            format!("CREATE DATABASE {DATABASE} OWNER {OWNER} TEMPLATE template0 ENCODING UTF8");
        run(&mut connection, create).await?;
        Ok(server)
    }

    /// Makes and starts one in which there is nothing: neither roles nor a database `crm`.
    ///
    /// # Errors
    /// Where there is no PostgreSQL, or it refuses.
    pub async fn bare() -> Result<Self> {
        let files = tokio::task::spawn_blocking(Files::create).await.map_err(Error::internal)??;
        let superuser: Url = cluster::url_of(&files.home).parse().map_err(Error::internal)?;
        let server = Self { files: Arc::new(files), superuser };
        server.start_again().await?;
        Ok(server)
    }

    /// One of PostgreSQL's own programs (`pg_dump`), as a user that its files belong to.
    ///
    /// # Errors
    /// Where there is no PostgreSQL.
    pub fn program(&self, name: &str) -> Result<Command> {
        cluster::program(&self.files.home, self.files.user, name)
    }

    /// A directory that those programs may write to, gone with the server.
    pub fn directory(&self) -> PathBuf {
        self.files.home.join("server")
    }

    /// Stops it.
    ///
    /// # Errors
    /// Where it does not stop.
    pub async fn stop(&self, how: Stop) -> Result<()> {
        let mode = match how {
            Stop::Fast => "fast",
            Stop::Immediate => "immediate",
        };
        let files = Arc::clone(&self.files);
        let stopping = move || {
            cluster::run(
                cluster::program(&files.home, files.user, "pg_ctl")?
                    .args(["stop", "--wait", "--silent", "--mode", mode, "--pgdata"])
                    .arg(files.home.join("server/data")),
            )
        };
        tokio::task::spawn_blocking(stopping).await.map_err(Error::internal)?
    }

    /// Starts it after it was stopped.
    ///
    /// # Errors
    /// Where it does not start.
    pub async fn start_again(&self) -> Result<()> {
        let files = Arc::clone(&self.files);
        let starting = move || cluster::start(&files.home, files.user, DURABLE);
        tokio::task::spawn_blocking(starting).await.map_err(Error::internal)?
    }

    /// The URL of its database as the owner of its tables, who migrates.
    pub fn owner_url(&self) -> String {
        sign_in(at(&self.superuser, DATABASE), OWNER).into()
    }

    /// The URL of its database as the role that the product signs in as.
    pub fn app_url(&self) -> String {
        sign_in(at(&self.superuser, DATABASE), LOGIN).into()
    }

    /// The URL of its database as a superuser.
    pub fn superuser_url(&self) -> String {
        at(&self.superuser, DATABASE).into()
    }
}

impl Files {
    fn create() -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let user = binaries::user()?;
        let name = format!("crm-durable-{}-{number}", std::process::id());
        let home = std::env::temp_dir().join(name);
        DirBuilder::new()
            .mode(0o755)
            .create(&home)
            .map_err(|error| cannot(&format!("create {}", home.display()), &error))?;
        cluster::create(&home, user)?;
        let watch = Command::new("sh")
            .args(["-c", WATCH, "watch"])
            .arg(&home)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|error| cannot("start the server's watch", &error))?;
        Ok(Self { home, user, watch: watch.into() })
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let watch = self.watch.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        drop(watch.stdin.take());
        let _ = watch.wait();
    }
}
