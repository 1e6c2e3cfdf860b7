//! `docs/errors.md`.

use std::fmt::Write as _;

use super::content::{Block, blocks};

/// The width that documents have.
const COLUMNS: usize = 120;

/// Said to whoever would edit it.
const HEAD: &str = "<!-- Made by `partner-api errors`: edit src/error/help, then `cargo run -- errors > docs/errors.md` -->\n\n";

/// The whole document. Fragments are those that Markdown makes of the headings.
#[must_use]
pub fn markdown() -> String {
    let mut text = HEAD.to_owned();
    for block in blocks() {
        match block {
            Block::Heading(level, _, heading) => {
                let _ = writeln!(text, "{} {heading}\n", "#".repeat(level.into()));
            }
            Block::Text(paragraph) => text.push_str(&wrapped(&paragraph, "", "")),
            Block::Json(json) => {
                let _ = writeln!(text, "```json\n{json}\n```");
            }
            Block::List(items) => {
                text.extend(items.iter().map(|item| wrapped(item, "- ", "  ")));
            }
            Block::Index(statuses) => text.extend(statuses.iter().map(|(status, names)| {
                let links: Vec<_> = names.iter().map(|name| format!("[`{name}`](#{name})")).collect();
                wrapped(&format!("{status}: {}", links.join(", ")), "- ", "  ")
            })),
        }
        if !text.ends_with("\n\n") {
            text.push('\n');
        }
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// Lines of at most [`COLUMNS`], the first after `first`, the others after `next`.
fn wrapped(text: &str, first: &str, next: &str) -> String {
    let (mut lines, mut line, mut is_empty) = (String::new(), first.to_owned(), true);
    for word in text.split(' ') {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > COLUMNS {
            lines.push_str(&line);
            lines.push('\n');
            line = next.to_owned();
        } else if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    lines + &line + "\n"
}
