//! The text of the keys that the service gives out: `<head>`, 43 random base62 characters, and a checksum of six.
//! Secret scanners recognise it, and it can be checked without a database (contract 4).

use rand::TryRng as _;
use rand::rngs::SysRng;
use zeroize::Zeroizing;

use super::imported_key::ForeignHash;
use super::secret::Secret;

/// base62 digits, most significant first.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 43 base62 characters hold 256 bits.
const RANDOM_LENGTH: usize = 43;
/// Six base62 characters hold a CRC-32.
const CHECKSUM_LENGTH: usize = 6;

/// A key of ours: useless to whoever sees its digest alone.
pub trait ApiKey {
    /// The key itself.
    fn text(&self) -> &str;

    /// The hashes under which another system may have kept it; none of one that was made here.
    fn foreign(&self) -> &[ForeignHash] {
        &[]
    }
}

/// Makes a key's text from the operating system's randomness.
///
/// # Panics
/// When the operating system has none: there is nothing sensible left to do.
#[must_use]
pub fn generate(head: &str) -> Secret<String> {
    // Reserved whole, so that growing leaves no copy behind.
    let mut text = String::with_capacity(head.len() + RANDOM_LENGTH + CHECKSUM_LENGTH);
    text.push_str(head);
    while text.len() < head.len() + RANDOM_LENGTH {
        let mut bytes = Zeroizing::new([0u8; 64]);
        SysRng.try_fill_bytes(&mut bytes[..]).expect("the operating system has randomness");
        // Bytes from 248 up would make the first digits likelier than the others.
        let fair = bytes.iter().filter(|byte| **byte < 248);
        let missing = head.len() + RANDOM_LENGTH - text.len();
        text.extend(fair.take(missing).map(|byte| char::from(DIGITS[usize::from(byte % 62)])));
    }
    let checksum = checksum(&text);
    text.extend(checksum.map(char::from));
    Secret::new(text)
}

/// The text of a key with this head, if its shape and checksum are right.
#[must_use]
pub fn parse(text: &[u8], head: &str) -> Option<Secret<String>> {
    let body = text.strip_prefix(head.as_bytes())?;
    if body.len() != RANDOM_LENGTH + CHECKSUM_LENGTH || !body.iter().all(u8::is_ascii_alphanumeric) {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    let (signed, sent) = text.split_at(text.len() - CHECKSUM_LENGTH);
    (checksum(signed) == sent.as_bytes()).then(|| Secret::new(text.to_owned()))
}

/// CRC-32 (IEEE) of everything before it, in base62, padded with zeros.
fn checksum(text: &str) -> [u8; CHECKSUM_LENGTH] {
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut out = [b'0'; CHECKSUM_LENGTH];
    for digit in out.iter_mut().rev() {
        *digit = DIGITS[(rest % 62) as usize];
        rest /= 62;
    }
    out
}
