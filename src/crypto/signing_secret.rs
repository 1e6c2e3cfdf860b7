//! The forms in which a partner sends a signing secret (contract 5), and ours.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose};

use super::master::random;
use super::secret::{Secret, is_guessable};

const PREFIX: &str = "whsec_";
const MIN_BYTES: usize = 32;
const MAX_BYTES: usize = 256;
/// From this many characters on, text of hex digits is hex: 64 of them are 32 bytes.
const MIN_HEX: usize = 64;

/// Why a secret is refused. Never repeats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Neither hex nor base64.
    Encoding,
    /// Fewer than 32 bytes.
    TooShort,
    /// More than 256 bytes.
    TooLong,
    /// Bytes that anybody could guess.
    Guessable,
}

impl Refusal {
    /// For people.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::Encoding => "must be base64 or hex, optionally after whsec_",
            Self::TooShort => "must have at least 32 bytes once decoded",
            Self::TooLong => "must have at most 256 bytes once decoded",
            Self::Guessable => "is too regular to be a secret; use random bytes",
        }
    }
}

/// 32 random bytes.
#[must_use]
pub fn generate() -> Secret<Vec<u8>> {
    Secret::new(random::<32>().to_vec())
}

/// As it is shown once: what Standard Webhooks libraries take.
#[must_use]
pub fn encode(secret: &Secret<Vec<u8>>) -> Secret<String> {
    Secret::new(format!("{PREFIX}{}", general_purpose::STANDARD.encode(secret.expose())))
}

/// Reads a partner's secret. 64 or more, evenly many, hex characters are hex; everything else is
/// base64, standard or URL-safe, padded or not.
///
/// # Errors
/// Says what is wrong with it.
pub fn decode(text: &str) -> Result<Secret<Vec<u8>>, Refusal> {
    let text = text.strip_prefix(PREFIX).unwrap_or(text);
    let is_hex =
        text.len() >= MIN_HEX && text.len().is_multiple_of(2) && text.bytes().all(|b| b.is_ascii_hexdigit());
    let bytes = Secret::new(
        if is_hex { hex::decode(text).ok() } else { from_base64(text) }.ok_or(Refusal::Encoding)?,
    );
    match bytes.expose().len() {
        ..MIN_BYTES => Err(Refusal::TooShort),
        length if length > MAX_BYTES => Err(Refusal::TooLong),
        _ if is_guessable(bytes.expose()) => Err(Refusal::Guessable),
        _ => Ok(bytes),
    }
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabet = if text.contains(['-', '_']) { &alphabet::URL_SAFE } else { &alphabet::STANDARD };
    GeneralPurpose::new(alphabet, lenient).decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of nothing: 32 bytes that look random, in many spellings.
    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const BASE64: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

    fn refusal(text: &str) -> Refusal {
        decode(text).map(|_| ()).unwrap_err()
    }

    #[test]
    fn every_published_spelling_is_the_same_secret() {
        let bytes = hex::decode(HEX).unwrap();
        let url_safe = BASE64.replace('+', "-").replace('/', "_");
        for text in [
            HEX,
            &HEX.to_uppercase(),
            BASE64,
            BASE64.trim_end_matches('='),
            &url_safe,
            url_safe.trim_end_matches('='),
        ] {
            assert_eq!(decode(text).unwrap().expose(), &bytes, "{text}");
            assert_eq!(decode(&format!("whsec_{text}")).unwrap().expose(), &bytes, "{text}");
        }
    }

    #[test]
    fn fewer_than_64_hex_characters_are_base64() {
        let text = "abcdefabcdef0123456789abcdefabcdef0123456789abcd";
        assert_eq!(decode(text).unwrap().expose().len(), 36);
    }

    #[test]
    fn the_length_is_counted_in_decoded_bytes() {
        let encoded = |length: u32| {
            let bytes: Vec<u8> = (0..length).map(|n| (n * n % 251) as u8).collect();
            general_purpose::STANDARD.encode(bytes)
        };
        assert_eq!(refusal(&encoded(31)), Refusal::TooShort);
        assert!(decode(&encoded(32)).is_ok() && decode(&encoded(256)).is_ok());
        assert_eq!(refusal(&encoded(257)), Refusal::TooLong);
        assert_eq!(refusal(""), Refusal::TooShort);
    }

    #[test]
    fn bytes_that_anybody_could_guess_are_refused() {
        let refused = |bytes: &[u8]| refusal(&general_purpose::STANDARD.encode(bytes)) == Refusal::Guessable;
        assert!(refused(&[0; 32]));
        assert!(refused(&b"secret".repeat(6)));
        assert!(refused(&(0..32).collect::<Vec<u8>>()));
        assert!(refused(&(0..64).rev().collect::<Vec<u8>>()));
        assert!(refused(&b"0123456789abcdef".repeat(2)));
    }

    #[test]
    fn other_text_is_refused() {
        for bad in [
            "!",
            "whsec_*",
            "a b",
            "=",
            &"z".repeat(45),
            &format!("{BASE64}\n"),
            &format!("whsec_whsec_{BASE64}!"),
        ] {
            assert_eq!(refusal(bad), Refusal::Encoding, "{bad}");
        }
    }

    #[test]
    fn what_we_show_is_what_we_read() {
        let secret = generate();
        assert_eq!(decode(encode(&secret).expose()).unwrap().expose(), secret.expose());
    }
}
