//! Where PostgreSQL's own programs are, and under which user they run.

use std::path::{Path, PathBuf};
use std::process::Command;

use crm_core::{Error, Result};

/// The directory that holds `initdb` and `postgres`: `POSTGRES_BIN`, else the newest installed.
///
/// # Errors
/// Where there is none; says which package has it.
pub(super) fn directory() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("POSTGRES_BIN") {
        let named = PathBuf::from(named);
        return match complete(&named) {
            true => Ok(named),
            false => Err(Error::internal(format!(
                "POSTGRES_BIN is {}, which has no initdb and postgres",
                named.display()
            ))),
        };
    }
    let packaged = ["/usr/lib/postgresql", "/usr/local/opt", "/opt/homebrew/opt", "/usr"]
        .into_iter()
        .flat_map(|parent| versions(Path::new(parent)));
    let path = std::env::var_os("PATH").unwrap_or_default();
    packaged.chain(std::env::split_paths(&path)).find(|found| complete(found)).ok_or_else(|| {
        Error::internal(
            "no PostgreSQL server programs found: install the package postgresql (apt-get \
             install postgresql, dnf install postgresql-server, brew install postgresql), name \
             their directory in POSTGRES_BIN, or name a server in TEST_DATABASE_URL",
        )
    })
}

fn complete(directory: &Path) -> bool {
    ["initdb", "postgres", "pg_ctl"].iter().all(|program| directory.join(program).is_file())
}

// `15/bin`, `postgresql@17/bin`, `pgsql-16/bin`: highest number first.
fn versions(parent: &Path) -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let number = name.trim_start_matches(|c: char| !c.is_ascii_digit());
            let known = ["", "postgresql@", "pgsql-"].contains(&&name[..name.len() - number.len()]);
            let version = number.parse().ok().filter(|_| known)?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.into_iter().map(|(_, path)| path).collect()
}

/// The effective user's number.
pub(super) fn user() -> Result<u32> {
    let answer = Command::new("id").arg("-u").output().map_err(|error| cannot("run id", &error))?;
    let number = String::from_utf8_lossy(&answer.stdout);
    number.trim().parse().map_err(|_| Error::internal(format!("id -u answered {number:?}")))
}

/// The user and group to run a server as, where this process is root: PostgreSQL refuses that.
pub(super) fn unprivileged() -> Result<(u32, u32)> {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    ["postgres", "nobody"]
        .iter()
        .find_map(|name| {
            let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
            let mut numbers = line.split(':').skip(2);
            Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
        })
        .ok_or_else(|| {
            Error::internal("running as root, and there is no user postgres or nobody to run as")
        })
}

/// An error of the operating system, with what was tried.
pub(super) fn cannot(what: &str, error: &std::io::Error) -> Error {
    Error::internal(format!("cannot {what}: {error}"))
}
