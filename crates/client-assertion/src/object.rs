//! A JSON object in which no name comes twice.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

/// The members of an object, and whether a name came again: two readers would read two things.
pub struct Object {
    members: BTreeMap<String, Value>,
    repeats: bool,
}

impl Object {
    /// Reads `json`; none if it is no object, or has a name twice.
    pub fn read(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok().filter(|object: &Self| !object.repeats)
    }

    pub fn get(&self, name: &str) -> Option<&Value> {
        self.members.get(name)
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut object = Object { members: BTreeMap::new(), repeats: false };
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            object.repeats |= object.members.insert(name, value).is_some();
        }
        Ok(object)
    }
}
