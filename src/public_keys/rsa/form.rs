//! The forms an RSA public key comes in, and what else people send by mistake.

use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, UintRef};
use der::{Decode, Encode, ErrorKind};
use spki::AlgorithmIdentifierRef;

use super::RsaRefusal;
use crate::public_keys::{MAX_INPUT, encoding};

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
    let text = text.trim();
    if encoding::looks_private(text) || is_private(&encoding::head(text)) {
        return Err(RsaRefusal::PrivateKey);
    }
    if encoding::is_block(text) {
        return read_pem(text);
    }
    if text.starts_with("ssh-") || text.starts_with("ecdsa-") {
        return Err(RsaRefusal::OpenSsh);
    }
    if text.starts_with('{') {
        return Err(RsaRefusal::Jwk);
    }
    let der = encoding::base64(text).ok_or(RsaRefusal::NotAKey)?;
    refuse_known_others(&der)?;
    if matches!(shape(&der), Some(Shape::Pkcs1)) { read_pkcs1(&der) } else { read_spki(&der) }
}

fn read_pem(text: &str) -> Read<Numbers> {
    let block = encoding::block(text).ok_or(RsaRefusal::Malformed)?;
    let read = match block.label {
        "PUBLIC KEY" => read_spki,
        "RSA PUBLIC KEY" => read_pkcs1,
        label => return Err(other_label(label)),
    };
    if !block.rest.is_empty() {
        return Err(RsaRefusal::TrailingData);
    }
    let der = encoding::base64(block.body).ok_or(RsaRefusal::Malformed)?;
    refuse_known_others(&der)?;
    read(&der)
}

fn other_label(label: &str) -> RsaRefusal {
    match label {
        "PGP PUBLIC KEY BLOCK" => RsaRefusal::PgpCertificate,
        "EC PUBLIC KEY" => RsaRefusal::EllipticCurve,
        _ if label.contains("SSH") => RsaRefusal::OpenSsh,
        _ if label.contains("CERTIFICATE") || label.contains("PKCS7") => RsaRefusal::Certificate,
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

/// Recognises, from its first bytes alone, what is no public key: even cut short or with garbage
/// behind it, a private key must be called one.
fn refuse_known_others(der: &[u8]) -> Read<()> {
    if der.starts_with(b"openssh-key-v1\0") || encoding::is_secret_pgp(der) {
        return Err(RsaRefusal::PrivateKey);
    }
    // The header octet of an OpenPGP public key packet; DER begins with 0x30.
    if let Some(0x98..=0x9b | 0xc6) = der.first() {
        return Err(RsaRefusal::PgpCertificate);
    }
    if let Ok(text) = std::str::from_utf8(der) {
        return Err(encoded_text(text.trim()));
    }
    match shape(der) {
        Some(Shape::Private) => Err(RsaRefusal::PrivateKey),
        Some(Shape::Certificate) => Err(RsaRefusal::Certificate),
        _ => Ok(()),
    }
}

fn is_private(head: &[u8]) -> bool {
    refuse_known_others(head) == Err(RsaRefusal::PrivateKey)
}

fn encoded_text(text: &str) -> RsaRefusal {
    if encoding::looks_private(text) {
        RsaRefusal::PrivateKey
    } else if encoding::is_block(text) {
        RsaRefusal::EncodedPem
    } else {
        RsaRefusal::NotAKey
    }
}

enum Shape {
    Private,
    Certificate,
    Pkcs1,
}

/// What the outer SEQUENCE begins with. PKCS#8, PKCS#1 private, SEC 1 and PKCS#12 begin with a small
/// version number, encrypted PKCS#8 with an algorithm before an OCTET STRING; certificates and
/// requests with a SEQUENCE that does not begin with an object identifier.
fn shape(der: &[u8]) -> Option<Shape> {
    let (SEQUENCE, inner, _) = element(der)? else { return None };
    let (tag, value, after) = element(inner)?;
    let (last, high) = value.split_last()?;
    match tag {
        INTEGER if *last <= 3 && high.iter().all(|byte| *byte == 0) => Some(Shape::Private),
        INTEGER => Some(Shape::Pkcs1),
        SEQUENCE if value.first() != Some(&OBJECT_IDENTIFIER) => Some(Shape::Certificate),
        SEQUENCE if after.first() == Some(&OCTET_STRING) => Some(Shape::Private),
        // An encryption by password (PKCS#5, PKCS#12), even when what it encrypts is cut off.
        SEQUENCE
            if PASSWORD_ENCRYPTIONS.iter().any(|oid| value.get(2..).is_some_and(|v| v.starts_with(oid))) =>
        {
            Some(Shape::Private)
        }
        _ => None,
    }
}

/// The object identifiers below 1.2.840.113549.1.5 and 1.2.840.113549.1.12, as DER has them.
const PASSWORD_ENCRYPTIONS: [&[u8]; 2] =
    [b"\x2a\x86\x48\x86\xf7\x0d\x01\x05", b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c"];

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// The first element's tag, contents and what follows, without any strictness: a length that runs
/// past the end means all there is.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = bytes.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        0..0x80 => (usize::from(first), rest),
        // Indefinite: to the end.
        0x80 => (usize::MAX, rest),
        _ => {
            let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length =
                octets.iter().fold(0_usize, |sum, octet| sum.saturating_mul(256) | usize::from(*octet));
            (length, rest)
        }
    };
    let (value, after) = rest.split_at(length.min(rest.len()));
    Some((tag, value, after))
}
