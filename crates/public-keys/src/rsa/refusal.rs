//! Why an RSA key is refused, in words that lead on: each command, as it stands here, makes of what
//! was sent a key that is accepted. A test follows them (`tests/interop/keys`).

use thiserror::Error;

use crate::RefusalKind;

const MAKE: &str = "make a new pair: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out key.pem && \
                    openssl pkey -in key.pem -pubout";
const FROM_JWK: &str = "openssl reads it after: node -e 'console.log(crypto.createPublicKey({key: \
                        JSON.parse(fs.readFileSync(0)), format: \"jwk\"}).export({type: \"spki\", format: \"pem\"}))' \
                        < key.jwk";
const FROM_JWK_SET: &str = "send one key of it as PEM: node -e 'console.log(crypto.createPublicKey({key: \
                            [JSON.parse(fs.readFileSync(0))].map(it => it.keys || it).flat()[0], format: \
                            \"jwk\"}).export({type: \"spki\", format: \"pem\"}))' < keys.json";

/// Why a text is not accepted as an RSA public key; the `Display` is meant for the partner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "each variant's message says what it is")]
pub enum RsaRefusal {
    #[error(
        "is longer than 64 KiB, which no RSA key is; send the public key alone: openssl pkey -in key.pem -pubout"
    )]
    TooLarge,
    #[error(
        "holds a private key; it was not stored, but treat it as compromised: this pair is burnt, make a new one"
    )]
    PrivateKey,
    #[error("is no key in PEM or base64 of DER; send what this prints: openssl pkey -in key.pem -pubout")]
    NotAKey,
    #[error(
        "is damaged, or is not strict DER of an RSA public key; send what this prints: openssl pkey -in key.pem -pubout"
    )]
    Malformed,
    #[error("has something beside the key that is not part of it; send exactly one key")]
    TrailingData,
    #[error("is a certificate; send its public key: openssl x509 -in certificate.pem -pubkey -noout")]
    Certificate,
    #[error("is a certificate request; send its public key: openssl req -in request.pem -pubkey -noout")]
    Request,
    #[error(
        "is a bundle of certificates; send the public key of yours: openssl pkcs7 -in bundle.pem -print_certs | \
         openssl x509 -pubkey -noout"
    )]
    Bundle,
    #[error("is an OpenPGP certificate; register it with Type PGP")]
    PgpCertificate,
    #[error("is in OpenSSH form; convert it: ssh-keygen -e -m PKCS8 -f key.pub")]
    OpenSsh,
    #[error(
        "is in the form of RFC 4716; convert it: ssh-keygen -i -m RFC4716 -f key.pub > openssh.pub && \
         ssh-keygen -e -m PKCS8 -f openssh.pub"
    )]
    Ssh2,
    #[error("is an OpenSSH key, but not of type ssh-rsa, and only RSA keys are accepted; {}", MAKE)]
    OtherOpenSsh,
    #[error("is a JSON Web Key; send it as PEM, {}", FROM_JWK)]
    Jwk,
    #[error("is a set of JSON Web Keys; {}", FROM_JWK_SET)]
    JwkSet,
    #[error("is in .NET's XML form; send what RSA.ExportSubjectPublicKeyInfoPem() of .NET 7 gives")]
    Xml,
    #[error(
        "is hex; send base64 of the same bytes: tr -d ' :\\n' < key.hex | tr a-f A-F | basenc -d --base16 | base64"
    )]
    Hex,
    #[error("is percent-encoded; send it as it was before that, because JSON needs none")]
    PercentEncoded,
    #[error("is openssl's description of a key; send the key: openssl pkey -in key.pem -pubout")]
    Description,
    #[error("is base64 of PEM; send the PEM itself: base64 -d key.b64")]
    EncodedPem,
    #[error("is an elliptic curve key, and only RSA keys are accepted; {}", MAKE)]
    EllipticCurve,
    #[error("is an Ed25519, X25519, Ed448 or X448 key, and only RSA keys are accepted; {}", MAKE)]
    Edwards,
    #[error("is bound to RSA-PSS or RSA-OAEP only, and a plain RSA key (rsaEncryption) is needed; {}", MAKE)]
    RestrictedRsa,
    #[error("is not an RSA key; {}", MAKE)]
    NotRsa,
    #[error("is shorter than 2048 bits; {}", MAKE)]
    TooShort,
    #[error("is longer than 8192 bits; {}", MAKE)]
    TooLong,
    #[error("has a public exponent that is not an odd number from 65537 to 4294967295; {}", MAKE)]
    Exponent,
    #[error("has an even modulus, so it is not an RSA key; {}", MAKE)]
    EvenModulus,
    #[error("has a modulus with a small prime factor, so its private key is easily found; {}", MAKE)]
    SmallFactor,
    #[error("has a modulus that is a power of a number, so its private key is easily found; {}", MAKE)]
    Power,
    #[error("has a prime number for a modulus, so its private key is easily found; {}", MAKE)]
    Prime,
    #[error("has two primes close to each other, so its private key is easily found; {}", MAKE)]
    ClosePrimes,
    #[error("has a modulus with a pattern that no sound program makes; {}", MAKE)]
    Pattern,
    #[error("was made by a chip or library with the ROCA defect (CVE-2017-15361); make a new pair elsewhere")]
    Roca,
    #[error("shares a prime number with other keys, so its private key is known; {}", MAKE)]
    SharedPrime,
    #[error(
        "is published together with its private key (an example, a test key, or made by a broken program); {}",
        MAKE
    )]
    Published,
}

impl RsaRefusal {
    /// What the refusal is about.
    #[must_use]
    pub fn kind(self) -> RefusalKind {
        match self {
            Self::PrivateKey => RefusalKind::Private,
            Self::TooShort
            | Self::TooLong
            | Self::Exponent
            | Self::EvenModulus
            | Self::SmallFactor
            | Self::Power
            | Self::Prime
            | Self::ClosePrimes
            | Self::Pattern
            | Self::Roca
            | Self::SharedPrime
            | Self::Published => RefusalKind::Weak,
            _ => RefusalKind::Malformed,
        }
    }
}
