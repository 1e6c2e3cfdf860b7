//! The cookie of a session.

use axum::http::HeaderMap;
use axum::http::header::{COOKIE, HOST};
use chrono::TimeDelta;
use url::Url;

use crate::crypto::session_token::SessionToken;
use crate::network::is_this_machine;
use crate::routes::portal_sessions;
use crate::state::App;

/// The cookie of a place, as a browser there keeps it.
#[derive(Clone, Copy, Debug)]
pub struct Cookie {
    /// A browser takes `__Host-..` from an https page of this very host alone, and sends it there alone.
    name: &'static str,
    is_secure: bool,
    lifetime: TimeDelta,
}

impl Cookie {
    /// The portal's. On plain http at localhost, where no browser would keep a secure one, it is another. Anything else
    /// without https gets one that its browsers refuse, which is what a portal without https deserves.
    #[must_use]
    pub fn of_portal(app: &App) -> Self {
        let url = Url::parse(&app.config.public_url).ok();
        let is_local = url.is_some_and(|url| url.scheme() == "http" && is_this_machine(url.host()));
        let name = if is_local { "portal-local" } else { "__Host-portal" };
        Self { name, is_secure: !is_local, lifetime: portal_sessions::SESSION_LIFETIME }
    }

    /// The console's, likewise. The internal listener has no address of its own: what counts is where the browser
    /// believes to be.
    #[must_use]
    pub fn of_console(headers: &HeaderMap, lifetime: TimeDelta) -> Self {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let is_local = Url::parse(&format!("http://{host}/")).is_ok_and(|url| is_this_machine(url.host()));
        let name = if is_local { "console-local" } else { "__Host-console" };
        Self { name, is_secure: !is_local, lifetime }
    }

    /// The session's token, if the browser sent one. Of two cookies with the name neither counts.
    #[must_use]
    pub fn read<T: SessionToken>(self, headers: &HeaderMap) -> Option<T> {
        let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        let cookies =
            lines.flat_map(|line| line.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
        let mut found = cookies.filter(|(name, _)| *name == self.name).map(|(_, value)| value);
        match (found.next(), found.next()) {
            (Some(only), None) => T::parse(only),
            _ => None,
        }
    }

    /// Sets it. It goes with the session, and no page of another site has it sent.
    #[must_use]
    pub fn set(self, token: &impl SessionToken) -> String {
        self.line(token.text(), self.lifetime.num_seconds())
    }

    /// Takes it away.
    #[must_use]
    pub fn clear(self) -> String {
        self.line("", 0)
    }

    fn line(self, value: &str, seconds: i64) -> String {
        let secure = if self.is_secure { "; Secure" } else { "" };
        format!("{}={value}; Path=/; Max-Age={seconds}; HttpOnly{secure}; SameSite=Strict", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn console(host: &'static str) -> &'static str {
        let headers = HeaderMap::from_iter([(HOST, host.parse().unwrap())]);
        Cookie::of_console(&headers, TimeDelta::hours(1)).name
    }

    #[test]
    fn only_the_machine_itself_has_a_cookie_without_https() {
        for local in ["localhost", "localhost:8081", "127.0.0.1:8081", "[::1]:8081"] {
            assert_eq!(console(local), "console-local", "{local}");
        }
        for other in
            ["console.example.com", "localhost.example.com", "10.0.0.7:8081", "a b", "x@localhost.example"]
        {
            assert_eq!(console(other), "__Host-console", "{other}");
        }
        let set = Cookie::of_console(&HeaderMap::new(), TimeDelta::hours(1)).clear();
        assert_eq!(set, "__Host-console=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict");
    }
}
