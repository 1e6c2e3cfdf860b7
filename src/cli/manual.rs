//! `completions` and `man`: what a shell and a reader are told of the command line, made from its own tree.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;
use serde_json::json;

use super::CliError;
use super::output::{self, Output};

/// The program's name, which the names of its pages begin with.
const NAME: &str = "partner-api";

#[derive(Debug, Args)]
pub struct ManArguments {
    /// Write a page for every command into this directory, in place of printing the first one
    #[arg(long, value_name = "DIRECTORY")]
    to: Option<PathBuf>,
}

/// The script that completes `command` in a shell.
pub fn completions(shell: Shell, mut command: Command) -> Result<String, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, NAME, &mut script);
    // clap_complete takes a hyphen in a program's name for the start of a subcommand, but not everywhere, so that bash
    // would complete nothing below the first word.
    Ok(String::from_utf8(script)?.replace("partner__subcmd__api", "partner__api"))
}

/// Runs `man`.
pub fn print(arguments: &ManArguments, command: Command, output: Output) -> Result<(), CliError> {
    let Some(directory) = &arguments.to else {
        return output::whole(&page(command)?);
    };
    let written = write(directory, command)?;
    let text = format!("Wrote {} pages into {}.", written.len(), directory.display());
    output.done(&json!({ "pages": written }), text)
}

/// A page in roff.
fn page(command: Command) -> Result<String, CliError> {
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    Ok(String::from_utf8(page)?)
}

/// Writes a page for each command; gives their files' names.
fn write(directory: &Path, mut command: Command) -> Result<Vec<String>, CliError> {
    // Named in full, as `man partner-api-org-create` asks for them.
    command.build();
    let mut written = Vec::new();
    let mut waiting = vec![command];
    while let Some(command) = waiting.pop() {
        let name = command.get_display_name().unwrap_or(NAME).to_owned();
        waiting.extend(command.get_subcommands().filter(|command| command.get_name() != "help").cloned());
        let (file, text) = (format!("{name}.1"), page(command)?);
        let to = directory.join(&file);
        fs::write(&to, text).map_err(|error| format!("cannot write {}: {error}", to.display()))?;
        written.push(file);
    }
    written.sort();
    Ok(written)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::super::Cli;
    use super::*;

    /// Every command and its subcommands, by the names that are typed.
    fn names(command: &Command) -> Vec<Vec<String>> {
        let below = command.get_subcommands().flat_map(|sub| {
            let name = sub.get_name().to_owned();
            let deeper = names(sub).into_iter().map(|path| [vec![name.clone()], path].concat());
            [vec![vec![name.clone()]], deeper.collect()].concat()
        });
        below.collect()
    }

    #[test]
    fn every_command_is_completed_in_every_shell() {
        let all = names(&Cli::command());
        assert!(all.len() > 40, "{}", all.len());
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = completions(shell, Cli::command()).unwrap();
            for name in all.iter().flatten() {
                assert!(script.contains(name.as_str()), "{shell} does not know {name}");
            }
        }
    }

    #[test]
    fn every_command_has_a_page_and_the_first_one_names_them() {
        let directory = std::env::temp_dir().join(format!("pa-man-{:016x}", rand::random::<u64>()));
        fs::create_dir(&directory).unwrap();
        let written = write(&directory, Cli::command());
        let first = fs::read_to_string(directory.join("partner-api.1")).unwrap();
        for path in names(&Cli::command()) {
            let file = format!("partner-api-{}.1", path.join("-"));
            let text = fs::read_to_string(directory.join(&file)).unwrap_or_else(|_| panic!("no {file}"));
            assert!(text.contains(".TH"), "{file}");
            assert!(path.len() > 1 || first.contains(&path[0].replace('-', "\\-")), "{path:?}");
        }
        fs::remove_dir_all(&directory).unwrap();
        assert_eq!(written.unwrap().len(), names(&Cli::command()).len() + 1);
    }
}
