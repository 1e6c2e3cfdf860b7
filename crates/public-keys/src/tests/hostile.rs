//! Nothing panics, and a refusal never repeats what was sent.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use proptest::prelude::*;

use super::{bytes, fixture, now};
use crate::pgp::PgpCertificate;
use crate::rsa::RsaKey;

/// Changes to bytes: flips, cuts, repeats, insertions.
#[derive(Clone, Debug)]
enum Change {
    Set(prop::sample::Index, u8),
    Cut(prop::sample::Index, usize),
    Repeat(prop::sample::Index, usize),
    Insert(prop::sample::Index, Vec<u8>),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        6 => (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        1 => (any::<prop::sample::Index>(), 1..80_usize).prop_map(|(at, length)| Change::Cut(at, length)),
        1 => (any::<prop::sample::Index>(), 1..200_usize).prop_map(|(at, length)| Change::Repeat(at, length)),
        1 => (any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 1..8))
            .prop_map(|(at, bytes)| Change::Insert(at, bytes)),
    ]
}

fn apply(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        if bytes.is_empty() {
            break;
        }
        match change {
            Change::Set(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Change::Cut(at, length) => {
                let at = at.index(bytes.len());
                bytes.drain(at..(at + length).min(bytes.len()));
            }
            Change::Repeat(at, length) => {
                let at = at.index(bytes.len());
                bytes.extend_from_within(at..(at + length).min(bytes.len()));
            }
            Change::Insert(at, new) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, new.iter().copied());
            }
        }
    }
    bytes
}

const PGP: [&str; 12] = [
    "pgp-rsa.asc",
    "pgp-curve.asc",
    "pgp-nist.asc",
    "pgp-p521.asc",
    "pgp-alone.asc",
    "pgp-signing-subkey.asc",
    "pgp-third-party.asc",
    "pgp-two-subkeys.asc",
    "pgp-revoked.asc",
    "pgp-sha1.asc",
    "pgp-brainpool.asc",
    "pgp-dsa.asc",
];

fn pgp_binary(name: &str) -> Vec<u8> {
    let armor = fixture(name);
    let base64 = super::body(&armor);
    BASE64_STANDARD.decode(base64.rsplit_once('=').expect("checksum").0).expect("base64")
}

fn judge(text: &str) {
    let _ = RsaKey::parse(text);
    if let Ok(certificate) = PgpCertificate::parse(text, now()) {
        // What is stored can be read again, and is then the same.
        let again = PgpCertificate::parse(certificate.armored(), now());
        assert_eq!(again.map(|again| again.armored().to_owned()).as_deref(), Ok(certificate.armored()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_certificates(index in 0..PGP.len(), changes in prop::collection::vec(change(), 1..6)) {
        let mutated = apply(pgp_binary(PGP[index]), &changes);
        judge(&BASE64_STANDARD.encode(mutated));
    }

    #[test]
    fn mutated_armor(index in 0..PGP.len(), changes in prop::collection::vec(change(), 1..6)) {
        let mutated = apply(fixture(PGP[index]).into_bytes(), &changes);
        judge(&String::from_utf8_lossy(&mutated));
    }

    #[test]
    fn mutated_rsa(
        name in prop::sample::select(vec!["rsa2048.spki.pem", "rsa3072.pkcs1.pem", "rsa8192.spki.pem"]),
        changes in prop::collection::vec(change(), 1..6),
    ) {
        let der = BASE64_STANDARD.decode(super::body(&fixture(name))).expect("base64");
        judge(&BASE64_STANDARD.encode(apply(der, &changes)));
        judge(&String::from_utf8_lossy(&apply(fixture(name).into_bytes(), &changes)));
    }

    #[test]
    fn anything(text in ".{0,200}", raw in prop::collection::vec(any::<u8>(), 0..200)) {
        judge(&text);
        judge(&BASE64_STANDARD.encode(raw));
    }
}

#[test]
fn every_prefix_of_a_certificate() {
    let whole = bytes("pgp-curve.bin");
    for end in 0..whole.len() {
        judge(&BASE64_STANDARD.encode(&whole[..end]));
    }
}

/// What `examples/fuzz` once found.
#[test]
fn what_once_broke_a_promise() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    for entry in std::fs::read_dir(folder).expect("a folder") {
        judge(&std::fs::read_to_string(entry.expect("an entry").path()).expect("text"));
    }
}
