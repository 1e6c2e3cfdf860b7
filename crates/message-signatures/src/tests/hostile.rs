//! Nothing panics, and nothing that is covered can be changed.

use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

use super::{NOW, head, headers, judge, public_key, signed_headers};
use crate::{Base, Problem, RequestHead, Signed, VerifyingKey, accept, digest};

const TARGET: &str = "/v1/users/42?expand=keys&page=2";
const NONCE: &str = "0123456789abcdef";

/// A request with something of every kind covered.
static SENT: LazyLock<HeaderMap> = LazyLock::new(|| {
    let plain = headers(&[
        ("content-digest", "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"),
        ("content-type", "application/json"),
        ("x-list", "one"),
        ("x-list", "two"),
        ("x-dictionary", "aa=11, bb=22"),
        ("x-not-covered", "anything"),
    ]);
    let input = format!(
        "(\"@method\" \"@authority\" \"@scheme\" \"@path\" \"@query\" \"@query-param\";name=\"page\" \"content-digest\" \
         \"content-type\" \"x-list\";bs \"x-dictionary\";key=\"bb\");created={NOW};keyid=\"k\";nonce=\"{NONCE}\""
    );
    signed_headers(&head("POST", TARGET, &plain), &input).unwrap()
});

fn with_byte(value: &[u8], at: prop::sample::Index, byte: u8) -> Option<Vec<u8>> {
    let mut value = value.to_vec();
    let at = at.index(value.len());
    (value[at] != byte).then(|| {
        value[at] = byte;
        value
    })
}

#[test]
fn what_the_properties_change_passes_unchanged() {
    assert_eq!(judge(&head("POST", TARGET, &SENT)), Ok(()));
    let mut changed = SENT.clone();
    changed.insert("x-not-covered", HeaderValue::from_static("something"));
    changed.insert("x-dictionary", HeaderValue::from_static("aa=12, bb=22"));
    assert_eq!(judge(&head("POST", TARGET, &changed)), Ok(()));
}

/// Every line of two of the covered fields, and the two fields of the signature.
const COVERED: [&str; 5] = ["content-digest", "content-type", "x-list", "signature-input", "signature"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn a_changed_byte_of_a_covered_field_fails(which in 0..COVERED.len(), at: prop::sample::Index, byte in b' '..=b'~') {
        let sent = &*SENT;
        let name = COVERED[which];
        let first = sent[name].as_bytes();
        let Some(changed) = with_byte(first, at, byte) else { return Ok(()) };
        let value = HeaderValue::from_bytes(&changed).unwrap();
        let mut lines = sent.clone();
        lines.remove(name);
        lines.append(name, value);
        for line in sent.get_all(name).iter().skip(1) {
            lines.append(name, line.clone());
        }
        let before = Signed::parse(&head("POST", TARGET, sent)).unwrap().unwrap();
        match Signed::parse(&head("POST", TARGET, &lines)) {
            // White space and the label are not signed; all that is signed is as it was.
            Ok(Some(after)) if after.verify(&public_key()).is_ok() => {
                prop_assert!(matches!(name, "signature-input" | "signature"), "{name}");
                prop_assert_eq!(after.signature_base(), before.signature_base());
                prop_assert_eq!(after.signature(), before.signature());
            }
            _ => {}
        }
    }

    #[test]
    fn a_changed_byte_of_the_target_fails(at: prop::sample::Index, byte in b'!'..=b'~') {
        let sent = &*SENT;
        let Some(changed) = with_byte(TARGET.as_bytes(), at, byte) else { return Ok(()) };
        let changed = String::from_utf8(changed).unwrap();
        prop_assert!(judge(&head("POST", &changed, sent)).is_err(), "{changed}");
    }

    #[test]
    fn a_changed_byte_of_method_scheme_or_authority_fails(part in 0..3_usize, at: prop::sample::Index, byte in b'!'..=b'~') {
        let sent = &*SENT;
        let parts = ["POST", "https", "example.com"];
        let Some(changed) = with_byte(parts[part].as_bytes(), at, byte) else { return Ok(()) };
        let changed = String::from_utf8(changed).unwrap();
        // Only the case of a host does not count.
        prop_assume!(!(part == 2 && changed.eq_ignore_ascii_case(parts[2])));
        let part = |index: usize| if index == part { changed.as_str() } else { parts[index] };
        let base = Base { scheme: part(1), authority: part(2) };
        let there = RequestHead { base, ..head(part(0), TARGET, sent) };
        prop_assert!(judge(&there).is_err());
    }

    #[test]
    fn a_changed_byte_of_the_body_fails(body in prop::collection::vec(any::<u8>(), 1..200), at: prop::sample::Index, byte: u8) {
        let fields = headers(&[("content-digest", &digest::of(&body))]);
        prop_assert_eq!(digest::check(&fields, &body), Ok(()));
        let Some(changed) = with_byte(&body, at, byte) else { return Ok(()) };
        prop_assert_eq!(digest::check(&fields, &changed), Err(Problem::Digest("sha-256")));
    }

    #[test]
    fn nothing_panics(
        input in prop_oneof![structured(), prop::collection::vec(any::<u8>(), 0..200)],
        signature in prop_oneof![structured(), prop::collection::vec(any::<u8>(), 0..60)],
        method in "\\PC{0,8}",
        target in "\\PC{0,40}",
        authority in "\\PC{0,20}",
        now: i64,
    ) {
        let mut fields = headers(&[("date", "x"), ("x-dictionary", "a=1, b;c")]);
        let lines = [
            ("signature-input", &input),
            ("signature", &signature),
            ("accept-signature", &input),
            ("content-digest", &signature),
        ];
        for (name, value) in lines {
            if let Ok(value) = HeaderValue::from_bytes(value) {
                fields.append(HeaderName::from_static(name), value);
            }
        }
        let base = Base { scheme: "https", authority: &authority };
        if let Ok(Some(signed)) = Signed::parse(&RequestHead { base, ..head(&method, &target, &fields) }) {
            let _ = (signed.check_time(now), signed.usable_until(), signed.verify(&VerifyingKey::new(Vec::new())));
        }
        let _ = (accept::wants(&fields), digest::check(&fields, &signature));
    }
}

/// Text that is nearly a field of ours.
fn structured() -> impl Strategy<Value = Vec<u8>> {
    let part = prop::sample::select(vec![
        "sig",
        "sig=",
        "a=",
        "(",
        ")",
        "\"@method\"",
        "\"@path\"",
        "\"date\"",
        "\"x-dictionary\"",
        ";key=\"a\"",
        ";sf",
        ";bs",
        ";req",
        ";name=\"a\"",
        "\"@query-param\"",
        " ",
        ", ",
        ";created=1",
        ";created=-999999999999999",
        ";expires=999999999999999",
        ";keyid=\"k\"",
        ";alg=\"rsa-pss-sha512\"",
        ";tag=\"partner-api\"",
        ":AA==:",
        "=:AA==:",
        "?1",
        "1.5",
        "@1",
        "%\"a\"",
        "sha-256=",
        "sha-512",
        ";nonce=\"0123456789abcdef\"",
    ]);
    prop::collection::vec(part, 0..14).prop_map(|parts| parts.concat().into_bytes())
}
