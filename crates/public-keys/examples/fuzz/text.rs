//! Octets in a row, and what people put around them.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

/// Words that lead somewhere in a reader of keys.
const WORDS: [&str; 18] = [
    "-----BEGIN PUBLIC KEY-----\n",
    "-----END PUBLIC KEY-----\n",
    "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n",
    "-----END PGP PUBLIC KEY BLOCK-----\n",
    "-----BEGIN RSA PRIVATE KEY-----",
    "-----",
    "{\"kty\":\"RSA\",\"n\":\"",
    "\\n",
    "\r\n",
    "\u{feff}",
    "=",
    "====",
    "%2B%0A",
    "Comment: BEGIN PRIVATE KEY\n",
    "ssh-rsa ",
    "> ",
    "0x",
    "<RSAKeyValue><Modulus>",
];

/// Flips, cuts, doubles, inserts.
pub fn mutate(bytes: &mut Vec<u8>, rng: &mut StdRng) {
    if bytes.is_empty() {
        return bytes.push(rng.random());
    }
    let at = rng.random_range(0..bytes.len());
    let end = (at + rng.random_range(1..80)).min(bytes.len());
    match rng.random_range(0..8) {
        0 | 1 => bytes[at] = rng.random(),
        2 => bytes[at] ^= 1 << rng.random_range(0..8),
        3 => drop(bytes.drain(at..end)),
        4 => bytes.extend_from_within(at..end),
        5 => bytes.splice(at..at, WORDS.choose(rng).unwrap_or(&"").bytes()).for_each(drop),
        6 => bytes.truncate(at),
        _ => bytes[at..end].fill(rng.random()),
    }
}

/// Binary as text: bare, or between lines.
pub fn frame(label: &str, bytes: &[u8], rng: &mut StdRng) -> String {
    let base64 = match rng.random_range(0..8) {
        0 => BASE64_URL_SAFE_NO_PAD.encode(bytes),
        _ => BASE64_STANDARD.encode(bytes),
    };
    match rng.random_range(0..4) {
        0 => base64,
        1 => format!("-----BEGIN {label}-----\n\n{base64}\n-----END {label}-----"),
        _ => {
            let width = *[1, 64, 76].choose(rng).unwrap_or(&64);
            let lines: Vec<String> = base64
                .as_bytes()
                .chunks(width)
                .map(|line| String::from_utf8_lossy(line).into_owned())
                .collect();
            format!("-----BEGIN {label}-----\n\n{}\n-----END {label}-----\n", lines.join("\n"))
        }
    }
}

/// What people and their tools put around a key, mostly nothing.
pub fn dress(text: String, rng: &mut StdRng) -> String {
    match rng.random_range(0..24) {
        0 => text.replace('\n', "\\n"),
        1 => text.replace('\n', "\r\n"),
        2 => format!("\"{text}\""),
        3 => text.lines().map(|line| format!("> {line}\n")).collect(),
        4 => BASE64_STANDARD.encode(text),
        5 => hex::encode(text),
        6 => format!("\u{feff}# my key\n{text}"),
        7 => format!("{text}{text}"),
        8 => form_urlencoded::byte_serialize(text.as_bytes()).collect(),
        9 => serde_json::json!({"key": text}).to_string(),
        10 => text.replace('\n', " "),
        _ => text,
    }
}
