//! The forms in which a partner sends a signing secret (contract 5), and ours.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose};

use super::master::random;
use super::published_secrets;
use super::secret::{Secret, is_guessable};

const PREFIX: &str = "whsec_";
const MIN_BYTES: usize = 32;
const MAX_BYTES: usize = 256;
/// From this many characters on, text of hex digits is hex: 64 of them are 32 bytes.
const MIN_HEX: usize = 64;

/// The reasons to refuse a secret. Never repeats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Neither hex nor base64.
    Encoding,
    /// White space before or behind it, as a file or a copied line has.
    Blanks,
    /// More than one `whsec_`.
    PrefixedTwice,
    /// A prefix that is not `whsec_`.
    OtherPrefix,
    /// Hex digits, fewer than 64 of them.
    ShortHex,
    /// Hex digits, an odd number of them.
    OddHex,
    /// Hex digits with something before, between or behind them.
    DressedHex,
    /// Fewer than 32 bytes.
    TooShort,
    /// More than 256 bytes.
    TooLong,
    /// Bytes that anybody could guess.
    Guessable,
    /// A secret that stands in a standard or in documentation.
    Published,
}

impl Refusal {
    /// For people.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::Encoding => "must be base64 or hex, optionally after whsec_",
            Self::Blanks => "has white space at its beginning or end; send the secret alone",
            Self::PrefixedTwice => "has whsec_ twice; send it once or not at all",
            Self::OtherPrefix => {
                "has a prefix that is not whsec_ in lower case; only secrets of that kind are taken"
            }
            Self::ShortHex => {
                "looks like hex, but of fewer than 64 digits, which are fewer than 32 bytes; send 64 or more"
            }
            Self::OddHex => "looks like hex, but has an odd number of digits: one is missing or too many",
            Self::DressedHex => "looks like hex with 0x, dashes or colons; send the hex digits alone",
            Self::TooShort => "must have at least 32 bytes once decoded",
            Self::TooLong => "must have at most 256 bytes once decoded",
            Self::Guessable => "is too regular to be a secret; use random bytes",
            Self::Published => {
                "is a published example that anybody can sign with; use random bytes of your own"
            }
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
/// base64, standard or URL-safe, padded or not. What looks like hex and is not is refused, although
/// its letters are base64 as well: random base64 of 32 bytes has only hex digits once in 2^66.
///
/// # Errors
/// Says what is wrong with it.
pub fn decode(text: &str) -> Result<Secret<Vec<u8>>, Refusal> {
    if text.trim() != text {
        return Err(Refusal::Blanks);
    }
    let text = text.strip_prefix(PREFIX).unwrap_or(text);
    refuse_other_prefix(text)?;
    let bytes =
        if is_hex(text)? { hex::decode(text).ok() } else { from_base64(text) }.ok_or(Refusal::Encoding)?;
    let bytes = Secret::new(bytes);
    if published_secrets::contain(bytes.expose()) {
        return Err(Refusal::Published);
    }
    match bytes.expose().len() {
        ..MIN_BYTES => Err(Refusal::TooShort),
        length if length > MAX_BYTES => Err(Refusal::TooLong),
        _ if is_guessable(bytes.expose()) => Err(Refusal::Guessable),
        _ => Ok(bytes),
    }
}

/// Prefixes whose characters are all of URL-safe base64, so that they would be read as bytes: ours once
/// more, Standard Webhooks' for asymmetric keys, and Stripe-like ones.
fn refuse_other_prefix(text: &str) -> Result<(), Refusal> {
    const OTHERS: [&str; 7] = ["whsec-", "whsk_", "whpk_", "sk_live_", "sk_test_", "tk_live_", "tk_test_"];
    if text.starts_with(PREFIX) {
        return Err(Refusal::PrefixedTwice);
    }
    let starts = |prefix: &str| text.get(..prefix.len()).is_some_and(|it| it.eq_ignore_ascii_case(prefix));
    if starts(PREFIX) || OTHERS.into_iter().any(starts) { Err(Refusal::OtherPrefix) } else { Ok(()) }
}

/// Returns `true` if `text` is hex.
fn is_hex(text: &str) -> Result<bool, Refusal> {
    let digits = text.strip_prefix("0x").or(text.strip_prefix("0X")).unwrap_or(text);
    let dressed = digits.len() != text.len();
    let only = |more: &[u8]| {
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit() || more.contains(&b))
    };
    if !only(b"-:_ ") {
        return Ok(false);
    }
    match digits.len() {
        length if dressed || !only(b"") => {
            // A short one may be anything.
            if length < MIN_BYTES { Ok(false) } else { Err(Refusal::DressedHex) }
        }
        length if !length.is_multiple_of(2) => Err(Refusal::OddHex),
        ..MIN_HEX => Err(Refusal::ShortHex),
        _ => Ok(true),
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

    /// 32 bytes that look random, in many spellings.
    const HEX: &str = "fb9f8c3e17d2604ab5e91c77f0383dfe6250cfa98bd14e73960f2ac5e8b47d1b";
    const BASE64: &str = "+5+MPhfSYEq16Rx38Dg9/mJQz6mL0U5zlg8qxei0fRs=";

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
    fn what_looks_like_hex_and_is_not_is_told_so() {
        let cases = [
            (HEX[..48].to_owned(), Refusal::ShortHex),
            (HEX[..60].to_owned(), Refusal::ShortHex),
            (HEX[..62].to_uppercase(), Refusal::ShortHex),
            (HEX[..63].to_owned(), Refusal::OddHex),
            (HEX[..43].to_owned(), Refusal::OddHex),
            (format!("{HEX}0"), Refusal::OddHex),
            (HEX[..44].to_owned(), Refusal::ShortHex),
            (HEX[..1].to_owned(), Refusal::OddHex),
            (format!("0x{HEX}"), Refusal::DressedHex),
            (format!("0X{}", HEX.to_uppercase()), Refusal::DressedHex),
            (format!("{}-{}", &HEX[..32], &HEX[32..]), Refusal::DressedHex),
            ("0192f0c1-2345-7abc-8def-0123456789ab-0192f0c1-2345-7abc".to_owned(), Refusal::DressedHex),
            (
                HEX.as_bytes().chunks(2).map(|it| String::from_utf8_lossy(it)).collect::<Vec<_>>().join(":"),
                Refusal::DressedHex,
            ),
        ];
        for (text, reason) in cases {
            assert_eq!(refusal(&text), reason, "{text}");
            assert_eq!(refusal(&format!("whsec_{text}")), reason, "{text}");
        }
    }

    #[test]
    fn blanks_and_prefixes_are_told() {
        for blank in [" ", "\n", "\r\n", "\t", "\u{a0}"] {
            assert_eq!(refusal(&format!("{BASE64}{blank}")), Refusal::Blanks, "{blank:?}");
            assert_eq!(refusal(&format!("{blank}{HEX}")), Refusal::Blanks, "{blank:?}");
        }
        assert_eq!(refusal(&format!("whsec_whsec_{BASE64}")), Refusal::PrefixedTwice);
        assert_eq!(refusal(&format!("whsec_whsec_{HEX}")), Refusal::PrefixedTwice);
        for prefix in ["WHSEC_", "Whsec_", "whsec-", "whsk_", "whpk_", "sk_live_", "tk_test_", "whsec_WHSEC_"]
        {
            assert_eq!(refusal(&format!("{prefix}{HEX}")), Refusal::OtherPrefix, "{prefix}");
        }
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
            &format!("{BASE64}!"),
            &format!("\"{BASE64}\""),
            "whsec_ 47DE",
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
