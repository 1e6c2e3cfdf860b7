//! Keys made by openssl and gpg (`tests/fixtures/make.sh`), and badly made ones.

mod crafted;
mod disguises;
mod hostile;
mod packets;
mod pgp;
mod rsa;
mod stream;
mod table;
mod usage;

use chrono::{DateTime, Utc};

fn path(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// A committed key, as text.
pub(crate) fn fixture(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time")
}

/// A time at which the committed certificates are to be judged.
fn now() -> DateTime<Utc> {
    at("2026-06-01T00:00:00Z")
}

/// The base64 between the lines of a block.
pub(crate) fn body(block: &str) -> String {
    block.lines().filter(|line| !line.starts_with("-----") && !line.contains(':')).collect()
}
