//! Published vectors: of the RFCs, what is not about wrapping a key with RSA-OAEP-256, which they have
//! none for; Wycheproof's; and messages by other libraries (`tests/vectors`).

use serde_json::Value;

use super::*;

fn key(octets: &[u8]) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(octets.try_into().expect("32 octets"))
}

fn hex(text: &str) -> Vec<u8> {
    hex::decode(text.replace(' ', "")).expect("hex")
}

fn base64(text: &str) -> Vec<u8> {
    decoded(text.as_bytes()).expect("base64url")
}

fn wycheproof() -> Value {
    serde_json::from_str(include_str!("../../../tests/vectors/wycheproof.json")).expect("JSON")
}

#[test]
fn rfc_7516_a_1_content() {
    let content_key = key(&[
        177, 161, 244, 128, 84, 143, 225, 115, 63, 180, 3, 255, 107, 154, 212, 246, 138, 7, 110, 91, 112, 46,
        34, 105, 47, 130, 203, 46, 122, 234, 64, 252,
    ]);
    let opened = Encryption::A256Gcm.open(
        &content_key,
        &base64("48V1_ALb6US04U3b"),
        b"eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ",
        &base64("5eym8TW_c8SuK0ltJ3rpYIzOeDQz7TALvtu6UG9oMo4vpzs9tX_EFShS8iB7j6jiSdiwkIr3ajwQzaBtQD_A"),
        &base64("XFBoMYUZodetZdvTiFvSkQ"),
    );
    assert_eq!(
        opened.expect("opened").as_slice(),
        b"The true sign of intelligence is not knowledge but imagination."
    );
}

#[test]
fn rfc_7516_a_2_content() {
    let content_key = key(&[
        4, 211, 31, 197, 84, 157, 252, 254, 11, 100, 157, 250, 63, 170, 106, 206, 107, 124, 212, 45, 111,
        107, 9, 219, 200, 177, 0, 240, 143, 156, 44, 207,
    ]);
    let opened = Encryption::A128CbcHs256.open(
        &content_key,
        &base64("AxY8DCtDaGlsbGljb3RoZQ"),
        b"eyJhbGciOiJSU0ExXzUiLCJlbmMiOiJBMTI4Q0JDLUhTMjU2In0",
        &base64("KDlTtXchhZTGufMYmOYGS4HffxPSUrfmqCHXaI9wOGY"),
        &base64("9hH0vgRfYgPnAHOd8stkvw"),
    );
    assert_eq!(opened.expect("opened").as_slice(), b"Live long and prosper.");
}

#[test]
fn rfc_7518_b_1() {
    let content_key = key(&(0..32).collect::<Vec<u8>>());
    let iv = hex("1af38c2dc2b96ffdd86694092341bc04");
    let aad = b"The second principle of Auguste Kerckhoffs";
    let ciphertext = hex(
        "c80edfa32ddf39d5ef00c0b468834279a2e46a1b8049f792f76bfe54b903a9c9a94ac9b47ad2655c5f10f9aef71427e2\
         fc6f9b3f399a221489f16362c703233609d45ac69864e3321cf82935ac4096c86e133314c54019e8ca7980dfa4b9cf1b\
         384c486f3a54c51078158ee5d79de59fbd34d848b3d69550a67646344427ade54b8851ffb598f7f80074b9473c82e2db",
    );
    let tag = hex("652c3fa36b0a7c5b3219fab3a30bc1c4");
    let opened = Encryption::A128CbcHs256.open(&content_key, &iv, aad, &ciphertext, &tag).expect("opened");
    let plaintext = "A cipher system must not be required to be secret, and it must be able to fall into the \
                     hands of the enemy without inconvenience";
    assert_eq!(opened.as_slice(), plaintext.as_bytes());
}

/// Of the whole file only two are of algorithms that are accepted; the others must not open.
#[test]
fn wycheproof_messages() {
    let vectors = wycheproof();
    let mut opened = Vec::new();
    for test in vectors["tests"].as_array().expect("tests") {
        let name = test["key"].as_str().expect("a key");
        let der = BASE64_STANDARD.decode(vectors["keys"][name].as_str().expect("a key")).expect("base64");
        let key = PrivateKey::from_pkcs8(&der).expect("a private key");
        if let Ok(plaintext) = open(&key, test["jwe"].as_str().expect("a message")) {
            assert_eq!(hex::encode(plaintext), test["pt"].as_str().expect("a plain text"));
            assert_eq!(test["result"], "valid");
            opened.push(test["comment"].as_str().expect("a comment").to_owned());
        }
    }
    assert_eq!(opened, ["acceptsA256GCM", "acceptsA128CBC-HS256"]);
}

/// A sound tag over padding that is none, and tags that are not sound.
#[test]
fn wycheproof_paddings() {
    let vectors = wycheproof();
    let tests = vectors["content"].as_array().expect("tests");
    for test in tests {
        let content_key = key(&hex(test["cek"].as_str().expect("a key")));
        let segments: Vec<&str> = test["jwe"].as_str().expect("a message").split('.').collect();
        let opened = Encryption::A128CbcHs256.open(
            &content_key,
            &base64(segments[2]),
            segments[0].as_bytes(),
            &base64(segments[3]),
            &base64(segments[4]),
        );
        assert_eq!(opened.is_ok(), test["result"] == "valid", "{}", test["comment"]);
    }
    assert_eq!(tests.len(), 5);
}

#[test]
fn messages_of_other_libraries_open() {
    let vectors: Value =
        serde_json::from_str(include_str!("../../../tests/vectors/libraries.json")).expect("JSON");
    let messages = vectors["messages"].as_array().expect("messages");
    for it in messages {
        let (library, name) = (&it["library"], it["key"].as_str().expect("a key"));
        let message = it["message"].as_str().expect("a message");
        let parsed = Jwe::parse(message.as_bytes()).expect("parsed");
        assert_eq!((parsed.kid(), parsed.content()), (Some(name), Content::Json), "{library}");
        let opened = parsed.open(&private(name)).expect("opened");
        assert_eq!(opened.as_slice(), vectors["plaintext"].as_str().expect("text").as_bytes(), "{library}");
    }
    assert_eq!(messages.len(), 12);
}
