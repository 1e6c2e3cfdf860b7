//! The hosts that a request must be meant for, while `OrgId` is believed without proof.
//!
//! A page in a browser on this machine cannot send `OrgId` to us from its own origin; but its owner
//! can make its name lead here (DNS rebinding), and then it is of our origin. What the browser still
//! tells the truth about is the name, in `Host`.

use axum::http::HeaderMap;
use url::Url;

use crate::error::{ApiError, Code};
use crate::identity::host::{self, Host};

/// The host of `PUBLIC_URL`, beside which only this machine's own names are ours.
#[derive(Clone, Debug)]
pub struct OwnHost(Option<String>);

impl OwnHost {
    /// Reads it; the URL was checked with the configuration. An address that stands for all of a
    /// machine's is none: browsers take `0.0.0.0` for loopback, from pages of anybody's.
    #[must_use]
    pub fn of(public_url: &str) -> Self {
        let url: Option<Url> = public_url.parse().ok();
        let host = url.and_then(|url| url.host_str().map(str::to_owned)).filter(|host| {
            let is_any = |host| matches!(host, Host::Address(address) if address.is_unspecified());
            Host::parse(host.as_bytes()).is_some_and(|host| !is_any(host))
        });
        Self(host)
    }

    /// Passes if the request is for this machine by any of its own names, or for `PUBLIC_URL`'s
    /// host; the port is nobody's name.
    ///
    /// # Errors
    /// 421.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let own = || self.0.as_ref().and_then(|own| Host::parse(own.as_bytes()));
        match host::of(headers) {
            Some(host) if host.is_loopback() || own().is_some_and(|own| host.is(own)) => Ok(()),
            _ => Err(Code::MisdirectedRequest.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header::HOST;

    use super::*;

    #[test]
    fn the_public_host_is_ours_in_any_case_and_on_any_port() {
        let passes = |public_url: &str, host: &str| {
            let headers = HeaderMap::from_iter([(HOST, host.parse().unwrap())]);
            OwnHost::of(public_url).check(&headers).is_ok()
        };
        for url in ["https://api.example.com", "https://API.example.com.:8443/base"] {
            for own in ["api.example.com", "API.EXAMPLE.COM.:80", "localhost:8080"] {
                assert!(passes(url, own), "{url} {own}");
            }
            for other in ["example.com", "api.example.com.evil.example", "xapi.example.com", "10.0.0.1"] {
                assert!(!passes(url, other), "{url} {other}");
            }
        }
        assert!(passes("http://10.0.0.5:8080", "10.0.0.5"));
        assert!(passes("http://[2001:db8::1]:8080", "[2001:DB8:0::1]:80"));
        assert!(passes("http://0.0.0.0:8080", "127.0.0.1"));
        assert!(!passes("http://0.0.0.0:8080", "0.0.0.0:8080"));
        assert!(!passes("http://[::]:8080", "[::]:8080"));
        assert!(OwnHost::of("http://localhost").check(&HeaderMap::new()).is_err());
    }
}
