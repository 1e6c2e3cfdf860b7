//! Credentials in the file are references: `env:NAME`, a variable of the environment, or `file:PATH`, a file that its
//! owner alone can read.

use std::path::Path;

use serde_json::Value;

use crate::config::private;

/// The fields of targets that hold a credential.
const CREDENTIALS: [&str; 3] = ["sas_token", "sas_key", "password"];

/// Puts what is referred to in the place of every reference.
///
/// # Errors
/// Names the field, and why it cannot be opened.
pub fn resolve(body: &mut Value) -> Result<(), String> {
    match body {
        Value::Object(fields) => {
            for (name, value) in fields {
                if CREDENTIALS.contains(&name.as_str()) {
                    let opened = value.as_str().and_then(open);
                    let opened = opened.unwrap_or_else(|| Err(NO_REFERENCE.to_owned()));
                    *value = opened.map_err(|problem| format!("{name} {problem}"))?.into();
                } else {
                    resolve(value)?;
                }
            }
            Ok(())
        }
        Value::Array(items) => items.iter_mut().try_for_each(resolve),
        _ => Ok(()),
    }
}

const NO_REFERENCE: &str = "must be env:NAME or file:PATH: a credential has no place in this file";

/// What a reference refers to; `None` if it is none.
fn open(reference: &str) -> Option<Result<String, String>> {
    if let Some(name) = reference.strip_prefix("env:") {
        let value = std::env::var(name).ok().filter(|value| !value.is_empty());
        return Some(value.ok_or_else(|| format!("refers to the variable {name}, which is not set")));
    }
    let path = reference.strip_prefix("file:")?;
    let text = private::read_secret(Path::new(path), None).map_err(|error| error.to_string());
    Some(text.map(|text| text.trim_end_matches(['\r', '\n']).to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_credential_is_a_reference_or_refused_and_never_repeated() {
        for text in ["s3cr3t-marker", "", "env", "https://s3cr3t-marker"] {
            let mut body = json!({"kafka": {"sasl": {"password": text}}});
            let said = resolve(&mut body).unwrap_err();
            assert!(
                said.starts_with("password must be env:NAME or file:PATH") && !said.contains("marker"),
                "{said}"
            );
        }
        assert!(resolve(&mut json!({"azure_event_hubs": {"sas_key": 5}})).is_err());
    }

    #[test]
    fn references_are_opened_wherever_they_stand() {
        // Cargo sets it for every test.
        let mut body =
            json!({"type": "x", "x": {"sas_token": "env:CARGO_PKG_NAME", "other": "env:CARGO_PKG_NAME"}});
        resolve(&mut body).unwrap();
        assert_eq!(
            body,
            json!({"type": "x", "x": {"sas_token": "partner-api", "other": "env:CARGO_PKG_NAME"}})
        );
        let said = resolve(&mut json!({"sas_token": "env:NOBODY_SETS_THIS"})).unwrap_err();
        assert_eq!(said, "sas_token refers to the variable NOBODY_SETS_THIS, which is not set");
    }
}
