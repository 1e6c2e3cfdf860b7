//! The settings of `kafka`: where a cluster is asked first, the topic, who vouches for its brokers, and how
//! to log in.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use super::broker_address::BrokerAddress;
use super::{InvalidSetting, Policy, check, is_all};
use crate::crypto::secret::Secret;
use crate::events::targets::outbound::Trust;

/// The most brokers that may be named to begin with.
pub const MAX_SERVERS: usize = 10;
/// Longest topic that Kafka takes.
pub const MAX_TOPIC: usize = 249;
/// Longest user name and password.
pub const MAX_CREDENTIAL: usize = 256;
/// Longest list of certificates, in bytes of PEM.
pub const MAX_CA: usize = 16_384;
/// Certificates in it.
const MAX_ROOTS: usize = 10;

/// What is registered.
#[derive(Debug)]
pub struct KafkaRegistration<'a> {
    /// `<host>:<port>` of brokers.
    pub bootstrap_servers: &'a [String],
    /// The topic.
    pub topic: &'a str,
    /// Whether connections are inside TLS.
    pub tls: bool,
    /// PEM of the authorities that vouch for the brokers; `None`: the public ones.
    pub ca_certificate: Option<&'a str>,
    /// How to log in; `None`: not at all.
    pub sasl: Option<Sasl>,
}

/// A topic of a cluster.
#[derive(Clone, Debug)]
pub struct KafkaTopic {
    bootstrap_servers: Vec<BrokerAddress>,
    topic: String,
    trust: Trust,
    sasl: Option<Sasl>,
    policy: Policy,
    digest: Secret<[u8; 32]>,
}

/// How to log in.
#[derive(Clone, Debug)]
pub struct Sasl {
    /// The way to prove the password.
    pub mechanism: SaslMechanism,
    /// The user.
    pub username: String,
    /// Its password.
    pub password: Secret<String>,
}

/// A way to prove a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum SaslMechanism {
    /// RFC 4616: the password itself, inside TLS.
    #[serde(rename = "PLAIN")]
    Plain,
    /// RFC 7677.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// The same with SHA-512.
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
}

impl SaslMechanism {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Plain, Self::ScramSha256, Self::ScramSha512];

    /// The name, to partners and to brokers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name() == name)
    }
}

impl KafkaTopic {
    /// Judges the settings of `kafka`. A broker whose address is written out is judged here already; every
    /// other, and each that the cluster names later, when a connection is opened.
    ///
    /// # Errors
    /// The first field that cannot be used.
    pub fn new(registered: KafkaRegistration<'_>, policy: Policy) -> Result<Self, InvalidSetting> {
        const CREDENTIAL: &str = "must hold a username and a password of 1 to 256 printable ASCII characters";
        let KafkaRegistration { bootstrap_servers, topic, tls, ca_certificate, sasl } = registered;
        let digest = digest(&registered_as(bootstrap_servers, topic, tls, ca_certificate, sasl.as_ref()));
        let refused = |reason| InvalidSetting { field: "bootstrap_servers", reason };
        check(
            (1..=MAX_SERVERS).contains(&bootstrap_servers.len()),
            "bootstrap_servers",
            "must name 1 to 10 brokers",
        )?;
        let parsed = bootstrap_servers.iter().map(|text| BrokerAddress::parse(text, policy));
        let bootstrap_servers = parsed.collect::<Result<_, _>>().map_err(refused)?;
        check(is_topic(topic), "topic", "must be 1 to 249 letters, digits, dots, underscores and hyphens")?;
        check(tls || policy.allow_private, "tls", "must be true")?;
        let trust = match ca_certificate {
            None if tls => Trust::PublicRoots,
            None => Trust::Nobody,
            Some(_) if !tls => {
                return Err(InvalidSetting { field: "ca_certificate", reason: "is for TLS, which is off" });
            }
            Some(pem) => Trust::Roots(roots(pem)?),
        };
        let is_fit = |text: &str| {
            (1..=MAX_CREDENTIAL).contains(&text.len()) && is_all(text, |b| (0x20..0x7f).contains(&b))
        };
        let is_login = |sasl: &Sasl| is_fit(&sasl.username) && is_fit(sasl.password.expose());
        check(sasl.as_ref().is_none_or(is_login), "sasl", CREDENTIAL)?;
        Ok(Self { bootstrap_servers, topic: topic.to_owned(), trust, sasl, policy, digest })
    }

    /// The brokers that are asked first.
    #[must_use]
    pub fn bootstrap_servers(&self) -> &[BrokerAddress] {
        &self.bootstrap_servers
    }

    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// How to log in; `None`: not at all.
    #[must_use]
    pub fn sasl(&self) -> Option<&Sasl> {
        self.sasl.as_ref()
    }

    /// Who vouches for the brokers.
    pub(in crate::events::targets) fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Tells it from every other, the password included.
    pub(in crate::events::targets) fn digest(&self) -> [u8; 32] {
        *self.digest.expose()
    }

    /// The address of a broker, as the cluster names it; `None` where nobody of ours would go.
    pub(in crate::events::targets) fn broker(&self, host: &str, port: i32) -> Option<BrokerAddress> {
        BrokerAddress::new(host, u16::try_from(port).ok()?, self.policy).ok()
    }
}

/// As Kafka names topics.
fn is_topic(name: &str) -> bool {
    (1..=MAX_TOPIC).contains(&name.len())
        && ![".", ".."].contains(&name)
        && is_all(name, |b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// The authorities in a PEM file.
fn roots(pem: &str) -> Result<Arc<RootCertStore>, InvalidSetting> {
    const FORM: &str = "must be 1 to 10 certificates in PEM";
    let invalid = InvalidSetting { field: "ca_certificate", reason: FORM };
    check(pem.len() <= MAX_CA, "ca_certificate", FORM)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|_| invalid)?;
        roots.add(certificate).map_err(|_| invalid)?;
    }
    if (1..=MAX_ROOTS).contains(&roots.len()) { Ok(Arc::new(roots)) } else { Err(invalid) }
}

/// All that was set, as texts.
fn registered_as<'a>(
    servers: &'a [String],
    topic: &'a str,
    tls: bool,
    ca_certificate: Option<&'a str>,
    sasl: Option<&'a Sasl>,
) -> Vec<&'a str> {
    let mut texts: Vec<_> = servers.iter().map(String::as_str).collect();
    texts.extend([topic, if tls { "tls" } else { "plain" }, ca_certificate.unwrap_or_default()]);
    if let Some(sasl) = sasl {
        texts.extend([sasl.mechanism.name(), &sasl.username, sasl.password.expose()]);
    }
    texts
}

/// A digest of texts, whose ends it knows.
fn digest(texts: &[&str]) -> Secret<[u8; 32]> {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    Secret::new(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: Policy = Policy { allow_private: false, sqs_allow_direct: false };
    const PRIVATE: Policy = Policy { allow_private: true, sqs_allow_direct: false };
    const CA: &str = include_str!("../testdata/receiver.pem");

    fn topic(servers: &[&str], topic: &str, tls: bool, policy: Policy) -> Result<KafkaTopic, InvalidSetting> {
        let bootstrap_servers: Vec<_> = servers.iter().map(|server| (*server).to_owned()).collect();
        let bootstrap_servers = &bootstrap_servers;
        let (ca_certificate, sasl) = (None, None);
        KafkaTopic::new(KafkaRegistration { bootstrap_servers, topic, tls, ca_certificate, sasl }, policy)
    }

    fn refused(servers: &[&str], name: &str, tls: bool) -> Option<&'static str> {
        topic(servers, name, tls, PUBLIC).err().map(|invalid| invalid.field)
    }

    #[test]
    fn one_to_ten_brokers_and_a_topic_are_named() {
        assert_eq!(refused(&["a:9092"], "partner.events_1", true), None);
        let eleven = ["a.example:9092"; 11];
        for servers in [&[][..], &eleven, &["a.example:9092", "b.example"]] {
            assert_eq!(refused(servers, "events", true), Some("bootstrap_servers"));
        }
        for name in ["", ".", "..", "a b", "a/b", &"a".repeat(250)] {
            assert_eq!(refused(&["a:9092"], name, true), Some("topic"), "{name}");
        }
    }

    #[test]
    fn without_tls_only_where_private_targets_are_allowed() {
        assert_eq!(refused(&["a:9092"], "events", false), Some("tls"));
        assert!(topic(&["a:25"], "events", false, PRIVATE).is_ok());
    }

    fn with(ca_certificate: Option<&str>, sasl: Option<(&str, &str)>) -> Result<KafkaTopic, &'static str> {
        let sasl = sasl.map(|(username, password)| Sasl {
            mechanism: SaslMechanism::Plain,
            username: username.to_owned(),
            password: Secret::new(password.to_owned()),
        });
        let (bootstrap_servers, topic) = (&["a:9092".to_owned()], "events");
        let registered = KafkaRegistration { bootstrap_servers, topic, tls: true, ca_certificate, sasl };
        KafkaTopic::new(registered, PUBLIC).map_err(|invalid| invalid.field)
    }

    #[test]
    fn an_authority_of_ones_own_is_one_to_ten_certificates() {
        assert!(
            with(Some(CA), None)
                .is_ok_and(|topic| matches!(topic.trust(), Trust::Roots(roots) if roots.len() == 1))
        );
        assert!(with(Some(&CA.repeat(2)), None).is_ok());
        let key = include_str!("../testdata/receiver.key");
        let torn = CA.replace('A', "B");
        for pem in ["", "text", key, &torn, &CA.repeat(11), &CA.replace("-----END", "")] {
            assert_eq!(with(Some(pem), None).err(), Some("ca_certificate"), "{pem}");
        }
    }

    #[test]
    fn credentials_are_printable_and_never_shown() {
        let topic = with(None, Some(("user", "pass word"))).expect("valid settings");
        assert!(!format!("{topic:?}").contains("pass word"));
        for (username, password) in [("", "a"), ("a", ""), ("a\0b", "c"), ("a", "b\n"), ("ä", "b")] {
            assert_eq!(
                with(None, Some((username, password))).err(),
                Some("sasl"),
                "{username:?} {password:?}"
            );
        }
    }

    #[test]
    fn whatever_differs_has_another_digest() {
        let digests = [
            with(None, None),
            with(Some(CA), None),
            with(None, Some(("user", "a"))),
            with(None, Some(("user", "b"))),
            with(None, Some(("use", "ra"))),
        ];
        let digests: std::collections::HashSet<_> =
            digests.into_iter().map(|topic| topic.expect("valid settings").digest()).collect();
        assert_eq!(digests.len(), 5);
    }
}
