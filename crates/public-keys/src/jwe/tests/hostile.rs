use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use proptest::prelude::*;

use super::*;

const ENCRYPTIONS: [Encryption; 2] = [Encryption::A256Gcm, Encryption::A128CbcHs256];

fn sealed(encryption: Encryption, plaintext: &[u8]) -> String {
    seal_as(&public("rsa2048"), "k", encryption, Content::Json, plaintext).expect("sealed")
}

/// The message with one segment replaced.
fn with(message: &str, segment: usize, text: &str) -> String {
    let mut segments: Vec<&str> = message.split('.').collect();
    segments[segment] = text;
    segments.join(".")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_was_sealed_opens(
        encryption in prop::sample::select(&ENCRYPTIONS[..]),
        plaintext in prop::collection::vec(any::<u8>(), 0..500),
    ) {
        prop_assert_eq!(open(&private("rsa2048"), &sealed(encryption, &plaintext)), Ok(plaintext));
    }

    #[test]
    fn a_bit_that_is_changed_anywhere_is_refused(
        encryption in prop::sample::select(&ENCRYPTIONS[..]),
        segment in 0..5_usize,
        at in any::<prop::sample::Index>(),
        bit in 0..8_u32,
    ) {
        let message = sealed(encryption, b"{\"some\":\"json\"}");
        let text = message.split('.').nth(segment).expect("a segment");
        let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(text).expect("base64url");
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let changed = with(&message, segment, &BASE64_URL_SAFE_NO_PAD.encode(bytes));
        prop_assert_eq!(open(&private("rsa2048"), &changed), Err(Refused));
    }

    #[test]
    fn a_character_that_is_changed_anywhere_is_refused(
        encryption in prop::sample::select(&ENCRYPTIONS[..]),
        at in any::<prop::sample::Index>(),
        character in prop::sample::select(&b"Aa0-_.+/= \n\0"[..]),
    ) {
        let mut message = sealed(encryption, b"{}").into_bytes();
        let at = at.index(message.len());
        prop_assume!(message[at] != character);
        message[at] = character;
        let message = String::from_utf8(message).expect("ASCII");
        prop_assert_eq!(open(&private("rsa2048"), &message), Err(Refused));
    }

    #[test]
    fn a_message_that_is_cut_or_prolonged_is_refused(
        encryption in prop::sample::select(&ENCRYPTIONS[..]),
        segment in 0..5_usize,
        at in any::<prop::sample::Index>(),
        more in "[A-Za-z0-9_-]{1,4}",
    ) {
        let message = sealed(encryption, b"{}");
        let text = message.split('.').nth(segment).expect("a segment");
        let cut = &text[..at.index(text.len())];
        prop_assert_eq!(open(&private("rsa2048"), &with(&message, segment, cut)), Err(Refused));
        let longer = format!("{text}{more}");
        prop_assert_eq!(open(&private("rsa2048"), &with(&message, segment, &longer)), Err(Refused));
    }

    #[test]
    fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..300), text in "[A-Za-z0-9_.-]{0,300}") {
        let _ = Jwe::parse(&bytes);
        let _ = Jwe::parse(text.as_bytes());
    }
}

#[test]
fn segments_are_canonical_base64url() {
    let message = sealed(Encryption::A256Gcm, b"{}");
    let tag = message.rsplit('.').next().expect("a tag");
    // Sixteen octets end in a character of which four bits are used.
    let last = tag.chars().last().expect("a character");
    let loose = match last {
        'A' => 'B',
        'Q' => 'R',
        'g' => 'h',
        _ => 'x',
    };
    for other in [
        format!("{tag}=="),
        format!("{tag}="),
        format!("{tag}\n"),
        format!(" {tag}"),
        format!("{}{loose}", &tag[..21]),
        format!("{}+", &tag[..21]),
    ] {
        assert_eq!(Jwe::parse(with(&message, 4, &other).as_bytes()).err(), Some(Refused), "{other:?}");
    }
}

#[test]
fn there_are_five_segments() {
    let message = sealed(Encryption::A256Gcm, b"{}");
    for other in [
        format!("{message}."),
        format!(".{message}"),
        format!("{message}.AAAA"),
        message.rsplit_once('.').expect("segments").0.to_owned(),
        with(&message, 1, ""),
        with(&message, 2, ""),
        with(&message, 4, ""),
        "....".to_owned(),
        String::new(),
    ] {
        assert_eq!(Jwe::parse(other.as_bytes()).err(), Some(Refused), "{other}");
    }
}

#[test]
fn sizes_are_bounded() {
    let message = sealed(Encryption::A256Gcm, b"{}");
    let fill = |length: usize| "A".repeat(length);
    let json = format!(r#"{{"alg":"RSA-OAEP-256","enc":"A256GCM","x":"{}"}}"#, fill(2000));
    for other in [
        with(&message, 0, &BASE64_URL_SAFE_NO_PAD.encode(json)),
        with(&message, 1, &fill(1368)),
        with(&message, 3, &fill(MAX_LENGTH)),
    ] {
        assert_eq!(Jwe::parse(other.as_bytes()).err(), Some(Refused), "{} octets", other.len());
    }
}

#[test]
fn another_key_opens_nothing() {
    let message = sealed(Encryption::A256Gcm, b"{}");
    assert_eq!(open(&private("rsa3072"), &message), Err(Refused));
    assert_eq!(open(&private("rsa4096"), &message), Err(Refused));
}

#[test]
fn a_content_key_of_another_length_opens_nothing() {
    let key =
        OaepPublicEncryptingKey::new(PublicEncryptingKey::from_der(public("rsa2048").spki()).expect("a key"))
            .expect("a key");
    let message = sealed(Encryption::A128CbcHs256, b"{}");
    for length in [0, 16, 31, 33, 64] {
        let mut wrapped = vec![0; key.ciphertext_size()];
        key.encrypt(&OAEP_SHA256_MGF1SHA256, &vec![7; length], &mut wrapped, None).expect("wrapped");
        let other = with(&message, 1, &BASE64_URL_SAFE_NO_PAD.encode(wrapped));
        assert_eq!(open(&private("rsa2048"), &other), Err(Refused), "{length}");
    }
}

/// If a failure to unwrap led to a key that an attacker can guess, this would open.
#[test]
fn a_key_that_does_not_unwrap_is_replaced_by_one_that_nobody_knows() {
    let header = r#"{"alg":"RSA-OAEP-256","enc":"A256GCM"}"#;
    let protected = BASE64_URL_SAFE_NO_PAD.encode(header);
    for guess in [[0; 32], [255; 32]] {
        let sealed =
            Encryption::A256Gcm.seal(&Zeroizing::new(guess), protected.as_bytes(), b"{}").expect("sealed");
        let wrapped = vec![1; 256];
        let segments = [&wrapped, &sealed.iv, &sealed.ciphertext, &sealed.tag];
        let segments = segments.map(|segment| BASE64_URL_SAFE_NO_PAD.encode(segment));
        let message = format!("{protected}.{}", segments.join("."));
        assert_eq!(open(&private("rsa2048"), &message), Err(Refused));
    }
    let unwrapped = [(); 2].map(|()| *wrapping::unwrap(&private("rsa2048"), &[1; 256]).expect("a key"));
    assert_ne!(unwrapped[0], unwrapped[1]);
}
