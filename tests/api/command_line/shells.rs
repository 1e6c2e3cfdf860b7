//! What the command line tells shells and readers of itself.

use std::process::Command;

use crate::support::process::Program;

/// What bash completes after these words, with our script loaded as its users load it.
fn completed(words: &[&str]) -> Vec<String> {
    let script = Program::embedded().run(&["completions", "bash"]).succeeded();
    let asked = format!(
        "{script}\nCOMP_WORDS=({}); COMP_CWORD={}; COMP_LINE=\"${{COMP_WORDS[*]}}\"; COMP_POINT=${{#COMP_LINE}}\n\
         complete -p partner-api >/dev/null || exit 3\n\
         _partner__api partner-api \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        words.join(" "),
        words.len() - 1
    );
    let done = Command::new("bash").args(["--norc", "-c", &asked]).output().expect("bash");
    assert!(done.status.success(), "{done:?}");
    String::from_utf8(done.stdout).expect("UTF-8").lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_and_their_subcommands() {
    assert_eq!(completed(&["partner-api", "hea"]), ["healthcheck"]);
    assert_eq!(completed(&["partner-api", "org", "re"]), ["recover", "resume"]);
    assert_eq!(completed(&["partner-api", "doctor", "--str"]), ["--strict"]);
}

#[test]
fn the_manual_is_printed_and_written_page_by_page() {
    let program = Program::embedded();
    let printed = program.run(&["man"]).succeeded();
    assert!(printed.contains(".TH partner-api 1") && printed.contains("doctor"), "{printed}");
    let directory = program.directory.join("man1");
    std::fs::create_dir(&directory).expect("a directory");
    let written = program.run(&["man", "--to", "man1", "--json"]).succeeded();
    assert!(written.contains("\"partner-api-org-create.1\""), "{written}");
    assert!(directory.join("partner-api-doctor.1").exists());
}
