//! A partner's own HTTP endpoint.

use hyper::Uri;
use url::{Host, Url};

use super::{InvalidSetting, Policy, check};
use crate::events::targets::outbound::is_refused;

/// Longest URL taken.
const MAX_URL: usize = 2048;
/// The ports that serve HTTPS. At any other a registration would be a way to look for services.
const PORTS: [u16; 2] = [443, 8443];

/// A URL that may be posted to. A name in it is judged again at every connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    url: String,
    uri: Uri,
}

impl Webhook {
    /// Judges the settings of `webhook`.
    ///
    /// A literal address is judged here already, however it is spelt: the URL standard turns
    /// `0x7f.1`, `2130706433` and `0177.0.0.1` into `127.0.0.1`, and refuses IPv6 zones.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn new(url: &str, policy: Policy) -> Result<Self, InvalidSetting> {
        const FORM: &str = "must be a URL with a host, of at most 2048 characters";
        let form = InvalidSetting { field: "url", reason: FORM };
        check(url.len() <= MAX_URL, "url", FORM)?;
        let parsed = Url::parse(url).map_err(|_| form)?;
        let is_allowed = parsed.scheme() == "https" || (policy.allow_private && parsed.scheme() == "http");
        check(is_allowed, "url", "must start with https://")?;
        let has_userinfo = !parsed.username().is_empty() || parsed.password().is_some();
        check(!has_userinfo, "url", "must not hold a user name or password")?;
        check(parsed.fragment().is_none(), "url", "must not hold a fragment")?;
        let literal = match parsed.host().ok_or(form)? {
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
            Host::Domain(_) => None,
        };
        check(
            policy.allow_private || !literal.is_some_and(is_refused),
            "url",
            "must not point to a private or reserved address",
        )?;
        let is_port_allowed = parsed.port_or_known_default().is_some_and(|port| PORTS.contains(&port));
        check(policy.allow_private || is_port_allowed, "url", "must use port 443 or 8443")?;
        let uri = parsed.as_str().parse().map_err(|_| form)?;
        Ok(Self { url: parsed.into(), uri })
    }

    /// The URL in its normal form.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The same, for the HTTP client.
    pub(in crate::events::targets) fn uri(&self) -> &Uri {
        &self.uri
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: Policy = Policy { allow_private: false, sqs_allow_direct: false };
    const PRIVATE: Policy = Policy { allow_private: true, sqs_allow_direct: false };

    #[test]
    fn public_https_urls_pass() {
        for url in [
            "https://example.com",
            "https://example.com:8443/a/b?c=d",
            "https://8.8.8.8/",
            "https://münchen.example/",
            "https://xn--mnchen-3ya.example/",
            "https://example.com./",
            "https://[2606:4700::1111]:8443/",
        ] {
            assert!(Webhook::new(url, PUBLIC).is_ok(), "{url}");
        }
        let normal = Webhook::new("https://EXAMPLE.com:443", PUBLIC).map(|webhook| webhook.url().to_owned());
        assert_eq!(normal.as_deref(), Ok("https://example.com/"));
    }

    #[test]
    fn a_literal_address_is_judged_in_every_spelling() {
        let hosts = [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "017700000001",
            "127.0.0.1.",
            "①②⑦.0.0.1",
            "１２７.0.0.1",
            "127。0。0。1",
            "%31%32%37.0.0.1",
            "0x7F.0X0.0.1",
            "0300.0250.0.1",
            "3232235521",
            "192.168.257",
            "0xa9fea9fe",
            "168.63.129.16",
            "169.254.169.254",
            "0",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "[fe80::1]",
            "[fd00::1]",
        ];
        for host in hosts {
            let url = format!("https://{host}/");
            let refused = Webhook::new(&url, PUBLIC).err().map(|invalid| invalid.reason);
            assert_eq!(refused, Some("must not point to a private or reserved address"), "{host}");
            assert!(Webhook::new(&url, PRIVATE).is_ok(), "{host}");
        }
    }

    #[test]
    fn only_the_ports_of_https_may_be_named() {
        for port in [0, 1, 22, 25, 80, 444, 5432, 6379, 8080, 8442, 9443, 10443, 65535] {
            let url = format!("https://example.com:{port}/");
            let refused = Webhook::new(&url, PUBLIC).err().map(|invalid| invalid.reason);
            assert_eq!(refused, Some("must use port 443 or 8443"), "{port}");
            assert!(Webhook::new(&url, PRIVATE).is_ok(), "{port}");
        }
        for port in [443, 8443] {
            assert!(Webhook::new(&format!("https://example.com:{port}/"), PUBLIC).is_ok(), "{port}");
        }
    }

    #[test]
    fn other_urls_are_refused() {
        let urls = [
            "",
            "example.com",
            "/path",
            "http://example.com/",
            "ftp://example.com/",
            "file:///etc/passwd",
            "https://",
            "https:///",
            "https://user@example.com/",
            "https://user:secret@example.com/",
            "https://:secret@example.com/",
            "https://example.com/#part",
            "https://example.com/#",
            "https://[fe80::1%25eth0]/",
            "https://[fe80::1%eth0]/",
            "https://exa mple.com/",
            "https://example.com:99999/",
            "https://1.2.3.4.5/",
            "https://0x1ffffffff/",
            "https://127.0.0.256/",
            "https://xn--a/",
            "https://ex%00ample.com/",
        ];
        for url in urls {
            assert!(Webhook::new(url, PUBLIC).is_err(), "{url}");
        }
        let long = format!("https://example.com/{}", "a".repeat(MAX_URL));
        assert!(Webhook::new(&long, PUBLIC).is_err());
        assert!(Webhook::new("http://example.com/", PRIVATE).is_ok());
        assert!(Webhook::new("ftp://example.com/", PRIVATE).is_err());
    }
}
