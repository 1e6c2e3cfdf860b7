//! Whoever types what a document shows gets what it shows: every shell block is run by CI, or says to its reader that it
//! is not, and why.

use std::fs;
use std::path::Path;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The documents whose blocks are typed into a shell, and what types them.
const TYPED: &[(&str, &str)] = &[
    ("README.md", "tests/interop/readme/walk.py"),
    ("docs/guides/idempotency.md", "tests/interop/readme/walk.py"),
    ("docs/guides/limits.md", "tests/interop/readme/walk.py"),
    ("docs/guides/onboarding.md", "tests/interop/readme/walk.py"),
    ("docs/guides/receiving.md", "tests/interop/readme/walk.py"),
    ("docs/guides/rotating.md", "tests/interop/readme/walk.py"),
    ("docs/guides/running.md", "tests/interop/readme/walk.py"),
    ("docs/incidents.md", "tests/interop/incidents/guide.py"),
    ("docs/keys.md", "tests/interop/keys/guide.py"),
    ("docs/publishing.md", "tests/interop/publish/walk.py"),
];

/// The sections that are typed of documents that are not typed whole.
const SECTIONS_OF: &[(&str, &[&str])] = &[("README.md", &["The first five minutes", "What is live"])];

/// The languages of what readers type.
const SHELLS: &[&str] = &["sh", "bash", "console", "shell"];

#[test]
fn every_shell_block_is_run_or_says_that_it_is_not() {
    let mut loose = Vec::new();
    let mut seen = 0;
    for name in documents() {
        for block in blocks(&read(&Path::new(ROOT).join(&name))) {
            seen += 1;
            if !block.is_accounted_for(&name) {
                loose.push(format!("{name}:{} {:?}", block.line, block.mark));
            }
        }
    }
    assert!(loose.is_empty(), "neither typed by CI nor marked `*Not run: why.*`: {loose:#?}");
    assert!(seen > 90, "only {seen} blocks were found");
}

#[test]
fn what_types_a_document_names_it() {
    for (document, by) in TYPED {
        assert!(Path::new(ROOT).join(document).is_file(), "{document}");
        let walk = read(&Path::new(ROOT).join(by));
        let name = Path::new(document).file_name().expect("a name").to_string_lossy();
        assert!(walk.contains(name.as_ref()), "{by} does not type {document}");
    }
    let types_sections = read(&Path::new(ROOT).join("tests/interop/incidents/guide.py"));
    let incidents = read(&Path::new(ROOT).join("docs/incidents.md"));
    for block in blocks(&incidents).iter().filter(|block| block.mark.is_none()) {
        // A chapter is typed with its sections.
        let is_typed = |heading: &str| types_sections.contains(&format!("\"{heading}\""));
        assert!(is_typed(&block.section) || is_typed(&block.chapter), "{:?} is not typed", block.section);
    }
}

#[test]
fn the_index_leads_to_every_document() {
    let index = read(&Path::new(ROOT).join("docs/README.md"));
    for document in documents() {
        let link = match document.strip_prefix("docs/") {
            Some("README.md") => continue,
            Some(below) => below.to_owned(),
            None => format!("../{document}"),
        };
        assert!(index.contains(&format!("({link})")), "docs/README.md does not lead to {document}");
    }
}

#[test]
fn blocks_and_their_marks_are_found() {
    let text = "## One\n```sh\na\n```\n*Not run: no Azure here.*\n```sh\nb\n```\n\n<!-- run by .ci/run -->\n  ```console\nc\n```\n\
                ```json\n{}\n```\n*Not run: .*\n```sh\nd\n```\n";
    let found = blocks(text);
    assert_eq!(found.iter().map(|block| block.line).collect::<Vec<_>>(), [2, 6, 11, 18]);
    let is_accounted_for: Vec<_> = found.iter().map(|block| block.is_accounted_for("x.md")).collect();
    assert_eq!(is_accounted_for, [false, true, true, false]);
    assert_eq!(found[0].section, "One");
}

/// The documents that readers are led to: what is in `docs`, and what it speaks of elsewhere.
fn documents() -> Vec<String> {
    let elsewhere = ["README.md", "CONTRIBUTING.md", "gateway/README.md", "migrations/README.md"];
    let mut documents: Vec<_> = elsewhere.map(str::to_owned).into();
    for folder in ["docs", "docs/guides"] {
        let entries = fs::read_dir(Path::new(ROOT).join(folder)).expect("a folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        documents.extend(names.filter(|name| name.ends_with(".md")).map(|name| format!("{folder}/{name}")));
    }
    documents
}

/// A block for a shell.
struct Block {
    line: usize,
    /// The text of the nearest heading above.
    section: String,
    /// That of the nearest one of the second level.
    chapter: String,
    /// What stands on the line above, if that is a mark.
    mark: Option<String>,
}

impl Block {
    fn is_accounted_for(&self, document: &str) -> bool {
        if let Some(why) = self.mark.as_deref().and_then(|mark| mark.strip_prefix("*Not run: ")) {
            return why.len() > ".*".len() + 3 && why.ends_with(".*");
        }
        if let Some(by) = self.mark.as_deref().and_then(|mark| mark.strip_prefix("<!-- run by ")) {
            return Path::new(ROOT).join(by.trim_end_matches(" -->")).is_file();
        }
        let of = SECTIONS_OF.iter().find(|(name, _)| *name == document);
        let is_typed = TYPED.iter().any(|(name, _)| *name == document);
        is_typed && of.is_none_or(|(_, sections)| sections.contains(&self.section.as_str()))
    }
}

fn blocks(text: &str) -> Vec<Block> {
    let (mut found, mut above, mut is_inside) = (Vec::new(), "", false);
    let (mut chapter, mut section) = (String::new(), String::new());
    for (line, number) in text.lines().zip(1..) {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            is_inside = !is_inside;
            if is_inside && SHELLS.contains(&language.trim()) {
                let mark = ["*Not run: ", "<!-- run by "].iter().any(|mark| above.starts_with(mark));
                let mark = mark.then(|| above.to_owned());
                let (section, chapter) = (section.clone(), chapter.clone());
                found.push(Block { line: number, section, chapter, mark });
            }
        } else if !is_inside && (line.starts_with("## ") || line.starts_with("### ")) {
            section = line.trim_start_matches('#').trim().to_owned();
            if line.starts_with("## ") {
                chapter.clone_from(&section);
            }
        }
        above = line;
    }
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("a document")
}
