//! What is said of a leaked key, and in how many words. It comes from anybody: what is kept of it is bounded, printable,
//! and holds no key.

use std::borrow::Cow;

use serde::Deserialize;
use utoipa::ToSchema;

use crate::crypto::imported_key::KeyPattern;
use crate::crypto::secret::Secret;
use crate::crypto::tenant_key::{TenantKey, is_key_shaped, without_keys};
use crate::error::ApiError;
use crate::http::input::{Body, Input, Reader};
use crate::identity::key_patterns::KeyPatterns;

/// Characters of a URL.
const MAX_URL: usize = 2_048;
/// What is said of a text that is no key.
pub const SHAPELESS: &str = "has not the shape of a key";
/// Characters of a note.
const MAX_NOTE: usize = 500;

/// A report of one key.
#[derive(Debug)]
pub struct LeakReport {
    /// The key, once that is known; none where the text has the shape of one and a wrong checksum, which is nobody's.
    pub key: Option<TenantKey>,
    /// What was sent, until it is known whether it has the form of imported keys.
    pub text: Option<Secret<String>>,
    /// Who reports.
    pub source: Cow<'static, str>,
    /// Where it was found.
    pub url: Option<String>,
    /// What was said of it.
    pub note: Option<String>,
}

/// A key that somebody found.
#[derive(ToSchema)]
#[schema(example = json!({
    "key": "tk_test_0000000000000000000000000000000000000000000000000",
    "url": "https://example.com/acme/app/blob/main/.env",
}))]
#[expect(dead_code, reason = "documents what is read into a `LeakReport`")]
pub struct ReportLeak {
    /// The whole key: of this service's form, or of one that its platform imported keys of.
    #[schema(format = Password, pattern = "^[a-z][a-z0-9]{1,9}_(live|test)_[0-9A-Za-z]{49}$")]
    key: String,
    /// Where others can read it. Its owner sees this.
    #[schema(min_length = 1, max_length = 2048, example = "https://example.com/acme/app/blob/main/.env")]
    url: Option<String>,
    /// Anything that helps its owner, who sees it.
    #[schema(min_length = 1, max_length = 500)]
    note: Option<String>,
}

impl Input for LeakReport {
    const BODY: Body = Body::Required;

    fn read(request: &mut Reader) -> Option<Self> {
        let key = request
            .body("key")
            .required()
            .decoded(|text| if may_be_key(text) { Ok(Secret::new(text.to_owned())) } else { Err(SHAPELESS) });
        let url = request.body("url").line(1..=MAX_URL);
        if url.as_deref().is_some_and(|url| !is_web_url(url)) {
            request.refuse("url", "must be an http or https URL");
        }
        let note = request.body("note").text(1..=MAX_NOTE);
        let (url, note) = (url.as_deref().and_then(kept_url), note.as_deref().map(kept_note));
        Some(Self { key: None, text: Some(key?), source: Cow::Borrowed("report"), url, note })
    }
}

/// A match, as GitHub's secret scanning sends it; what else it may say is not read.
#[derive(Deserialize)]
pub struct GithubMatch {
    /// What was found.
    pub token: String,
    /// The name of the pattern that it matches.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where; may be empty.
    #[serde(default)]
    url: Option<String>,
}

impl GithubMatch {
    /// The report of it.
    pub fn report(&self) -> LeakReport {
        LeakReport {
            key: None,
            text: may_be_key(&self.token).then(|| Secret::new(self.token.clone())),
            source: Cow::Borrowed("github"),
            url: self.url.as_deref().filter(|url| is_web_url(url)).and_then(kept_url),
            note: None,
        }
    }
}

impl LeakReport {
    /// Looks whether the text is a key of an imported form too; `false` where it has no key's shape.
    ///
    /// # Errors
    /// As [`KeyPatterns::key`].
    pub async fn complete(&mut self, patterns: &KeyPatterns) -> Result<bool, ApiError> {
        let Some(text) = self.text.take() else { return Ok(true) };
        self.key = patterns.key(text.expose().as_bytes()).await?;
        Ok(self.key.is_some() || is_key_shaped(text.expose()))
    }
}

/// Printable and as long as some key, of whatever form.
fn may_be_key(text: &str) -> bool {
    is_key_shaped(text) || (KeyPattern::may_fit(text) && text.bytes().all(|byte| byte.is_ascii_graphic()))
}

fn is_web_url(text: &str) -> bool {
    let url: Option<url::Url> = text.parse().ok();
    url.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// The URL without the keys that are in it; none if they are hidden in it, or it is too long to be shown.
pub fn kept_url(url: &str) -> Option<String> {
    let decoded = |text: &str| -> String {
        form_urlencoded::parse(text.as_bytes()).map(|(name, value)| format!("{name}={value}&")).collect()
    };
    let (clean, plain) = (without_keys(url), decoded(url));
    let hides_some =
        without_keys(&decoded(&clean)) != decoded(&clean) || without_keys(&plain) != plain && clean == url;
    (!hides_some && clean.chars().count() <= MAX_URL).then(|| clean.chars().map(harmless).collect())
}

/// The note without the keys that are in it, in characters that move no others about.
fn kept_note(note: &str) -> String {
    without_keys(note).chars().map(|c| if c == '\n' { c } else { harmless(c) }).collect()
}

/// Neither a control character nor one that turns the direction of text.
fn harmless(c: char) -> char {
    let turns =
        matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    if c.is_control() || turns { '?' } else { c }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "tk_test_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg2O0zBE";

    #[test]
    fn what_is_kept_of_a_url_holds_no_key_however_it_is_written() {
        let plain = "https://example.com/a?b=c%20d";
        assert_eq!(kept_url(plain).as_deref(), Some(plain));
        let quoting = format!("https://example.com/?q={KEY}");
        assert_eq!(kept_url(&quoting).as_deref(), Some("https://example.com/?q=tk_test_*"));
        let hidden = format!("https://example.com/?q={}", KEY.replace('_', "%5F"));
        assert_eq!(kept_url(&hidden), None);
    }

    #[test]
    fn a_note_turns_no_text_and_holds_no_key() {
        assert_eq!(kept_note(&format!("a\u{202e}b\tc\n{KEY}!")), "a?b?c\ntk_test_*!");
    }

    #[test]
    fn only_web_addresses_are_urls() {
        assert!(is_web_url("https://example.com/a") && is_web_url("http://example.com"));
        for bad in
            ["", "example.com", "javascript:alert(1)", "ftp://example.com", "https://", "data:text/html,x"]
        {
            assert!(!is_web_url(bad), "{bad}");
        }
    }
}
