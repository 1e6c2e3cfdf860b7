//! Azure's shared access signatures: a query string that carries rights, an end and a signature.

mod source;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};

use crate::crypto::secret::Secret;

/// Longer ones do not exist.
const MAX_LENGTH: usize = 2048;

/// A shared access signature that may add messages to a queue.
#[derive(Clone, Debug)]
pub struct SasToken {
    query: Secret<String>,
    starts_at: Option<DateTime<Utc>>,
    expires_at: Option<DateTime<Utc>>,
}

impl SasToken {
    /// Reads a token for a queue of an account, in whichever form the portal or an SDK hands it out:
    /// see `source::query`.
    ///
    /// It is not asked whether it runs today: that changes, and this is asked again at each delivery.
    ///
    /// # Errors
    /// What it must be.
    pub fn parse(token: &str, account: &str, queue: &str) -> Result<Self, &'static str> {
        let query = source::query(token, account, queue)?;
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
        for (name, is_fit, otherwise) in RULES {
            if one(name)?.is_some_and(|value| !is_fit(&value)) {
                return Err(otherwise);
            }
        }
        // With a stored access policy (si) the end may be kept on Azure's side.
        let (start, end, policy) = (one("st")?, one("se")?, one("si")?);
        if end.is_none() && policy.is_none() {
            return Err("must hold an expiry (se) or name a stored access policy (si)");
        }
        // A user's delegation key may end before the signature it made does.
        let ends = [end, one("ske")?].into_iter().flatten().map(|end| instant(&end).ok_or(EXPIRY));
        let expires_at = ends.collect::<Result<Vec<_>, _>>()?.into_iter().min();
        let starts_at = start.and_then(|start| instant(&start));
        // Only a signature holds a plus sign, and Azure would read a blank.
        Ok(Self { query: Secret::new(query.replace('+', "%2B")), starts_at, expires_at })
    }

    /// Checks that it can be used at `now`, as far as it says so itself.
    ///
    /// # Errors
    /// Why not.
    pub fn require_live(&self, now: DateTime<Utc>) -> Result<(), &'static str> {
        if self.expires_at.is_some_and(|end| end <= now) {
            return Err("has expired (se)");
        }
        if self.starts_at.is_some_and(|start| start > now) {
            return Err("is not valid yet (st)");
        }
        Ok(())
    }

    /// The time when it ends, as far as it says so itself.
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

/// A rule for a parameter, where it is there: its name, what is right, and what to say otherwise.
type SasRule = (&'static str, fn(&str) -> bool, &'static str);

const RULES: [SasRule; 7] = [
    ("skn", |_| false, "is for Service Bus or Event Hubs; one for Azure Queue Storage is needed"),
    ("tn", |_| false, "is for a table (tn); one for a queue is needed"),
    ("sr", |sort| sort == "q", "is for a blob or file (sr); one for a queue is needed"),
    ("ss", |services| services.contains('q'), "must be for the queue service (ss holds a q)"),
    ("srt", |sorts| sorts.contains('o'), "must be for objects (srt holds an o)"),
    ("sp", |rights| rights.contains('a'), "must grant the right to add messages (sp holds an a)"),
    ("spr", |protocols| protocols.split(',').any(|it| it == "https"), "must allow https (spr)"),
];

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

    fn parse(token: &str) -> Result<SasToken, &'static str> {
        SasToken::parse(token, "account", "queue")
    }

    fn expiry(token: &str) -> Result<Option<String>, &'static str> {
        Ok(parse(token)?.expires_at().map(|at| at.to_rfc3339()))
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
            "sig=a&se=2027-01-31#x",
            "sig=a&se=2027-01-31\r\nHost: evil.example",
        ];
        for token in unusable {
            assert!(parse(token).is_err(), "{token}");
        }
    }

    #[test]
    fn a_signature_for_something_else_is_refused_with_what_is_needed() {
        for (rights, expected) in [
            ("sp=r", "must grant the right to add messages (sp holds an a)"),
            ("sp=rwdl", "must grant the right to add messages (sp holds an a)"),
            ("sr=c&sp=racw", "is for a blob or file (sr); one for a queue is needed"),
            ("sr=f&sp=a", "is for a blob or file (sr); one for a queue is needed"),
            ("tn=people&sp=ra", "is for a table (tn); one for a queue is needed"),
            ("ss=bft&srt=sco&sp=rwdlac", "must be for the queue service (ss holds a q)"),
            ("ss=q&srt=sc&sp=a", "must be for objects (srt holds an o)"),
            ("spr=http&sp=a", "must allow https (spr)"),
            (
                "skn=RootManageSharedAccessKey",
                "is for Service Bus or Event Hubs; one for Azure Queue Storage is needed",
            ),
        ] {
            assert_eq!(
                parse(&format!("sv=2024-11-04&{rights}&se=2027-01-31&sig=a")).err(),
                Some(expected),
                "{rights}"
            );
        }
        for rights in [
            "sp=a",
            "sp=raup",
            "sr=q&sp=a&skoid=1",
            "ss=bfqt&srt=sco&sp=rwdlacup&spr=https,http",
            "ss=q&srt=o&sp=a",
        ] {
            assert!(parse(&format!("sv=2024-11-04&{rights}&se=2027-01-31&sig=a")).is_ok(), "{rights}");
        }
    }

    #[test]
    fn a_signature_runs_from_its_start_to_its_end() {
        let at = |text: &str| DateTime::parse_from_rfc3339(text).expect("an instant").to_utc();
        let token = parse("st=2026-11-21T08:00:00Z&se=2026-11-22&sig=a").expect("a signature");
        assert_eq!(token.require_live(at("2026-11-21T07:59:59Z")), Err("is not valid yet (st)"));
        assert_eq!(token.require_live(at("2026-11-21T08:00:00Z")), Ok(()));
        assert_eq!(token.require_live(at("2026-11-21T23:59:59Z")), Ok(()));
        assert_eq!(token.require_live(at("2026-11-22T00:00:00Z")), Err("has expired (se)"));
        assert_eq!(
            parse("si=policy&sig=a").expect("a signature").require_live(at("2099-01-01T00:00:00Z")),
            Ok(())
        );
    }

    #[test]
    fn debug_output_shows_no_signature() {
        let shown = format!("{:?}", parse("sig=marker&se=2027-01-31"));
        assert!(!shown.contains("marker"), "{shown}");
    }
}
