//! A queue's settings, judged once: whatever has one of these types may be connected to.
//!
//! The registration route turns an [`InvalidSetting`] into its 400; the publisher, which reads settings
//! that were valid under an earlier configuration, into the event's `last_error`.

mod broker_address;
mod event_hub;
pub mod kafka;
mod sas;
mod webhook;

use chrono::{DateTime, Utc};
use thiserror::Error;

pub use broker_address::BrokerAddress;
pub use event_hub::EventHub;
pub use kafka::KafkaTopic;
pub use sas::SasToken;
pub use webhook::Webhook;

use super::error::{DeliveryError, Reason};

/// Longest ARN that IAM makes.
const MAX_ARN: usize = 2048;

/// The operator's rules for targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// `ALLOW_PRIVATE_TARGETS`: refused ranges and plain http are allowed.
    pub allow_private: bool,
    /// `SQS_ALLOW_DIRECT`: a queue may be written to without assuming a role.
    pub sqs_allow_direct: bool,
}

/// A setting that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{field} {reason}")]
pub struct InvalidSetting {
    /// The field's name inside the object of its type.
    pub field: &'static str,
    /// The rule that it breaks, to follow the field's name.
    pub reason: &'static str,
}

impl From<InvalidSetting> for DeliveryError {
    fn from(invalid: InvalidSetting) -> Self {
        Reason::InvalidSetting(invalid).into()
    }
}

fn check(ok: bool, field: &'static str, reason: &'static str) -> Result<(), InvalidSetting> {
    if ok { Ok(()) } else { Err(InvalidSetting { field, reason }) }
}

/// An Amazon SQS queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqsQueue {
    url: String,
    region: String,
    role_arn: Option<String>,
}

impl SqsQueue {
    /// Judges the settings of `aws_sqs`.
    ///
    /// # Errors
    /// The first field that cannot be used.
    pub fn new(
        url: &str,
        region: &str,
        role_arn: Option<&str>,
        policy: Policy,
    ) -> Result<Self, InvalidSetting> {
        const URL: &str =
            "must be https://sqs.<region>.amazonaws.com/<account id>/<name>, with the region given beside it";
        check(is_region(region), "region", "must be the name of an AWS region, such as eu-central-1")?;
        let rest = url.strip_prefix(&endpoint("sqs", region)).and_then(|rest| rest.strip_prefix('/'));
        check(rest.is_some_and(is_queue_path), "queue_url", URL)?;
        check(role_arn.is_some() || policy.sqs_allow_direct, "role_arn", "is required")?;
        check(
            role_arn.is_none_or(is_role_arn),
            "role_arn",
            "must be the ARN of an IAM role, such as arn:aws:iam::123456789012:role/name",
        )?;
        Ok(Self { url: url.to_owned(), region: region.to_owned(), role_arn: role_arn.map(str::to_owned) })
    }

    /// The queue's URL, which is also its name to SQS.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The queue's region.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The partner's role to assume.
    #[must_use]
    pub fn role_arn(&self) -> Option<&str> {
        self.role_arn.as_deref()
    }

    /// Returns `true` if the queue orders and deduplicates.
    #[must_use]
    pub fn is_fifo(&self) -> bool {
        self.url.ends_with(".fifo")
    }

    /// The base URL of a service of the queue's region, without a trailing slash.
    #[cfg(feature = "aws")]
    pub(super) fn endpoint(&self, service: &str) -> String {
        endpoint(service, &self.region)
    }
}

/// `https://<service>.<region>.amazonaws.com`, with `.cn` in the Chinese partition.
fn endpoint(service: &str, region: &str) -> String {
    let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
    format!("https://{service}.{region}.amazonaws.com{suffix}")
}

/// `<area>-<direction>-<number>`, such as `us-gov-west-1`.
fn is_region(region: &str) -> bool {
    let words = region.split('-').collect::<Vec<_>>();
    let [area, middle @ .., number] = words.as_slice() else { return false };
    let is_word = |word: &str| (2..=12).contains(&word.len()) && is_all(word, |b| b.is_ascii_lowercase());
    let is_number = (1..=2).contains(&number.len()) && is_all(number, |b| b.is_ascii_digit());
    area.len() == 2
        && is_word(area)
        && (1..=2).contains(&middle.len())
        && middle.iter().copied().all(is_word)
        && is_number
}

/// `<12 digits>/<name>`.
fn is_queue_path(path: &str) -> bool {
    let Some((account, name)) = path.split_once('/') else { return false };
    let stem = name.strip_suffix(".fifo").unwrap_or(name);
    let is_name = !stem.is_empty() && name.len() <= 80;
    is_account(account) && is_name && is_all(stem, |b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}

/// `arn:<partition>:iam::<12 digits>:role/<path and name>`.
fn is_role_arn(arn: &str) -> bool {
    let parts = arn.splitn(6, ':').collect::<Vec<_>>();
    let ["arn", "aws" | "aws-cn" | "aws-us-gov", "iam", "", account, role] = parts.as_slice() else {
        return false;
    };
    let name = role.strip_prefix("role/").unwrap_or_default();
    let is_path = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@_/-".contains(&b);
    is_account(account) && !name.is_empty() && is_all(name, is_path) && arn.len() <= MAX_ARN
}

fn is_account(id: &str) -> bool {
    id.len() == 12 && is_all(id, |b| b.is_ascii_digit())
}

fn is_all(text: &str, is_allowed: impl Fn(u8) -> bool) -> bool {
    text.bytes().all(is_allowed)
}

/// A queue of Azure Queue Storage.
#[derive(Clone, Debug)]
pub struct StorageQueue {
    account_name: String,
    queue_name: String,
    sas: SasToken,
}

impl StorageQueue {
    /// Judges the settings of `azure_storage_queue`.
    ///
    /// # Errors
    /// The first field that cannot be used.
    pub fn new(account_name: &str, queue_name: &str, sas_token: &str) -> Result<Self, InvalidSetting> {
        let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        check(
            (3..=24).contains(&account_name.len()) && is_all(account_name, is_plain),
            "account_name",
            "must be 3 to 24 lower-case letters and digits",
        )?;
        check(
            (3..=63).contains(&queue_name.len())
                && queue_name.split('-').all(|word| !word.is_empty() && is_all(word, is_plain)),
            "queue_name",
            "must be 3 to 63 lower-case letters and digits, with single hyphens between them",
        )?;
        let refused = |reason| InvalidSetting { field: "sas_token", reason };
        let sas = SasToken::parse(sas_token, account_name, queue_name).map_err(refused)?;
        Ok(Self { account_name: account_name.to_owned(), queue_name: queue_name.to_owned(), sas })
    }

    /// The storage account.
    #[must_use]
    pub fn account_name(&self) -> &str {
        &self.account_name
    }

    /// The queue in it.
    #[must_use]
    pub fn queue_name(&self) -> &str {
        &self.queue_name
    }

    /// Checks that the right to write to it runs at `now`.
    ///
    /// # Errors
    /// Why not.
    pub fn require_live(&self, now: DateTime<Utc>) -> Result<(), InvalidSetting> {
        self.sas.require_live(now).map_err(|reason| InvalidSetting { field: "sas_token", reason })
    }

    /// The right to write to it.
    #[must_use]
    pub fn sas(&self) -> &SasToken {
        &self.sas
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://sqs.eu-central-1.amazonaws.com/123456789012/events";
    const ROLE: &str = "arn:aws:iam::123456789012:role/partner/events-writer";
    const SAS: &str = "sv=2024-11-04&sp=a&se=2027-01-01&sig=abc%3D";

    fn sqs(url: &str, region: &str, role: Option<&str>) -> Result<SqsQueue, &'static str> {
        SqsQueue::new(url, region, role, Policy::default()).map_err(|invalid| invalid.field)
    }

    #[test]
    fn sqs_queues() {
        let china = "https://sqs.cn-north-1.amazonaws.com.cn/123456789012/a";
        let fifo = format!("{URL}.fifo");
        assert!(sqs(URL, "eu-central-1", Some(ROLE)).is_ok_and(|queue| !queue.is_fifo()));
        assert!(sqs(&fifo, "eu-central-1", Some(ROLE)).is_ok_and(|queue| queue.is_fifo()));
        assert!(sqs(china, "cn-north-1", Some("arn:aws-cn:iam::123456789012:role/a")).is_ok());
        let government = "https://sqs.us-gov-west-1.amazonaws.com/123456789012/a";
        assert!(sqs(government, "us-gov-west-1", Some(ROLE)).is_ok());
        assert_eq!(sqs(URL, "eu-central-1", None), Err("role_arn"));
        let direct = Policy { sqs_allow_direct: true, ..Policy::default() };
        assert!(SqsQueue::new(URL, "eu-central-1", None, direct).is_ok());
    }

    #[test]
    fn sqs_queues_elsewhere_are_refused() {
        for region in
            ["", "eu", "eu-central", "eu-central-1.evil.com", "EU-CENTRAL-1", "eu--1", "eu-central-1/"]
        {
            assert_eq!(sqs(URL, region, Some(ROLE)), Err("region"), "{region}");
        }
        let others = [
            "http://sqs.eu-central-1.amazonaws.com/123456789012/a",
            "https://sqs.eu-west-1.amazonaws.com/123456789012/a",
            "https://sqs.eu-central-1.amazonaws.com.cn/123456789012/a",
            "https://sqs.eu-central-1.amazonaws.com.evil.example/123456789012/a",
            "https://sqs.eu-central-1.amazonaws.com@evil.example/123456789012/a",
            "https://sqs.eu-central-1.amazonaws.com:8443/123456789012/a",
            "https://sqs.eu-central-1.amazonaws.com/12345678901/a",
            "https://sqs.eu-central-1.amazonaws.com/123456789012/",
            "https://sqs.eu-central-1.amazonaws.com/123456789012/.fifo",
            "https://sqs.eu-central-1.amazonaws.com/123456789012/a/b",
            "https://sqs.eu-central-1.amazonaws.com/123456789012/a?x=1",
            "https://queue.amazonaws.com/123456789012/a",
        ];
        for url in others {
            assert_eq!(sqs(url, "eu-central-1", Some(ROLE)), Err("queue_url"), "{url}");
        }
        let user = "arn:aws:iam::123456789012:user/a";
        for arn in [
            "",
            "role",
            user,
            "arn:aws:iam::12:role/a",
            "arn:aws:iam::123456789012:role/",
            "arn:x:iam::123456789012:role/a",
        ] {
            assert_eq!(sqs(URL, "eu-central-1", Some(arn)), Err("role_arn"), "{arn}");
        }
    }

    #[test]
    fn storage_queues() {
        assert!(StorageQueue::new("account1", "my-queue-2", SAS).is_ok());
        let field =
            |account: &str, queue: &str| StorageQueue::new(account, queue, SAS).err().map(|e| e.field);
        for account in ["ab", "Account", "has-hyphen", "evil.example/x", &"a".repeat(25), ""] {
            assert_eq!(field(account, "queue"), Some("account_name"), "{account}");
        }
        for queue in ["ab", "Queue", "-queue", "queue-", "two--hyphens", "a/../b", "q?x", &"q".repeat(64), ""]
        {
            assert_eq!(field("account", queue), Some("queue_name"), "{queue}");
        }
        assert_eq!(StorageQueue::new("account", "queue", "").err().map(|e| e.field), Some("sas_token"));
    }
}
