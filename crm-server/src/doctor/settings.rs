//! Settings that contradict each other, or what is advised.

use std::net::IpAddr;

use crm_store_postgres::doctor::Check;

use crate::config::{Config, Database, Passwords, StoreKind, Traces};

pub(super) fn checks(config: &Config) -> Vec<Check> {
    vec![
        store(&config.database),
        addresses(config),
        cors(config),
        passwords(&config.passwords),
        link(&config.database),
        lifetimes(config),
        metrics(config),
        traces(&config.traces),
    ]
}

pub(super) fn store(database: &Database) -> Check {
    let mut check = Check::new("store", "records are kept where they outlive the process");
    match database.kind() {
        Ok(StoreKind::Postgres) => {}
        Ok(StoreKind::Memory) => check.warn("database.url is memory: it forgets on stop"),
        Err(error) => check.fail(error.to_string()),
    }
    check
}

/// A web origin: scheme and host, with or without a port.
pub(super) struct Origin<'a> {
    scheme: &'a str,
    host: &'a str,
}

impl<'a> Origin<'a> {
    pub(super) fn of(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let known = matches!(scheme, "http" | "https");
        if !known || rest.contains(['/', '?', '#', '@']) || rest.contains(char::is_whitespace) {
            return None;
        }
        let host = match rest.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?.0,
            None => rest.rsplit_once(':').map_or(rest, |(host, _)| host),
        };
        (!host.is_empty()).then_some(Self { scheme, host })
    }

    fn is_local(&self) -> bool {
        is_local(self.host)
    }

    pub(super) fn is_plain(&self) -> bool {
        self.scheme == "http" && !self.is_local()
    }
}

pub(super) fn is_local(host: &str) -> bool {
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

pub(super) fn addresses(config: &Config) -> Check {
    let mut check =
        Check::new("addresses", "callers reach the server at public_url, and by https alone");
    let url = &config.public_url;
    let Some(origin) = Origin::of(url) else {
        check.fail(format!(
            "public_url: expected https://host or https://host:port and nothing behind it, got \
             {url:?}"
        ));
        return check;
    };
    let (bind, open) = (config.bind, !config.bind.ip().is_loopback());
    if origin.is_local() && open {
        check.fail(format!(
            "public_url is {url}, which leads callers to their own machine, and bind is {bind}"
        ));
    }
    if origin.is_plain() {
        check.fail(format!(
            "public_url is {url}: passwords and tokens travel for all to read; let a proxy in \
             front speak https"
        ));
    }
    if !origin.is_local() && config.proxies == 0 {
        check.warn(if open {
            "proxies is 0: the server speaks no https itself, so either it is reached in plain, \
             or every request seems to come from the proxy"
        } else {
            "proxies is 0: only something on this machine reaches bind, and every request seems \
             to come from it"
        });
    }
    check
}

pub(super) fn cors(config: &Config) -> Check {
    let mut check = Check::new("cors", "only pages that are meant may call the server");
    for origin in &config.cors.origins {
        match Origin::of(origin.trim_end_matches('/')) {
            _ if origin == "*" => check.warn("cors.origins is *: any page may call the server"),
            None => check.fail(format!(
                "cors.origins: expected https://host, got {origin:?}, which no page comes from"
            )),
            Some(known) if known.is_plain() => check.warn(format!(
                "cors.origins: {origin} is no https: whoever sits on the way can write that page"
            )),
            Some(_) => {}
        }
    }
    check
}

/// OWASP's Password Storage Cheat Sheet, Argon2id: memory in KiB and passes that are as good.
const ARGON2ID: [(u32, u32); 5] = [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];

pub(super) fn passwords(settings: &Passwords) -> Check {
    let mut check = Check::new("passwords", "hashing a password costs what OWASP advises");
    let Passwords { memory_kib, iterations, .. } = settings;
    if !ARGON2ID.iter().any(|(memory, passes)| memory_kib >= memory && iterations >= passes) {
        check.fail(format!(
            "passwords.memory_kib {memory_kib} with passwords.iterations {iterations} is weak; \
             19456 with 2 is advised"
        ));
    }
    check
}

/// Where a PostgreSQL URL leads, and what it says of encryption.
fn host_and_mode(url: &str) -> (String, Option<String>) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = before.rsplit_once('@').map_or(before, |(_, behind)| behind);
    let authority = authority.split('/').next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let parameter = |name: &str| {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).next_back()
    };
    (parameter("host").unwrap_or_else(|| host.to_owned()), parameter("sslmode"))
}

pub(super) fn link(database: &Database) -> Check {
    let mut check = Check::new("database-link", "nobody on the way to the database reads along");
    let urls = [
        ("database.url", &database.url),
        ("database.system_url", &database.system_url),
        ("database.migration_url", &database.migration_url),
    ];
    for (name, url) in urls {
        let Some(url) = url.as_ref().filter(|url| url.reveal().contains("://")) else { continue };
        let (host, mode) = host_and_mode(url.reveal());
        let socket = host.is_empty() || host.starts_with('/') || host.starts_with("%2");
        if socket || is_local(&host) {
            continue;
        }
        match mode.as_deref() {
            Some("verify-full" | "verify-ca") => {}
            Some("require") => check.warn(format!(
                "{name} has sslmode=require, which does not ask who the server is: verify-full"
            )),
            Some("disable" | "allow") => check.fail(format!(
                "{name} leads to another machine without encryption: sslmode=verify-full"
            )),
            _ => check.warn(format!(
                "{name} encrypts only where the server offers it: sslmode=verify-full"
            )),
        }
    }
    check
}

/// Characters of a token that nobody has to remember.
const LONG_TOKEN: usize = 16;

pub(super) fn metrics(config: &Config) -> Check {
    let mut check = Check::new("metrics", "only monitoring is told how the server does");
    let settings = &config.metrics;
    match &settings.token {
        _ if !settings.enabled => {}
        Some(token) if token.reveal().chars().count() < LONG_TOKEN => {
            check.fail(format!("metrics.token has fewer than {LONG_TOKEN} characters"));
        }
        Some(_) => {}
        None => match settings.bind {
            Some(bind) if !bind.ip().is_loopback() => {
                check.warn(format!("anybody who reaches {bind} reads them: set metrics.token"));
            }
            None if config.proxies > 0 || !config.bind.ip().is_loopback() => check.warn(
                "anybody who reaches the server reads them: set metrics.token, or metrics.bind",
            ),
            _ => {}
        },
    }
    check
}

pub(super) fn traces(settings: &Traces) -> Check {
    let mut check =
        Check::new("traces", "spans can be sent, and their collector's key is not read");
    let Some(endpoint) = &settings.endpoint else { return check };
    if let Err(error) = crate::traces::Traces::check(settings) {
        check.fail(error.to_string());
    }
    let authority = endpoint.split('/').take(3).collect::<Vec<_>>().join("/");
    if settings.headers.is_some() && Origin::of(&authority).is_some_and(|to| to.is_plain()) {
        check.fail("traces.headers travel in plain: traces.endpoint is no https");
    }
    check
}

/// Seconds of an hour, and of five minutes.
const LONG_ACCESS: u64 = 3_600;
const LONG_LEEWAY: u64 = 300;

pub(super) fn lifetimes(config: &Config) -> Check {
    let mut check = Check::new("tokens", "tokens end soon after they were taken away");
    let tokens = &config.tokens;
    if tokens.access_lifetime.duration().as_secs() > LONG_ACCESS {
        check.warn(format!(
            "tokens.access_lifetime is {}: whoever else checks our tokens takes one as long as \
             that after sign-out; 15m is usual",
            tokens.access_lifetime
        ));
    }
    if tokens.leeway.duration().as_secs() > LONG_LEEWAY {
        check.warn(format!("tokens.leeway is {}: tokens outlive their end by it", tokens.leeway));
    }
    if tokens.refresh_lifetime > tokens.remember_me_lifetime {
        check.warn("tokens.remember_me_lifetime is shorter than tokens.refresh_lifetime");
    }
    check
}
