//! Nothing is changed that nobody agreed to.

use std::io::{self, IsTerminal as _, Write as _};

use super::steps::{Action, Step};
use crate::cli::CliError;

/// Has the operator agree to the steps.
///
/// # Errors
/// Without `yes` and a terminal to ask on, or when the answer is no.
pub fn changes(steps: &[Step], is_agreed: bool) -> Result<(), CliError> {
    if steps.is_empty() || is_agreed {
        return Ok(());
    }
    if typed("Apply this? Type yes: ", "add --yes, or run it on a terminal, which is asked")? == "yes" {
        return Ok(());
    }
    Err("nothing was changed".into())
}

/// Has the operator name every org that will be deleted, which cannot be undone.
///
/// # Errors
/// When one is not named.
pub fn deletions(steps: &[Step], named: &[String]) -> Result<(), CliError> {
    let deleted = steps.iter().filter_map(|step| match &step.action {
        Action::DeleteOrg { key } if !named.contains(key) => Some(key),
        _ => None,
    });
    for key in deleted {
        let question =
            format!("This deletes the org {key} with its users, keys and events. Type its key again: ");
        let otherwise = format!("it deletes the org {key}: add --delete-org {key}, or run it on a terminal");
        if typed(&question, &otherwise)? != *key {
            return Err("that is not the org's key: nothing was changed".into());
        }
    }
    Ok(())
}

fn typed(question: &str, otherwise: &str) -> Result<String, CliError> {
    if !io::stdin().is_terminal() {
        return Err(otherwise.to_owned().into());
    }
    let _ = write!(io::stderr(), "{question}");
    let _ = io::stderr().flush();
    let mut typed = String::new();
    io::stdin().read_line(&mut typed)?;
    Ok(typed.trim().to_owned())
}
