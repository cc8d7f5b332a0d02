//! `Dockerfile` and `compose.yaml` name what there is, and what they describe works: the same
//! commands, environment and secrets, without a container engine.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{CommandFactory, Parser};
use crm_server::cli::Cli;
use crm_store_postgres::testing::DurableServer;

use crate::support::{Process, Settings, run};

const DOCKERFILE: &str = include_str!("../../../Dockerfile");
const IGNORED: &str = include_str!("../../../.dockerignore");
const COMPOSE: &str = include_str!("../../../compose.yaml");
const WORKSPACE: &str = include_str!("../../../Cargo.toml");

/// What follows an instruction, its continued lines included; of the last stage where there are
/// several.
fn instruction(name: &str) -> String {
    let joined = DOCKERFILE.replace("\\\n", " ");
    let found = joined.lines().rfind(|line| line.starts_with(&format!("{name} ")));
    let found = found.unwrap_or_else(|| panic!("there is no {name}"));
    found[name.len()..].split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The words of a JSON array in a text.
fn words(text: &str) -> Vec<String> {
    serde_json::from_str(&text[text.find('[').unwrap()..=text.rfind(']').unwrap()]).unwrap()
}

/// The lines of a service, without its name.
fn service(name: &str) -> Vec<&'static str> {
    let begin = format!("  {name}:");
    let lines = COMPOSE.lines().skip_while(|line| *line != begin).skip(1);
    lines.take_while(|line| line.is_empty() || line.starts_with("    ")).collect()
}

/// What a service lists or maps under a key.
fn under(service: &[&'static str], key: &str) -> Vec<&'static str> {
    let begin = format!("    {key}:");
    let lines = service.iter().skip_while(|line| **line != begin).skip(1);
    let lines = lines.take_while(|line| line.starts_with("      "));
    lines.map(|line| line.trim()).filter(|line| !line.starts_with('#')).collect()
}

fn environment(service: &[&'static str]) -> Vec<(String, String)> {
    let pairs = under(service, "environment").into_iter();
    let pairs = pairs.map(|line| line.split_once(": ").unwrap());
    pairs.map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned())).collect()
}

#[test]
fn the_image_holds_what_is_built_and_starts_it() {
    assert!(instruction("FROM rust:1.95-bookworm AS").starts_with("build"), "the first stage");
    assert!(WORKSPACE.contains("rust-version = \"1.95\""), "built with the oldest that serves");
    let build = instruction("RUN");
    assert!(build.contains("--locked --release --package crm-server --bin crm-server"), "{build}");
    let copied = instruction("COPY");
    let [made, target] =
        copied.trim_start_matches("--from=build ").split(' ').collect::<Vec<_>>()[..]
    else {
        panic!("{copied}")
    };
    assert!(build.ends_with(&format!("target/release/crm-server {made}")), "{build}");
    assert_eq!(words(&instruction("ENTRYPOINT")), [target]);
    let check = words(&instruction("HEALTHCHECK"));
    assert_eq!(check[0], target);
    for arguments in [&check[1..], &words(&instruction("CMD"))] {
        let all = std::iter::once("crm-server").chain(arguments.iter().map(String::as_str));
        Cli::try_parse_from(all).unwrap();
    }
    let user = instruction("USER");
    assert!(user.split(':').all(|id| id.parse::<u32>().unwrap() > 0), "{user}: not root");
    let bind = format!("CRM_BIND=0.0.0.0:{}", instruction("EXPOSE"));
    assert!(instruction("ENV").split(' ').any(|set| set == bind), "{bind}");
}

#[test]
fn everything_that_the_build_reads_gets_into_its_context() {
    let members = WORKSPACE.split_once("members = [").unwrap().1.split_once(']').unwrap().0;
    let members = members.split(',').map(|name| name.trim().trim_matches('"'));
    let members: Vec<&str> = members.filter(|name| !name.is_empty()).collect();
    assert!(members.contains(&"crm-server"), "{members:?}");
    for line in IGNORED.lines().filter(|line| line.starts_with('/')) {
        let name = &line[1..];
        assert!(!members.iter().any(|member| member.starts_with(name)), "{line}");
        assert!(!["Cargo.toml", "Cargo.lock"].contains(&name), "{line}");
    }
    for secret in ["/secrets", "/crm-server.toml", "/.git", "/target"] {
        assert!(IGNORED.lines().any(|line| line == secret), "{secret} must stay outside");
    }
}

#[test]
fn compose_names_settings_commands_and_ports_that_there_are() {
    let command = Cli::command();
    let known: Vec<&str> =
        command.get_arguments().filter_map(|flag| flag.get_env()?.to_str()).collect();
    for name in ["migrate", "server"] {
        let service = service(name);
        for (variable, _) in environment(&service) {
            assert!(known.contains(&variable.as_str()), "{name}: {variable}");
        }
        let command = service.iter().find(|line| line.starts_with("    command: ")).unwrap();
        let all = std::iter::once("crm-server".to_owned()).chain(words(command));
        Cli::try_parse_from(all).unwrap();
    }
    let ports = under(&service("server"), "ports");
    let port = instruction("EXPOSE");
    assert!(ports.len() == 1 && ports[0].contains(&format!(":{port}\"")), "{ports:?}");
}

/// The directory of secrets, gone with the value.
struct Secrets(PathBuf);

impl Secrets {
    fn make() -> Self {
        let name = format!("crm-secrets-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/secrets");
        let made = Command::new(&script).arg(&directory).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        let again = Command::new(&script).arg(&directory).output().unwrap();
        assert!(!again.status.success(), "what is there stays");
        Self(directory)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap()
    }

    /// As the container sees it, with our paths.
    fn seen_by(&self, name: &str) -> Vec<(String, String)> {
        let service = service(name);
        let given = under(&service, "secrets");
        let environment = environment(&service).into_iter();
        let ours = environment.map(|(variable, value)| {
            let Some(secret) = value.strip_prefix("/run/secrets/") else {
                return (variable, value);
            };
            assert!(given.contains(&format!("- {secret}").as_str()), "{name} is given {secret}");
            let declared = format!("  {secret}:\n    file: ./secrets/");
            let file = COMPOSE.split_once(&declared).unwrap().1.lines().next().unwrap();
            (variable, self.0.join(file).to_string_lossy().into_owned())
        });
        ours.collect()
    }
}

impl Drop for Secrets {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_compose_describes_migrates_serves_and_is_seen_to_be_well() {
    let secrets = Secrets::make();
    let database = DurableServer::bare().await.unwrap();
    let roles = secrets.read("roles.sql");
    let postgres = database.superuser_url().replace("/crm?", "/postgres?");
    let file = database.directory().join("roles.sql");
    std::fs::write(&file, &roles).unwrap();
    let mut psql = database.program("psql").unwrap();
    psql.args(["--set=ON_ERROR_STOP=1", "--quiet", "--dbname"]).arg(&postgres);
    psql.arg("--file").arg(&file);
    let done = tokio::task::spawn_blocking(move || psql.output()).await.unwrap().unwrap();
    assert!(done.status.success(), "{done:?}");

    // The same URLs, but for where the database is.
    for name in ["database_url", "migration_database_url"] {
        let url = secrets.read(name);
        let password = url.split_once("://").unwrap().1.split_once('@').unwrap().0;
        let password = password.split_once(':').unwrap().1;
        assert!(roles.contains(&format!("PASSWORD '{password}'")), "{name} is of a role");
        let (socket, _) = url.trim().split_once("@database/").unwrap();
        let here = database.superuser_url();
        let here = here.split_once('@').unwrap().1;
        std::fs::write(secrets.0.join(name), format!("{socket}@{here}\n")).unwrap();
    }
    let (done, said) = run(&["migrate"], &secrets.seen_by("migrate")).await;
    assert!(done, "{said}");
    let settings = Settings::of(&secrets.seen_by("server"));
    let mut server = Process::start(settings.clone()).await;
    for check in [&["health"][..], &["health", "--live"]] {
        let (well, said) = run(check, settings.environment()).await;
        assert!(well, "{said}");
    }
    server.kill().await;
    let (well, said) = run(&["health"], settings.environment()).await;
    assert!(!well && said.contains("refused"), "{said}");
}
