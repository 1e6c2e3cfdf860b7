//! What is mutated: the fixtures of the tests, as text and taken apart.

use std::path::{Path, PathBuf};
use std::{fs, io};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng, RngExt as _};
use sha2::{Digest as _, Sha256};

use crate::certificates::{self, Packet};
use crate::der::{self, Element};
use crate::text;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
/// Longer inputs are refused unread, so growing further teaches nothing.
const LONGEST: usize = 80 * 1024;

/// A key in the form in which it is mutated.
#[derive(Clone)]
pub enum Form {
    Text(Vec<u8>),
    Certificate(Vec<Packet>),
    Der(Vec<Element>),
}

impl Form {
    fn mutate(&mut self, rng: &mut StdRng, other: &Self) {
        match (self, other) {
            (Self::Text(bytes), _) => text::mutate(bytes, rng),
            (Self::Certificate(packets), Self::Certificate(others)) => {
                certificates::mutate(packets, others, rng)
            }
            (Self::Certificate(packets), _) => certificates::mutate(packets, &[], rng),
            (Self::Der(elements), Self::Der(others)) => der::mutate(elements, others, rng),
            (Self::Der(elements), _) => der::mutate(elements, &[], rng),
        }
    }

    /// As it is sent: bare, framed, or dressed up.
    pub fn to_text(&self, rng: &mut StdRng) -> String {
        let plain = match self {
            Self::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Self::Certificate(packets) => {
                text::frame("PGP PUBLIC KEY BLOCK", &certificates::join(packets, rng), rng)
            }
            Self::Der(elements) => text::frame("PUBLIC KEY", &der::join(elements), rng),
        };
        let mut text = text::dress(plain, rng);
        let end =
            (0..=LONGEST.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
        text.truncate(end);
        text
    }
}

/// The pool.
pub struct Seeds(Vec<Form>);

impl Seeds {
    pub fn read() -> io::Result<Self> {
        let mut pool = Vec::new();
        for path in files(Path::new(FIXTURES))? {
            let is_key = |end: &str| path.extension().is_some_and(|extension| extension == end);
            if !(is_key("pem") || is_key("asc") || is_key("txt") || is_key("key")) {
                continue;
            }
            let text = fs::read(&path)?;
            if let Some(bytes) = inside(&String::from_utf8_lossy(&text)) {
                if is_key("asc") {
                    pool.extend(certificates::split(&bytes).map(Form::Certificate));
                } else {
                    pool.extend(der::split(&bytes).map(Form::Der));
                }
            }
            pool.push(Form::Text(text));
        }
        if pool.len() < 100 { Err(io::Error::other("the fixtures are gone")) } else { Ok(Self(pool)) }
    }

    /// One of the pool, changed a few times.
    pub fn mutated(&self, rng: &mut StdRng) -> Form {
        let mut form = self.any(rng).clone();
        for _ in 0..rng.random_range(1..5) {
            let other = self.any(rng);
            form.mutate(rng, other);
        }
        form
    }

    /// One of the pool, only dressed up.
    pub fn untouched(&self, rng: &mut StdRng) -> String {
        self.any(rng).to_text(rng)
    }

    pub fn add(&mut self, form: Form) {
        self.0.push(form);
    }

    fn any(&self, rng: &mut impl Rng) -> &Form {
        self.0.choose(rng).unwrap_or(&self.0[0])
    }
}

/// The bytes inside the first block of a text.
fn inside(text: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (_, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once("-----END")?;
    let lines = body.lines().filter(|line| !line.contains(':') && !line.starts_with('='));
    BASE64_STANDARD.decode(lines.collect::<String>()).ok()
}

/// What once broke a promise.
pub fn corpus(folder: &Path) -> io::Result<Vec<String>> {
    let paths = files(folder)?;
    let kept = paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "txt"));
    kept.map(fs::read_to_string).collect()
}

/// In an order that is always the same, so that a seed leads to the same inputs.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths: Vec<_> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    paths.sort();
    Ok(paths)
}

/// The file name under which an input is kept.
pub fn name(text: &str) -> String {
    hex::encode(&Sha256::digest(text)[..8])
}
