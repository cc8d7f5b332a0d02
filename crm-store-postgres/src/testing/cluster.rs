//! One throw-away server, shared by all test processes of a user.
//!
//! A test runner may start a process per test, and making a cluster takes a second or two; so the
//! first process makes it in a well-known place, the others find it there, and a small shell
//! process stops and removes it a minute after the last of them has ended, however it ended.
//! Never durable, never reachable from the network.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, chown};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use crm_core::{Error, Result};

use super::binaries::{self, cannot};

const KEEPER: &str = include_str!("keeper.sh");
const IDLE_SECONDS: &str = "60";
pub(super) const PORT: u16 = 5432;
/// Nothing here is worth waiting for a disk.
const FLEETING: &str = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off";

// Held until this process ends.
static USING: Mutex<Option<(File, String)>> = Mutex::new(None);

/// The URL of the shared server for its superuser, without a database; starts it if need be.
pub(super) fn superuser_url() -> Result<String> {
    let mut using = USING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, url)) = &*using {
        return Ok(url.clone());
    }
    let user = binaries::user()?;
    let home = home(user)?;
    let starting = open_lock(&home.join("start.lock"))?;
    starting.lock().map_err(|error| cannot("wait for the test server's start", &error))?;
    let users = open_lock(&home.join("users.lock"))?;
    users.lock_shared().map_err(|error| cannot("wait for the last test server", &error))?;
    let socket = home.join("server/socket");
    if UnixStream::connect(socket.join(format!(".s.PGSQL.{PORT}"))).is_err() {
        create(&home, user)?;
        start(&home, user, FLEETING)?;
    }
    keep(&home)?;
    let url = url_of(&home);
    *using = Some((users, url.clone()));
    Ok(url)
}

/// The URL for the superuser of the server in this directory.
pub(super) fn url_of(home: &Path) -> String {
    let encoded = home.join("server/socket").to_string_lossy().replace('/', "%2F");
    format!("postgres://postgres@localhost:{PORT}/postgres?host={encoded}")
}

// A directory of our own, and of nobody who was quicker to take the name.
fn home(user: u32) -> Result<PathBuf> {
    let home = std::env::temp_dir().join(format!("crm-postgres-{user}"));
    match DirBuilder::new().mode(0o755).create(&home) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(cannot(&format!("create {}", home.display()), &error)),
    }
    let found = std::fs::symlink_metadata(&home)
        .map_err(|error| cannot(&format!("look at {}", home.display()), &error))?;
    if !found.is_dir() || found.uid() != user {
        let home = home.display();
        return Err(Error::internal(format!("{home} is not a directory of this user: remove it")));
    }
    Ok(home)
}

fn open_lock(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o644)
        .open(path)
        .map_err(|error| cannot(&format!("open {}", path.display()), &error))
}

/// One of PostgreSQL's own programs, as a user that it lets work on the server in this directory.
pub(super) fn program(home: &Path, user: u32, name: &str) -> Result<Command> {
    let mut command = Command::new(binaries::directory()?.join(name));
    command.current_dir(home.join("server")).env("LC_ALL", "C").stdin(Stdio::null());
    if user == 0 {
        let (uid, gid) = binaries::unprivileged()?;
        command.gid(gid).uid(uid);
    }
    Ok(command)
}

/// Makes the files of a server in this directory.
pub(super) fn create(home: &Path, user: u32) -> Result<()> {
    let server = home.join("server");
    // What a crash left behind. A server that should still run there ends when its files go.
    if server.exists() {
        std::fs::remove_dir_all(&server).map_err(|error| cannot("sweep the last one", &error))?;
    }
    let run_as = if user == 0 { Some(binaries::unprivileged()?) } else { None };
    for directory in [&server, &server.join("socket")] {
        let mode = if directory == &server { 0o755 } else { 0o700 };
        DirBuilder::new()
            .mode(mode)
            .create(directory)
            .map_err(|error| cannot(&format!("create {}", directory.display()), &error))?;
        if let Some((uid, gid)) = run_as {
            chown(directory, Some(uid), Some(gid))
                .map_err(|error| cannot(&format!("give {} away", directory.display()), &error))?;
        }
    }
    run(program(home, user, "initdb")?
        .args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C"])
        .args(["--no-sync", "--no-instructions", "--pgdata"])
        .arg(server.join("data")))
}

/// Starts the server in this directory, and waits until it answers.
pub(super) fn start(home: &Path, user: u32, settings: &str) -> Result<()> {
    let server = home.join("server");
    let settings = format!(
        "-p {PORT} -c listen_addresses= -c unix_socket_directories={} -c max_connections=300 \
         {settings}",
        server.join("socket").display()
    );
    run(program(home, user, "pg_ctl")?
        .args(["start", "--wait", "--silent", "--pgdata"])
        .arg(server.join("data"))
        .arg("--log")
        .arg(server.join("log"))
        .args(["--options", &settings]))
    .map_err(|error| {
        let log = std::fs::read_to_string(server.join("log")).unwrap_or_default();
        Error::internal(format!("{error}; its log: {log}"))
    })
}

/// Runs a program to its end.
pub(super) fn run(command: &mut Command) -> Result<()> {
    // Into files or nowhere, never into pipes: the server would keep them open.
    let name = command.get_program().to_string_lossy().into_owned();
    let is_server = name.ends_with("pg_ctl");
    let output = if is_server {
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().map(|status| (status, vec![]))
    } else {
        command.output().map(|output| (output.status, output.stderr))
    };
    let (status, complaint) = output.map_err(|error| cannot(&format!("run {name}"), &error))?;
    if status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&complaint);
    Err(Error::internal(format!("{name} failed ({status}): {}", complaint.trim())))
}

// Makes sure that somebody stops the server when we are gone.
fn keep(home: &Path) -> Result<()> {
    let keeper = open_lock(&home.join("keeper.lock"))?;
    if keeper.try_lock().is_err() {
        return Ok(());
    }
    drop(keeper);
    let child = Command::new("sh")
        .args(["-c", KEEPER, "keeper"])
        .arg(home)
        .arg(IDLE_SECONDS)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
    child.map(drop).map_err(|error| cannot("start the test server's keeper", &error))
}
