//! The configuration that `init` writes: every setting that a team decides, and fresh secrets.

use super::{Algorithm, ConfigError};
use crate::seal;
use crate::tokens::generate_key;

/// The text of a new configuration file with a signing key of its own.
///
/// # Errors
/// Where no key can be generated.
pub fn fresh(algorithm: Algorithm) -> Result<String, ConfigError> {
    let key = generate_key(algorithm).map_err(|error| ConfigError::new(error.to_string()))?;
    let sealing = seal::generate_key()?;
    let sealing = sealing.reveal();
    let name = match algorithm {
        Algorithm::Rs256 => "RS256",
        Algorithm::EdDsa => "EdDSA",
    };
    Ok(format!(
        r#"# Configuration of crm-server. Flags and environment variables win over this file;
# `crm-server config` shows what is in effect. It holds a secret: keep it readable by the server
# alone.

# The address to listen on, and the one that callers know the server by.
bind = "127.0.0.1:8080"
public_url = "http://localhost:8080"
# How many proxies of yours stand in front of the server.
proxies = 0

[database]
# Name the store before the first `serve`: a PostgreSQL database, or "memory:" for a look round.
# url = "postgres://crm:password@localhost/crm"
# The role that owns the tables, for migrating; the same as `url` where absent.
# migration_url = "postgres://crm_owner:password@localhost/crm"
# Whether `serve` migrates before it listens; otherwise run `crm-server migrate` yourself.
migrate_on_start = true
pool_size = 10
acquire_timeout = "5s"
statement_timeout = "30s"

[tokens]
# Of new keys: RS256 or EdDSA.
algorithm = "{name}"
access_lifetime = "15m"
refresh_lifetime = "30d"
remember_me_lifetime = "90d"
# What signs. `crm-server keys rotate` puts a new key behind it, which signs later on.
key = """
{key}"""

[mfa]
# What authenticator apps show second factors under, and the secret that those are sealed under in
# the database: without it nobody who has one can sign in. To change it, move this one to
# `retired_keys` and put a new one here; the old one is needed for as long as anybody who has a
# second factor has not used it since.
issuer = "CRM"
key = "{sealing}"

[limits]
body_bytes = 1048576
page = 200
request_timeout = "30s"
concurrency = 1024

[shutdown]
# How long to go on answering after SIGTERM while not ready any more, until load balancers know.
notice = "5s"
grace = "30s"

[tenants]
# How long a deleted tenant can be brought back, before all of it is removed for good.
grace = "30d"

[metrics]
# GET /metrics, for Prometheus: on an address of its own, or for a token, where others reach it.
# bind = "127.0.0.1:9090"
# token = "a long secret"

[traces]
# A collector of spans, by OTLP; `sample` is the part of the traces begun here that it gets.
# endpoint = "http://localhost:4318/v1/traces"
# sample = 0.1

[mail]
# The mail server; without one nobody is written to, and no forgotten password can be set anew.
# host = "smtp.example.com"
# "starttls" (port 587), "implicit" (465), or "none" (25) for one on this machine.
# tls = "starttls"
# user = "crm"
# password = "the user's password"
# from = "CRM <crm@example.com>"
# Where links in mails lead: your front end.
# link_base = "https://crm.example.com"

[log]
format = "text"
level = "info"

[cors]
# origins = ["https://crm.example.com"]
"#,
        key = key.reveal()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn what_init_writes_is_read_back_and_signs() {
        for algorithm in [Algorithm::Rs256, Algorithm::EdDsa] {
            let config = Config::parse(&fresh(algorithm).unwrap()).unwrap();
            assert_eq!(config.tokens.algorithm, algorithm);
            let keys = config.tokens.keys().unwrap();
            crate::tokens::Keys::new(&keys, &config.tokens).unwrap();
            assert!(config.database.url.is_none(), "the store is for the operator to name");
        }
    }

    #[test]
    fn two_installations_never_share_a_key() {
        assert_ne!(fresh(Algorithm::EdDsa).unwrap(), fresh(Algorithm::EdDsa).unwrap());
    }
}
