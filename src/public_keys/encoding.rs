//! Text around key bytes: PEM-like blocks and base64, read leniently where people and tools differ
//! (line breaks, padding, alphabet), strictly where a second meaning could hide.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// A block between `-----BEGIN label-----` and its `-----END label-----`.
pub struct Block<'a> {
    pub label: &'a str,
    pub body: &'a str,
    /// What follows the end line, trimmed.
    pub rest: &'a str,
}

/// Whether `text` claims to be a block.
pub fn is_block(text: &str) -> bool {
    text.starts_with(BEGIN)
}

/// Splits the block at the start of `text`; `None` when its frame is broken.
pub fn block(text: &str) -> Option<Block<'_>> {
    let (label, after) = text.strip_prefix(BEGIN)?.split_once(DASHES)?;
    let (body, after) = after.split_once(END)?;
    let rest = after.strip_prefix(label)?.strip_prefix(DASHES)?;
    Some(Block { label, body, rest: rest.trim() })
}

/// Whether `text` carries or announces private key material in any textual form, wherever in it.
pub fn looks_private(text: &str) -> bool {
    const MARKS: [&str; 4] = ["PRIVATE KEY", "PRIVATE-KEY", "PUTTY-USER-KEY-FILE", "PRIVATE-LINES"];
    let upper = text.to_ascii_uppercase();
    MARKS.iter().any(|mark| upper.contains(mark)) || (text.starts_with('{') && is_private_jwk(text))
}

/// A JSON Web Key with its private exponent, as far as can be told without reading JSON strictly.
fn is_private_jwk(text: &str) -> bool {
    let squeezed: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    squeezed.contains("\"d\":")
}

/// Base64 in either alphabet, with or without padding, white space anywhere.
pub fn base64(text: &str) -> Option<Vec<u8>> {
    let squeezed: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let url_safe = squeezed.iter().any(|b| matches!(b, b'-' | b'_'));
    let engine = if url_safe { URL_SAFE } else { STANDARD };
    engine.decode(squeezed).ok().filter(|bytes| !bytes.is_empty())
}

/// The first bytes of what `text` seems to encode, however broken it is behind them: enough to tell
/// whether it was private.
pub fn head(text: &str) -> Vec<u8> {
    let body = if is_block(text) { text.splitn(3, DASHES).nth(2).unwrap_or_default() } else { text };
    let mut head: String = body.chars().filter(|c| !c.is_ascii_whitespace()).take(64).collect();
    let digits =
        head.find(|c: char| !(c.is_ascii_alphanumeric() || "+/-_".contains(c))).unwrap_or(head.len());
    head.truncate(digits / 4 * 4);
    base64(&head).unwrap_or_default()
}

/// Whether `bytes` begin with an OpenPGP secret key or subkey packet (RFC 9580 sections 4.2 and 5.5),
/// judged by its header and version alone.
pub fn is_secret_pgp(bytes: &[u8]) -> bool {
    let first = bytes.first().copied().unwrap_or_default();
    let second = bytes.get(1).copied().unwrap_or_default();
    let (secret, length_octets) = match first {
        0x94..=0x97 | 0x9c..=0x9f => (true, [1, 2, 4, 0][usize::from(first & 3)]),
        0xc5 | 0xc7 => {
            (true, [1, 2, 5][usize::from((192..224).contains(&second)) + 2 * usize::from(second == 255)])
        }
        _ => (false, 0),
    };
    secret && matches!(bytes.get(1 + length_octets), Some(2..=6))
}

/// Standard base64 in lines of 64 columns, each ended by a line feed, between PEM lines.
pub fn pem(label: &str, der: &[u8]) -> String {
    let encoded = base64::prelude::BASE64_STANDARD.encode(der);
    let mut out = format!("{BEGIN}{label}{DASHES}\n");
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    out + &format!("{END}{label}{DASHES}\n")
}
