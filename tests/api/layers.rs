//! Imports point one way: a file uses its own layer and those below it, never one above
//! (architecture 1).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// From the ground up. A module belongs to the longest path that names it; `*` stands for one segment.
const LAYERS: &[(&str, &[&str])] = &[
    ("the ground", &["clock", "ids", "limits", "network", "page", "readiness", "request_id"]),
    ("secrets and keys", &["crypto"]),
    ("what an event is, and how it travels", &["events"]),
    ("metrics", &["metrics"]),
    ("the database", &["db"]),
    ("errors", &["error"]),
    ("worker threads", &["workers"]),
    ("which features there are", &["features"]),
    ("which streams there are", &["streams"]),
    ("keys by the calendar", &["key_calendar"]),
    ("who is calling", &["identity"]),
    ("what is logged", &["audit", "telemetry"]),
    ("changes of an org", &["changes"]),
    ("configuration", &["config"]),
    ("requests and replies", &["http"]),
    (
        "a resource's input, rules and SQL",
        &[
            "routes::*::input",
            "routes::*::rules",
            "routes::*::store",
            "routes::events::entry",
            "routes::internal::events::batch",
            "routes::internal::events::store",
            "routes::leaks::queue",
            "routes::org::change",
            "routes::org::writes",
            "routes::public_keys::recipient",
            "routes::public_keys::usage",
            "routes::tenant_keys::new_key",
            "routes::tenant_keys::phases",
            "routes::tenant_keys::rights",
            "routes::tenant_keys::stored",
            "routes::users::by_worker",
            "routes::users::inserts",
            "routes::users::lookups",
            "routes::users::new_user",
            "routes::users::user",
        ],
    ),
    ("the outbox, and how queues do", &["outbox", "queue_health"]),
    ("the service's state", &["state"]),
    ("messages on their way", &["sending"]),
    ("kept replies", &["idempotency"]),
    ("handlers", &["routes", "metrics::scrape"]),
    ("the document", &["openapi"]),
    ("pages for people", &["console", "portal"]),
    ("what runs beside requests", &["background"]),
    ("the routers and their layers", &["app"]),
    ("the listeners", &["serve"]),
    ("the command line", &["cli", "main"]),
];

#[test]
fn no_import_points_up() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = sources(&root);
    let modules: BTreeSet<_> = files.iter().map(|file| module_of(&root, file)).collect();
    let mut up = Vec::new();
    let mut seen = 0;
    for file in &files {
        let module = module_of(&root, file);
        if module.is_empty() {
            continue;
        }
        let own = layer(&module);
        for import in imports(&fs::read_to_string(file).expect("a source file"), &module) {
            let Some(target) = known(&modules, &import) else { continue };
            seen += 1;
            if layer(&target) > own {
                let (from, to) = (LAYERS[own].0, LAYERS[layer(&target)].0);
                up.push(format!("{module} ({from}) uses {target} ({to})"));
            }
        }
    }
    assert!(up.is_empty(), "these point up: {up:#?}");
    assert!(seen > 500, "only {seen} imports were understood");
}

#[test]
fn imports_are_understood() {
    let source = "use std::fmt;\nuse super::store::{self, Plan};\npub(crate) use crate::{ids::OrgId, events::{EventType as K, targets::*}};\n\
                  // use crate::cli;\nlet x = crate::clock::rfc3339(at);\n#[cfg(test)]\nmod tests { use crate::serve; }";
    let found = imports(source, "routes::users::change");
    let expected = [
        "clock::rfc3339",
        "events::EventType",
        "events::targets::*",
        "ids::OrgId",
        "routes::users::store",
        "routes::users::store::Plan",
    ];
    assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}

/// The index of a module's layer.
fn layer(module: &str) -> usize {
    let segments: Vec<_> = module.split("::").collect();
    let names = |pattern: &str| {
        let pattern: Vec<_> = pattern.split("::").collect();
        let fits = pattern.len() <= segments.len()
            && pattern.iter().zip(&segments).all(|(wanted, segment)| *wanted == "*" || wanted == segment);
        fits.then_some(pattern.len())
    };
    let best = LAYERS
        .iter()
        .enumerate()
        .flat_map(|(index, (_, patterns))| patterns.iter().filter_map(move |p| Some((names(p)?, index))))
        .max();
    best.unwrap_or_else(|| panic!("{module} belongs to no layer: say which in LAYERS")).1
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    entries
        .flat_map(|path| match path.extension() {
            _ if path.is_dir() => sources(&path),
            Some(extension) if extension == "rs" => vec![path],
            _ => Vec::new(),
        })
        .collect()
}

/// `a::b` of `src/a/b.rs` and of `src/a/b/mod.rs`; nothing of `lib.rs`.
fn module_of(root: &Path, file: &Path) -> String {
    let path = file.strip_prefix(root).expect("below src").with_extension("");
    let segments = path.iter().map(|segment| segment.to_str().expect("UTF-8"));
    segments.filter(|segment| !["mod", "lib"].contains(segment)).collect::<Vec<_>>().join("::")
}

/// The module that an imported path leads to; none for what is no module of ours.
fn known(modules: &BTreeSet<String>, path: &str) -> Option<String> {
    let mut path = path.to_owned();
    while !modules.contains(&path) {
        path.truncate(path.rfind("::")?);
    }
    Some(path)
}

/// What a file uses of the crate, as paths from its root: `use` trees, and `crate::` in code. Tests may use
/// whatever they like.
fn imports(source: &str, module: &str) -> BTreeSet<String> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let code: Vec<_> = source.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let code = code.join("\n");
    let mut found = BTreeSet::new();
    for tree in code.split("use ").skip(1).filter_map(|rest| rest.split(';').next()) {
        found.extend(leaves(tree).iter().filter_map(|path| from_root(path, module)));
    }
    for path in code.split("crate::").skip(1) {
        let is_path = |c: char| c.is_alphanumeric() || "_:".contains(c);
        let path = path.split(|c| !is_path(c)).next().unwrap_or_default().trim_end_matches(':');
        if path.contains("::") {
            found.insert(path.to_owned());
        }
    }
    found
}

/// `a::{b, c::{d, self}}` as `a::b`, `a::c::d`, `a::c`.
fn leaves(tree: &str) -> Vec<String> {
    let Some((head, rest)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default().trim();
        return vec![path.trim_end_matches("::self").to_owned()];
    };
    let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
    let mut depth = 0;
    let parts = inner.split(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    });
    parts
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .flat_map(|part| leaves(&format!("{}{part}", head.trim())))
        .collect()
}

fn from_root(path: &str, module: &str) -> Option<String> {
    if let Some(path) = path.strip_prefix("crate::") {
        return Some(path.to_owned());
    }
    if let Some(path) = path.strip_prefix("self::") {
        return Some(format!("{module}::{path}"));
    }
    let mut base: Vec<_> = module.split("::").collect();
    let mut path = path.strip_prefix("super::")?;
    base.pop();
    while let Some(rest) = path.strip_prefix("super::") {
        base.pop();
        path = rest;
    }
    base.push(path);
    Some(base.join("::"))
}
