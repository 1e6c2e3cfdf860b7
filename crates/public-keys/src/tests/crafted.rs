//! Certificates that gpg does not make: forged, adopted, outdated, oversized, or signed by rPGP.

use pgp::composed::{Deserializable, SignedSecretKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Notation, SignatureConfig, SignatureType, Subpacket, SubpacketData, UserId};
use pgp::ser::Serialize;
use pgp::types::{Duration, KeyDetails, Tag, Timestamp};

use super::packets::{binary, join, parse_binary, split, split_armor};
use super::{at, fixture, now};
use crate::pgp::{PgpCertificate, PgpRefusal, SubkeyFault};

const CURVE: &str = "curve";

fn accepted(name: &str) -> PgpCertificate {
    let parsed = PgpCertificate::parse(&fixture(&format!("pgp-{name}.asc")), now());
    parsed.unwrap_or_else(|refusal| panic!("{name}: {refusal}"))
}

#[test]
fn forged_and_adopted_parts_bind_nothing() {
    let mine = split(&binary(CURVE));
    let other = split(&binary("signing-subkey"));
    // Another's subkey with its binding, and with ours.
    let adopted = [&mine[..3], &other[5..]].concat();
    let refusal = parse_binary(&join(&adopted)).expect("accepted").require_encryption(now());
    assert_eq!(refusal, Err(PgpRefusal::NoEncryptionKey(Some(SubkeyFault::Unbound))));
    let misbound = [&mine[..3], &other[5..6], &mine[4..]].concat();
    let refusal = parse_binary(&join(&misbound)).expect("accepted").require_encryption(now());
    assert_eq!(refusal, Err(PgpRefusal::NoEncryptionKey(Some(SubkeyFault::Unbound))));
    // Another's self-signature; none.
    let forged = [&mine[..2], &other[2..3], &mine[3..]].concat();
    assert_eq!(parse_binary(&join(&forged)), Err(PgpRefusal::NoSelfSignature));
    let unsigned = [&mine[..2], &mine[3..]].concat();
    assert_eq!(parse_binary(&join(&unsigned)), Err(PgpRefusal::NoSelfSignature));
    assert_eq!(parse_binary(&join(&mine[..1])), Err(PgpRefusal::NoUserId));
}

#[test]
fn a_signing_subkey_must_agree() {
    let packets = split(&binary("signing-subkey"));
    assert_eq!(packets[3].0, 14);
    let before = accepted("signing-subkey");
    assert_eq!(split_armor(before.armored()).iter().filter(|(tag, _)| *tag == 14).count(), 2);
    // Break the embedded signature, which gpg keeps in the unhashed area, at its end.
    let mut broken = packets.clone();
    let body = &mut broken[4].1;
    let hashed = usize::from(u16::from_be_bytes([body[4], body[5]]));
    let unhashed = usize::from(u16::from_be_bytes([body[6 + hashed], body[7 + hashed]]));
    let end = 8 + hashed + unhashed;
    body[end - 1] ^= 1;
    let certificate = parse_binary(&join(&broken)).expect("accepted");
    assert_eq!(split_armor(certificate.armored()).iter().filter(|(tag, _)| *tag == 14).count(), 1);
}

#[test]
fn old_and_unknown_versions_are_refused() {
    let packets = split(&binary("alone"));
    let with_version = |version: u8| {
        let mut packets = packets.clone();
        packets[0].1[0] = version;
        parse_binary(&join(&packets))
    };
    assert_eq!(with_version(2), Err(PgpRefusal::OldVersion));
    assert_eq!(with_version(3), Err(PgpRefusal::OldVersion));
    assert_eq!(with_version(5), Err(PgpRefusal::UnknownVersion));
    assert_eq!(with_version(7), Err(PgpRefusal::UnknownVersion));
    let mut elgamal = packets.clone();
    elgamal[0].1[5] = 16;
    assert_eq!(parse_binary(&join(&elgamal)), Err(PgpRefusal::Elgamal));
    // A subkey of another version is left out.
    for version in [3, 5, 6, 99] {
        let mut packets = split(&binary(CURVE));
        packets[3].1[0] = version;
        let refusal = parse_binary(&join(&packets)).expect("accepted").require_encryption(now());
        assert_eq!(refusal, Err(PgpRefusal::NoEncryptionKey(Some(SubkeyFault::Unsupported))), "{version}");
    }
}

#[test]
fn broken_frames_and_trailing_data_are_refused() {
    let whole = binary(CURVE);
    assert_eq!(parse_binary(&[&whole[..], b"x"].concat()), Err(PgpRefusal::TrailingData));
    assert_eq!(parse_binary(&[&whole[..], &[0xcb, 1, b'b']].concat()), Err(PgpRefusal::TrailingData));
    assert_eq!(parse_binary(&whole[..whole.len() - 1]), Err(PgpRefusal::Malformed));
    assert_eq!(parse_binary(&[0xc6, 0xe1, 4]), Err(PgpRefusal::Malformed), "partial length");
    assert_eq!(parse_binary(&[0x9b, 4]), Err(PgpRefusal::Malformed), "indeterminate length");
    assert_eq!(parse_binary(&[0xc6, 0]), Err(PgpRefusal::Malformed), "empty");
    let armor = fixture("pgp-curve.asc");
    let check = |text: &str| PgpCertificate::parse(text, now()).expect_err("refused");
    assert_eq!(check(&format!("{armor}trailing")), PgpRefusal::TrailingData);
    assert_eq!(check(&format!("{armor}{armor}")), PgpRefusal::SeveralCertificates);
    assert!(PgpCertificate::parse(&format!("leading {armor}"), now()).is_ok());
    assert_eq!(check(&fixture("rsa2048.spki.pem")), PgpRefusal::RsaKey);
    assert_eq!(check(""), PgpRefusal::NotPgp);
    assert_eq!(check(&"A".repeat(65 * 1024)), PgpRefusal::TooLarge);
}

#[test]
fn too_much_of_anything_is_refused() {
    let packets = split(&binary(CURVE));
    let many = |packet: &(u8, Vec<u8>), count: usize| [packets.clone(), vec![packet.clone(); count]].concat();
    assert_eq!(parse_binary(&join(&many(&(60, vec![]), 600))), Err(PgpRefusal::TooComplex));
    let different = |packet: &(u8, Vec<u8>), count: u8| {
        let copies = (0..count).map(|n| (packet.0, [&packet.1[..], &[n]].concat()));
        parse_binary(&join(&packets.iter().cloned().chain(copies).collect::<Vec<_>>()))
    };
    assert_eq!(different(&(13, vec![b'x']), 64), Err(PgpRefusal::TooComplex));
    assert_eq!(different(&packets[3], 32), Err(PgpRefusal::TooComplex));
    // The same one again and again is one.
    assert!(parse_binary(&join(&many(&(13, vec![b'x']), 64))).is_ok());
    assert!(parse_binary(&join(&many(&packets[3], 32))).is_ok());
    // Copies of one good signature are not verified twice; forged ones use up the budget.
    assert!(parse_binary(&join(&many(&packets[4], 100))).is_ok());
    let forged = (1..=300_u16).map(|n| {
        let mut body = packets[4].1.clone();
        let end = body.len() - 2;
        body[end] ^= n.to_be_bytes()[0];
        body[end + 1] ^= n.to_be_bytes()[1];
        (2, body)
    });
    let forged: Vec<_> = packets[..4].iter().cloned().chain(forged).chain([packets[4].clone()]).collect();
    assert_eq!(parse_binary(&join(&forged)), Err(PgpRefusal::TooComplex));
}

#[test]
fn version_6_certificates_are_accepted() {
    // RFC 9580 appendix A.3.
    let armor = fixture("pgp-rfc9580-a3.asc");
    let certificate = PgpCertificate::parse(&armor, now()).expect("accepted");
    assert_eq!(certificate.fingerprint(), "CB186C4F0609A697E4D52DFA6C722B0C1F1E27C18A56708F6525EC27BAD9ACC9");
    assert_eq!(certificate.algorithm(), "Ed25519");
    assert_eq!(certificate.encryption_keys()[0].algorithm, "X25519");
    assert_eq!(certificate.armored(), armor, "nothing to strip, and no checksum");
}

/// One more signature by the primary key of the fixture `curve`, over what `kind` says it is over.
pub fn sign(kind: SignatureType, hash: HashAlgorithm, made: &str, more: Vec<Subpacket>) -> Vec<u8> {
    sign_as(CURVE, kind, hash, made, more)
}

pub fn sign_as(
    name: &str,
    kind: SignatureType,
    hash: HashAlgorithm,
    made: &str,
    more: Vec<Subpacket>,
) -> Vec<u8> {
    let (secret, _) =
        SignedSecretKey::from_string(&fixture(&format!("pgp-{name}.key.asc"))).expect("secret key");
    let key = &secret.primary_key;
    let mut config = SignatureConfig::v4(kind, key.algorithm(), hash);
    let created = Timestamp::from_secs(u32::try_from(at(made).timestamp()).expect("this century"));
    config.hashed_subpackets =
        [regular(SubpacketData::SignatureCreationTime(created))].into_iter().chain(more).collect();
    config.unhashed_subpackets = vec![regular(SubpacketData::IssuerKeyId(key.legacy_key_id()))];
    let packets = split(&binary(name));
    let header = |tag, body: &[u8]| {
        pgp::packet::PacketHeader::new_fixed(tag, u32::try_from(body.len()).expect("short"))
    };
    let signature = match kind {
        SignatureType::Key | SignatureType::KeyRevocation => {
            config.sign_key(key, &"".into(), key.public_key())
        }
        SignatureType::SubkeyBinding | SignatureType::SubkeyRevocation => {
            let subkey = secret.secret_subkeys[0].key.public_key();
            config.sign_subkey_binding(key, key.public_key(), &"".into(), subkey)
        }
        _ => {
            let id = UserId::try_from_reader(header(Tag::UserId, &packets[1].1), &packets[1].1[..])
                .expect("user id");
            config.sign_certification(key, key.public_key(), &"".into(), Tag::UserId, &id)
        }
    };
    signature.expect("signed").to_bytes().expect("written")
}

pub fn regular(data: SubpacketData) -> Subpacket {
    Subpacket::regular(data).expect("short")
}

pub fn expires_after(days: u32) -> Subpacket {
    regular(SubpacketData::KeyExpirationTime(Duration::from_secs(days * 86_400)))
}

/// The fixture `curve` with `signature` behind the packet at `index`.
fn with(index: usize, signature: Vec<u8>) -> Result<PgpCertificate, PgpRefusal> {
    let mut packets = split(&binary(CURVE));
    packets.insert(index + 1, (2, signature));
    parse_binary(&join(&packets))
}

/// The fixture `curve` with `signature` in place of its self-signature.
fn instead(signature: Vec<u8>) -> Result<PgpCertificate, PgpRefusal> {
    let mut packets = split(&binary(CURVE));
    packets[2].1 = signature;
    parse_binary(&join(&packets))
}

const LATER: &str = "2026-02-01T00:00:00Z";

#[test]
fn the_newest_self_signature_decides() {
    let positive = SignatureType::CertPositive;
    assert_eq!(
        with(2, sign(positive, HashAlgorithm::Sha256, LATER, vec![expires_after(40)])),
        Err(PgpRefusal::Expired(at("2026-02-10T00:00:00Z")))
    );
    let longer =
        with(1, sign(positive, HashAlgorithm::Sha512, LATER, vec![expires_after(400)])).expect("accepted");
    assert_eq!(
        longer.encryption_keys()[0].expires.map(|at| at.timestamp()),
        Some(1_767_225_600 + 400 * 86_400)
    );
    let older = sign(positive, HashAlgorithm::Sha256, "2026-01-01T00:00:00Z", vec![]);
    assert!(with(2, older).is_ok());
    let future = sign(positive, HashAlgorithm::Sha256, "2026-06-01T01:00:00Z", vec![expires_after(1)]);
    assert!(with(2, future).is_ok(), "not yet in force");
}

#[test]
fn weak_hashes_do_not_bind_but_they_revoke() {
    // With RSA, because rPGP itself refuses them with Ed25519.
    let sign = |kind, hash, more| (2, sign_as("alone", kind, hash, LATER, more));
    let packets = split(&binary("alone"));
    let instead = |signature| parse_binary(&join(&[&packets[..2], &[signature]].concat()));
    let behind = |index: usize, signature| {
        let mut packets = packets.clone();
        packets.insert(index + 1, signature);
        parse_binary(&join(&packets))
    };
    let positive = SignatureType::CertPositive;
    for weak in [HashAlgorithm::Md5, HashAlgorithm::Sha1, HashAlgorithm::Ripemd160] {
        assert_eq!(instead(sign(positive, weak, vec![])), Err(PgpRefusal::WeakSelfSignature), "{weak}");
        assert!(behind(2, sign(positive, weak, vec![expires_after(1)])).is_ok(), "{weak}");
        let revocation = sign(SignatureType::KeyRevocation, weak, vec![]);
        assert_eq!(behind(0, revocation), Err(PgpRefusal::Revoked), "{weak}");
    }
    for strong in [HashAlgorithm::Sha224, HashAlgorithm::Sha384, HashAlgorithm::Sha3_256] {
        assert!(instead(sign(positive, strong, vec![])).is_ok(), "{strong}");
    }
}

#[test]
fn what_is_critical_and_not_understood_does_not_count() {
    let made =
        |subpacket| instead(sign(SignatureType::CertPositive, HashAlgorithm::Sha256, LATER, vec![subpacket]));
    let notation =
        || SubpacketData::Notation(Notation { readable: true, name: "a@b".into(), value: "c".into() });
    let unknown = || SubpacketData::Experimental(101, vec![1].into());
    let critical = |data| Subpacket::critical(data).expect("short");
    assert_eq!(made(critical(notation())), Err(PgpRefusal::NoSelfSignature));
    assert_eq!(made(critical(unknown())), Err(PgpRefusal::NoSelfSignature));
    assert!(made(regular(notation())).is_ok());
    assert!(made(regular(unknown())).is_ok());
    let twice = sign(
        SignatureType::CertPositive,
        HashAlgorithm::Sha256,
        LATER,
        vec![expires_after(400), expires_after(999)],
    );
    assert_eq!(instead(twice), Err(PgpRefusal::NoSelfSignature), "two expiries");
}

#[test]
fn self_signatures_expire_and_do_not_predate_their_key() {
    let made = |made, more| instead(sign(SignatureType::CertPositive, HashAlgorithm::Sha256, made, more));
    let lasting =
        |days: u32| vec![regular(SubpacketData::SignatureExpirationTime(Duration::from_secs(days * 86_400)))];
    assert_eq!(made(LATER, lasting(10)), Err(PgpRefusal::SelfSignatureExpired));
    assert!(made(LATER, lasting(1000)).is_ok());
    assert_eq!(made("2025-12-31T00:00:00Z", vec![]), Err(PgpRefusal::SelfSignatureExpired));
}

#[test]
fn direct_key_signature_and_user_id_must_both_allow() {
    let direct = |days| sign(SignatureType::Key, HashAlgorithm::Sha256, LATER, vec![expires_after(days)]);
    assert_eq!(with(0, direct(40)), Err(PgpRefusal::Expired(at("2026-02-10T00:00:00Z"))));
    assert!(with(0, direct(400)).is_ok());
    // It alone is enough when no user id is bound.
    let mut packets = split(&binary(CURVE));
    packets.splice(1..3, [(2, direct(400))]);
    let certificate = parse_binary(&join(&packets)).expect("accepted");
    assert_eq!(certificate.require_encryption(now()), Ok(()));
}

#[test]
fn a_subkey_without_the_encryption_flag_is_not_encrypted_to() {
    let mut authenticates = pgp::packet::KeyFlags::default();
    authenticates.set_authentication(true);
    for flags in [pgp::packet::KeyFlags::default(), authenticates] {
        let flags = vec![regular(SubpacketData::KeyFlags(flags))];
        let binding = sign(SignatureType::SubkeyBinding, HashAlgorithm::Sha256, LATER, flags);
        let refusal = with(3, binding).expect("accepted").require_encryption(now());
        assert_eq!(refusal, Err(PgpRefusal::NoEncryptionKey(Some(SubkeyFault::NotForEncryption))));
    }
    // None at all: it may do what its algorithm can, as for gpg and as Bouncy Castle leaves it.
    let binding = sign(SignatureType::SubkeyBinding, HashAlgorithm::Sha256, LATER, vec![]);
    assert_eq!(with(3, binding).expect("accepted").require_encryption(now()), Ok(()));
    let revocation = sign(SignatureType::SubkeyRevocation, HashAlgorithm::Sha256, LATER, vec![]);
    let refusal = with(4, revocation).expect("accepted").require_encryption(now());
    assert_eq!(refusal, Err(PgpRefusal::NoEncryptionKey(Some(SubkeyFault::Revoked))));
}
