//! The chain: every row's MAC covers what the row says and the MAC of the row before.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Serialize, Serializer};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

use crate::crypto::secret::Secret;
use crate::ids::OrgId;

/// The key that chains rows: one of the service's own, never in clear in the database, and those
/// that it replaced, by number and newest first.
#[derive(Clone, Debug)]
pub struct ChainKey(Arc<[(i16, Secret<Vec<u8>>)]>);

impl ChainKey {
    /// Takes charge of a first key.
    #[must_use]
    pub fn new(key: Secret<Vec<u8>>) -> Self {
        Self::of([(0, key)])
    }

    /// Takes charge of keys, newest first; at least one.
    #[must_use]
    pub fn of(keys: impl IntoIterator<Item = (i16, Secret<Vec<u8>>)>) -> Self {
        Self(keys.into_iter().collect())
    }

    /// The number of the key that makes MACs.
    #[must_use]
    pub fn number(&self) -> i16 {
        self.0[0].0
    }

    /// The MAC of an org's row that follows the row with the MAC `previous`.
    #[must_use]
    pub fn mac(&self, org_id: OrgId, row: &AuditRow, previous: Option<RowMac>) -> RowMac {
        mac(&self.0[0].1, &encode(org_id, row, previous))
    }

    /// The number of the key that made this MAC; none if none of them did.
    #[must_use]
    pub fn maker(
        &self,
        org_id: OrgId,
        row: &AuditRow,
        previous: Option<RowMac>,
        found: &[u8],
    ) -> Option<i16> {
        let encoded = encode(org_id, row, previous);
        let made = |key: &Secret<Vec<u8>>| bool::from(found.ct_eq(&mac(key, &encoded).0[..]));
        self.0.iter().find(|(_, key)| made(key)).map(|(number, _)| *number)
    }
}

fn mac(key: &Secret<Vec<u8>>, encoded: &[u8]) -> RowMac {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose()).expect("HMAC takes keys of any length");
    mac.update(encoded);
    RowMac(mac.finalize().into_bytes().into())
}

/// A row's HMAC-SHA-256; in hex where it is shown.
#[derive(Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub struct RowMac(pub [u8; 32]);

impl fmt::Display for RowMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for RowMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for RowMac {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for RowMac {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut mac = [0; 32];
        hex::decode_to_slice(text, &mut mac).map_err(|_| "a MAC has 64 hex digits")?;
        Ok(Self(mac))
    }
}

/// The end of an org's log, which the next row follows. Read in the snapshot that a change is
/// decided on; the change applies only if it is still the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Head {
    /// The newest row's number; `orgs.revision`.
    pub seq: i64,
    /// The newest row's MAC; none before the first chained row.
    pub mac: Option<RowMac>,
}

/// The content of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// The number in the log of its org, without gaps.
    pub seq: i64,
    /// The time of the change.
    pub at: DateTime<Utc>,
    /// The kind of author: `tenant_key`, `gateway`, `operator` or `service`.
    pub actor: String,
    /// The key that authenticated, if one did.
    pub key_id: Option<Uuid>,
    /// The person behind it, in the platform's words, if one was named.
    pub actor_id: Option<String>,
    /// The action, in the log's words.
    pub action: String,
    /// To what.
    pub subject: String,
    /// The request that did it.
    pub request_id: Option<String>,
    /// The address that the request came from.
    pub client_address: Option<String>,
}

/// Encodes what the MAC is over. A JSON array of a fixed length: every string is quoted, and null
/// is not a string, so that no two rows are written alike. Instants are microseconds, as Postgres
/// keeps them. The first element names the form: a row that names a person has the third, else one with an
/// address the second, and one without the first, which is also that of rows from before there were addresses.
fn encode(org_id: OrgId, row: &AuditRow, previous: Option<RowMac>) -> Vec<u8> {
    let AuditRow { seq, at, actor, key_id, actor_id, action, subject, request_id, client_address } = row;
    let form = match (actor_id, client_address) {
        (Some(_), _) => "partner-api audit 3",
        (None, Some(_)) => "partner-api audit 2",
        (None, None) => "partner-api audit 1",
    };
    let fields =
        (form, org_id, seq, at.timestamp_micros(), actor, key_id, action, subject, request_id, previous);
    match (actor_id, client_address) {
        (Some(actor_id), address) => serde_json::to_vec(&(fields, address, actor_id)),
        (None, Some(address)) => serde_json::to_vec(&(fields, address)),
        (None, None) => serde_json::to_vec(&fields),
    }
    .expect("plain data with string keys")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const ORG: OrgId = OrgId(Uuid::from_u128(1));

    fn row() -> AuditRow {
        AuditRow {
            seq: 2,
            at: DateTime::from_timestamp_micros(1_795_248_000_000_001).expect("an instant"),
            actor: "tenant_key".to_owned(),
            key_id: Some(Uuid::from_u128(7)),
            actor_id: None,
            action: "queue.created".to_owned(),
            subject: "users".to_owned(),
            request_id: Some("r\"1".to_owned()),
            client_address: None,
        }
    }

    #[test]
    fn the_encoding_is_this_and_stays_this() {
        let encoded = String::from_utf8(encode(ORG, &row(), Some(RowMac([0xab; 32])))).expect("text");
        let expected = concat!(
            r#"["partner-api audit 1","00000000-0000-0000-0000-000000000001",2,1795248000000001,"tenant_key","#,
            r#""00000000-0000-0000-0000-000000000007","queue.created","users","r\"1","#,
            r#""abababababababababababababababababababababababababababababababab"]"#,
        );
        assert_eq!(encoded, expected);

        let row = AuditRow { client_address: Some("2001:db8::7".to_owned()), ..row() };
        let encoded = String::from_utf8(encode(ORG, &row, None)).expect("text");
        let expected = concat!(
            r#"[["partner-api audit 2","00000000-0000-0000-0000-000000000001",2,1795248000000001,"tenant_key","#,
            r#""00000000-0000-0000-0000-000000000007","queue.created","users","r\"1",null],"2001:db8::7"]"#,
        );
        assert_eq!(encoded, expected);
    }

    /// Computed with openssl over the encoding above, with null in place of the previous MAC:
    /// openssl dgst -sha256 -mac HMAC -macopt hexkey:0101...
    #[test]
    fn the_mac_is_hmac_sha_256_of_the_encoding() {
        let key = ChainKey::new(Secret::new(vec![1; 32]));
        assert_eq!(
            key.mac(ORG, &row(), None).to_string(),
            "9483f0dbdfaac11cb7cb0df1f70a777ea71cb3371b5218e92c05ec390896a19b"
        );
    }

    #[test]
    fn a_mac_is_known_under_the_key_that_made_it_and_under_no_other() {
        let key = |byte| Secret::new(vec![byte; 32]);
        let (first, both) = (ChainKey::new(key(1)), ChainKey::of([(1, key(2)), (0, key(1))]));
        let (old, new) = (first.mac(ORG, &row(), None), both.mac(ORG, &row(), None));
        let maker = |chain: &ChainKey, mac: RowMac| chain.maker(ORG, &row(), None, &mac.0);
        assert_eq!((maker(&both, old), maker(&both, new)), (Some(0), Some(1)));
        assert_eq!((maker(&first, old), maker(&first, new)), (Some(0), None));
        assert_eq!(both.maker(ORG, &row(), Some(RowMac([0; 32])), &new.0), None);
        assert_eq!(both.maker(ORG, &row(), None, &new.0[..31]), None);
    }

    #[test]
    fn no_two_rows_are_encoded_alike() {
        let with = |change: fn(&mut AuditRow)| {
            let mut row = row();
            change(&mut row);
            encode(ORG, &row, None)
        };
        let encoded = [
            encode(ORG, &row(), None),
            encode(OrgId(Uuid::from_u128(2)), &row(), None),
            encode(ORG, &row(), Some(RowMac([0; 32]))),
            encode(ORG, &row(), Some(RowMac([1; 32]))),
            with(|row| row.seq = 3),
            with(|row| row.at += chrono::TimeDelta::microseconds(1)),
            with(|row| row.actor = "gateway".to_owned()),
            with(|row| row.key_id = None),
            with(|row| row.key_id = Some(Uuid::nil())),
            with(|row| row.action = "queue.deleted".to_owned()),
            with(|row| row.subject = String::new()),
            with(|row| row.request_id = None),
            with(|row| row.request_id = Some(String::new())),
            with(|row| row.request_id = Some("null".to_owned())),
            with(|row| row.client_address = Some(String::new())),
            with(|row| row.client_address = Some("192.0.2.1".to_owned())),
            with(|row| row.client_address = Some("192.0.2.2".to_owned())),
            // What one field loses, its neighbour wins.
            with(|row| (row.action, row.subject) = ("queue.create".to_owned(), "dusers".to_owned())),
            with(|row| (row.action, row.subject) = ("queue.created\",\"users".to_owned(), String::new())),
            with(|row| (row.action, row.subject) = (String::new(), "queue.created\",\"users".to_owned())),
            with(|row| row.subject = "users\",\"r\\\"1".to_owned()),
            with(|row| row.subject = "users\\".to_owned()),
            with(|row| row.subject = "users\u{0}".to_owned()),
            with(|row| row.subject = "users\\u0000".to_owned()),
        ];
        assert_eq!(encoded.iter().collect::<HashSet<_>>().len(), encoded.len());
    }

    #[test]
    fn a_mac_is_read_back_as_it_is_shown_and_nothing_else_is() {
        let mac = RowMac([0x5a; 32]);
        assert_eq!(mac.to_string().parse(), Ok(mac));
        for bad in ["", "5a", &format!("{mac}00"), &"g".repeat(64)] {
            assert!(bad.parse::<RowMac>().is_err(), "{bad}");
        }
    }
}
