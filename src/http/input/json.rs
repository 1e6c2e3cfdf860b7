//! A JSON value that remembers what `serde_json::Value` forgets: a name given twice.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Serialize, Serializer};
use serde_json::Number;
use zeroize::Zeroize;

#[expect(missing_docs, reason = "the words are those of JSON")]
/// A parsed body. Strings are wiped when dropped: any of them may be a partner's secret.
#[derive(PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(Number),
    Text(WipedText),
    List(Vec<Json>),
    /// In the order sent, duplicates included.
    Object(Vec<(String, Json)>),
    /// A value whose bytes are kept, and what they say.
    AsSent(String, Box<Json>),
}

/// Text that is overwritten when dropped.
#[derive(PartialEq, Eq)]
pub struct WipedText(String);

impl WipedText {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Hands the text on; whoever takes it decides whether it is a secret.
    pub fn take(mut self) -> String {
        std::mem::take(&mut self.0)
    }
}

impl Drop for WipedText {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Json, E> {
        Number::from_f64(value).map(Json::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(WipedText(value.to_owned())))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(WipedText(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut object = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            if object.len() == MAX_NAMES {
                return Err(A::Error::custom("too many names in one object"));
            }
            object.push(entry);
        }
        Ok(Json::Object(object))
    }
}

/// No object of ours has nearly as many; looking for duplicates stays cheap.
const MAX_NAMES: usize = 1_000;

impl Json {
    /// Returns `true` if an object in it has a name twice.
    pub fn repeats_a_name(&self) -> bool {
        match self {
            Self::List(items) => items.iter().any(Self::repeats_a_name),
            Self::Object(fields) => {
                let mut names: Vec<_> = fields.iter().map(|(name, _)| name).collect();
                names.sort_unstable();
                names.windows(2).any(|pair| pair[0] == pair[1])
                    || fields.iter().any(|(_, value)| value.repeats_a_name())
            }
            Self::AsSent(_, says) => says.repeats_a_name(),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) => false,
        }
    }

    /// Its text: names in the order in which they were sent, no spaces.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("string keys, finite numbers")
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(number) => number.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text.as_str()),
            Self::List(items) => serializer.collect_seq(items),
            Self::Object(fields) => serializer.collect_map(fields.iter().map(|(name, value)| (name, value))),
            Self::AsSent(_, says) => says.serialize(serializer),
        }
    }
}
