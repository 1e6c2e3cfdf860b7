//! Secrets that everybody can read: those of standards and of documentation. They look random, and
//! whoever uses one lets anybody sign.
//!
//! To add one: a line in [`WRITTEN`] with where it is published.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// Each as it is written where it is published; base64 unless said otherwise.
const WRITTEN: [&str; 18] = [
    // Standard Webhooks: the specification's and the libraries' examples.
    "C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "plJ3nmyCDGBKInavdOK15jsl",
    // RFC 7515 A.1, RFC 7517 A.3 (HMAC).
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
    // RFC 7520 3.5 (HMAC), 3.6 and 5.4 (AES).
    "hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg",
    "qC57l_uxcm7Nm3K-ct4GFjx8tM1U8CZ0NLBvdQstiS8",
    "AAPapAv4LbFbiVawEjagUBluYqN5rhna-8nuldDvOx8",
    // RFC 9421 B.1.5.
    "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==",
    // NIST SP 800-38A F.1.5 and FIPS 197 C.3, AES-256.
    "YD3rEBXKcb4rc67whX13gR81LAc7YQjXLZgQowkU3_Q",
    // RFC 8032 7.1, Ed25519, the first three.
    "nWGxne_9WmC6hEr0kuwsxEREnFaXsyaRlwO6wDHK52A",
    "TM0ImyiP9tqdtsNG7BFOD1uKMZ81q6Yk2oz27U-4pvs",
    "xapd9D-fg3vtt0QvMdy3sWbThTUHbwlLhc46LgtEWPc",
    // RFC 7748 6.1, X25519, both private keys and the shared one.
    "dwdtCnMYpX08FsFyUbJmRd9ML5LrwJnCqyfA-4zzErc",
    "XasIfmJKiktmf4uDgA7mbzuxKSYYtv0cL4sn_4jg4Os",
    "Sl2dW6TOLeFyjjv0gDUPJeB-IclH0Z4zdvCbPB4WF0I",
    // jwt.io's default, as text and hashed below.
    "YS1zdHJpbmctc2VjcmV0LWF0LWxlYXN0LTI1Ni1iaXRzLWxvbmc",
    "eW91ci0yNTYtYml0LXNlY3JldA",
    // GitHub's documentation of webhooks: It's a Secret to Everybody.
    "SXQncyBhIFNlY3JldCB0byBFdmVyeWJvZHk",
];

/// Texts whose plain hash is in every table; nothing itself was this service's own example.
const HASHED: [&str; 24] = [
    "",
    "\n",
    " ",
    "0",
    "1",
    "123456",
    "12345678",
    "a",
    "abc",
    "admin",
    "changeme",
    "foo",
    "hello",
    "hello world",
    "Hello World",
    "Hello, World!",
    "key",
    "password",
    "secret",
    "test",
    "webhook",
    "your-256-bit-secret",
    "a-string-secret-at-least-256-bits-long",
    "It's a Secret to Everybody",
];

/// SHA-256 of each, sorted.
static LIST: LazyLock<Vec<[u8; 32]>> = LazyLock::new(|| {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let read = |text: &str| {
        let url_safe = text.replace('+', "-").replace('/', "_");
        GeneralPurpose::new(&alphabet::URL_SAFE, config).decode(url_safe).unwrap_or_default()
    };
    let hashed = HASHED.iter().flat_map(|text| {
        [Sha256::digest(text).to_vec(), Sha384::digest(text).to_vec(), Sha512::digest(text).to_vec()]
    });
    let mut list: Vec<_> =
        WRITTEN.into_iter().map(read).chain(hashed).map(|secret| Sha256::digest(secret).into()).collect();
    list.sort_unstable();
    list
});

/// Returns `true` if `secret` is one of them. Compared by hash, so that the time tells nothing of a
/// good one.
pub fn contain(secret: &[u8]) -> bool {
    let wanted: [u8; 32] = Sha256::digest(secret).into();
    LIST.binary_search(&wanted).is_ok()
}

#[cfg(test)]
mod tests {
    use crate::crypto::signing_secret::{Refusal, decode};

    #[test]
    fn every_written_one_is_refused_as_published() {
        for text in super::WRITTEN {
            assert_eq!(decode(text).map(|_| ()), Err(Refusal::Published), "{text}");
            assert_eq!(decode(&format!("whsec_{text}")).map(|_| ()), Err(Refusal::Published), "{text}");
        }
    }

    #[test]
    fn plain_hashes_of_what_everybody_hashes_are_refused() {
        let spellings = [
            // SHA-256 of nothing, which was the example in our own document.
            "whsec_47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            // SHA-256 of "secret" and of "password"; SHA-512 of nothing.
            "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b",
            "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8",
            "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd\
             47417a81a538327af927da3e",
        ];
        for text in spellings {
            assert_eq!(decode(text).map(|_| ()), Err(Refusal::Published), "{text}");
        }
    }
}
