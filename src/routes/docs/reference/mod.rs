//! The reference: a page for each operation, made from the OpenAPI document as it is asked for. Nothing runs in the
//! browser, so there is nothing to keep, to load or to trust (architecture 8 says why it is made here).

mod example;
mod page;
mod sample;
mod schema;

use serde_json::Value;

pub use self::page::{index, operation};

/// The document, in the order that readers take it.
pub struct Reference {
    document: Value,
    /// Operations by their tag, and what the service sends.
    groups: Vec<Group>,
}

/// Operations that belong together.
pub struct Group {
    name: String,
    description: String,
    operations: Vec<Operation>,
}

/// An operation, or a message that the service sends.
pub struct Operation {
    /// The operation id: the last part of its page's path.
    id: String,
    tag: String,
    method: String,
    /// Of a message its type.
    path: String,
    summary: String,
    is_message: bool,
    spec: Value,
    /// What a search looks through, in lower case: names first, then all that is told.
    names: String,
    told: String,
}

/// Messages are listed under this name.
const MESSAGES: (&str, &str) = ("Messages", "What a queue of yours gets: one message for each event.");

impl Reference {
    /// Of the service's own document.
    ///
    /// # Panics
    /// When it is not JSON.
    #[must_use]
    pub fn of(document: &[u8]) -> Self {
        let document: Value = serde_json::from_slice(document).expect("the document that was just printed");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut groups: Vec<_> = list(&document["tags"])
            .map(|tag| Group {
                name: text(&tag["name"]),
                description: text(&tag["description"]),
                operations: Vec::new(),
            })
            .collect();
        for operation in operations(&document["paths"], false) {
            if let Some(group) = groups.iter_mut().find(|group| group.name == operation.tag) {
                group.operations.push(operation);
            }
        }
        let messages = operations(&document["webhooks"], true).collect();
        groups.push(Group {
            name: MESSAGES.0.to_owned(),
            description: MESSAGES.1.to_owned(),
            operations: messages,
        });
        groups.retain(|group| !group.operations.is_empty());
        Self { document, groups }
    }

    /// The operation with this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Operation> {
        self.all().find(|operation| operation.id == id)
    }

    /// The operations that have every word of `query`, those first that have it in their names.
    fn search(&self, query: &str) -> Vec<&Operation> {
        let query = query.to_lowercase();
        let has_all = |text: &str| query.split_whitespace().all(|word| text.contains(word));
        let named = self.all().filter(|operation| has_all(&operation.names));
        let told = self.all().filter(|operation| !has_all(&operation.names) && has_all(&operation.told));
        named.chain(told).collect()
    }

    fn all(&self) -> impl Iterator<Item = &Operation> {
        self.groups.iter().flat_map(|group| &group.operations)
    }

    /// What a `$ref` leads to; anything else is itself.
    fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        let mut value = value;
        while let Some(reference) = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
            value = self.document.pointer(reference).unwrap_or(&Value::Null);
        }
        value
    }
}

impl Operation {
    /// The id of its page.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it does, in a line without a full stop.
    fn title(&self) -> &str {
        self.summary.trim_end_matches('.')
    }

    /// The parameters in `place` (`path`, `query`, `header`).
    fn parameters<'a>(&'a self, place: &'a str) -> impl Iterator<Item = &'a Value> {
        list(&self.spec["parameters"]).filter(move |parameter| parameter["in"] == place)
    }
}

/// The operations of `paths` or `webhooks`.
fn operations(items: &Value, is_message: bool) -> impl Iterator<Item = Operation> {
    let items = items.as_object().into_iter().flatten();
    items.flat_map(move |(path, item)| {
        let methods = item.as_object().into_iter().flatten();
        methods.filter(|(_, spec)| spec.is_object()).map(move |(method, spec)| {
            let text = |name: &str| spec[name].as_str().unwrap_or_default().to_owned();
            let tag = spec["tags"][0].as_str().unwrap_or_default().to_owned();
            let (id, summary) = (text("operationId"), text("summary"));
            let names = format!("{id} {path} {method} {summary} {tag}").to_lowercase();
            let told = format!("{names} {} {}", text("description"), spec["responses"]).to_lowercase();
            let (method, path) = (method.to_uppercase(), path.clone());
            Operation { id, tag, method, path, summary, is_message, spec: spec.clone(), names, told }
        })
    })
}

/// The entries of an array; none of anything else.
fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference() -> Reference {
        Reference::of(crate::openapi::to_json(&crate::app::document()).as_bytes())
    }

    #[test]
    fn every_operation_and_message_has_a_page_and_a_place() {
        let reference = reference();
        let count = |name: &str| reference.document[name].as_object().map_or(0, serde_json::Map::len);
        let paths = reference.document["paths"].as_object().expect("paths");
        let operations: usize =
            paths.values().map(|item| item.as_object().map_or(0, serde_json::Map::len)).sum();
        assert_eq!(reference.all().count(), operations + count("webhooks"));
        for operation in reference.all() {
            let found = reference.find(&operation.id).expect("its page");
            assert_eq!((&found.method, &found.path), (&operation.method, &operation.path), "an id twice");
        }
    }

    #[test]
    fn a_search_finds_by_name_path_and_error_names_first() {
        let reference = reference();
        let ids =
            |query: &str| reference.search(query).iter().map(|found| found.id.as_str()).collect::<Vec<_>>();
        assert_eq!(ids("rotate tenant")[0], "rotate_tenant_key");
        assert_eq!(ids("POST /v1/users/BULK")[0], "create_users_in_bulk");
        assert!(ids("ambiguous_tenant_key").contains(&"rotate_tenant_key"));
        assert!(ids("tenant_key.rotated").contains(&"on_tenant_key_rotated"));
        assert_eq!(ids("no such thing anywhere"), [""; 0]);
    }

    #[test]
    fn every_page_can_be_made() {
        let reference = reference();
        for operation in reference.all() {
            let page = page::operation(&reference, operation);
            assert!(page.len() < 60 * 1024, "{}: {} bytes", operation.id, page.len());
            for odd in ["$ref", "<code></code>", "undefined"] {
                assert!(!page.contains(odd), "{}: {odd}", operation.id);
            }
        }
    }
}
