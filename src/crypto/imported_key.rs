//! Keys that were made elsewhere (contract 15): their form, and the hashes that another system kept of them.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::secret::Secret;

/// The randomness that a form must allow, in bits: below, a stolen table of hashes could be tried through.
const MIN_BITS: f64 = 128.0;
/// The longest beginning that all keys of a form share, in characters.
const MAX_PREFIX: usize = 32;
/// Of platform tokens, which are no tenant's.
const RESERVED: &str = "pt_";

/// The characters that follow the prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alphabet {
    /// `0-9a-f`
    Hex,
    /// `A-Z2-7`
    Base32,
    /// `0-9a-z`
    Base36,
    /// `0-9A-Za-z`
    Base62,
    /// `0-9A-Za-z_-`
    Base64Url,
}

impl Alphabet {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::Hex, Self::Base32, Self::Base36, Self::Base62, Self::Base64Url];

    /// The name on the wire and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hex => "hex",
            Self::Base32 => "base32",
            Self::Base36 => "base36",
            Self::Base62 => "base62",
            Self::Base64Url => "base64url",
        }
    }

    /// The alphabet of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|alphabet| alphabet.name() == name)
    }

    fn size(self) -> f64 {
        match self {
            Self::Hex => 16.0,
            Self::Base32 => 32.0,
            Self::Base36 => 36.0,
            Self::Base62 => 62.0,
            Self::Base64Url => 64.0,
        }
    }

    fn has(self, byte: u8) -> bool {
        match self {
            Self::Hex => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
            Self::Base32 => byte.is_ascii_uppercase() || (b'2'..=b'7').contains(&byte),
            Self::Base36 => byte.is_ascii_digit() || byte.is_ascii_lowercase(),
            Self::Base62 => byte.is_ascii_alphanumeric(),
            Self::Base64Url => byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-',
        }
    }
}

/// The form of keys that were made elsewhere: a prefix, and so many characters of an alphabet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPattern {
    prefix: String,
    length: u16,
    alphabet: Alphabet,
}

impl KeyPattern {
    /// The fewest and the most characters after the prefix.
    pub const LENGTHS: [u16; 2] = [16, 128];

    /// Takes a form that allows enough randomness.
    ///
    /// # Errors
    /// Says which rule it breaks.
    pub fn new(prefix: &str, length: u16, alphabet: Alphabet) -> Result<Self, &'static str> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if prefix.len() > MAX_PREFIX || !prefix.bytes().all(is_plain) {
            return Err("prefix must be at most 32 letters, digits, _, - and .");
        }
        if prefix.starts_with(RESERVED) {
            return Err("pt_ is the prefix of platform tokens");
        }
        let [least, most] = Self::LENGTHS;
        if !(least..=most).contains(&length) || f64::from(length) * alphabet.size().log2() < MIN_BITS {
            return Err("must allow 128 bits of randomness after the prefix, in at most 128 characters");
        }
        Ok(Self { prefix: prefix.to_owned(), length, alphabet })
    }

    /// The shared beginning.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The number of characters after it.
    #[must_use]
    pub fn length(&self) -> u16 {
        self.length
    }

    /// Which characters those are.
    #[must_use]
    pub fn alphabet(&self) -> Alphabet {
        self.alphabet
    }

    /// Returns `false` for a text that is too short or too long for any form.
    #[must_use]
    pub fn may_fit(text: &str) -> bool {
        let [least, most] = Self::LENGTHS.map(usize::from);
        (least..=MAX_PREFIX + most).contains(&text.len())
    }

    /// Returns `true` for a text of this form.
    #[must_use]
    pub fn fits(&self, text: &str) -> bool {
        let body = text.strip_prefix(&self.prefix).map(str::as_bytes);
        body.is_some_and(|body| {
            body.len() == usize::from(self.length) && body.iter().all(|byte| self.alphabet.has(*byte))
        })
    }
}

/// The way in which another system hashed its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForeignAlgorithm {
    /// SHA-256 of the key's text.
    Sha256,
    /// HMAC-SHA-256 of it under a secret of that system's.
    HmacSha256,
}

impl ForeignAlgorithm {
    /// The name on the wire; also what keeps one algorithm's hash from being taken for the other's.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::HmacSha256 => "hmac-sha256",
        }
    }

    /// The algorithm of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Sha256, Self::HmacSha256].into_iter().find(|algorithm| algorithm.name() == name)
    }
}

/// A key's hash as another system kept it. It is stored under our pepper only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ForeignHash {
    /// How it was made.
    pub algorithm: ForeignAlgorithm,
    /// The hash itself.
    pub digest: [u8; 32],
}

impl ForeignHash {
    /// SHA-256 of a key.
    #[must_use]
    pub fn sha256(text: &str) -> Self {
        Self { algorithm: ForeignAlgorithm::Sha256, digest: Sha256::digest(text.as_bytes()).into() }
    }

    /// HMAC-SHA-256 of a key.
    ///
    /// # Panics
    /// Never: HMAC takes secrets of any length.
    #[must_use]
    pub fn hmac_sha256(text: &str, secret: &Secret<Vec<u8>>) -> Self {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(secret.expose()).expect("HMAC takes secrets of any length");
        mac.update(text.as_bytes());
        Self { algorithm: ForeignAlgorithm::HmacSha256, digest: mac.finalize().into_bytes().into() }
    }
}

impl std::fmt::Debug for ForeignHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ForeignHash({})", self.algorithm.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(prefix: &str, length: u16, alphabet: Alphabet) -> bool {
        KeyPattern::new(prefix, length, alphabet).is_err()
    }

    #[test]
    fn a_form_allows_128_bits_or_is_refused() {
        for (alphabet, least) in [
            (Alphabet::Hex, 32),
            (Alphabet::Base32, 26),
            (Alphabet::Base36, 25),
            (Alphabet::Base62, 22),
            (Alphabet::Base64Url, 22),
        ] {
            assert!(!refused("sk_live_", least, alphabet), "{alphabet:?}");
            assert!(refused("sk_live_", least - 1, alphabet), "{alphabet:?}");
            assert!(refused("", 129, alphabet), "{alphabet:?}");
            assert_eq!(Alphabet::parse(alphabet.name()), Some(alphabet));
        }
    }

    #[test]
    fn a_prefix_is_short_and_plain_and_not_that_of_platform_tokens() {
        for bad in ["pt_live_", "a b", "sk*", "\u{e9}", &"a".repeat(33)] {
            assert!(refused(bad, 40, Alphabet::Base62), "{bad}");
        }
        for good in ["", "sk_live_", "acme.v1-", "pt"] {
            assert!(!refused(good, 40, Alphabet::Base62), "{good}");
        }
    }

    #[test]
    fn a_text_fits_by_prefix_length_and_alphabet_and_no_other_way() {
        let pattern = KeyPattern::new("sk_", 32, Alphabet::Hex).unwrap();
        let body = "0123456789abcdef0123456789abcdef";
        assert!(pattern.fits(&format!("sk_{body}")));
        for bad in [
            format!("sk_{}", &body[1..]),
            format!("sk_{body}0"),
            format!("sK_{body}"),
            format!("sk_{}", body.to_uppercase()),
            format!("sk_{}g", &body[1..]),
            format!("sk_{}\u{e9}", &body[2..]),
            body.to_owned(),
            String::new(),
        ] {
            assert!(!pattern.fits(&bad), "{bad}");
        }
    }

    #[test]
    fn hashes_are_those_that_other_systems_make() {
        // printf %s key | sha256sum; printf %s key | openssl dgst -sha256 -hmac secret
        let sha256 = "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683";
        assert_eq!(hex::encode(ForeignHash::sha256("key").digest), sha256);
        let hmac = ForeignHash::hmac_sha256("key", &Secret::new(b"secret".to_vec()));
        assert_eq!(hex::encode(hmac.digest), HMAC);
        assert_eq!(format!("{hmac:?}"), "ForeignHash(hmac-sha256)");
    }

    const HMAC: &str = "96de09a0f8699191b28587118ac57df88bbf6c2d0c131d196dcd90f7efd68c93";
}
