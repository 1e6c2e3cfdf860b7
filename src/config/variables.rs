//! Parsing of variables' texts, and the messages where one cannot be parsed.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use zeroize::Zeroizing;

use super::{ConfigError, DatabaseAddress, LISTEN_ADDR, VARIABLES, postgres_url, private, wrong};
use crate::crypto::github_keys::GithubKeysFile;
use crate::crypto::secret::Secret;
use crate::events::targets::settings::Policy;
use crate::events::targets::{AwsCredentials, TargetsConfig};
use crate::identity::client::TrustedProxies;
use crate::limits::rates::RateLimit;

/// The environment, read variable by variable.
pub(super) struct Variables<'g> {
    pub(super) get: &'g dyn Fn(&str) -> Option<String>,
}

impl Variables<'_> {
    /// Set to nothing is not set: that is how compose files and CI leave a variable out.
    pub(super) fn optional(&self, name: &'static str) -> Option<String> {
        debug_assert!(VARIABLES.contains(&name), "{name} is not in the list of variables");
        (self.get)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// Secrets, in the variable or in the file that the other one names, there also one a line. The
    /// parser's message never repeats them.
    pub(super) fn secrets<T>(
        &self,
        [name, file_name]: [&'static str; 2],
        parse: impl FnOnce(&str) -> Result<T, &'static str>,
    ) -> Result<Option<T>, ConfigError> {
        match (self.optional(name).map(Zeroizing::new), self.optional(file_name)) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => {
                Err(wrong(file_name, format!("is set beside {name}: leave one of them out")))
            }
            (Some(value), None) => parse(&value).map(Some).map_err(|problem| wrong(name, problem)),
            (None, Some(path)) => {
                let text = private::read_secret(Path::new(&path), None);
                let text = text.map_err(|error| wrong(file_name, error.to_string()))?;
                let words =
                    text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty());
                let list = Zeroizing::new(words.collect::<Vec<_>>().join(","));
                parse(&list).map(Some).map_err(|problem| wrong(file_name, problem))
            }
        }
    }

    pub(super) fn parsed<T: FromStr<Err: Display>>(
        &self,
        name: &'static str,
        default: &str,
    ) -> Result<T, ConfigError> {
        let text = self.optional(name).unwrap_or_else(|| default.to_owned());
        text.parse().map_err(|error| wrong(name, format!("{error}; the default is {default}")))
    }

    pub(super) fn in_range<T>(
        &self,
        name: &'static str,
        default: T,
        range: std::ops::RangeInclusive<T>,
    ) -> Result<T, ConfigError>
    where
        T: FromStr<Err: Display> + PartialOrd + Display,
    {
        let value = self.parsed(name, &default.to_string())?;
        if range.contains(&value) {
            return Ok(value);
        }
        Err(wrong(name, format!("must be between {} and {}", range.start(), range.end())))
    }

    pub(super) fn seconds(
        &self,
        name: &'static str,
        default: u64,
        range: std::ops::RangeInclusive<u64>,
    ) -> Result<Duration, ConfigError> {
        self.in_range(name, default, range).map(Duration::from_secs)
    }

    /// Read here to be refused at the start; read again when it changes.
    pub(super) fn github_keys(&self) -> Result<Option<GithubKeysFile>, ConfigError> {
        let name = "GITHUB_LEAK_KEYS_FILE";
        let file = self.optional(name).map(|path| GithubKeysFile::open(path.into())).transpose();
        file.map_err(|problem| wrong(name, problem))
    }

    pub(super) fn trusted_proxies(&self) -> Result<TrustedProxies, ConfigError> {
        let list = self.optional("TRUSTED_PROXIES");
        let parsed = list.map(|list| TrustedProxies::parse(&list)).transpose();
        Ok(parsed.map_err(|problem| wrong("TRUSTED_PROXIES", problem))?.unwrap_or_default())
    }

    pub(super) fn rate_limit(&self) -> Result<Option<RateLimit>, ConfigError> {
        let limit = self.optional("RATE_LIMIT");
        limit.map(|text| text.parse().map_err(|problem: &str| wrong("RATE_LIMIT", problem))).transpose()
    }

    pub(super) fn targets(&self) -> Result<TargetsConfig, ConfigError> {
        let url = |name| {
            let parse = |text: String| text.parse().map_err(|_| wrong(name, "must be a URL"));
            self.optional(name).map(parse).transpose()
        };
        let (id, key) = (self.optional("AWS_ACCESS_KEY_ID"), self.optional("AWS_SECRET_ACCESS_KEY"));
        let aws = match (id, key.map(Secret::new)) {
            (Some(access_key_id), Some(secret_access_key)) => {
                let session_token = self.optional("AWS_SESSION_TOKEN").map(Secret::new);
                Some(AwsCredentials { access_key_id, secret_access_key, session_token })
            }
            (None, None) => None,
            _ => return Err(wrong("AWS_ACCESS_KEY_ID", "goes together with AWS_SECRET_ACCESS_KEY")),
        };
        Ok(TargetsConfig {
            policy: Policy {
                allow_private: self.parsed("ALLOW_PRIVATE_TARGETS", "false")?,
                sqs_allow_direct: self.parsed("SQS_ALLOW_DIRECT", "false")?,
            },
            aws,
            sqs_endpoint: url("SQS_ENDPOINT")?,
            sts_endpoint: url("STS_ENDPOINT")?,
            storage_queue_endpoint: url("STORAGE_QUEUE_ENDPOINT")?,
            event_hubs_endpoint: url("EVENT_HUBS_ENDPOINT")?,
        })
    }

    /// As it was written: it is compared as text.
    pub(super) fn public_url(&self) -> Result<String, ConfigError> {
        let Some(text) = self.optional("PUBLIC_URL") else {
            let address: SocketAddr = self.parsed("LISTEN_ADDR", LISTEN_ADDR)?;
            return Ok(format!("http://{address}"));
        };
        let url: Option<url::Url> = text.parse().ok();
        let is_plain = url.is_some_and(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().or(url.fragment()).is_none()
        });
        if is_plain {
            Ok(text)
        } else {
            Err(wrong("PUBLIC_URL", "must be an http or https URL, such as https://api.example.com"))
        }
    }

    pub(super) fn database(&self) -> Result<Option<DatabaseAddress>, ConfigError> {
        let url = |name| {
            let url = self.optional(name).map(Zeroizing::new);
            url.map(|url| postgres_url::parse(&url).map_err(|problem| wrong(name, problem))).transpose()
        };
        match (url("DATABASE_URL")?, url("DATABASE_DIRECT_URL")?) {
            (Some(options), direct) => Ok(Some(DatabaseAddress { options, direct })),
            (None, Some(_)) => Err(wrong("DATABASE_DIRECT_URL", "needs DATABASE_URL beside it")),
            (None, None) => Ok(None),
        }
    }
}
