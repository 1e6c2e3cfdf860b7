//! The output of commands: with `--json` one JSON object on standard output, else lines for people.
//! Everything that is not the result goes to standard error.

use std::fmt::Display;
use std::io::{self, Write as _};

use serde::Serialize;

use super::CliError;

/// The form in which a command's result is printed.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// As one JSON object.
    pub json: bool,
}

impl Output {
    /// Prints a result.
    ///
    /// # Errors
    /// When standard output does not take it: whoever shows a secret must not go on then.
    pub fn show(self, object: &impl Serialize, text: impl Display) -> Result<(), CliError> {
        if self.json { line(serde_json::to_string(object)?) } else { line(text) }
    }

    /// Prints that something was done: for people on standard error.
    ///
    /// # Errors
    /// When standard output does not take the object.
    pub fn done(self, object: &impl Serialize, text: impl Display) -> Result<(), CliError> {
        if self.json {
            return line(serde_json::to_string(object)?);
        }
        note(text);
        Ok(())
    }

    /// Prints a list, one line an entry. A reader that has seen enough, such as `head`, is no
    /// failure.
    ///
    /// # Errors
    /// When standard output does not take it.
    pub fn list(
        self,
        object: &impl Serialize,
        lines: impl IntoIterator<Item: Display>,
    ) -> Result<(), CliError> {
        if self.json {
            return whole(&format!("{}\n", serde_json::to_string(object)?));
        }
        whole(&lines.into_iter().map(|line| format!("{line}\n")).collect::<String>())
    }
}

/// Writes a line, and makes sure that it arrived.
fn line(text: impl Display) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(failed)
}

/// Writes a long text, of which a reader may have seen enough.
///
/// # Errors
/// When standard output does not take it.
pub fn whole(text: &str) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(failed(error)),
        _ => Ok(()),
    }
}

/// Writes a line to standard error. There is nobody to tell if that fails.
pub fn note(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

fn failed(error: io::Error) -> CliError {
    format!("cannot write to standard output: {error}").into()
}
