//! Documents are read in a terminal and in a diff: their lines are at most 120 columns wide.
//!
//! Exempt is only what Markdown or its meaning does not let anyone break:
//! - a line of one word (a link, an address, a code span), whatever list or quotation it is in;
//! - within a fence, what a program printed or was sent (`console`, `json`, or no language at all):
//!   a line more in it would be untrue, and `tests/interop/readme` types and compares it.
//!
//! Tables are not exempt. A cell that is a paragraph wants to be a list.

use std::fs;
use std::path::PathBuf;

use crate::references::texts;

const COLUMNS: usize = 120;
const VERBATIM: &[&str] = &["", "console", "json"];

#[test]
fn no_line_of_a_document_is_wider_than_120_columns() {
    let is_document = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "md");
    let documents: Vec<_> = texts().into_iter().filter(is_document).collect();
    assert!(documents.len() >= 15, "the repository has lost its documents: {documents:?}");
    let wide: Vec<_> = documents
        .iter()
        .flat_map(|path| {
            let text = fs::read_to_string(path).expect("a document");
            too_wide(&text).into_iter().map(|line| format!("{}:{line}", path.display())).collect::<Vec<_>>()
        })
        .collect();
    assert!(wide.is_empty(), "wider than {COLUMNS} columns: {wide:#?}");
}

#[test]
fn prose_tables_and_commands_are_held_and_verbatim_text_is_not() {
    let wide = "word ".repeat(25);
    let word = "w".repeat(COLUMNS + 1);
    assert_eq!(too_wide(&format!("short\n{wide}\n")), [2]);
    assert_eq!(too_wide(&format!("| a | {wide} |\n")), [1]);
    assert_eq!(too_wide(&format!("```sh\n{wide}\n```\n{wide}")), [2, 4]);
    assert_eq!(too_wide(&format!("- list\n  ```console\n  {wide}\n  ```\n")), [0; 0]);
    assert_eq!(too_wide(&format!("- {word}\n1. {word}\n[name]: {word}\n")), [0; 0]);
    // Columns, not bytes.
    assert_eq!(too_wide(&"é ".repeat(COLUMNS / 2)), [0; 0]);
}

/// The numbers of the lines that are too wide.
fn too_wide(text: &str) -> Vec<usize> {
    let mut fence = None;
    let mut found = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            fence = if fence.is_some() { None } else { Some(language.trim()) };
        } else if line.chars().count() > COLUMNS
            && !fence.is_some_and(|language| VERBATIM.contains(&language))
            && !is_one_word(line)
        {
            found.push(number);
        }
    }
    found
}

/// Whether nothing is left to break once the marks of lists, quotations and link names are gone.
fn is_one_word(line: &str) -> bool {
    let is_mark = |word: &&str| {
        ["-", "*", ">", "|"].contains(word)
            || word.ends_with("]:")
            || word.trim_end_matches('.').parse::<u8>().is_ok()
    };
    line.split_whitespace().skip_while(is_mark).count() <= 1
}
