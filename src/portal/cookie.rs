//! The cookie of a session.

use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use url::{Host, Url};

use crate::crypto::portal_token::PortalToken;
use crate::routes::portal_sessions::SESSION_LIFETIME;
use crate::state::App;

/// A browser takes it from an https page of this very host alone, and sends it there alone.
const NAME: &str = "__Host-portal";
/// On the developer's own machine without https, where no browser would keep the other.
const LOCAL_NAME: &str = "portal-local";

/// The session's token, if the browser sent one. Of two cookies with the name neither counts.
pub fn read(app: &App, headers: &HeaderMap) -> Option<PortalToken> {
    let wanted = name(app);
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let cookies = lines.flat_map(|line| line.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
    let mut found = cookies.filter(|(name, _)| *name == wanted).map(|(_, value)| value);
    match (found.next(), found.next()) {
        (Some(only), None) => PortalToken::parse(only),
        _ => None,
    }
}

/// Sets it. It goes with the session, and no page of another site has it sent.
pub fn set(app: &App, token: &PortalToken) -> String {
    let (name, seconds) = (name(app), SESSION_LIFETIME.num_seconds());
    format!("{name}={}; Path=/; Max-Age={seconds}; HttpOnly{}; SameSite=Strict", token.expose(), secure(app))
}

/// Takes it away.
pub fn clear(app: &App) -> String {
    format!("{}=; Path=/; Max-Age=0; HttpOnly{}; SameSite=Strict", name(app), secure(app))
}

fn name(app: &App) -> &'static str {
    if is_local(&app.config.public_url) { LOCAL_NAME } else { NAME }
}

fn secure(app: &App) -> &'static str {
    if is_local(&app.config.public_url) { "" } else { "; Secure" }
}

/// Returns `true` for plain http on the machine itself. Anything else without https gets a cookie that its browsers
/// refuse, which is what a portal without https deserves.
fn is_local(public_url: &str) -> bool {
    let Ok(url) = Url::parse(public_url) else { return false };
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "http" && is_loopback
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_http_on_the_machine_itself_is_local() {
        for local in ["http://localhost:8080", "http://127.0.0.1:8080/api", "http://[::1]:8080"] {
            assert!(is_local(local), "{local}");
        }
        for other in ["https://localhost", "http://api.example.com", "http://localhost.example.com", "x"] {
            assert!(!is_local(other), "{other}");
        }
    }
}
