//! A real PgBouncer in front of the test server, for as long as the value lives.

use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crm_core::{Error, Result};
use url::Url;

use super::binaries::{self, cannot};
use super::{PASSWORD, TestDatabase, connect, lock, run, sign_in, unlock};

/// Users that are `crm_app` and `crm_system` from the moment they sign in.
const APP: &str = "crm_test_pooled_app";
const SYSTEM: &str = "crm_test_pooled_system";
const PORT: u16 = 6432;
/// Ends the pooler with us, however we end.
const WATCH: &str = r#""$1" -q "$2" & pooler=$!; read -r _; kill -KILL "$pooler""#;

/// When the pooler gives a session of the server to somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lending {
    /// When its client has gone.
    AfterSession,
    /// At the end of each transaction; it keeps account of prepared statements where it can.
    AfterTransaction,
    /// The same, and prepared statements are nobody's business.
    Blindly,
}

/// A PgBouncer with four sessions for each user of each database.
#[derive(Debug)]
pub struct Pooler {
    directory: PathBuf,
    version: (u32, u32),
    watch: Child,
}

impl Pooler {
    /// Starts the program that `PGBOUNCER` names, else the installed one, in front of the server
    /// that this database is on: it leads to all of them.
    ///
    /// # Errors
    /// Where there is no such program, or it does not start.
    pub async fn start(database: &TestDatabase, lending: Lending) -> Result<Self> {
        let mut superuser = connect(&database.superuser).await?;
        lock(&mut superuser).await?;
        for (user, role) in [(APP, "crm_app"), (SYSTEM, "crm_system")] {
            let statement = format!(
                "DO $do$ BEGIN
                    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{user}') THEN
                        CREATE ROLE {user} LOGIN NOINHERIT PASSWORD '{PASSWORD}' IN ROLE {role};
                        ALTER ROLE {user} SET role = '{role}';
                        ALTER ROLE {user} SET statement_timeout = '30s';
                    END IF;
                END $do$"
            );
            run(&mut superuser, statement).await?;
        }
        unlock(&mut superuser).await?;
        let server = database.superuser.clone();
        tokio::task::spawn_blocking(move || Self::spawn(&server, lending))
            .await
            .map_err(Error::internal)?
    }

    fn spawn(server: &Url, lending: Lending) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("crm-pooler-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        // It runs as somebody else where we are root, and must find its files and leave its socket.
        DirBuilder::new()
            .mode(0o755)
            .create(&directory)
            .and_then(|()| std::fs::set_permissions(&directory, Permissions::from_mode(0o777)))
            .map_err(|error| cannot("make a directory for the pooler", &error))?;
        // It belongs to administrators, whose directories are not on everybody's path.
        let installed = ["/usr/sbin/pgbouncer", "/usr/local/sbin/pgbouncer"];
        let installed = installed.iter().find(|program| Path::new(program).exists());
        let program = std::env::var("PGBOUNCER")
            .unwrap_or_else(|_| (*installed.unwrap_or(&"pgbouncer")).to_owned());
        let version = version(&program)?;
        let users: String = [APP, SYSTEM, super::LOGIN, super::OWNER]
            .iter()
            .map(|user| format!("\"{user}\" \"{PASSWORD}\"\n"))
            .collect();
        let write = |name: &str, text: String| {
            std::fs::write(directory.join(name), text)
                .map_err(|error| cannot(&format!("write the pooler's {name}"), &error))
        };
        write("users.txt", users)?;
        write("pgbouncer.ini", settings(server, &directory, lending, version))?;
        let mut command = Command::new("sh");
        command
            .args(["-c", WATCH, "pooler", &program])
            .arg(directory.join("pgbouncer.ini"))
            .current_dir(&directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if binaries::user()? == 0 {
            let (uid, gid) = binaries::unprivileged()?;
            command.gid(gid).uid(uid);
        }
        let watch = command.spawn().map_err(|error| cannot("start the pooler", &error))?;
        let pooler = Self { directory, version, watch };
        pooler.wait()?;
        Ok(pooler)
    }

    fn wait(&self) -> Result<()> {
        let socket = self.directory.join(format!(".s.PGSQL.{PORT}"));
        let began = Instant::now();
        while UnixStream::connect(&socket).is_err() {
            if began.elapsed() > Duration::from_secs(10) {
                let log = std::fs::read_to_string(self.directory.join("log")).unwrap_or_default();
                return Err(Error::internal(format!("the pooler does not answer; its log: {log}")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Whether this version can keep account of prepared statements.
    pub fn knows_prepared_statements(&self) -> bool {
        self.version >= (1, 21)
    }

    /// A database's URL by way of the pooler, instead of past it.
    ///
    /// # Errors
    /// Where it is no URL.
    pub fn way_to(&self, url: &str) -> Result<Url> {
        let mut url: Url = url.parse().map_err(Error::internal)?;
        url.set_host(Some("localhost")).map_err(Error::internal)?;
        // Fails only for URLs without a host.
        let _ = url.set_port(Some(PORT));
        let directory = self.directory.to_string_lossy();
        url.query_pairs_mut().clear().append_pair("host", &directory);
        Ok(url)
    }

    /// A database's URL by way of the pooler, as a user that is `crm_app` from the start.
    ///
    /// # Errors
    /// Where the database has none.
    pub fn app_url(&self, database: &TestDatabase) -> Result<String> {
        Ok(sign_in(self.way_to(&database.app_url())?, APP).into())
    }

    /// The same as a user that is `crm_system` from the start.
    ///
    /// # Errors
    /// Where the database has none.
    pub fn system_url(&self, database: &TestDatabase) -> Result<String> {
        Ok(sign_in(self.way_to(&database.app_url())?, SYSTEM).into())
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.watch.stdin.take());
        let _ = self.watch.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn version(program: &str) -> Result<(u32, u32)> {
    let answer = Command::new(program).arg("--version").output().map_err(|error| {
        Error::internal(format!(
            "cannot run {program}: {error}; install the package pgbouncer, or name the program in \
             PGBOUNCER"
        ))
    })?;
    let text = String::from_utf8_lossy(&answer.stdout);
    let number = text.lines().next().and_then(|line| line.rsplit(' ').next()).unwrap_or_default();
    let mut parts = number.split('.').map(str::parse::<u32>);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Ok((major, minor)),
        _ => Err(Error::internal(format!("{program} --version answered {text:?}"))),
    }
}

fn settings(server: &Url, directory: &Path, lending: Lending, version: (u32, u32)) -> String {
    let host = server.query_pairs().find(|(key, _)| key == "host").map(|(_, host)| host);
    let host = host.map_or_else(
        || server.host_str().unwrap_or("localhost").to_owned(),
        std::borrow::Cow::into_owned,
    );
    let port = server.port().unwrap_or(5432);
    let directory = directory.display();
    let mode = if lending == Lending::AfterSession { "session" } else { "transaction" };
    let statements = match lending {
        _ if version < (1, 21) => "",
        Lending::Blindly => "max_prepared_statements = 0",
        Lending::AfterSession | Lending::AfterTransaction => "max_prepared_statements = 300",
    };
    format!(
        "[databases]
* = host={host} port={port}
[pgbouncer]
listen_addr =
listen_port = {PORT}
unix_socket_dir = {directory}
auth_type = trust
auth_file = {directory}/users.txt
logfile = {directory}/log
pool_mode = {mode}
default_pool_size = {}
max_client_conn = 1000
{statements}
",
        if lending == Lending::AfterSession { 40 } else { 4 },
    )
}
