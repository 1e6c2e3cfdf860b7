//! The parts of a request that a signature can cover.

use std::borrow::Cow;

use http::HeaderMap;

/// Where the service is reached from outside: what `@scheme`, `@authority` and `@target-uri` are judged against.
#[derive(Clone, Copy, Debug)]
pub struct Base<'a> {
    /// `http` or `https`, in lower case.
    pub scheme: &'a str,
    /// Host and, if it is not the scheme's own, port.
    pub authority: &'a str,
}

impl<'a> Base<'a> {
    /// The authority as it is signed: in lower case, without the scheme's own port (RFC 9421 2.2.3).
    pub fn normal_authority(&self) -> Cow<'a, str> {
        let port = match self.scheme {
            "https" => ":443",
            "http" => ":80",
            _ => "",
        };
        let authority = match self.authority.strip_suffix(port) {
            Some(host) if !host.is_empty() => host,
            _ => self.authority,
        };
        if authority.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(authority.to_ascii_lowercase())
        } else {
            Cow::Borrowed(authority)
        }
    }
}

/// A request without its body.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// The method as sent; its case counts.
    pub method: &'a str,
    /// Path and query exactly as they came over the wire, percent-encoding and all.
    pub target: &'a str,
    /// All field lines.
    pub headers: &'a HeaderMap,
    /// Where the request was sent to.
    pub base: Base<'a>,
    /// Whether content follows, so that `content-digest` must be covered.
    pub has_body: bool,
}

impl<'a> RequestHead<'a> {
    /// The path; an empty one is `/` (RFC 9421 2.2.6).
    pub(crate) fn path(&self) -> &'a str {
        match self.target.split('?').next() {
            None | Some("") => "/",
            Some(path) => path,
        }
    }

    /// The query without its question mark, if there is a question mark.
    pub(crate) fn query(&self) -> Option<&'a str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// The whole URI (RFC 9421 2.2.2).
    pub(crate) fn target_uri(&self) -> String {
        let slash = if self.target.is_empty() || self.target.starts_with('?') { "/" } else { "" };
        format!("{}://{}{slash}{}", self.base.scheme, self.base.normal_authority(), self.target)
    }

    /// Whether no part of the head can break out of its line of the signature base.
    pub(crate) fn is_clean(&self) -> bool {
        [self.method, self.target, self.base.scheme, self.base.authority]
            .iter()
            .all(|part| part.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'))
    }
}
