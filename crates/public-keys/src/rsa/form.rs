//! The forms an RSA public key comes in, and what else people send by mistake.

use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, UintRef};
use der::{Decode, Encode, ErrorKind};
use spki::AlgorithmIdentifierRef;

use super::RsaRefusal;
use crate::encoding::Block;
use crate::private::{INTEGER, OBJECT_IDENTIFIER, SEQUENCE, element};
use crate::{MAX_INPUT, encoding, private};

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const RSAES_OAEP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.7");
const RSASSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// X25519, X448, Ed25519, Ed448 (RFC 8410).
const EDWARDS: [ObjectIdentifier; 4] = [
    ObjectIdentifier::new_unwrap("1.3.101.110"),
    ObjectIdentifier::new_unwrap("1.3.101.111"),
    ObjectIdentifier::new_unwrap("1.3.101.112"),
    ObjectIdentifier::new_unwrap("1.3.101.113"),
];

/// Modulus and exponent, big endian, no leading zeros.
pub(super) struct Numbers {
    pub modulus: Vec<u8>,
    pub exponent: Vec<u8>,
}

type Read<T> = Result<T, RsaRefusal>;

pub(super) fn read(text: &str) -> Read<Numbers> {
    if text.len() > MAX_INPUT {
        return Err(RsaRefusal::TooLarge);
    }
    if private::is_in(text) {
        return Err(RsaRefusal::PrivateKey);
    }
    let text = encoding::undressed(text);
    let (blocks, rest) = encoding::blocks(&text).ok_or(RsaRefusal::Malformed)?;
    if blocks.is_empty() { read_bare(&text) } else { read_blocks(&blocks, rest) }
}

/// Our own canonical form.
pub(super) fn read_stored(pem: &str) -> Read<Numbers> {
    let (blocks, _) = encoding::blocks(pem).ok_or(RsaRefusal::Malformed)?;
    let block = blocks.first().ok_or(RsaRefusal::NotAKey)?;
    read_spki(&encoding::base64(block.body).ok_or(RsaRefusal::Malformed)?)
}

/// One key in PEM. Text before it is read over (RFC 7468 section 2), and so is the certificate that it
/// was taken from, which `openssl x509 -pubkey` prints along with it.
fn read_blocks(blocks: &[Block<'_>], rest: &str) -> Read<Numbers> {
    let is_key = |block: &&Block<'_>| matches!(block.label, "PUBLIC KEY" | "RSA PUBLIC KEY");
    let Some(key) = blocks.iter().find(is_key) else { return Err(other_label(blocks[0].label)) };
    let der = encoding::base64(key.body).ok_or(RsaRefusal::Malformed)?;
    for (at, block) in blocks.iter().enumerate().filter(|(_, block)| !std::ptr::eq(*block, key)) {
        let is_its_own = block.label.contains("CERTIFICATE")
            && encoding::base64(block.body).is_some_and(|outer| contains(&outer, &der));
        if !(is_its_own || at > 0 && block.label.ends_with("PARAMETERS")) {
            return Err(RsaRefusal::TrailingData);
        }
    }
    if !encoding::is_comment(rest) {
        return Err(RsaRefusal::TrailingData);
    }
    read_der(&der)
}

fn contains(outer: &[u8], inner: &[u8]) -> bool {
    outer.windows(inner.len()).any(|window| window == inner)
}

/// A key without a frame, between lines of comment.
fn read_bare(text: &str) -> Read<Numbers> {
    if let Some(other) = other_text(text) {
        return Err(other);
    }
    let bare: String = text.lines().filter(|line| !encoding::is_comment(line)).collect();
    read_der(&encoding::base64(&bare).ok_or(RsaRefusal::NotAKey)?)
}

/// What is no base64 of DER, by its first letters.
fn other_text(text: &str) -> Option<RsaRefusal> {
    let word = text
        .split_whitespace()
        .find(|word| word.starts_with("ssh-") || word.starts_with("ecdsa-") || word.starts_with("sk-"));
    let is_hex = |text: &str| {
        let digits = text.chars().filter(|c| !(c.is_whitespace() || *c == ':')).collect::<String>();
        digits.len() > 64 && digits.chars().all(|c| c.is_ascii_hexdigit())
    };
    let is_percent_encoded =
        text.contains("%2B") || text.contains("%2F") || text.contains("%0A") || text.contains("%20");
    match text.chars().next()? {
        '{' if text.contains("\"keys\"") => Some(RsaRefusal::JwkSet),
        '[' => Some(RsaRefusal::JwkSet),
        '{' => Some(RsaRefusal::Jwk),
        '<' => Some(RsaRefusal::Xml),
        '-' if text.starts_with("---- BEGIN SSH2") => Some(RsaRefusal::Ssh2),
        _ if text.contains("Public-Key: (") => Some(RsaRefusal::Description),
        _ if word.is_some_and(|word| word == "ssh-rsa") => Some(RsaRefusal::OpenSsh),
        _ if word.is_some() => Some(RsaRefusal::OtherOpenSsh),
        _ if is_percent_encoded => Some(RsaRefusal::PercentEncoded),
        _ if is_hex(text) => Some(RsaRefusal::Hex),
        _ => None,
    }
}

/// Either form, whatever the label says: they are told by what they hold.
fn read_der(der: &[u8]) -> Read<Numbers> {
    refuse_known_others(der)?;
    if shape(der) == Some(Shape::Pkcs1) { read_pkcs1(der) } else { read_spki(der) }
}

fn other_label(label: &str) -> RsaRefusal {
    match label {
        "PGP PUBLIC KEY BLOCK" => RsaRefusal::PgpCertificate,
        "EC PUBLIC KEY" | "EC PARAMETERS" => RsaRefusal::EllipticCurve,
        _ if label.contains("SSH2") => RsaRefusal::Ssh2,
        _ if label.contains("REQUEST") => RsaRefusal::Request,
        _ if label.contains("CERTIFICATE") => RsaRefusal::Certificate,
        "PKCS7" | "PKCS #7 SIGNED DATA" | "CMS" => RsaRefusal::Bundle,
        _ => RsaRefusal::NotAKey,
    }
}

pub(super) fn read_spki(der: &[u8]) -> Read<Numbers> {
    let info = spki::SubjectPublicKeyInfo::<AnyRef<'_>, BitStringRef<'_>>::from_der(der).map_err(strict)?;
    refuse_other_algorithm(info.algorithm)?;
    let key = info.subject_public_key.as_bytes().ok_or(RsaRefusal::Malformed)?;
    read_pkcs1(key)
}

fn refuse_other_algorithm(algorithm: AlgorithmIdentifierRef<'_>) -> Read<()> {
    match algorithm.oid {
        RSA_ENCRYPTION => {
            // RFC 3279 section 2.3.1: the parameters MUST be NULL.
            let null = algorithm.parameters.is_some_and(|parameters| parameters == AnyRef::NULL);
            null.then_some(()).ok_or(RsaRefusal::Malformed)
        }
        RSAES_OAEP | RSASSA_PSS => Err(RsaRefusal::RestrictedRsa),
        EC_PUBLIC_KEY => Err(RsaRefusal::EllipticCurve),
        oid if EDWARDS.contains(&oid) => Err(RsaRefusal::Edwards),
        _ => Err(RsaRefusal::NotRsa),
    }
}

fn read_pkcs1(der: &[u8]) -> Read<Numbers> {
    // `UintRef` accepts only minimal, non-negative integers.
    let key = pkcs1::RsaPublicKey::from_der(der).map_err(strict)?;
    Ok(Numbers {
        modulus: key.modulus.as_bytes().to_vec(),
        exponent: key.public_exponent.as_bytes().to_vec(),
    })
}

fn strict(error: der::Error) -> RsaRefusal {
    match error.kind() {
        ErrorKind::TrailingData { .. } => RsaRefusal::TrailingData,
        _ => RsaRefusal::Malformed,
    }
}

pub(super) fn write_spki(numbers: &Numbers) -> Read<Vec<u8>> {
    let encode = || -> der::Result<Vec<u8>> {
        let key = pkcs1::RsaPublicKey {
            modulus: UintRef::new(&numbers.modulus)?,
            public_exponent: UintRef::new(&numbers.exponent)?,
        }
        .to_der()?;
        let algorithm = AlgorithmIdentifierRef { oid: RSA_ENCRYPTION, parameters: Some(AnyRef::NULL) };
        spki::SubjectPublicKeyInfo { algorithm, subject_public_key: BitStringRef::from_bytes(&key)? }.to_der()
    };
    encode().map_err(|_| RsaRefusal::Malformed)
}

/// Recognises what is no key of this kind; private ones have been refused before.
fn refuse_known_others(der: &[u8]) -> Read<()> {
    // The header octet of an OpenPGP public key packet, or of what may stand before; DER begins with 0x30.
    if let Some(0x98..=0x9b | 0xa8 | 0xc6 | 0xca | 0xd5) = der.first() {
        return Err(RsaRefusal::PgpCertificate);
    }
    // The blob inside an OpenSSH line.
    match der.get(4..) {
        Some(kind) if kind.starts_with(b"ssh-rsa") => return Err(RsaRefusal::OpenSsh),
        Some(kind) if kind.starts_with(b"ssh-") || kind.starts_with(b"ecdsa-") => {
            return Err(RsaRefusal::OtherOpenSsh);
        }
        _ => {}
    }
    if let Ok(text) = std::str::from_utf8(der) {
        let is_pem = encoding::undressed(text).contains("-----BEGIN ");
        return Err(if is_pem { RsaRefusal::EncodedPem } else { RsaRefusal::NotAKey });
    }
    match shape(der) {
        Some(Shape::Certificate) => Err(RsaRefusal::Certificate),
        Some(Shape::Request) => Err(RsaRefusal::Request),
        Some(Shape::Bundle) => Err(RsaRefusal::Bundle),
        _ => Ok(()),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Certificate,
    Request,
    Bundle,
    Pkcs1,
}

/// What the outer SEQUENCE begins with: a number in PKCS#1, an object identifier in PKCS#7, and in
/// certificates and requests a SEQUENCE that begins with no object identifier; a request's with a
/// small version number and a name.
fn shape(der: &[u8]) -> Option<Shape> {
    let (SEQUENCE, inner, _) = element(der)? else { return None };
    let (tag, value, _) = element(inner)?;
    match tag {
        INTEGER => Some(Shape::Pkcs1),
        OBJECT_IDENTIFIER => Some(Shape::Bundle),
        SEQUENCE if value.first() == Some(&OBJECT_IDENTIFIER) => None,
        SEQUENCE => Some(match element(value) {
            Some((INTEGER, [0], after))
                if element(after).is_some_and(|(tag, name, _)| {
                    tag == SEQUENCE && name.first() != Some(&OBJECT_IDENTIFIER)
                }) =>
            {
                Shape::Request
            }
            _ => Shape::Certificate,
        }),
        _ => None,
    }
}
