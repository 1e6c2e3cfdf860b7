//! The steps from what is to what the file wants: what each does, and how it reads.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value, json};

/// A step.
pub struct Step {
    /// What it does.
    pub action: Action,
    /// What it changes, in words that hold no secret.
    pub differences: Vec<Difference>,
}

/// What a step does.
pub enum Action {
    /// Puts a stream in place.
    PutStream {
        /// Its name.
        name: String,
        /// It, whole.
        body: Value,
        /// Whether there is one.
        exists: bool,
    },
    /// Makes an org.
    MakeOrg {
        /// Its key.
        key: String,
        /// Its fields.
        fields: Map<String, Value>,
    },
    /// Changes an org.
    ChangeOrg {
        /// Its key.
        key: String,
        /// The fields that differ.
        fields: Map<String, Value>,
    },
    /// Deletes an org with everything it has.
    DeleteOrg {
        /// Its key.
        key: String,
    },
    /// Puts a queue in place.
    PutQueue {
        /// The org's key.
        org: String,
        /// The stream.
        stream: String,
        /// It, whole, with its credentials.
        body: Value,
        /// Whether there is one.
        exists: bool,
    },
    /// Removes a queue.
    RemoveQueue {
        /// The org's key.
        org: String,
        /// The stream.
        stream: String,
    },
}

/// A field that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Its name.
    pub field: String,
    /// What it is; null where there is nothing.
    pub from: Value,
    /// What it will be.
    pub to: Value,
}

impl Action {
    /// The kind of step, the kind of thing, and its name.
    pub fn named(&self) -> (&'static str, &'static str, String) {
        let put = |exists: &bool| if *exists { "change" } else { "make" };
        match self {
            Self::PutStream { name, exists, .. } => (put(exists), "stream", name.clone()),
            Self::MakeOrg { key, .. } => ("make", "org", key.clone()),
            Self::ChangeOrg { key, .. } => ("change", "org", key.clone()),
            Self::DeleteOrg { key } => ("delete", "org", key.clone()),
            Self::PutQueue { org, stream, exists, .. } => (put(exists), "queue", format!("{org}/{stream}")),
            Self::RemoveQueue { org, stream } => ("delete", "queue", format!("{org}/{stream}")),
        }
    }
}

impl Step {
    /// For programs.
    pub fn to_json(&self) -> Value {
        let (action, kind, name) = self.action.named();
        json!({ "action": action, "kind": kind, "name": name, "differences": self.differences })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (action, kind, name) = self.action.named();
        let sign = match action {
            "make" => '+',
            "change" => '~',
            _ => '-',
        };
        write!(f, "{sign} {kind} {name}")?;
        for Difference { field, from, to } in &self.differences {
            if action == "make" {
                write!(f, "\n    {field}: {to}")?;
            } else {
                write!(f, "\n    {field}: {from} -> {to}")?;
            }
        }
        Ok(())
    }
}

/// The fields of `wanted` that `found` has otherwise.
pub fn differing(found: &Value, wanted: &Map<String, Value>) -> Vec<Difference> {
    let differs = |(field, to): (&String, &Value)| {
        let from = found[field.as_str()].clone();
        (from != *to).then(|| Difference { field: field.clone(), from, to: to.clone() })
    };
    wanted.iter().filter_map(differs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_reads_as_a_diff() {
        let found = json!({"name": "Acme", "limits": null, "contact_emails": []});
        let Value::Object(wanted) = json!({"name": "Acme & Co", "limits": null}) else { unreachable!() };
        let differences = differing(&found, &wanted);
        let step = Step { action: Action::ChangeOrg { key: "acme".to_owned(), fields: wanted }, differences };
        assert_eq!(step.to_string(), "~ org acme\n    name: \"Acme\" -> \"Acme & Co\"");
        let made = Action::MakeOrg { key: "zeta".to_owned(), fields: Map::new() };
        let differences = vec![Difference { field: "name".to_owned(), from: Value::Null, to: json!("Zeta") }];
        assert_eq!(Step { action: made, differences }.to_string(), "+ org zeta\n    name: \"Zeta\"");
        let gone = Action::RemoveQueue { org: "acme".to_owned(), stream: "users".to_owned() };
        assert_eq!(Step { action: gone, differences: Vec::new() }.to_string(), "- queue acme/users");
    }
}
