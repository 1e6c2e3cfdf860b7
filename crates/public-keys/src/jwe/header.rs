//! The protected header (RFC 7516 section 4).

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Value, json};

use super::{Content, Encryption, MAX_KID, Refused};

const ALGORITHM: &str = "RSA-OAEP-256";

/// Members that change what the message means, or which key it takes. Those that nobody has registered
/// say something to others, and must be ignored (RFC 7516 section 4).
const REFUSED: [&str; 14] =
    ["zip", "crit", "b64", "epk", "apu", "apv", "p2s", "p2c", "iv", "tag", "jku", "jwk", "x5u", "x5c"];

/// What it says, of what is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub encryption: Encryption,
    pub kid: Option<String>,
    pub content: Content,
}

impl Header {
    pub fn parse(json: &[u8]) -> Result<Self, Refused> {
        let Members(members) = serde_json::from_slice(json).map_err(|_| Refused)?;
        if REFUSED.iter().any(|name| members.contains_key(*name)) {
            return Err(Refused);
        }
        let text = |name: &str| members.get(name).map(|value| value.as_str().ok_or(Refused)).transpose();
        if text("alg")? != Some(ALGORITHM) {
            return Err(Refused);
        }
        let encryption = text("enc")?.and_then(Encryption::parse).ok_or(Refused)?;
        let content = match text("cty")? {
            None => Content::Unsaid,
            Some("json") => Content::Json,
            Some(_) => return Err(Refused),
        };
        let kid = text("kid")?;
        if kid.is_some_and(|kid| kid.is_empty() || kid.len() > MAX_KID) {
            return Err(Refused);
        }
        Ok(Self { encryption, kid: kid.map(str::to_owned), content })
    }

    pub fn to_json(&self) -> String {
        let mut header = json!({"alg": ALGORITHM, "enc": self.encryption.name()});
        if let Some(kid) = &self.kid {
            header["kid"] = json!(kid);
        }
        if self.content == Content::Json {
            header["cty"] = json!("json");
        }
        header.to_string()
    }
}

/// The members of an object, each once: of two with one name, implementations differ in which counts.
struct Members(BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Once)
    }
}

struct Once;

impl<'de> Visitor<'de> for Once {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = BTreeMap::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("a name stands there twice"));
            }
        }
        Ok(Members(members))
    }
}
