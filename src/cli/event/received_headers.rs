//! The headers of a message, as whoever kept it wrote them down: their names in any case
//! (RFC 9110 5.1), a value alone or in an array, as an object or as pairs, which is how servers and
//! tools show headers.

use std::collections::BTreeMap;

use serde::de::{Deserialize as _, Deserializer, Error as _};
use serde_json::Value;

use crate::events::envelope::SignedHeaders;

/// Those that count. The last is left out by versions that had no such key.
const NAMES: [&str; 4] = ["webhook-id", "webhook-timestamp", "webhook-signature", "webhook-signature-key-id"];

/// Reads the headers of a message; others than these are left aside.
///
/// # Errors
/// One of them is missing, has no text, or is there twice with different values.
pub fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SignedHeaders, D::Error> {
    of(Value::deserialize(deserializer)?).map_err(D::Error::custom)
}

fn of(headers: Value) -> Result<SignedHeaders, &'static str> {
    let mut found = BTreeMap::new();
    for (name, value) in fields(headers)? {
        let name = name.to_ascii_lowercase();
        if !NAMES.contains(&name.as_str()) {
            continue;
        }
        let value = text(value).ok_or("a header has no text")?;
        if found.insert(name, value.clone()).is_some_and(|other| other != value) {
            return Err("a header is there twice");
        }
    }
    let key_id = found.remove("webhook-signature-key-id").unwrap_or_default();
    let mut take = |name| found.remove(name).ok_or("a header is missing");
    Ok(SignedHeaders {
        id: take("webhook-id")?,
        timestamp: take("webhook-timestamp")?,
        signature: take("webhook-signature")?,
        key_id,
    })
}

/// Names and values of `{"name": value}`, `[["name", value]]`, `[{"name": .., "value": ..}]`,
/// or `["name", value, "name", value]`.
fn fields(headers: Value) -> Result<Vec<(String, Value)>, &'static str> {
    const FORM: &str = "headers are neither an object nor pairs";
    let list = match headers {
        Value::Object(map) => return Ok(map.into_iter().collect()),
        Value::Array(list) => list,
        _ => return Err(FORM),
    };
    if list.iter().all(Value::is_string) {
        let pairs = list
            .chunks_exact(2)
            .map(|pair| (pair[0].as_str().unwrap_or_default().to_owned(), pair[1].clone()));
        return Ok(pairs.collect());
    }
    let pair = |entry: Value| match entry {
        Value::Array(pair) => match <[Value; 2]>::try_from(pair) {
            Ok([Value::String(name), value]) => Ok((name, value)),
            _ => Err(FORM),
        },
        Value::Object(mut map) => {
            let name = ["name", "key"].iter().find_map(|field| map.remove(*field));
            match (name, map.remove("value")) {
                (Some(Value::String(name)), Some(value)) => Ok((name, value)),
                _ => Err(FORM),
            }
        }
        _ => Err(FORM),
    };
    list.into_iter().map(pair).collect()
}

/// A value as text: numbers as some tools write timestamps, and the only entry of an array.
fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(list) => <[Value; 1]>::try_from(list).ok().and_then(|[only]| text(only)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_read_in_any_case_and_in_every_form_that_tools_write() {
        let expected = SignedHeaders {
            id: "evt_1".into(),
            timestamp: "1795248000".into(),
            signature: "v1,a v1,b".into(),
            key_id: String::new(),
        };
        for headers in [
            json!({"webhook-id": "evt_1", "webhook-timestamp": "1795248000", "webhook-signature": "v1,a v1,b"}),
            json!({"Webhook-Id": "evt_1", "Webhook-Timestamp": "1795248000", "Webhook-Signature": "v1,a v1,b"}),
            json!({"WEBHOOK-ID": "evt_1", "WEBHOOK-TIMESTAMP": "1795248000", "WEBHOOK-SIGNATURE": "v1,a v1,b"}),
            json!({"webhook-id": "evt_1", "webhook-timestamp": 1_795_248_000, "webhook-signature": "v1,a v1,b"}),
            json!({"Webhook-Id": ["evt_1"], "Webhook-Timestamp": ["1795248000"], "Webhook-Signature": ["v1,a v1,b"],
                   "Host": ["a", "b"], "X": null}),
            json!([
                ["Webhook-Id", "evt_1"],
                ["webhook-timestamp", "1795248000"],
                ["webhook-signature", "v1,a v1,b"]
            ]),
            json!([
                "Host",
                "x",
                "Webhook-Id",
                "evt_1",
                "Webhook-Timestamp",
                " 1795248000",
                "Webhook-Signature",
                "v1,a v1,b"
            ]),
            json!([{"name": "Webhook-Id", "value": "evt_1"}, {"name": "webhook-timestamp", "value": "1795248000"},
                   {"key": "webhook-signature", "value": "v1,a v1,b"}]),
            json!({"webhook-id": "evt_1", "Webhook-Id": "evt_1", "webhook-timestamp": "1795248000",
                   "webhook-signature": "v1,a v1,b"}),
        ] {
            assert_eq!(of(headers.clone()), Ok(expected.clone()), "{headers}");
        }
    }

    #[test]
    fn the_key_is_read_where_it_is_named() {
        let headers = json!({"webhook-id": "evt_1", "webhook-timestamp": "1", "webhook-signature": "v1a,a",
                             "Webhook-Signature-Key-Id": "kid"});
        assert_eq!(of(headers).map(|headers| headers.key_id), Ok("kid".to_owned()));
    }

    #[test]
    fn what_is_missing_or_says_two_things_is_refused() {
        for headers in [
            json!({}),
            json!("webhook-id"),
            json!({"webhook-id": "evt_1", "webhook-timestamp": "1"}),
            json!({"webhook_id": "evt_1", "webhook-timestamp": "1", "webhook-signature": "v1,a"}),
            json!({"webhook-id": "evt_1", "Webhook-Id": "evt_2", "webhook-timestamp": "1", "webhook-signature": "v1,a"}),
            json!({"webhook-id": ["evt_1", "evt_2"], "webhook-timestamp": "1", "webhook-signature": "v1,a"}),
            json!({"webhook-id": null, "webhook-timestamp": "1", "webhook-signature": "v1,a"}),
            json!([["webhook-id"], 1]),
        ] {
            assert!(of(headers.clone()).is_err(), "{headers}");
        }
    }
}
