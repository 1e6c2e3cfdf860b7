//! Long texts, encrypted while they are made.

use std::cell::Cell;
use std::io::{self, Write};

use pgp::composed::{Deserializable as _, Message, SignedSecretKey};

use super::{at, fixture, now};
use crate::generate::{Length, generate};
use crate::jwe::Jwe;
use crate::pgp::{PgpCertificate, PgpRefusal};
use crate::rsa::PrivateKey;
use crate::stream::{MAX_LINE, StreamError, to_jwe_lines, to_pgp};

/// Gives `count` pieces of `length` octets, each of another octet.
fn pieces(count: usize, length: usize) -> impl FnMut(&mut Vec<u8>) -> io::Result<bool> {
    let mut made = 0;
    move |piece| {
        if made == count {
            return Ok(false);
        }
        piece.resize(length, u8::try_from(made % 251).unwrap());
        made += 1;
        Ok(true)
    }
}

fn whole(count: usize, length: usize) -> Vec<u8> {
    (0..count).flat_map(|made| vec![u8::try_from(made % 251).unwrap(); length]).collect()
}

fn certificate(name: &str) -> String {
    PgpCertificate::parse(&fixture(name), now()).expect("accepted").armored().to_owned()
}

/// Opens with rPGP, which the service itself never does.
fn open_pgp(secret: &str, message: &[u8]) -> Vec<u8> {
    let (secret, _) = SignedSecretKey::from_string(&fixture(secret)).expect("secret key");
    let message = Message::from_bytes(message).expect("message");
    message.decrypt(&"".into(), &secret).expect("decrypts").as_data_vec().expect("data")
}

#[test]
fn a_text_of_any_length_becomes_one_openpgp_message() {
    for (public, secret) in [
        ("pgp-curve.asc", "pgp-curve.key.asc"),
        ("pgp-rsa.asc", "pgp-rsa.key.asc"),
        ("pgp-rfc9580-a3.asc", "pgp-rfc9580-a4.key.asc"),
    ] {
        for (count, length) in [(0, 0), (1, 1), (7, 100_000), (23, 100_001)] {
            let mut message = Vec::new();
            let text = certificate(public);
            to_pgp(&text, now(), pieces(count, length), &mut message).expect("encrypted");
            assert_eq!(open_pgp(secret, &message), whole(count, length), "{public} {count} {length}");
        }
    }
}

#[test]
fn a_line_holds_whole_pieces_and_at_most_a_mebibyte() {
    let pair = generate(Length::Rsa2048).expect("generated");
    let key = PrivateKey::from_pkcs8(&pair.private).expect("a key");
    for (count, length, lines) in [(0, 0, 1), (1, 1, 1), (1, MAX_LINE, 1), (3, MAX_LINE, 3), (25, 100_000, 3)]
    {
        let mut message = Vec::new();
        to_jwe_lines(&pair.public, "an-id", pieces(count, length), &mut message).expect("encrypted");
        let text = String::from_utf8(message).expect("text");
        assert!(text.ends_with('\n'));
        let opened: Vec<_> = text
            .lines()
            .map(|line| {
                let message = Jwe::parse(line.as_bytes()).expect("a JWE");
                assert_eq!(message.kid(), Some("an-id"));
                message.open(&key).expect("it opens")
            })
            .collect();
        assert_eq!(opened.len(), lines, "{count} {length}");
        assert!(
            opened.iter().all(|part| part.len() <= MAX_LINE && (length == 0 || part.len() % length == 0))
        );
        let joined: Vec<u8> = opened.iter().flat_map(|part| part.to_vec()).collect();
        assert_eq!(joined, whole(count, length), "{count} {length}");
    }
}

#[test]
fn what_is_too_long_for_a_line_is_refused() {
    let pair = generate(Length::Rsa2048).expect("generated");
    let refused = to_jwe_lines(&pair.public, "an-id", pieces(1, MAX_LINE + 1), io::sink());
    assert!(matches!(refused, Err(StreamError::Io(error)) if error.kind() == io::ErrorKind::InvalidInput));
}

#[test]
fn a_text_that_breaks_off_is_no_message() {
    let pair = generate(Length::Rsa2048).expect("generated");
    let breaking = || {
        let mut next = pieces(20, 100_000);
        let mut left = 12;
        move |piece: &mut Vec<u8>| {
            left -= 1;
            if left == 0 { Err(io::Error::other("lost")) } else { next(piece) }
        }
    };
    let rsa = to_jwe_lines(&pair.public, "an-id", breaking(), io::sink());
    assert!(matches!(rsa, Err(StreamError::Io(_))));
    for name in ["pgp-curve.asc", "pgp-rfc9580-a3.asc"] {
        let mut message = Vec::new();
        let ended = to_pgp(&certificate(name), now(), breaking(), &mut message);
        assert!(matches!(ended, Err(StreamError::Io(error)) if error.to_string() == "lost"), "{name}");
    }
}

#[test]
fn a_certificate_is_judged_again_before_anything_is_written() {
    let mut message = Vec::new();
    let late = to_pgp(
        &fixture("pgp-subkey-2027.asc"),
        at("2027-02-01T00:00:00Z"),
        |_| panic!("nothing is read"),
        &mut message,
    );
    assert!(matches!(late, Err(StreamError::Certificate(PgpRefusal::NoEncryptionKey(None)))));
    assert!(message.is_empty());
}

/// Counts what was written.
struct Counted<'a>(&'a Cell<usize>);

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.set(self.0.get() + bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn no_more_is_read_than_can_be_written() {
    const PIECE: usize = 64 * 1024;
    let pair = generate(Length::Rsa2048).expect("generated");
    let (read, written) = (Cell::new(0), Cell::new(0));
    let most = Cell::new(0);
    let begin = || {
        read.set(0);
        written.set(0);
        most.set(0);
        let mut next = pieces(300, PIECE);
        let (read, written, most) = (&read, &written, &most);
        move |piece: &mut Vec<u8>| {
            most.set(most.get().max(read.get() - written.get().min(read.get())));
            read.set(read.get() + PIECE);
            next(piece)
        }
    };
    for name in ["pgp-curve.asc", "pgp-rfc9580-a3.asc"] {
        to_pgp(&certificate(name), now(), begin(), Counted(&written)).expect("encrypted");
        assert!(most.get() <= 2 * 1024 * 1024, "{name}: {}", most.get());
    }
    to_jwe_lines(&pair.public, "an-id", begin(), Counted(&written)).expect("encrypted");
    assert!(most.get() <= 2 * 1024 * 1024, "{}", most.get());
}
