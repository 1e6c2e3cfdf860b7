//! Whatever the repository refers to is in the repository: sections of the contract and of the
//! architecture, files and headings behind links.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// What is made by tools, or is input for tests.
const NOT_OURS: &[&str] = &["target", ".git", ".data", ".sqlx", ".venv", "node_modules", "fixtures"];
const TEXTS: &[&str] =
    &["rs", "md", "sql", "toml", "py", "lua", "yml", "conf", "sh", "mjs", "ts", "example", ""];

#[test]
fn every_section_that_is_cited_exists() {
    for (document, file) in [("contract", "docs/contract.md"), ("architecture", "docs/architecture.md")] {
        let sections = sections(&read(Path::new(ROOT).join(file)));
        assert!(sections.len() >= 7, "{file} has lost its sections: {sections:?}");
        let mut lost = BTreeSet::new();
        let mut seen = 0;
        for path in texts() {
            for cited in citations(&read(&path), document) {
                seen += 1;
                if !sections.contains(&cited) {
                    lost.insert(format!("{}: {document} {cited}", path.display()));
                }
            }
        }
        assert!(lost.is_empty(), "these lead nowhere: {lost:#?}");
        assert!(seen >= 5, "nothing cites {file}; the pattern of a citation must have changed");
    }
}

#[test]
fn every_relative_link_leads_to_a_file_and_a_heading() {
    let mut lost = BTreeSet::new();
    for path in texts().into_iter().filter(|path| path.extension().is_some_and(|e| e == "md")) {
        for link in links(&read(&path)) {
            if !leads_somewhere(&path, &link) {
                lost.insert(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(lost.is_empty(), "these lead nowhere: {lost:#?}");
}

#[test]
fn nothing_refers_to_what_is_outside_of_the_repository() {
    let outside = ["shared", "/"].concat();
    let lost: Vec<_> = texts()
        .into_iter()
        .filter(|path| read(path).split_whitespace().any(|word| word.trim_matches('(').starts_with(&outside)))
        .collect();
    assert!(lost.is_empty(), "{lost:?}");
}

fn leads_somewhere(from: &Path, link: &str) -> bool {
    let (file, heading) = link.split_once('#').map_or((link, None), |(file, heading)| (file, Some(heading)));
    let target = match file {
        "" => from.to_owned(),
        file => from.with_file_name("").join(file),
    };
    match heading {
        None => target.exists(),
        Some(heading) => target.is_file() && anchors(&read(target)).contains(heading),
    }
}

/// The numbers of a document's headings, such as `4` and `13.2`.
fn sections(document: &str) -> BTreeSet<String> {
    let headings = document.lines().filter(|line| line.starts_with("## ") || line.starts_with("### "));
    headings.filter_map(|line| number(line.trim_start_matches('#').trim_start())).collect()
}

/// `4` of "contract 4", "contract 4's", "Contract 0, step 1" and "contract\n/// 4".
fn citations(text: &str, document: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let after = lower.match_indices(document).map(|(at, _)| &lower[at + document.len()..]);
    let numbered = after.filter_map(|rest| {
        let rest = rest.strip_prefix(".md").unwrap_or(rest);
        let spaced = rest.strip_prefix(char::is_whitespace)?;
        number(spaced.trim_start_matches(|c: char| c.is_whitespace() || "/!#*-".contains(c)))
    });
    numbered.collect()
}

fn number(text: &str) -> Option<String> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let number = text[..end].trim_end_matches('.');
    number.starts_with(|c: char| c.is_ascii_digit()).then(|| number.to_owned())
}

/// Where relative Markdown links lead, outside of code blocks.
fn links(text: &str) -> Vec<String> {
    let prose: String = text.split("```").step_by(2).collect();
    let targets = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    let relative = |link: &&str| !link.contains("://") && !link.starts_with("mailto:") && !link.contains(' ');
    targets.map(|(link, _)| link).filter(relative).map(str::to_owned).collect()
}

/// The anchors that headings get: lower case, dashes for spaces, nothing but words.
fn anchors(document: &str) -> BTreeSet<String> {
    let headings = document.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            let kept = heading.chars().filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

pub fn texts() -> Vec<PathBuf> {
    let mut found = Vec::new();
    look(Path::new(ROOT), &mut found);
    assert!(found.len() > 200, "the repository has lost its files");
    found
}

fn look(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if NOT_OURS.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            look(&path, found);
        } else if TEXTS.contains(&path.extension().unwrap_or_default().to_string_lossy().as_ref()) {
            found.push(path);
        }
    }
}

fn read(path: impl AsRef<Path>) -> String {
    String::from_utf8_lossy(&fs::read(path).expect("a file")).into_owned()
}
