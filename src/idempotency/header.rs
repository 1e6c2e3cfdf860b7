//! The `Idempotency-Key` header: a quoted string (RFC 8941 3.3.3) or the bare text, which is what
//! most clients send. Its syntax is checked on every route (contract 0, step 6).

use axum::http::{HeaderMap, HeaderName};

use crate::error::{ApiError, Code};

/// The header's name.
pub static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

const MAX_LENGTH: usize = 255;
/// The least length where the reply holds a secret: whoever guesses the key of a retry could read
/// it.
pub const MIN_LENGTH_FOR_SECRETS: usize = 20;

/// A key as the client meant it, without its quotes.
#[derive(Clone)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Reads the header, if it was sent.
    ///
    /// # Errors
    /// 400 for anything but one well-formed key.
    pub fn of(headers: &HeaderMap, guards_secrets: bool) -> Result<Option<Self>, ApiError> {
        let mut sent = headers.get_all(&IDEMPOTENCY_KEY).iter();
        let Some(first) = sent.next() else { return Ok(None) };
        if sent.next().is_some() {
            return Err(refused("Idempotency-Key is given more than once."));
        }
        let min = if guards_secrets { MIN_LENGTH_FOR_SECRETS } else { 1 };
        match read(first.as_bytes()) {
            Some(key) if key.len() > MAX_LENGTH => {
                Err(refused("Idempotency-Key has more than 255 characters."))
            }
            Some(key) if key.len() < min && guards_secrets => {
                Err(refused("Idempotency-Key needs at least 20 characters here: the reply holds a secret."))
            }
            Some(key) if key.len() >= min => Ok(Some(Self(key))),
            _ => Err(refused(
                "Idempotency-Key must be 1 to 255 characters: in quotes, as RFC 8941 writes a string, or bare \
                 and without spaces.",
            )),
        }
    }

    /// The key's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

fn refused(message: &'static str) -> ApiError {
    ApiError::with_message(Code::InvalidRequest, message)
}

/// The key inside its quotes (RFC 8941 3.3.3: printable ASCII, of which `"` and `\` are escaped, and no
/// parameters behind it), or all of it where there are none.
fn read(sent: &[u8]) -> Option<String> {
    let mut rest = match sent {
        [b'"', inner @ .., b'"'] => inner,
        [b'"', ..] => return None,
        bare => return bare.iter().all(u8::is_ascii_graphic).then(|| text(bare)),
    };
    let mut key = Vec::with_capacity(rest.len());
    loop {
        rest = match rest {
            [] => return Some(text(&key)),
            [b'\\', escaped @ (b'"' | b'\\'), tail @ ..] => {
                key.push(*escaped);
                tail
            }
            [b'\\' | b'"', ..] => return None,
            [byte @ b' '..=b'~', tail @ ..] => {
                key.push(*byte);
                tail
            }
            _ => return None,
        };
    }
}

fn text(ascii: &[u8]) -> String {
    ascii.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn key(sent: &[&[u8]], guards_secrets: bool) -> Result<Option<String>, ApiError> {
        let mut headers = HeaderMap::new();
        for value in sent {
            headers.append(&IDEMPOTENCY_KEY, HeaderValue::from_bytes(value).unwrap());
        }
        IdempotencyKey::of(&headers, guards_secrets).map(|key| key.map(|key| key.0))
    }

    #[test]
    fn quoted_and_bare_are_the_same_key() {
        assert_eq!(key(&[], true).unwrap(), None);
        for sent in [&b"order-7"[..], b"\"order-7\""] {
            assert_eq!(key(&[sent], false).unwrap().as_deref(), Some("order-7"));
        }
        assert_eq!(key(&[br#""a\"b\\c""#], false).unwrap().as_deref(), Some(r#"a"b\c"#));
        assert_eq!(key(&[br#"" a \" b ""#], false).unwrap().as_deref(), Some(r#" a " b "#));
        assert_eq!(key(&[b"\" \""], false).unwrap().as_deref(), Some(" "));
        assert_eq!(key(&[br"a\b"], false).unwrap().as_deref(), Some(r"a\b"));
        assert_eq!(key(&[&[b'k'; 255]], false).unwrap().unwrap().len(), 255);
        // Quotes and escapes do not count.
        let longest = format!("\"{}\"", r#"\""#.repeat(255));
        assert_eq!(key(&[longest.as_bytes()], false).unwrap().unwrap(), "\"".repeat(255));
    }

    #[test]
    fn anything_else_is_refused() {
        let (empty, too_long) = (b"", [b'k'; 256]);
        let bad: [&[u8]; 17] = [
            empty,
            b"\"\"",
            b"\"",
            b"a b",
            b"\"a\tb\"",
            "\"schl\u{fc}ssel\"".as_bytes(),
            b"\"a",
            b"a\tb",
            "schl\u{fc}ssel".as_bytes(),
            br#""a\b""#,
            br#""a"b""#,
            br#""a";q=1"#,
            br#""a""b""#,
            br#""a", "b""#,
            br#"'a b'"#,
            br#""a\""#,
            &too_long,
        ];
        for sent in bad {
            assert!(key(&[sent], false).is_err(), "{sent:?}");
        }
        assert!(key(&[b"order-7", b"order-7"], false).is_err());
    }

    #[test]
    fn a_key_that_guards_a_secret_is_hard_to_guess() {
        assert!(key(&[&[b'k'; 19]], true).is_err());
        assert!(key(&[b"\"1234567890123456789\""], true).is_err());
        assert!(key(&[&[b'k'; 20]], true).unwrap().is_some());
    }
}
