//! `.env`: variables for development.

use std::path::Path;

use super::private;

const FILE: &str = ".env";

/// Sets what `.env` in the working directory says and the environment does not. A directory above
/// may be somebody else's, so none is looked at.
///
/// # Errors
/// When the file belongs to somebody else or can be written by others, or has a line that is no
/// setting.
pub fn load() -> Result<(), String> {
    let file = match private::open_settings(Path::new(FILE)) {
        Ok(file) => file,
        Err(missing) if missing.is_not_found() => return Ok(()),
        Err(refused) => return Err(refused.to_string()),
    };
    // A broken file must not be half believed.
    dotenvy::from_read(file).map_err(|error| format!("{FILE}: {}", redacted(&error)))
}

/// dotenvy's parse errors quote the line, which may hold a secret.
fn redacted(error: &dotenvy::Error) -> String {
    match error {
        dotenvy::Error::LineParse(..) => "a line is not NAME=value (quote values with spaces)".to_owned(),
        other => other.to_string(),
    }
}
