//! What flags and environment variables may set.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::{Algorithm, Config, LogFormat, MailOverrides, Rate, Secret, SecretUrl, Span, WhenAway};

/// Each setting as a flag and as an environment variable; absent ones leave the file's.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Settings")]
pub struct Overrides {
    /// Address to listen on
    #[arg(long, global = true, env = "CRM_BIND")]
    pub bind: Option<SocketAddr>,
    /// Address that callers know the server by
    #[arg(long, global = true, env = "CRM_PUBLIC_URL")]
    pub public_url: Option<String>,
    /// How many proxies of one's own stand in front
    #[arg(long, global = true, env = "CRM_PROXIES")]
    pub proxies: Option<usize>,
    /// Where records are kept: postgres://… or memory:
    #[arg(long, global = true, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<SecretUrl>,
    /// File that holds that URL
    #[arg(long, global = true, env = "DATABASE_URL_FILE")]
    pub database_url_file: Option<PathBuf>,
    /// The same database as the user for sign-in and scheduled work, where that is another one
    #[arg(long, global = true, env = "CRM_SYSTEM_DATABASE_URL", hide_env_values = true)]
    pub system_database_url: Option<SecretUrl>,
    /// File that holds that URL
    #[arg(long, global = true, env = "CRM_SYSTEM_DATABASE_URL_FILE")]
    pub system_database_url_file: Option<PathBuf>,
    /// The same database under the role that owns the tables, for migrating
    #[arg(long, global = true, env = "CRM_MIGRATION_DATABASE_URL", hide_env_values = true)]
    pub migration_database_url: Option<SecretUrl>,
    /// File that holds that URL
    #[arg(long, global = true, env = "CRM_MIGRATION_DATABASE_URL_FILE")]
    pub migration_database_url_file: Option<PathBuf>,
    /// Bring the tables up to date before listening
    #[arg(long, global = true, env = "CRM_MIGRATE_ON_START", num_args = 0..=1, default_missing_value = "true")]
    pub migrate_on_start: Option<bool>,
    /// The most database connections at once
    #[arg(long, global = true, env = "CRM_DATABASE_POOL_SIZE")]
    pub database_pool_size: Option<u32>,
    /// How long to wait for a free database connection
    #[arg(long, global = true, env = "CRM_DATABASE_ACQUIRE_TIMEOUT")]
    pub database_acquire_timeout: Option<Span>,
    /// How long one statement may take
    #[arg(long, global = true, env = "CRM_DATABASE_STATEMENT_TIMEOUT")]
    pub database_statement_timeout: Option<Span>,
    /// Start under a role that bypasses row security
    #[arg(long, global = true, env = "CRM_ALLOW_PRIVILEGED_ROLE", num_args = 0..=1, default_missing_value = "true")]
    pub allow_privileged_role: Option<bool>,
    /// Algorithm of the signing key
    #[arg(long, global = true, env = "CRM_TOKEN_ALGORITHM")]
    pub token_algorithm: Option<Algorithm>,
    /// Private key that signs access tokens, as PKCS#8 PEM
    #[arg(
        long,
        global = true,
        env = "CRM_TOKEN_KEY",
        hide_env_values = true,
        allow_hyphen_values = true
    )]
    pub token_key: Option<Secret>,
    /// File that holds that key
    #[arg(long, global = true, env = "CRM_TOKEN_KEY_FILE")]
    pub token_key_file: Option<PathBuf>,
    /// For whom tokens are
    #[arg(long, global = true, env = "CRM_TOKEN_AUDIENCE")]
    pub token_audience: Option<String>,
    /// How long an access token holds
    #[arg(long, global = true, env = "CRM_ACCESS_LIFETIME")]
    pub access_lifetime: Option<Span>,
    /// How long a session lives without being used
    #[arg(long, global = true, env = "CRM_REFRESH_LIFETIME")]
    pub refresh_lifetime: Option<Span>,
    /// The same where the user asked to be remembered
    #[arg(long, global = true, env = "CRM_REMEMBER_ME_LIFETIME")]
    pub remember_me_lifetime: Option<Span>,
    /// How long a spent refresh token can be spent again where the answer was lost
    #[arg(long, global = true, env = "CRM_REFRESH_GRACE")]
    pub refresh_grace: Option<Span>,
    /// How far the clocks of two servers may differ
    #[arg(long, global = true, env = "CRM_TOKEN_LEEWAY")]
    pub token_leeway: Option<Span>,
    /// KiB of memory for one password hash
    #[arg(long, global = true, env = "CRM_PASSWORD_MEMORY_KIB")]
    pub password_memory_kib: Option<u32>,
    /// Passes of one password hash
    #[arg(long, global = true, env = "CRM_PASSWORD_ITERATIONS")]
    pub password_iterations: Option<u32>,
    /// Lanes of one password hash
    #[arg(long, global = true, env = "CRM_PASSWORD_PARALLELISM")]
    pub password_parallelism: Option<u32>,
    /// Password hashes computed at once; 0 for the number of processors
    #[arg(long, global = true, env = "CRM_PASSWORD_CONCURRENCY")]
    pub password_concurrency: Option<usize>,
    /// The fewest characters of a password that is set
    #[arg(long, global = true, env = "CRM_PASSWORD_MIN_LENGTH")]
    pub password_min_length: Option<usize>,
    /// What authenticator apps show second factors under
    #[arg(long, global = true, env = "CRM_MFA_ISSUER")]
    pub mfa_issuer: Option<String>,
    /// Secret that second factors are sealed under
    #[arg(long, global = true, env = "CRM_MFA_KEY", hide_env_values = true)]
    pub mfa_key: Option<Secret>,
    /// File that holds it
    #[arg(long, global = true, env = "CRM_MFA_KEY_FILE")]
    pub mfa_key_file: Option<PathBuf>,
    /// Failures to sign in to an account that cost nothing
    #[arg(long, global = true, env = "CRM_LOCKOUT_ATTEMPTS")]
    pub lockout_attempts: Option<u32>,
    /// The same for a network, whatever the accounts
    #[arg(long, global = true, env = "CRM_LOCKOUT_ATTEMPTS_PER_NETWORK")]
    pub lockout_attempts_per_network: Option<u32>,
    /// The longest that failures to sign in make anybody wait
    #[arg(long, global = true, env = "CRM_LOCKOUT_LONGEST")]
    pub lockout_longest: Option<Span>,
    /// The most bytes in a JSON body
    #[arg(long, global = true, env = "CRM_BODY_BYTES")]
    pub body_bytes: Option<usize>,
    /// How deep a JSON body may nest
    #[arg(long, global = true, env = "CRM_NESTING")]
    pub nesting: Option<usize>,
    /// The most records on a page
    #[arg(long, global = true, env = "CRM_PAGE")]
    pub page: Option<u32>,
    /// How long a request may take
    #[arg(long, global = true, env = "CRM_REQUEST_TIMEOUT")]
    pub request_timeout: Option<Span>,
    /// How many requests are worked on at once
    #[arg(long, global = true, env = "CRM_CONCURRENCY")]
    pub concurrency: Option<usize>,
    /// How log lines look
    #[arg(long, global = true, env = "CRM_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Level, or filter such as `info,sqlx=warn`
    #[arg(long, global = true, env = "CRM_LOG_LEVEL")]
    pub log_level: Option<String>,
    /// Origins of web pages that may call the server, separated by commas
    #[arg(long, global = true, env = "CRM_CORS_ORIGINS", value_delimiter = ',')]
    pub cors_origins: Option<Vec<String>>,
    /// Whether there is GET /metrics
    #[arg(long, global = true, env = "CRM_METRICS", num_args = 0..=1, default_missing_value = "true")]
    pub metrics: Option<bool>,
    /// Address of their own for metrics
    #[arg(long, global = true, env = "CRM_METRICS_BIND")]
    pub metrics_bind: Option<SocketAddr>,
    /// Bearer token that metrics are told for
    #[arg(long, global = true, env = "CRM_METRICS_TOKEN", hide_env_values = true)]
    pub metrics_token: Option<Secret>,
    /// URL of a collector to send spans of requests to, by OTLP over HTTP
    #[arg(long, global = true, env = "CRM_TRACES_ENDPOINT")]
    pub traces_endpoint: Option<String>,
    /// Headers to send along, `name=value` separated by commas
    #[arg(long, global = true, env = "CRM_TRACES_HEADERS", hide_env_values = true)]
    pub traces_headers: Option<Secret>,
    /// File of the certificates that the collector's is to be signed by, as PEM
    #[arg(long, global = true, env = "CRM_TRACES_CA_FILE")]
    pub traces_ca_file: Option<PathBuf>,
    /// Which part of the traces that begin here is recorded, from 0 to 1
    #[arg(long, global = true, env = "CRM_TRACES_SAMPLE")]
    pub traces_sample: Option<f64>,
    /// What the server is called there
    #[arg(long, global = true, env = "CRM_TRACES_SERVICE")]
    pub traces_service: Option<String>,
    /// How mails leave
    #[command(flatten)]
    pub mail: MailOverrides,
    /// How long to go on answering, not ready, after SIGTERM
    #[arg(long, global = true, env = "CRM_SHUTDOWN_NOTICE")]
    pub shutdown_notice: Option<Span>,
    /// How long what was begun may take to finish
    #[arg(long, global = true, env = "CRM_SHUTDOWN_GRACE")]
    pub shutdown_grace: Option<Span>,
    /// How long a deleted tenant can be brought back, before all of it is removed
    #[arg(long, global = true, env = "CRM_TENANT_GRACE")]
    pub tenant_grace: Option<Span>,
    /// The most bytes in a URL's path and query
    #[arg(long, global = true, env = "CRM_URL_BYTES")]
    pub url_bytes: Option<usize>,
    /// The most bytes in all headers of a request
    #[arg(long, global = true, env = "CRM_HEADER_BYTES")]
    pub header_bytes: Option<usize>,
    /// The most headers of a request
    #[arg(long, global = true, env = "CRM_HEADERS")]
    pub headers: Option<usize>,
    /// How long the head of a request may take to come
    #[arg(long, global = true, env = "CRM_HEADER_TIMEOUT")]
    pub header_timeout: Option<Span>,
    /// How long its body may take to come
    #[arg(long, global = true, env = "CRM_BODY_TIMEOUT")]
    pub body_timeout: Option<Span>,
    /// How long a connection may be silent
    #[arg(long, global = true, env = "CRM_IDLE_TIMEOUT")]
    pub idle_timeout: Option<Span>,
    /// How many connections there may be
    #[arg(long, global = true, env = "CRM_CONNECTIONS")]
    pub connections: Option<usize>,
    /// The most conditions in a filter
    #[arg(long, global = true, env = "CRM_FILTER_TERMS")]
    pub filter_terms: Option<usize>,
    /// How many exports are made at once
    #[arg(long, global = true, env = "CRM_EXPORTS")]
    pub exports: Option<usize>,
    /// How often an address may ask where nobody has signed in: 60/1m, or off
    #[arg(long, global = true, env = "CRM_RATE_ADDRESS")]
    pub rate_address: Option<Rate>,
    /// How often each user and each API key may ask
    #[arg(long, global = true, env = "CRM_RATE_USER")]
    pub rate_user: Option<Rate>,
    /// How often all who work in a tenant may ask together
    #[arg(long, global = true, env = "CRM_RATE_TENANT")]
    pub rate_tenant: Option<Rate>,
    /// Redis that several servers count in: redis://…
    #[arg(long, global = true, env = "CRM_RATE_REDIS_URL", hide_env_values = true)]
    pub rate_redis_url: Option<SecretUrl>,
    /// How long it may take for one request
    #[arg(long, global = true, env = "CRM_RATE_REDIS_TIMEOUT")]
    pub rate_redis_timeout: Option<Span>,
    /// What becomes of requests while it is away
    #[arg(long, global = true, env = "CRM_RATE_WHEN_AWAY")]
    pub rate_when_away: Option<WhenAway>,
}

impl Overrides {
    /// Puts what is set in place of what the configuration has.
    pub fn apply(self, config: &mut Config) {
        // Taken apart, so that a flag that has no effect does not compile.
        let Self {
            bind,
            public_url,
            proxies,
            database_url,
            database_url_file,
            system_database_url,
            system_database_url_file,
            migration_database_url,
            migration_database_url_file,
            database_pool_size,
            database_acquire_timeout,
            database_statement_timeout,
            migrate_on_start,
            allow_privileged_role,
            token_algorithm,
            token_key,
            token_key_file,
            token_audience,
            access_lifetime,
            refresh_lifetime,
            remember_me_lifetime,
            refresh_grace,
            token_leeway,
            password_memory_kib,
            password_iterations,
            password_parallelism,
            password_concurrency,
            password_min_length,
            mfa_issuer,
            mfa_key,
            mfa_key_file,
            lockout_attempts,
            lockout_attempts_per_network,
            lockout_longest,
            body_bytes,
            nesting,
            page,
            request_timeout,
            concurrency,
            log_format,
            log_level,
            cors_origins,
            metrics,
            metrics_bind,
            metrics_token,
            traces_endpoint,
            traces_headers,
            traces_ca_file,
            traces_sample,
            traces_service,
            mail: mail_overrides,
            shutdown_notice,
            shutdown_grace,
            tenant_grace,
            url_bytes,
            header_bytes,
            headers,
            header_timeout,
            body_timeout,
            idle_timeout,
            connections,
            filter_terms,
            exports,
            rate_address,
            rate_user,
            rate_tenant,
            rate_redis_url,
            rate_redis_timeout,
            rate_when_away,
        } = self;
        let Config {
            bind: to_bind,
            public_url: to_url,
            proxies: to_proxies,
            database,
            tokens,
            passwords,
            lockout,
            mfa,
            limits,
            log,
            cors,
            metrics: to_metrics,
            traces,
            mail,
            shutdown: to_shutdown,
            tenants,
        } = config;
        // A key given nearer to the command takes the place of one in the file, in either form.
        if token_key.is_some() || token_key_file.is_some() {
            tokens.key = None;
            tokens.key_file = None;
        }
        set(to_bind, bind);
        set(to_url, public_url);
        set(to_proxies, proxies);
        let urls = [
            (&mut database.url, &mut database.url_file, database_url, database_url_file),
            (
                &mut database.system_url,
                &mut database.system_url_file,
                system_database_url,
                system_database_url_file,
            ),
            (
                &mut database.migration_url,
                &mut database.migration_url_file,
                migration_database_url,
                migration_database_url_file,
            ),
        ];
        for (to_url, to_file, url, file) in urls {
            // As with the key; and of the two, the one that can be seen at once.
            if url.is_some() || file.is_some() {
                *to_file = if url.is_some() { None } else { file };
                *to_url = url;
            }
        }
        set(&mut database.pool_size, database_pool_size);
        set(&mut database.acquire_timeout, database_acquire_timeout);
        set(&mut database.statement_timeout, database_statement_timeout);
        set(&mut database.migrate_on_start, migrate_on_start);
        set(&mut database.allow_privileged_role, allow_privileged_role);
        set(&mut tokens.algorithm, token_algorithm);
        set(&mut tokens.key, token_key.map(Some));
        set(&mut tokens.key_file, token_key_file.map(Some));
        set(&mut tokens.audience, token_audience);
        set(&mut tokens.access_lifetime, access_lifetime);
        set(&mut tokens.refresh_lifetime, refresh_lifetime);
        set(&mut tokens.remember_me_lifetime, remember_me_lifetime);
        set(&mut tokens.refresh_grace, refresh_grace);
        set(&mut tokens.leeway, token_leeway);
        set(&mut passwords.memory_kib, password_memory_kib);
        set(&mut passwords.iterations, password_iterations);
        set(&mut passwords.parallelism, password_parallelism);
        set(&mut passwords.concurrency, password_concurrency);
        set(&mut passwords.min_length, password_min_length);
        set(&mut mfa.issuer, mfa_issuer);
        set(&mut mfa.key, mfa_key.map(Some));
        set(&mut mfa.key_file, mfa_key_file.map(Some));
        set(&mut lockout.attempts, lockout_attempts);
        set(&mut lockout.attempts_per_network, lockout_attempts_per_network);
        set(&mut lockout.longest, lockout_longest);
        set(&mut limits.body_bytes, body_bytes);
        set(&mut limits.nesting, nesting);
        set(&mut limits.page, page);
        set(&mut limits.request_timeout, request_timeout);
        set(&mut limits.concurrency, concurrency);
        set(&mut log.format, log_format);
        set(&mut log.level, log_level);
        set(&mut cors.origins, cors_origins);
        set(&mut to_metrics.enabled, metrics);
        set(&mut to_metrics.bind, metrics_bind.map(Some));
        set(&mut to_metrics.token, metrics_token.map(Some));
        set(&mut traces.endpoint, traces_endpoint.map(Some));
        set(&mut traces.headers, traces_headers.map(Some));
        set(&mut traces.ca_file, traces_ca_file.map(Some));
        set(&mut traces.sample, traces_sample);
        set(&mut traces.service, traces_service);
        mail_overrides.apply(mail);
        set(&mut to_shutdown.notice, shutdown_notice);
        set(&mut to_shutdown.grace, shutdown_grace);
        set(&mut tenants.grace, tenant_grace);
        set(&mut limits.url_bytes, url_bytes);
        set(&mut limits.header_bytes, header_bytes);
        set(&mut limits.headers, headers);
        set(&mut limits.header_timeout, header_timeout);
        set(&mut limits.body_timeout, body_timeout);
        set(&mut limits.idle_timeout, idle_timeout);
        set(&mut limits.connections, connections);
        set(&mut limits.filter_terms, filter_terms);
        set(&mut limits.exports, exports);
        set(&mut limits.rate.address, rate_address);
        set(&mut limits.rate.user, rate_user);
        set(&mut limits.rate.tenant, rate_tenant);
        set(&mut limits.rate.redis_url, rate_redis_url.map(Some));
        set(&mut limits.rate.redis_timeout, rate_redis_timeout);
        set(&mut limits.rate.when_away, rate_when_away);
    }
}

fn set<T>(target: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *target = value;
    }
}
