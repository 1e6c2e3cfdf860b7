//! A table of crafted certificates with the verdict on each: what stands where, what is there twice,
//! what is newest, and points that give no secrecy.

use pgp::composed::{Deserializable, SignedSecretKey};
use pgp::crypto::hash::HashAlgorithm::{self, Sha256};
use pgp::packet::{
    KeyFlags, PacketHeader, PublicSubkey, SignatureConfig, SignatureType, Subpacket, SubpacketData,
};
use pgp::ser::Serialize;
use pgp::types::{Duration, KeyDetails, Tag, Timestamp};

use super::crafted::{expires_after, regular, sign};
use super::packets::{binary, join, split};
use super::{at, fixture, now};
use crate::pgp::PgpCertificate;

type Packets = Vec<(u8, Vec<u8>)>;

const T1: &str = "2026-01-15T00:00:00Z";
const T2: &str = "2026-02-01T00:00:00Z";
const T3: &str = "2026-03-01T00:00:00Z";
const FUTURE: &str = "2026-07-01T00:00:00Z";

/// The name of the refusal, with the subkey's fault; `ok` for one that may be encrypted to until autumn.
fn verdict(packets: &Packets) -> String {
    use base64::Engine as _;
    let text = base64::prelude::BASE64_STANDARD.encode(join(packets));
    let judged = PgpCertificate::parse(&text, now())
        .and_then(|certificate| {
            // What is stored is the same to us, and holds nothing that was refused.
            let again = PgpCertificate::parse(certificate.armored(), now()).expect("it can be read again");
            assert_eq!(again.armored(), certificate.armored());
            certificate.require_encryption(at("2026-09-01T00:00:00Z"))
        })
        .map_err(|refusal| format!("{refusal:?}"));
    let name = |text: &str| text.split(['(', ' ', ')']).next().unwrap_or_default().to_owned();
    match judged {
        Ok(()) => "ok".to_owned(),
        Err(text) => match text.strip_prefix("NoEncryptionKey(Some(") {
            Some(fault) => format!("subkey {}", name(fault)),
            None => name(&text),
        },
    }
}

struct Table {
    rows: usize,
    wrong: Vec<String>,
}

impl Table {
    fn new() -> Self {
        Self { rows: 0, wrong: Vec::new() }
    }

    fn row(&mut self, what: impl std::fmt::Display, packets: &Packets, expected: &str) {
        self.rows += 1;
        let found = verdict(packets);
        if found != expected {
            self.wrong.push(format!("{what}: {found}, not {expected}"));
        }
    }

    fn end(self, at_least: usize) {
        assert_eq!(self.wrong, Vec::<String>::new());
        assert!(self.rows >= at_least, "{} rows", self.rows);
    }
}

/// Primary key, user id, its certification, subkey, its binding.
fn curve() -> Packets {
    split(&binary("curve"))
}

fn with(mut packets: Packets, index: usize, more: &[(u8, Vec<u8>)]) -> Packets {
    packets.splice(index..index, more.iter().cloned());
    packets
}

fn signature(kind: SignatureType, made: &str, more: Vec<Subpacket>) -> (u8, Vec<u8>) {
    (2, sign(kind, Sha256, made, more))
}

fn flags(set: impl Fn(&mut KeyFlags)) -> Subpacket {
    let mut flags = KeyFlags::default();
    set(&mut flags);
    regular(SubpacketData::KeyFlags(flags))
}

fn encrypts() -> Subpacket {
    flags(|flags| flags.set_encrypt_comms(true))
}

/// Things that a signature may stand behind.
fn strays() -> Vec<(&'static str, Packets)> {
    vec![
        ("nothing", vec![]),
        ("a photo", vec![(17, b"portrait".to_vec())]),
        ("an unknown packet", vec![(60, b"experimental".to_vec())]),
        ("an unsigned user id", vec![(13, b"nobody <a@b>".to_vec())]),
        ("a marker", vec![(10, b"PGP".to_vec())]),
        ("padding", vec![(21, vec![0; 40])]),
        ("a trust packet", vec![(12, vec![1])]),
    ]
}

#[test]
fn revocations_count_wherever_they_stand() {
    let mut table = Table::new();
    let kinds = [
        (SignatureType::KeyRevocation, "Revoked"),
        (SignatureType::SubkeyRevocation, "subkey Revoked"),
        (SignatureType::CertRevocation, "UserIdsRevoked"),
    ];
    for (kind, expected) in kinds {
        for made in [T3, FUTURE] {
            for index in 0..=5 {
                let packets = with(curve(), index, &[signature(kind, made, vec![])]);
                table.row(format!("{kind:?} of {made} at {index}"), &packets, expected);
            }
            for (behind, mut stray) in strays() {
                stray.push(signature(kind, made, vec![]));
                let at_end = with(curve(), 5, &stray);
                table.row(format!("{kind:?} of {made} behind {behind}"), &at_end, expected);
                let in_the_middle = with(curve(), 1, &stray);
                table.row(format!("{kind:?} of {made} behind {behind}, early"), &in_the_middle, expected);
            }
        }
    }
    table.end(100);
}

#[test]
fn revocations_count_whatever_else_they_say() {
    let mut table = Table::new();
    let unknown = || SubpacketData::Experimental(101, vec![1].into());
    let odd = [
        (
            "a reason",
            regular(SubpacketData::RevocationReason(pgp::packet::RevocationCode::KeySuperseded, "".into())),
        ),
        ("something unknown", regular(unknown())),
        ("something unknown and critical", Subpacket::critical(unknown()).expect("short")),
        ("an end", regular(SubpacketData::SignatureExpirationTime(Duration::from_secs(60)))),
    ];
    for (what, subpacket) in odd {
        let revocation = signature(SignatureType::KeyRevocation, T1, vec![subpacket]);
        table.row(what, &with(curve(), 5, std::slice::from_ref(&revocation)), "Revoked");
        // Unsigned words about who made it change nothing: here, another key.
        let mut renamed = revocation.1;
        let key_id = renamed.len() - 8 - 2 - 64 - 4;
        renamed[key_id] ^= 0xff;
        table.row(format!("{what}, another issuer"), &with(curve(), 5, &[(2, renamed)]), "Revoked");
    }
    // One that does not verify, or is over another key, is nothing.
    let mut forged = signature(SignatureType::KeyRevocation, T1, vec![]);
    *forged.1.last_mut().expect("a signature") ^= 1;
    table.row("forged", &with(curve(), 1, &[forged]), "ok");
    let foreign = split(&binary("revoked"));
    table.row("another key's", &with(curve(), 1, &foreign[1..2]), "ok");
    // Of a user id, an older one than its certification is overtaken.
    let renewed = signature(SignatureType::CertPositive, T3, vec![encrypts()]);
    for index in 0..=5 {
        let older = signature(SignatureType::CertRevocation, T2, vec![]);
        let packets = with(with(curve(), 2, std::slice::from_ref(&renewed)), index, &[older]);
        table.row(format!("overtaken, at {index}"), &packets, "ok");
    }
    table.end(15);
}

#[test]
fn the_newest_self_signature_decides_in_any_order() {
    let mut table = Table::new();
    let positive =
        |made, days| signature(SignatureType::CertPositive, made, vec![encrypts(), expires_after(days)]);
    let binding =
        |made, days| signature(SignatureType::SubkeyBinding, made, vec![encrypts(), expires_after(days)]);
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for (last, user, sub) in [(400, "ok", "ok"), (60, "Expired", "subkey Expired")] {
        let (users, bindings): (Vec<_>, Vec<_>) = [(T1, 40), (T2, 900), (T3, last)]
            .map(|(made, days)| (positive(made, days), binding(made, days)))
            .into_iter()
            .unzip();
        for order in orders {
            let [users, bindings] = [&users, &bindings].map(|list| order.map(|index| list[index].clone()));
            // In place, all at the end, before everything.
            for index in [2, 3, 5, 0] {
                table.row(format!("user id {order:?} at {index}"), &with(curve(), index, &users), user);
                table.row(format!("subkey {order:?} at {index}"), &with(curve(), index, &bindings), sub);
            }
        }
    }
    table.end(90);
}

#[test]
fn what_is_there_twice_is_one() {
    let mut table = Table::new();
    let [user, subkey] = [1, 3].map(|index| curve()[index].clone());
    let positive =
        |made, days| signature(SignatureType::CertPositive, made, vec![encrypts(), expires_after(days)]);
    let binding =
        |made, days| signature(SignatureType::SubkeyBinding, made, vec![encrypts(), expires_after(days)]);
    for (first, second) in [((T2, 40), (T3, 400)), ((T3, 400), (T2, 40))] {
        let users = [user.clone(), positive(first.0, first.1), user.clone(), positive(second.0, second.1)];
        let subkeys =
            [subkey.clone(), binding(first.0, first.1), subkey.clone(), binding(second.0, second.1)];
        let [primary, .., own_subkey, own_binding] = &curve()[..] else { panic!("five packets") };
        let ends = [own_subkey.clone(), own_binding.clone()];
        let packets = [&[primary.clone()][..], &users, &ends].concat();
        table.row(format!("user id twice, {first:?} first"), &packets, "ok");
        let packets = [&curve()[..3], &subkeys].concat();
        table.row(format!("subkey twice, {first:?} first"), &packets, "ok");
    }
    for index in [3, 5] {
        let revoked = [subkey.clone(), signature(SignatureType::SubkeyRevocation, T1, vec![])];
        table.row(
            format!("subkey twice, one revoked, at {index}"),
            &with(curve(), index, &revoked),
            "subkey Revoked",
        );
        let revoked = [user.clone(), signature(SignatureType::CertRevocation, T1, vec![])];
        table.row(
            format!("user id twice, one revoked, at {index}"),
            &with(curve(), index, &revoked),
            "UserIdsRevoked",
        );
        let bare = [subkey.clone(), user.clone(), subkey.clone()];
        table.row(format!("bare copies at {index}"), &with(curve(), index, &bare), "ok");
    }
    let doubled: Packets = curve()
        .into_iter()
        .flat_map(|packet| if packet.0 == 6 { vec![packet] } else { vec![packet.clone(), packet] })
        .collect();
    table.row("everything twice", &doubled, "ok");
    let mut reversed = curve();
    reversed[1..].reverse();
    table.row("everything the other way round", &reversed, "ok");
    reversed.rotate_left(1);
    table.row("the primary key last", &reversed, "ok");
    table.end(12);
}

#[test]
fn packets_that_say_nothing_may_stand_anywhere() {
    let mut table = Table::new();
    for (what, stray) in strays().into_iter().skip(1) {
        for index in 0..=5 {
            // RFC 9580 section 4.3: what is unknown and critical is refused elsewhere.
            table.row(format!("{what} at {index}"), &with(curve(), index, &stray), "ok");
        }
    }
    for tag in [20, 22, 39] {
        table.row(format!("critical packet {tag}"), &with(curve(), 5, &[(tag, vec![1])]), "TrailingData");
    }
    table.end(39);
}

#[test]
fn self_signatures_that_do_not_count_say_why() {
    let mut table = Table::new();
    let lasting =
        |days: u32| regular(SubpacketData::SignatureExpirationTime(Duration::from_secs(days * 86_400)));
    let replaced = |index: usize, with: (u8, Vec<u8>)| {
        let mut packets = curve();
        packets[index] = with;
        packets
    };
    let user = |made, more| replaced(2, signature(SignatureType::CertPositive, made, more));
    let sub = |made, more| replaced(4, signature(SignatureType::SubkeyBinding, made, more));
    table.row("user id, expired", &user(T1, vec![lasting(20)]), "SelfSignatureExpired");
    table.row("user id, lasting", &user(T1, vec![lasting(900)]), "ok");
    table.row("user id, future", &user(FUTURE, vec![]), "NotYetValid");
    table.row("user id, before the key", &user("2025-12-01T00:00:00Z", vec![]), "SelfSignatureExpired");
    table.row("subkey, expired", &sub(T1, vec![encrypts(), lasting(20)]), "subkey Unbound");
    table.row("subkey, future", &sub(FUTURE, vec![encrypts()]), "subkey NotYetValid");
    table.row("subkey, no flags", &sub(T1, vec![]), "ok");
    table.row("subkey, for storage", &sub(T1, vec![flags(|flags| flags.set_encrypt_storage(true))]), "ok");
    table.row("subkey, flags of nothing", &sub(T1, vec![flags(|_| {})]), "subkey NotForEncryption");
    table.row(
        "subkey, to authenticate",
        &sub(T1, vec![flags(|flags| flags.set_authentication(true))]),
        "subkey NotForEncryption",
    );
    table.row(
        "subkey, to sign, not agreed",
        &sub(T1, vec![flags(|flags| flags.set_sign(true))]),
        "subkey Unbound",
    );
    table.row("subkey ends soon", &sub(T1, vec![encrypts(), expires_after(200)]), "ExpiresTooSoon");
    table.row("primary ends soon", &user(T1, vec![expires_after(200)]), "ExpiresTooSoon");
    let direct = |more| signature(SignatureType::Key, T2, more);
    let alone: Packets = [&curve()[..1], &[direct(vec![])], &curve()[3..]].concat();
    table.row("direct-key signature alone", &alone, "ok");
    let revoked = with(alone.clone(), 1, &[signature(SignatureType::KeyRevocation, T3, vec![])]);
    table.row("direct-key signature, revoked", &revoked, "Revoked");
    table.row(
        "direct-key signature shortens",
        &with(curve(), 5, &[direct(vec![expires_after(40)])]),
        "Expired",
    );
    table.row("no user id", &[&curve()[..1], &curve()[3..]].concat(), "NoUserId");
    table.row("user id, unsigned", &[&curve()[..2], &curve()[3..]].concat(), "NoSelfSignature");
    table.row("nothing but the key", &curve()[..1].to_vec(), "NoUserId");
    table.end(19);
}

/// A subkey of our own making, bound by the fixture's primary key.
fn bound(subkey: &[u8]) -> Packets {
    let (secret, _) = SignedSecretKey::from_string(&fixture("pgp-curve.key.asc")).expect("secret key");
    let key = &secret.primary_key;
    let header = PacketHeader::new_fixed(Tag::PublicSubkey, u32::try_from(subkey.len()).expect("short"));
    let signee = PublicSubkey::try_from_reader(header, subkey).expect("a subkey");
    let mut config =
        SignatureConfig::v4(SignatureType::SubkeyBinding, key.algorithm(), HashAlgorithm::Sha256);
    let made = Timestamp::from_secs(u32::try_from(at(T1).timestamp()).expect("this century"));
    config.hashed_subpackets = vec![regular(SubpacketData::SignatureCreationTime(made)), encrypts()];
    config.unhashed_subpackets = vec![regular(SubpacketData::IssuerKeyId(key.legacy_key_id()))];
    let binding = config.sign_subkey_binding(key, key.public_key(), &"".into(), &signee).expect("signed");
    let mut packets = curve();
    packets.truncate(3);
    packets.extend([(14, subkey.to_vec()), (2, binding.to_bytes().expect("written"))]);
    packets
}

/// A version 4 subkey of 2026-01-01.
fn subkey(algorithm: u8, material: &[u8]) -> Vec<u8> {
    [&[4][..], &1_767_225_600_u32.to_be_bytes(), &[algorithm], material].concat()
}

/// Curve25519 under ECDH (RFC 9580 section 5.5.5.6.1): object identifier, point, KDF.
fn legacy(point: &[u8]) -> Vec<u8> {
    let oid = b"\x0a\x2b\x06\x01\x04\x01\x97\x55\x01\x05\x01";
    subkey(18, &[&oid[..], &[1, 7, 0x40], point, &[3, 1, 8, 7]].concat())
}

#[test]
fn points_of_low_order_are_refused_under_every_algorithm() {
    let mut table = Table::new();
    let good = |n: u8| {
        let mut point = [n; 32];
        point[31] &= 0x7f;
        point
    };
    table.row("a good point, ECDH", &bound(&legacy(&good(0x42))), "ok");
    table.row("a good point, X25519", &bound(&subkey(25, &good(0x42))), "ok");
    table.row("a good point, X448", &bound(&subkey(26, &[0x42; 56])), "ok");
    let low = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        // The same plus the prime, and twice the prime, for those who do not mask the highest bit.
        "cdeb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b880",
        "4c9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f11d7",
        "d9ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "daffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "dbffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ];
    for (at, hex) in low.into_iter().enumerate() {
        let point = hex::decode(hex).expect("hex");
        let mut unmasked = point.clone();
        unmasked[31] |= 0x80;
        // The first seven with the highest bit as well, which RFC 7748 has masked.
        for point in if at < 7 { vec![point, unmasked] } else { vec![point] } {
            table.row(format!("{hex}, ECDH"), &bound(&legacy(&point)), "subkey WeakPoint");
            table.row(format!("{hex}, X25519"), &bound(&subkey(25, &point)), "subkey WeakPoint");
        }
    }
    let prime = [[0xff; 28], [0xff; 28]].concat();
    let p448 = |last: u8, middle: u8| {
        let mut point = prime.clone();
        (point[0], point[28]) = (last, middle);
        point
    };
    let mut one = vec![0; 56];
    one[0] = 1;
    let mut above = vec![0; 56];
    above[28..].fill(0xff);
    for (name, point) in [
        ("0", vec![0; 56]),
        ("1", one),
        ("p - 1", p448(0xfe, 0xfe)),
        ("p", p448(0xff, 0xfe)),
        ("p + 1", above),
        ("2^448 - 1", prime.clone()),
    ] {
        // rPGP does not read all of these, so they are not bound: the point is looked at before.
        let packets = with(curve()[..3].to_vec(), 3, &[(14, subkey(26, &point))]);
        table.row(format!("X448, {name}"), &packets, "subkey WeakPoint");
    }
    // Beside a good subkey it is left out, and what is stored does not have it.
    let mut packets = bound(&legacy(&hex::decode(low[2]).expect("hex")));
    packets.extend(curve()[3..].iter().cloned());
    table.row("beside a good one", &packets, "ok");
    table.end(48);
}

#[test]
fn armor_is_read_as_others_write_it() {
    let armor = fixture("pgp-curve.asc");
    let wanted = PgpCertificate::parse(&armor, now());
    let (head, rest) = armor.split_once("\n\n").expect("a blank line");
    let one_line = armor.trim().replace('\n', " ");
    let squeezed = armor.trim().replace("\n\n", "").replace('\n', "");
    let without_checksum: String =
        armor.lines().filter(|line| !line.starts_with('=')).map(|line| format!("{line}\n")).collect();
    let checksum = armor.lines().find(|line| line.starts_with('=')).expect("a checksum");
    let forms = [
        ("one line", one_line.clone()),
        ("one line, headers", one_line.replacen("----- ", "----- Version: GnuPG v2 Comment: by hand ", 1)),
        ("one line, nothing between", squeezed),
        ("CR", armor.replace('\n', "\r")),
        ("CR LF", armor.replace('\n', "\r\n")),
        ("spelt line ends", armor.replace('\n', "\\n")),
        ("spelt CR LF", armor.replace('\n', "\\r\\n")),
        ("no checksum", without_checksum),
        ("another checksum", armor.replace(checksum, "=AAAA")),
        ("a comment on private keys", format!("{head}\nComment: this is no PRIVATE KEY BLOCK\n\n{rest}")),
        (
            "a comment that quotes one",
            format!("{head}\nComment: -----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{rest}"),
        ),
        ("byte order mark", format!("\u{feff}{armor}")),
        ("quoted mail", armor.lines().map(|line| format!("> {line}\n")).collect()),
        ("quotation marks", format!("\"{}\"", armor.trim())),
        ("words before", format!("Here is my key.\nIts private key stays here.\n\n{armor}")),
        ("indented", armor.lines().map(|line| format!("    {line}\n")).collect()),
        ("blanks behind lines", armor.replace('\n', " \t\n")),
        ("a remark behind", format!("{armor}\n# exported today\n")),
    ];
    for (what, form) in forms {
        assert_eq!(PgpCertificate::parse(&form, now()), wanted, "{what}");
    }
    // `cat certificate.asc revocation.asc`, and gpg's own file with its colon.
    let revocation = signature(SignatureType::KeyRevocation, T3, vec![]);
    let revocation = crate::encoding::pem("PGP PUBLIC KEY BLOCK", &join(&[revocation]));
    for behind in [
        format!("{armor}{revocation}"),
        format!("{armor}\nThis is a revocation certificate.\n\n:{revocation}"),
        format!("{revocation}{armor}"),
        format!("{armor}{}", revocation.replace("PUBLIC KEY BLOCK", "SIGNATURE")),
    ] {
        let judged = PgpCertificate::parse(&behind, now()).map_err(|refusal| format!("{refusal:?}"));
        assert_eq!(judged, Err("Revoked".to_owned()), "{behind}");
    }
}
