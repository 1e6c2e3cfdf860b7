//! The settings of `azure_event_hubs`: names that become a host and a path, and the key of a policy.

use super::{InvalidSetting, check, is_all};
use crate::crypto::secret::Secret;

/// The domain of namespaces.
const DOMAIN: &str = ".servicebus.windows.net";
/// Longest key worth taking; Azure makes them of 44 characters.
const MAX_KEY: usize = 256;

/// An event hub, and a policy's right to send to it.
#[derive(Clone, Debug)]
pub struct EventHub {
    namespace: String,
    event_hub_name: String,
    sas_policy_name: String,
    sas_key: Secret<String>,
}

impl EventHub {
    /// Judges the settings of `azure_event_hubs`. `sas_key` may be the connection string that the portal
    /// shows, if it is for that namespace, hub and policy.
    ///
    /// # Errors
    /// The first field that cannot be used.
    pub fn new(
        namespace: &str,
        event_hub_name: &str,
        sas_policy_name: &str,
        sas_key: &str,
    ) -> Result<Self, InvalidSetting> {
        check(
            is_namespace(namespace),
            "namespace",
            "must be 6 to 50 letters, digits and hyphens, beginning with a letter, without its domain",
        )?;
        check(
            event_hub_name.len() <= 256 && is_name(event_hub_name),
            "event_hub_name",
            "must be 1 to 256 letters, digits, dots, hyphens and underscores, with a letter or digit at both ends",
        )?;
        check(
            sas_policy_name.len() <= 256 && is_name(sas_policy_name),
            "sas_policy_name",
            "must be 1 to 256 letters, digits, dots, hyphens and underscores, with a letter or digit at both ends",
        )?;
        let refused = |reason| InvalidSetting { field: "sas_key", reason };
        let key = key(sas_key, namespace, event_hub_name, sas_policy_name).map_err(refused)?;
        let is_key = !key.is_empty() && key.len() <= MAX_KEY && is_all(key, |b| b.is_ascii_graphic());
        check(is_key, "sas_key", "must be the key of the policy, or a connection string that holds it")?;
        Ok(Self {
            // Hosts have no case, and signatures do.
            namespace: namespace.to_ascii_lowercase(),
            event_hub_name: event_hub_name.to_owned(),
            sas_policy_name: sas_policy_name.to_owned(),
            sas_key: Secret::new(key.to_owned()),
        })
    }

    /// The namespace, in lower case.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The base URL of the namespace, without a trailing slash.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("https://{}{DOMAIN}", self.namespace)
    }

    /// The hub in it.
    #[must_use]
    pub fn event_hub_name(&self) -> &str {
        &self.event_hub_name
    }

    /// The policy whose key it is.
    #[must_use]
    pub fn sas_policy_name(&self) -> &str {
        &self.sas_policy_name
    }

    /// The key, to seal or to sign with.
    #[must_use]
    pub fn sas_key(&self) -> &Secret<String> {
        &self.sas_key
    }
}

fn is_namespace(name: &str) -> bool {
    (6..=50).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.ends_with(|last: char| last.is_ascii_alphanumeric())
        && is_all(name, |b| b.is_ascii_alphanumeric() || b == b'-')
}

/// As hubs and policies are named.
fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.ends_with(|last: char| last.is_ascii_alphanumeric())
        && is_all(name, |b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// The key in what was pasted: itself, or a connection string for the same namespace, policy and hub.
fn key<'a>(pasted: &'a str, namespace: &str, hub: &str, policy: &str) -> Result<&'a str, &'static str> {
    let text = pasted.trim().trim_matches(['"', '\'']).trim();
    if text.starts_with("SharedAccessSignature ") {
        return Err("must be the key of the policy, not a signature made with it, which ends");
    }
    if !text.contains(';') && !text.contains("://") {
        return Ok(text);
    }
    let value = |wanted: &str| {
        let mut parts = text.split(';').filter_map(|part| part.split_once('='));
        parts.find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
    };
    let host = value("Endpoint").and_then(|url| url.strip_prefix("sb://"));
    let host = host.map(|rest| rest.trim_end_matches('/'));
    if !host.is_some_and(|host| host.eq_ignore_ascii_case(&format!("{namespace}{DOMAIN}"))) {
        return Err("is for another namespace: its Endpoint and namespace differ");
    }
    if value("SharedAccessKeyName") != Some(policy) {
        return Err("is for another policy: its SharedAccessKeyName and sas_policy_name differ");
    }
    if value("EntityPath").is_some_and(|path| path != hub) {
        return Err("is for another event hub: its EntityPath and event_hub_name differ");
    }
    value("SharedAccessKey").ok_or("is a connection string without a SharedAccessKey")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "c2VjcmV0IGtleSBvZiB0aGUgcG9saWN5IGZvciB0ZXN0cyE=";

    fn field(namespace: &str, hub: &str, policy: &str) -> Option<&'static str> {
        EventHub::new(namespace, hub, policy, KEY).err().map(|invalid| invalid.field)
    }

    fn taken(sas_key: &str) -> Result<String, &'static str> {
        let hub = EventHub::new("Acme-Events", "partner.events", "send-only", sas_key);
        hub.map(|hub| hub.sas_key().expose().clone()).map_err(|invalid| invalid.reason)
    }

    #[test]
    fn names_keep_azures_patterns() {
        assert_eq!(field("acme-events", "partner.events_1", "send-only"), None);
        assert_eq!(
            EventHub::new("Acme-Events", "e", "p", KEY).map(|hub| hub.endpoint()).ok().as_deref(),
            Some("https://acme-events.servicebus.windows.net")
        );
        let long = "a".repeat(51);
        for namespace in [
            "",
            "short",
            "1events",
            "-events",
            "events-",
            "evil.example/",
            "events.evil",
            "events:8443",
            &long,
        ] {
            assert_eq!(field(namespace, "events", "send"), Some("namespace"), "{namespace}");
        }
        for hub in ["", "a/b", "..", "a?b", "a b", "a%2e", "-a", "a."] {
            assert_eq!(field("acme-events", hub, "send"), Some("event_hub_name"), "{hub}");
        }
        for policy in ["", "a&sig=b", "a b", "a/b"] {
            assert_eq!(field("acme-events", "events", policy), Some("sas_policy_name"), "{policy}");
        }
    }

    #[test]
    fn a_key_is_found_in_the_connection_string_that_holds_it() {
        let connection = "Endpoint=sb://acme-events.servicebus.windows.net/;SharedAccessKeyName=send-only;";
        for form in [
            KEY.to_owned(),
            format!(" \"{KEY}\"\n"),
            format!("{connection}SharedAccessKey={KEY}"),
            format!("{connection}SharedAccessKey={KEY};EntityPath=partner.events"),
        ] {
            assert_eq!(taken(&form).as_deref(), Ok(KEY), "{form}");
        }
    }

    #[test]
    fn what_is_for_something_else_is_refused_with_the_difference() {
        let connection = |host: &str, policy: &str, rest: &str| {
            format!("Endpoint=sb://{host}.servicebus.windows.net/;SharedAccessKeyName={policy};{rest}")
        };
        let with_key = format!("SharedAccessKey={KEY}");
        for (form, expected) in [
            (
                connection("zeta-events", "send-only", &with_key),
                "is for another namespace: its Endpoint and namespace differ",
            ),
            (
                connection("acme-events", "manage", &with_key),
                "is for another policy: its SharedAccessKeyName and sas_policy_name differ",
            ),
            (
                connection("acme-events", "send-only", &format!("{with_key};EntityPath=other")),
                "is for another event hub: its EntityPath and event_hub_name differ",
            ),
            (connection("acme-events", "send-only", ""), "is a connection string without a SharedAccessKey"),
            (
                "SharedAccessSignature sr=https%3A%2F%2Facme-events&sig=a&se=1&skn=send-only".to_owned(),
                "must be the key of the policy, not a signature made with it, which ends",
            ),
            (String::new(), "must be the key of the policy, or a connection string that holds it"),
            ("two words".to_owned(), "must be the key of the policy, or a connection string that holds it"),
        ] {
            assert_eq!(taken(&form), Err(expected), "{form}");
        }
    }
}
