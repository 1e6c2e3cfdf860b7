//! Azure's shared access signatures: a query string that carries rights, an end and a signature.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};

use crate::crypto::secret::Secret;

/// Longer ones do not exist.
const MAX_LENGTH: usize = 2048;

/// A shared access signature that may add messages to a queue.
#[derive(Clone, Debug)]
pub struct SasToken {
    query: Secret<String>,
    expires_at: Option<DateTime<Utc>>,
}

impl SasToken {
    /// Reads a token as the portal or the SDKs hand it out, with or without a leading `?`.
    ///
    /// It is not asked whether it still runs: the test publish says so in Azure's words.
    ///
    /// # Errors
    /// What it must be.
    pub fn parse(token: &str) -> Result<Self, &'static str> {
        let query = token.strip_prefix('?').unwrap_or(token);
        let is_query = |b: u8| b.is_ascii_graphic() && !b"#<>\"\\^`{|}".contains(&b);
        if query.len() > MAX_LENGTH || !query.bytes().all(is_query) {
            return Err("must be a shared access signature, the part of its URL after the question mark");
        }
        let one = |name: &str| -> Result<Option<String>, &'static str> {
            let mut values = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name);
            let value = values.next().map(|(_, value)| value.into_owned());
            if values.next().is_some() { Err("must not hold a parameter twice") } else { Ok(value) }
        };
        if one("sig")?.is_none_or(|signature| signature.is_empty()) {
            return Err("must hold a signature (sig)");
        }
        if one("sp")?.is_some_and(|rights| !rights.contains('a')) {
            return Err("must grant the right to add messages (sp holds an a)");
        }
        // With a stored access policy (si) the end may be kept on Azure's side.
        let (end, policy) = (one("se")?, one("si")?);
        if end.is_none() && policy.is_none() {
            return Err("must hold an expiry (se) or name a stored access policy (si)");
        }
        // A user's delegation key may end before the signature it made does.
        let ends = [end, one("ske")?].into_iter().flatten().map(|end| instant(&end).ok_or(EXPIRY));
        let expires_at = ends.collect::<Result<Vec<_>, _>>()?.into_iter().min();
        Ok(Self { query: Secret::new(query.to_owned()), expires_at })
    }

    /// When it ends, as far as it says so itself.
    #[must_use]
    pub fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.expires_at
    }

    /// The query string, to seal or to send.
    #[must_use]
    pub fn query(&self) -> &Secret<String> {
        &self.query
    }
}

const EXPIRY: &str = "must hold an expiry (se) in UTC, such as 2027-01-31T12:00:00Z";

/// The forms of ISO 8601 that Azure takes: a date, or a date and time to the minute or finer.
fn instant(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(date.and_time(NaiveTime::MIN).and_utc());
    }
    if let Ok(minute) = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%MZ") {
        return Some(minute.and_utc());
    }
    Some(DateTime::parse_from_rfc3339(text).ok()?.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expiry(token: &str) -> Result<Option<String>, &'static str> {
        Ok(SasToken::parse(token)?.expires_at().map(|at| at.to_rfc3339()))
    }

    #[test]
    fn the_expiry_in_all_its_forms() {
        let at = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(expiry("sig=a&se=2027-01-31T12%3A30%3A00Z&sp=ra"), at("2027-01-31T12:30:00+00:00"));
        assert_eq!(expiry("?sig=a&se=2027-01-31T12:30Z"), at("2027-01-31T12:30:00+00:00"));
        assert_eq!(expiry("sig=a&se=2027-01-31"), at("2027-01-31T00:00:00+00:00"));
        assert_eq!(expiry("sig=a&se=2027-01-31T00:00:00.5Z"), at("2027-01-31T00:00:00.500+00:00"));
        assert_eq!(expiry("sig=a&se=2027-01-31&ske=2027-01-20"), at("2027-01-20T00:00:00+00:00"));
        assert_eq!(expiry("sig=a&si=policy"), Ok(None));
    }

    #[test]
    fn what_is_no_signature_is_refused() {
        let unusable = [
            "",
            "se=2027-01-31",
            "sig=&se=2027-01-31",
            "sig=a",
            "sig=a&se=tomorrow",
            "sig=a&se=2027-01-31&sp=r",
            "sig=a&sig=b&se=2027-01-31",
            "sig=a&se=2027-01-31 ",
            "sig=a&se=2027-01-31#x",
            "sig=a&se=2027-01-31\r\nHost: evil.example",
            "https://account.queue.core.windows.net/queue",
        ];
        for token in unusable {
            assert!(SasToken::parse(token).is_err(), "{token}");
        }
    }

    #[test]
    fn debug_output_shows_no_signature() {
        let shown = format!("{:?}", SasToken::parse("sig=marker&se=2027-01-31"));
        assert!(!shown.contains("marker"), "{shown}");
    }
}
