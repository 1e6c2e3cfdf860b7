//! The file: read strictly, then judged by the rules of the API's own bodies.

use std::fs::File;
use std::io::{self, Read as _};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};

use super::references;
use crate::cli::CliError;
use crate::cli::rules::judged_text;
use crate::http::input::Input;
use crate::routes::internal::orgs::{ChangeOrg, CreateOrg};
use crate::routes::internal::streams::PutStream;
use crate::routes::queues::operator::RegisterQueue;

/// The largest file, in bytes.
const MAX_FILE: u64 = 4 << 20;
/// How deep it may go: schemas are the deepest part.
const MAX_DEPTH: usize = 64;
/// Values in it, aliases followed.
const MAX_NODES: usize = 200_000;
const MAX_STREAMS: usize = 100;
const MAX_ORGS: usize = 10_000;
/// The only form of the file so far.
const VERSION: u32 = 1;

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlatformFile {
    version: u32,
    streams: Option<Vec<StreamEntry>>,
    orgs: Option<Vec<OrgEntry>>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct StreamEntry {
    #[serde(skip_serializing)]
    name: String,
    description: String,
    types: Vec<TypeEntry>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct TypeEntry {
    r#type: String,
    description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OrgEntry {
    key: String,
    name: String,
    contact_emails: Option<Vec<String>>,
    /// `null` is the default of all orgs; absent leaves it as it is.
    #[serde(default, deserialize_with = "present")]
    limits: Option<Option<LimitsEntry>>,
    signature_policy: Option<String>,
    queues: Option<Vec<QueueEntry>>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct LimitsEntry {
    rate: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    burst: Option<u32>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct QueueEntry {
    #[serde(skip_serializing)]
    stream: String,
    r#type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    poll: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aws_sqs: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    azure_storage_queue: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    azure_event_hubs: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kafka: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_types: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ordering: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encrypt_to: Option<String>,
}

/// A field that is there, be it `null`.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(field: D) -> Result<Option<T>, D::Error> {
    T::deserialize(field).map(Some)
}

/// What the file wants, in bodies that the API's rules took.
pub struct Wanted {
    /// Streams, by name.
    pub streams: Vec<(String, Value)>,
    /// Orgs.
    pub orgs: Vec<WantedOrg>,
    /// Whether the file speaks of orgs at all.
    pub names_orgs: bool,
}

/// An org that the file wants.
pub struct WantedOrg {
    /// Its key.
    pub key: String,
    /// Its fields, as a change of the org takes them.
    pub fields: Map<String, Value>,
    /// Its queues, by stream, where the file speaks of them. They hold resolved credentials.
    pub queues: Option<Vec<(String, Value)>>,
}

/// Reads the file; `-` is standard input.
///
/// # Errors
/// Says what is wrong with it, and in which line and column.
pub fn read(name: &str) -> Result<PlatformFile, CliError> {
    let mut text = String::new();
    let size = match name {
        "-" => io::stdin().take(MAX_FILE + 1).read_to_string(&mut text),
        name => File::open(name).and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut text)),
    };
    let size = size.map_err(|error| format!("{name} cannot be read: {error}"))?;
    if size as u64 > MAX_FILE {
        return Err(format!("{name} is larger than {} MiB", MAX_FILE >> 20).into());
    }
    let file = parse(&text).map_err(|problem| format!("{name}: {problem}"))?;
    if file.version == VERSION { Ok(file) } else { Err(format!("{name}: version must be {VERSION}").into()) }
}

fn parse(text: &str) -> Result<PlatformFile, String> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_documents: 1,
        },
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
        merge_keys: serde_saphyr::MergeKeyPolicy::Error,
        strict_booleans: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let said = error.without_snippet().to_string();
        // The place comes first here, and advice for programmers not at all.
        let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(said, _)| said);
        let said = said.split(", set DuplicateKeyPolicy").next().unwrap_or_default();
        match error.location() {
            Some(at) => format!("line {}, column {}: {said}", at.line(), at.column()),
            None => said.to_owned(),
        }
    })
}

impl PlatformFile {
    /// Holds everything to the API's rules; opens references to credentials.
    ///
    /// # Errors
    /// The first part that breaks a rule, and how.
    pub fn judged(&self, now: DateTime<Utc>) -> Result<Wanted, CliError> {
        let (streams, orgs) =
            (self.streams.as_deref().unwrap_or_default(), self.orgs.as_deref().unwrap_or_default());
        bounded("streams", streams.len(), MAX_STREAMS)?;
        bounded("orgs", orgs.len(), MAX_ORGS)?;
        once("streams", streams.iter().map(|stream| &stream.name))?;
        once("orgs", orgs.iter().map(|org| &org.key))?;
        let streams = streams.iter().map(|stream| stream.judged(now)).collect::<Result<_, _>>()?;
        let orgs = orgs.iter().map(|org| org.judged(now)).collect::<Result<_, _>>()?;
        Ok(Wanted { streams, orgs, names_orgs: self.orgs.is_some() })
    }
}

impl StreamEntry {
    fn judged(&self, now: DateTime<Utc>) -> Result<(String, Value), CliError> {
        let body = serde_json::to_value(self)?;
        held_to::<PutStream>(&format!("streams, {}", self.name), &body, now)?;
        Ok((self.name.clone(), body))
    }
}

impl OrgEntry {
    fn judged(&self, now: DateTime<Utc>) -> Result<WantedOrg, CliError> {
        let place = format!("orgs, {}", self.key);
        let mut fields = Map::new();
        fields.insert("name".to_owned(), self.name.clone().into());
        if let Some(contacts) = &self.contact_emails {
            fields.insert("contact_emails".to_owned(), json!(contacts));
        }
        if let Some(limits) = &self.limits {
            fields.insert("limits".to_owned(), json!(limits));
        }
        if let Some(policy) = &self.signature_policy {
            fields.insert("signature_policy".to_owned(), json!(policy));
        }
        held_to::<CreateOrg>(&place, &json!({ "key": self.key, "name": self.name }), now)?;
        held_to::<ChangeOrg>(&place, &Value::Object(fields.clone()), now)?;
        let queues = self.queues.as_ref().map(|queues| {
            once(&format!("{place}, queues"), queues.iter().map(|queue| &queue.stream))?;
            queues.iter().map(|queue| queue.judged(&place, now)).collect::<Result<Vec<_>, CliError>>()
        });
        Ok(WantedOrg { key: self.key.clone(), fields, queues: queues.transpose()? })
    }
}

impl QueueEntry {
    fn judged(&self, place: &str, now: DateTime<Utc>) -> Result<(String, Value), CliError> {
        let place = format!("{place}, queues, {}", self.stream);
        let mut body = serde_json::to_value(self)?;
        references::resolve(&mut body).map_err(|problem| format!("{place}: {problem}"))?;
        held_to::<RegisterQueue>(&place, &body, now)?;
        Ok((self.stream.clone(), body))
    }
}

fn held_to<T: Input>(place: &str, body: &Value, now: DateTime<Utc>) -> Result<(), CliError> {
    judged_text::<T>(place, &body.to_string(), now).map(drop)
}

fn bounded(what: &str, count: usize, most: usize) -> Result<(), CliError> {
    if count <= most { Ok(()) } else { Err(format!("{what}: at most {most}").into()) }
}

fn once<'n>(what: &str, names: impl Iterator<Item = &'n String>) -> Result<(), CliError> {
    let mut seen = std::collections::HashSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(format!("{what}: {name} is given more than once").into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        let now = "2026-11-26T08:00:00Z".parse().unwrap();
        match parse(text) {
            Ok(file) => file.judged(now).err().map_or_else(|| "none".to_owned(), |error| error.to_string()),
            Err(problem) => problem,
        }
    }

    #[test]
    fn yaml_and_json_are_read_alike() {
        let yaml = "version: 1\norgs:\n  - key: acme\n    name: Acme\n    limits: null\n";
        let json = r#"{"version": 1, "orgs": [{"key": "acme", "name": "Acme", "limits": null}]}"#;
        for text in [yaml, json] {
            let wanted = parse(text).unwrap().judged("2026-11-26T08:00:00Z".parse().unwrap()).unwrap();
            let org = &wanted.orgs[0];
            assert_eq!(Value::Object(org.fields.clone()), json!({"name": "Acme", "limits": null}));
            assert!(org.queues.is_none() && wanted.names_orgs);
        }
    }

    #[test]
    fn what_is_unknown_or_given_twice_is_refused_in_its_line_and_column() {
        for (text, expected) in [
            ("version: 1\norgz: []\n", "line 2, column 1"),
            ("version: 1\norgs:\n  - key: acme\n    name: A\n    colour: red\n", "line 5, column 5"),
            ("version: 1\norgs: []\norgs: []\n", "line 3, column 1"),
            ("version: 1\norgs:\n  - key: acme\n    key: zeta\n    name: A\n", "line 4, column 5"),
            ("version: 1\norgs: [\n", "line"),
        ] {
            let said = problem(text);
            assert!(said.starts_with(expected), "{expected}: {said}");
        }
    }

    #[test]
    fn the_apis_own_rules_hold_in_the_file() {
        for (org, expected) in [
            ("{key: A, name: x}", "orgs, A: key must"),
            ("{key: acme, name: x, contact_emails: [nobody]}", "contact_emails.0 must be an e-mail address"),
            ("{key: acme, name: x, signature_policy: maybe}", "signature_policy must be"),
            ("{key: acme, name: x, limits: {rate: 5, burst: 0}}", "limits.burst must be at least 1"),
            (
                "{key: acme, name: x, queues: [{stream: users, type: fax}]}",
                "orgs, acme, queues, users: type must be",
            ),
            (
                "{key: acme, name: x, queues: [{stream: users, type: webhook, webhook: {uri: a}}]}",
                "webhook.uri",
            ),
        ] {
            let said = problem(&format!("version: 1\norgs: [{org}]\n"));
            assert!(said.contains(expected), "{expected}: {said}");
        }
        assert!(
            problem("version: 1\norgs: [{key: acme, name: x}, {key: acme, name: y}]\n")
                .contains("more than once")
        );
    }

    #[test]
    fn a_bomb_of_aliases_and_a_deep_file_are_refused() {
        let mut bomb = "version: 1\na: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
        for (name, before) in
            ["b", "c", "d", "e", "f", "g", "h"].iter().zip(["a", "b", "c", "d", "e", "f", "g"])
        {
            bomb.push_str(&format!("{name}: &{name} [{}]\n", [format!("*{before}").as_str(); 9].join(",")));
        }
        assert_ne!(problem(&bomb), "none");
        let deep = format!("version: 1\nstreams: {}{}\n", "[".repeat(10_000), "]".repeat(10_000));
        assert_ne!(problem(&deep), "none");
    }
}
