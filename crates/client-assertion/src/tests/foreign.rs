//! Assertions that others made (`tests/fixtures/make.py`), all issued at one instant for a minute.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::EXPECTED;
use crate::{Assertion, Expected, Problem, Verified};

const ISSUED: i64 = 1_764_122_400;

/// Who made it, and the verdict at `now`.
fn verdicts(now: i64) -> Vec<(String, Result<Verified, Problem>)> {
    let made: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("../../tests/fixtures/foreign.json")).unwrap();
    let text = |entry: &serde_json::Value, name: &str| entry[name].as_str().unwrap().to_owned();
    let verdict = |entry: &serde_json::Value| {
        let spki = STANDARD.decode(text(entry, "spki")).unwrap();
        Assertion::parse(&text(entry, "token"))?.verify(&spki, &Expected { now, ..EXPECTED })
    };
    made.iter().map(|entry| (text(entry, "made_by"), verdict(entry))).collect()
}

fn is_library((made_by, _): &(String, Result<Verified, Problem>)) -> bool {
    made_by.starts_with("PyJWT") || made_by.starts_with("jose")
}

#[test]
fn two_libraries_are_understood_in_every_algorithm_and_length() {
    let good = Verified {
        client: "acme".into(),
        id: "0b7d3b0e-54a1-4e7b-8f52-0d8f4f6c3a11".into(),
        expires_at: ISSUED + 60,
    };
    let theirs: Vec<_> = verdicts(ISSUED + 10).into_iter().filter(is_library).collect();
    assert_eq!(theirs.len(), 24);
    for (made_by, verdict) in theirs {
        assert_eq!(verdict, Ok(good.clone()), "{made_by}");
    }
}

#[test]
fn two_libraries_assertions_end() {
    for (made_by, verdict) in verdicts(ISSUED + 60).into_iter().filter(is_library) {
        assert_eq!(verdict, Err(Problem::Expired), "{made_by}");
    }
}

#[test]
fn other_salts_other_masks_and_short_keys_are_no_signature() {
    let bad: Vec<_> =
        verdicts(ISSUED).into_iter().filter(|(made_by, _)| made_by.starts_with("bad")).collect();
    assert_eq!(bad.len(), 4);
    for (made_by, verdict) in bad {
        assert_eq!(verdict, Err(Problem::Signature), "{made_by}");
    }
}

/// Its payload is prose: the verdict after that on the signature.
#[test]
fn the_signature_of_rfc_7520_4_2_is_good() {
    let (_, verdict) = verdicts(ISSUED).into_iter().find(|(made_by, _)| made_by == "RFC 7520 4.2").unwrap();
    assert_eq!(verdict, Err(Problem::Claims));
}
