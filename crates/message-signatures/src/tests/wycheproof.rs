//! Project Wycheproof's signatures (`tests/vectors`): each is judged as it says, and none by another algorithm.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::{Algorithm, Problem, VerifyingKey};

fn bytes(value: &Value) -> Vec<u8> {
    BASE64_STANDARD.decode(value.as_str().unwrap()).unwrap()
}

#[test]
fn wycheproofs_signatures_are_judged_as_it_says() {
    let files: Value = serde_json::from_str(include_str!("../../tests/vectors/wycheproof.json")).unwrap();
    let mut counts = Vec::new();
    for file in files.as_array().unwrap() {
        let key = VerifyingKey::new(bytes(&file["spki"]));
        let (algorithm, other) = match file["algorithm"].as_str().unwrap() {
            "rsa-pss-sha512" => (Algorithm::RsaPssSha512, Algorithm::RsaV15Sha256),
            _ => (Algorithm::RsaV15Sha256, Algorithm::RsaPssSha512),
        };
        // RFC 9421 3.3.1 wants a salt of 64 bytes.
        let has_short_salt = file["file"] == "rsa_pss_4096_sha512_mgf1_32_test.json";
        let (mut good, mut bad) = (0, 0);
        for test in file["tests"].as_array().unwrap() {
            let (message, signature) = (bytes(&test[2]), bytes(&test[3]));
            // What is merely acceptable, a digest without its NULL, is not accepted.
            if test[4] == "valid" && !has_short_salt {
                assert_eq!(key.verify(algorithm, &message, &signature), Ok(()), "{test}");
                assert_eq!(key.verify(other, &message, &signature), Err(Problem::Signature), "{test}");
                good += 1;
            } else {
                assert!(key.verify(algorithm, &message, &signature).is_err(), "{test}");
                bad += 1;
            }
        }
        counts.push((good, bad));
    }
    assert_eq!(counts, [(132, 47), (0, 2), (7, 250)]);
}
