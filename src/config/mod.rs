//! The configuration, read once from the environment (contract 11). Every variable is documented
//! in `.env.example`; a test holds the two lists together.

pub mod dotenv;
mod postgres_url;
pub mod private;
mod variables;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use chrono::TimeDelta;
use sqlx::postgres::PgConnectOptions;

use self::variables::Variables;
use crate::crypto::github_keys::GithubKeysFile;
use crate::crypto::master::MasterKeys;
use crate::crypto::tenant_key::KeyForm;
use crate::events::targets::TargetsConfig;
use crate::features::DisabledFeatures;
use crate::identity::GatewaySecrets;
use crate::identity::client::TrustedProxies;
use crate::limits::rates::RateLimit;
use crate::telemetry::{Format, LogFilter};

/// The service's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// `LISTEN_ADDR`: where partners (through the gateway) connect.
    pub listen_addr: SocketAddr,
    /// `INTERNAL_LISTEN_ADDR`: where the gateway asks, and Prometheus scrapes.
    pub internal_listen_addr: SocketAddr,
    /// `PUBLIC_URL`: under which name clients reach the public listener; the issuer of tokens.
    pub public_url: String,
    /// Whether it was; if not, signed requests are for their `Host`.
    pub is_public_url_set: bool,
    /// `DATABASE_URL`; without it the service runs a Postgres of its own.
    pub database: Option<DatabaseAddress>,
    /// `DATABASE_MAX_CONNECTIONS`, for requests.
    pub max_connections: u32,
    /// `DATA_DIR`: where the embedded Postgres lives.
    pub data_dir: PathBuf,
    /// `PG_BIN`: where its binaries are, if not in the usual places.
    pub pg_bin: Option<PathBuf>,
    /// `MIGRATE_ON_START`.
    pub migrate_on_start: bool,
    /// `GATEWAY_SECRETS` or `GATEWAY_SECRETS_FILE`: current, previous.
    pub gateway_secrets: GatewaySecrets,
    /// `MASTER_KEYS` or `MASTER_KEYS_FILE`, and `MASTER_PASSPHRASE_FILE`.
    pub master: MasterSource,
    /// `KEY_PREFIX` and `KEY_ENV`: how new tenant keys begin.
    pub key_form: KeyForm,
    /// `REQUIRE_KEY_PROOF`: a partner's key that is not proven is used for nothing (contract 12.5).
    pub require_key_proof: bool,
    /// `GATEWAY_CACHE_SECONDS`: how long a gateway may remember a good key.
    pub gateway_cache_seconds: u32,
    /// `TRUST_ORG_ID`: the network guarantees that only the gateway can connect.
    pub trust_org_id: bool,
    /// `TRUSTED_PROXIES`: whose `X-Forwarded-For` is believed.
    pub trusted_proxies: TrustedProxies,
    /// `GITHUB_LEAK_KEYS_FILE`: the keys under GitHub's reports of leaks (contract 13.4).
    pub github_keys: Option<GithubKeysFile>,
    /// `DISABLED_FEATURES`.
    pub disabled_features: DisabledFeatures,
    /// `INTEGRATION_CONTACT`: whom the 503 of a feature points to.
    pub integration_contact: String,
    /// `REQUEST_TIMEOUT_SECONDS`.
    pub request_timeout: Duration,
    /// `MAX_IN_FLIGHT`: requests that run at the same time; more are told to come back.
    pub max_in_flight: usize,
    /// `MAX_CONNECTIONS`: open client connections per listener.
    pub max_client_connections: usize,
    /// `ORG_SHARE`: the part of every limit that one org may have.
    pub org_share: f64,
    /// `RATE_LIMIT`: how many requests an org may make, unless it has a limit of its own.
    pub rate_limit: Option<RateLimit>,
    /// `ALLOW_PRIVATE_TARGETS`, `SQS_ALLOW_DIRECT`, the endpoint overrides, and our identity at AWS.
    pub targets: TargetsConfig,
    /// `PUBLISHING_PRINCIPAL_ARN`: who assumes partners' roles.
    pub publishing_principal_arn: Option<String>,
    /// `EVENT_RETENTION_DAYS`: after delivery or failure.
    pub event_retention: TimeDelta,
    /// `EVENT_WAIT_DAYS`: for a queue.
    pub event_wait: TimeDelta,
    /// `IDEMPOTENCY_SECRET_SECONDS`: how long a retry is shown a secret again.
    pub idempotency_secrets_for: TimeDelta,
    /// `SHUTDOWN_DELAY_SECONDS`: between failing readiness and closing the listeners.
    pub shutdown_delay: Duration,
    /// `LOG_FORMAT`.
    pub log_format: Format,
    /// `LOG`: a filter such as `info,sqlx=warn`.
    pub log_filter: LogFilter,
}

/// A database of the operator's.
#[derive(Clone, Debug)]
pub struct DatabaseAddress {
    /// `DATABASE_URL`.
    pub options: PgConnectOptions,
    /// `DATABASE_DIRECT_URL`: past a pooler, for migrations and LISTEN.
    pub direct: Option<PgConnectOptions>,
}

/// The source of the master key.
#[derive(Clone, Debug, Default)]
pub struct MasterSource {
    /// `MASTER_KEYS`, or what `MASTER_KEYS_FILE` holds.
    pub keys: Option<MasterKeys>,
    /// `MASTER_PASSPHRASE_FILE`; where keys are given as well, it only opens.
    pub passphrase_file: Option<PathBuf>,
}

/// A variable that stops the start.
#[derive(Debug, thiserror::Error)]
#[error("{variable}: {problem}")]
pub struct ConfigError {
    variable: &'static str,
    problem: String,
}

impl ConfigError {
    /// The variable's name.
    #[must_use]
    pub fn variable(&self) -> &'static str {
        self.variable
    }
}

/// Every variable, in the order of `.env.example`.
pub const VARIABLES: &[&str] = &[
    "LISTEN_ADDR",
    "INTERNAL_LISTEN_ADDR",
    "PUBLIC_URL",
    "DATABASE_URL",
    "DATABASE_DIRECT_URL",
    "DATABASE_MAX_CONNECTIONS",
    "DATA_DIR",
    "PG_BIN",
    "MIGRATE_ON_START",
    "MASTER_KEYS",
    "MASTER_KEYS_FILE",
    "MASTER_PASSPHRASE_FILE",
    "KEY_PREFIX",
    "KEY_ENV",
    "REQUIRE_KEY_PROOF",
    "GATEWAY_SECRETS",
    "GATEWAY_SECRETS_FILE",
    "GATEWAY_CACHE_SECONDS",
    "TRUST_ORG_ID",
    "TRUSTED_PROXIES",
    "ALLOW_PRIVATE_TARGETS",
    "EVENT_RETENTION_DAYS",
    "EVENT_WAIT_DAYS",
    "IDEMPOTENCY_SECRET_SECONDS",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "PUBLISHING_PRINCIPAL_ARN",
    "SQS_ALLOW_DIRECT",
    "SQS_ENDPOINT",
    "STS_ENDPOINT",
    "STORAGE_QUEUE_ENDPOINT",
    "EVENT_HUBS_ENDPOINT",
    "GITHUB_LEAK_KEYS_FILE",
    "DISABLED_FEATURES",
    "INTEGRATION_CONTACT",
    "REQUEST_TIMEOUT_SECONDS",
    "MAX_IN_FLIGHT",
    "MAX_CONNECTIONS",
    "ORG_SHARE",
    "RATE_LIMIT",
    "SHUTDOWN_DELAY_SECONDS",
    "LOG_FORMAT",
    "LOG",
];

const LISTEN_ADDR: &str = "127.0.0.1:8080";

impl Config {
    /// Reads the process's environment.
    ///
    /// # Errors
    /// Names the first variable that is wrong.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Reads variables through `get`.
    ///
    /// # Errors
    /// Names the first variable that is wrong.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let vars = Variables { get: &get };
        let config = Self {
            listen_addr: vars.parsed("LISTEN_ADDR", LISTEN_ADDR)?,
            internal_listen_addr: vars.parsed("INTERNAL_LISTEN_ADDR", "127.0.0.1:8081")?,
            public_url: vars.public_url()?,
            is_public_url_set: vars.optional("PUBLIC_URL").is_some(),
            database: vars.database()?,
            max_connections: vars.in_range("DATABASE_MAX_CONNECTIONS", 16, 1..=1_000)?,
            data_dir: vars.optional("DATA_DIR").unwrap_or_else(|| "./.data".to_owned()).into(),
            pg_bin: vars.optional("PG_BIN").map(PathBuf::from),
            migrate_on_start: vars.parsed("MIGRATE_ON_START", "true")?,
            gateway_secrets: vars
                .secrets(["GATEWAY_SECRETS", "GATEWAY_SECRETS_FILE"], GatewaySecrets::parse)?
                .unwrap_or_default(),
            master: MasterSource {
                keys: vars.secrets(["MASTER_KEYS", "MASTER_KEYS_FILE"], MasterKeys::parse)?,
                passphrase_file: vars.optional("MASTER_PASSPHRASE_FILE").map(PathBuf::from),
            },
            key_form: KeyForm {
                prefix: vars.parsed("KEY_PREFIX", "tk")?,
                env: vars.parsed("KEY_ENV", "test")?,
            },
            require_key_proof: vars.parsed("REQUIRE_KEY_PROOF", "false")?,
            gateway_cache_seconds: vars.in_range("GATEWAY_CACHE_SECONDS", 5, 0..=300)?,
            trust_org_id: vars.parsed("TRUST_ORG_ID", "false")?,
            trusted_proxies: vars.trusted_proxies()?,
            github_keys: vars.github_keys()?,
            disabled_features: DisabledFeatures::parse(
                &vars.optional("DISABLED_FEATURES").unwrap_or_default(),
            )
            .map_err(|problem| wrong("DISABLED_FEATURES", problem))?,
            integration_contact: vars.optional("INTEGRATION_CONTACT").unwrap_or_else(|| "support".to_owned()),
            request_timeout: vars.seconds("REQUEST_TIMEOUT_SECONDS", 10, 1..=300)?,
            max_in_flight: vars.in_range("MAX_IN_FLIGHT", 1_024, 1..=100_000)?,
            max_client_connections: vars.in_range("MAX_CONNECTIONS", 10_000, 1..=1_000_000)?,
            org_share: vars.in_range("ORG_SHARE", 0.5, 0.1..=1.0)?,
            rate_limit: vars.rate_limit()?,
            targets: vars.targets()?,
            publishing_principal_arn: vars.optional("PUBLISHING_PRINCIPAL_ARN"),
            event_retention: TimeDelta::days(vars.in_range("EVENT_RETENTION_DAYS", 30, 1..=3_650)?),
            event_wait: TimeDelta::days(vars.in_range("EVENT_WAIT_DAYS", 14, 1..=3_650)?),
            idempotency_secrets_for: TimeDelta::seconds(vars.in_range(
                "IDEMPOTENCY_SECRET_SECONDS",
                600,
                0..=86_400,
            )?),
            shutdown_delay: vars.seconds("SHUTDOWN_DELAY_SECONDS", 0, 0..=600)?,
            log_format: match vars.optional("LOG_FORMAT").as_deref() {
                Some("json") => Format::Json,
                None | Some("pretty") => Format::Pretty,
                Some(_) => return Err(wrong("LOG_FORMAT", "must be json or pretty")),
            },
            log_filter: vars.parsed("LOG", "info")?,
        };
        config.check_trust()?;
        Ok(config)
    }

    /// Contract 0: whoever can connect may claim any `OrgId`, so without proof the address must
    /// be one that only this machine can reach.
    fn check_trust(&self) -> Result<(), ConfigError> {
        let is_local = self.listen_addr.ip().is_loopback();
        if is_local || self.trust_org_id || !self.gateway_secrets.is_empty() {
            return Ok(());
        }
        let problem = format!(
            "{} can be reached from other machines, and OrgId would be believed from all of them. Set \
             GATEWAY_SECRETS, or TRUST_ORG_ID=true if the network lets only the gateway connect",
            self.listen_addr
        );
        Err(wrong("LISTEN_ADDR", problem))
    }
}

fn wrong(variable: &'static str, problem: impl Into<String>) -> ConfigError {
    ConfigError { variable, problem: problem.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &[(&str, &str)]) -> Result<Config, String> {
        let get = |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        Config::read(get).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_set_listens_on_loopback_with_a_postgres_of_its_own() {
        let config = read(&[]).unwrap();
        assert_eq!(config.listen_addr.to_string(), "127.0.0.1:8080");
        assert_eq!(config.internal_listen_addr.to_string(), "127.0.0.1:8081");
        assert!(config.database.is_none());
    }

    #[test]
    fn org_ids_are_believed_from_afar_only_with_proof_or_a_promise() {
        let afar = ("LISTEN_ADDR", "0.0.0.0:8080");
        assert!(read(&[afar]).unwrap_err().starts_with("LISTEN_ADDR: "));
        assert!(read(&[afar, ("TRUST_ORG_ID", "true")]).is_ok());
        assert!(read(&[afar, ("GATEWAY_SECRETS", "0123456789abcdef0123456789abcdef")]).is_ok());
        assert!(read(&[("LISTEN_ADDR", "[::1]:8080")]).is_ok());
    }

    #[test]
    fn what_is_wrong_is_named_and_secrets_are_not_repeated() {
        for (name, value) in [
            ("LISTEN_ADDR", "8080"),
            ("PUBLIC_URL", "https://marker@example.com"),
            ("DATABASE_URL", "marker://marker"),
            ("DATABASE_DIRECT_URL", "postgres://localhost/x"),
            ("DATABASE_MAX_CONNECTIONS", "0"),
            ("MIGRATE_ON_START", "yes"),
            ("GATEWAY_SECRETS", "marker"),
            ("MASTER_KEYS", "base64:marker"),
            ("TRUSTED_PROXIES", "10.0.0.0/8,marker"),
            ("KEY_PREFIX", "tk_"),
            ("KEY_PREFIX", "pt"),
            ("KEY_ENV", "staging"),
            ("GITHUB_LEAK_KEYS_FILE", "/nonexistent"),
            ("DISABLED_FEATURES", "nonsense"),
            ("REQUEST_TIMEOUT_SECONDS", "-1"),
            ("LOG_FORMAT", "xml"),
            ("LOG", "warning"),
            ("LOG", "a=b=c"),
            ("MASTER_KEYS", "base64:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
            ("MASTER_KEYS_FILE", "/nonexistent"),
            ("GATEWAY_SECRETS_FILE", "/nonexistent"),
            ("ORG_SHARE", "0"),
            ("ORG_SHARE", "1.01"),
            ("ORG_SHARE", "NaN"),
            ("RATE_LIMIT", "0"),
            ("RATE_LIMIT", "50/s"),
            ("RATE_LIMIT", "50;burst=marker"),
        ] {
            let error = read(&[(name, value)]).unwrap_err();
            assert!(error.starts_with(&format!("{name}: ")), "{error}");
            assert!(!error.contains("marker"), "{error}");
        }
    }

    /// Names and values of the example file.
    fn example() -> Vec<(&'static str, &'static str)> {
        let lines = include_str!("../../.env.example").lines();
        let set = lines.filter_map(|line| line.trim_start_matches("# ").split_once('='));
        set.filter(|(name, _)| name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')).collect()
    }

    /// Names and defaults of the table in the README; a row may name several.
    fn table() -> Vec<(&'static str, &'static str)> {
        let readme = include_str!("../../README.md");
        let (_, section) = readme.split_once("| variable | default | meaning |").unwrap();
        let rows = section.lines().skip(2).take_while(|line| line.starts_with('|'));
        rows.flat_map(|row| {
            let cells: Vec<_> = row.split('|').map(str::trim).collect();
            let names = cells[1].split(", ").map(|name| name.trim_matches('`'));
            names.map(|name| (name, cells[2])).collect::<Vec<_>>()
        })
        .collect()
    }

    #[test]
    fn the_example_file_and_the_readme_list_every_variable_in_order() {
        let names =
            |of: Vec<(&'static str, &'static str)>| of.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(example()), VARIABLES);
        assert_eq!(names(table()), VARIABLES);
    }

    #[test]
    fn the_readme_and_the_example_file_give_the_same_defaults() {
        let example = example();
        let defaults = table().into_iter().filter(|(_, default)| {
            default.starts_with('`') && default.ends_with('`') && default.matches('`').count() == 2
        });
        for (name, default) in defaults.filter(|(_, default)| !VARIABLES.contains(&default.trim_matches('`')))
        {
            assert!(example.contains(&(name, default.trim_matches('`'))), "{name}: {default}");
        }
        // And what the file says, uncommented, is a configuration.
        read(&example).unwrap();
    }
}
