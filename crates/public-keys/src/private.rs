//! Private key material, told in whatever it is wrapped: PEM, JWK, XML, PuTTY, hex, percent-encoding,
//! base64 in base64, behind notes and quotes. Wrongly telling a public key private is worse than
//! useless, so marks are those that only private forms have, and DER is told by its structure.

use serde_json::Value;

use super::{encoding, frames};

/// How many wrappings are taken off. Each is at most as long as the one around it.
const MAX_DEPTH: u8 = 5;
/// Fewer digits or letters than this are no key.
const SHORTEST: usize = 16;
/// Runs of base64 that are looked at in one text.
const MAX_RUNS: usize = 64;

/// Whether `text` carries or announces private material.
pub fn is_in(text: &str) -> bool {
    in_text(text, MAX_DEPTH)
}

fn in_text(text: &str, depth: u8) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    let text = encoding::unescaped(text);
    is_marked(&encoding::without_armor_headers(&text))
        || is_json(&text)
        || in_runs(&text, depth)
        || from_hex(&text).is_some_and(|bytes| in_bytes(&bytes, depth))
        || from_percent(&text).is_some_and(|meant| meant.iter().any(|inner| in_text(inner, depth)))
}

fn in_bytes(bytes: &[u8], depth: u8) -> bool {
    is_binary(bytes) || as_text(bytes).is_some_and(|inner| in_text(&inner, depth))
}

/// Marks of private forms, in upper case: PEM and its relatives, PuTTY, openssl's and BIND's text,
/// .NET's XML, age.
fn is_marked(text: &str) -> bool {
    const MARKS: [&str; 11] = [
        "PUTTY-USER-KEY-FILE",
        "PRIVATE-LINES",
        "PRIVATE-KEY-FORMAT",
        "PRIVATE-KEY: (",
        "PRIVATEEXPONENT",
        "SSH PRIVATE KEY FILE FORMAT",
        "AGE-SECRET-KEY-",
        "<D>",
        "<INVERSEQ>",
        "<DP>",
        "&LT;D&GT;",
    ];
    let upper = text.to_ascii_uppercase();
    MARKS.iter().any(|mark| upper.contains(mark))
        || ["BEGIN", "END"].iter().any(|word| {
            upper.match_indices(word).any(|(at, _)| {
                // `BEGIN ENCRYPTED PRIVATE KEY`, `BEGIN SSH2 ENCRYPTED PRIVATE KEY`: words between them.
                let label = upper[at + word.len()..].trim_start_matches([' ', '_', '+']);
                let end = label.find(|c: char| !(c.is_ascii_alphanumeric() || " _+".contains(c)));
                let label = &label[..end.unwrap_or(label.len())];
                let key =
                    ["PRIVATE KEY", "PRIVATE_KEY", "PRIVATE+KEY"].iter().find_map(|key| label.find(key));
                key.is_some_and(|at| at <= 24)
            })
        })
}

/// A JSON Web Key, or a set or a list of them, with a private member (RFC 7518 sections 6.2.2, 6.3.2
/// and 6.4), even when the JSON is broken.
fn is_json(text: &str) -> bool {
    let text = text.trim_start();
    if !text.starts_with(['{', '[', '"', '\'']) {
        return false;
    }
    // Quotation marks around it are no part of it.
    let inner = text.find(['{', '[']).zip(text.rfind(['}', ']'])).and_then(|(from, to)| text.get(from..=to));
    let mut values =
        [Some(text), inner].into_iter().flatten().filter_map(|text| serde_json::from_str::<Value>(text).ok());
    if values.any(|value| is_private_jwk(&value, 0)) {
        return true;
    }
    let squeezed: String = text
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '\\')
        .map(|c| if c == '\'' { '"' } else { c })
        .collect();
    squeezed.contains("\"kty\"")
        && ["\"d\":", "\"dp\":", "\"p\":", "\"q\":", "\"k\":"].iter().any(|member| squeezed.contains(member))
}

fn is_private_jwk(value: &Value, depth: u8) -> bool {
    if depth > 8 {
        return false;
    }
    match value {
        Value::Object(members) => {
            let has = |name: &str| members.contains_key(name);
            (has("kty") || has("n")) && ["d", "p", "q", "dp", "dq", "qi", "k"].into_iter().any(has)
                || members.values().any(|inner| is_private_jwk(inner, depth + 1))
        }
        Value::Array(items) => items.iter().any(|inner| is_private_jwk(inner, depth + 1)),
        Value::String(inner) => is_in(inner),
        _ => false,
    }
}

/// Looks at what the longer runs of base64 decode to.
fn in_runs(text: &str, depth: u8) -> bool {
    runs(text).into_iter().any(|run| {
        let whole = run.len() / 4 * 4;
        // The end may be damaged, and what is looked for stands at the beginning.
        let bytes = encoding::base64(&run).or_else(|| encoding::base64(&run[..whole]));
        let bytes = bytes.unwrap_or_else(|| encoding::base64(&run[..whole.min(64)]).unwrap_or_default());
        in_bytes(&bytes, depth)
    })
}

/// The runs of base64 in a text: tokens that only line ends, quotation marks and comment signs part.
fn runs(text: &str) -> Vec<String> {
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/-_".contains(c);
    let mut runs: Vec<String> = Vec::new();
    let mut joins = false;
    for line in text.lines() {
        // The label of a block ends a run, and is none.
        let (line, framed) = (line.replace(encoding::DASHES, "\n"), line.contains(encoding::DASHES));
        let line = line.trim_matches(|c: char| c.is_whitespace() || ">#*;|,\"'`=".contains(c));
        joins &= !framed && !line.is_empty();
        for word in line.split(|c| !is_base64(c)).filter(|word| word.len() >= SHORTEST) {
            let is_line = word.len() == line.len();
            let goes_on = joins && is_line;
            if let Some(run) = runs.last_mut().filter(|_| goes_on) {
                run.push_str(word);
            } else if runs.len() < MAX_RUNS {
                runs.push(word.to_owned());
            }
            joins = line.ends_with(word);
        }
    }
    runs
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let bare = text.replace("0x", "").replace("0X", "").replace("\\x", "");
    let digits: String =
        bare.chars().filter(|c| !(c.is_whitespace() || ":,-{}[]()\"';".contains(*c))).collect();
    let is_hex = digits.len() >= 2 * SHORTEST && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hex.then(|| hex::decode(&digits[..digits.len() / 2 * 2]).ok())?
}

/// What `application/x-www-form-urlencoded` makes of a key: `%2B`, `%0A`, and `+` for a blank.
fn from_percent(text: &str) -> Option<[String; 2]> {
    let encoded =
        text.as_bytes().windows(3).any(|it| it[0] == b'%' && it[1..].iter().all(u8::is_ascii_hexdigit));
    if !encoded {
        return None;
    }
    // With a blank for every `+`, labels can be read; with every `+` kept, base64 can.
    let decode = |text: &str| {
        let pair = format!("={}", text.replace('&', "%26").replace('=', "%3D"));
        form_urlencoded::parse(pair.as_bytes()).map(|(_, value)| value.into_owned()).collect::<String>()
    };
    Some([decode(text), decode(&text.replace('+', "%2B"))])
}

/// Text in UTF-8, or in UTF-16 of either order as Windows writes it.
fn as_text(bytes: &[u8]) -> Option<String> {
    let zeros = bytes.iter().filter(|byte| **byte == 0).count();
    let bytes: Vec<u8> = if zeros * 3 > bytes.len() {
        bytes.iter().copied().filter(|byte| *byte != 0).collect()
    } else {
        bytes.into()
    };
    let text = String::from_utf8(bytes).ok()?;
    (text.len() >= SHORTEST).then_some(text)
}

/// Whether `bytes` begin as a private key does, in any binary form, even cut short.
pub fn is_binary(bytes: &[u8]) -> bool {
    const OPENSSH: &[u8] = b"openssh-key-v1\0";
    const JAVA: [&[u8]; 2] = [b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce"];
    bytes.starts_with(OPENSSH)
        || JAVA.iter().any(|magic| bytes.starts_with(magic))
        || frames::is_secret(bytes)
        || is_certificate(bytes) && frames::hold_secret(bytes)
        || is_private_der(bytes)
}

/// An OpenPGP public key packet, or what may stand before one.
fn is_certificate(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(0x98..=0x9b | 0xa8 | 0xc6 | 0xca | 0xd5))
}

/// PKCS#8, PKCS#1 private, SEC 1 and PKCS#12 begin with a small version number; encrypted PKCS#8 with an
/// algorithm before an OCTET STRING.
fn is_private_der(der: &[u8]) -> bool {
    let Some((SEQUENCE, inner, _)) = element(der) else { return false };
    let Some((tag, value, after)) = element(inner) else { return false };
    match tag {
        INTEGER => {
            let small =
                value.split_last().is_some_and(|(last, high)| *last <= 3 && high.iter().all(|it| *it == 0));
            small && matches!(after.first(), None | Some(&INTEGER | &OCTET_STRING | &SEQUENCE))
        }
        SEQUENCE if value.first() == Some(&OBJECT_IDENTIFIER) => {
            after.first() == Some(&OCTET_STRING)
                // An encryption by password (PKCS#5, PKCS#12), even when what it encrypts is cut off.
                || PASSWORD_ENCRYPTIONS.iter().any(|oid| value.get(2..).is_some_and(|it| it.starts_with(oid)))
        }
        _ => false,
    }
}

/// The object identifiers below 1.2.840.113549.1.5 and 1.2.840.113549.1.12, as DER has them.
const PASSWORD_ENCRYPTIONS: [&[u8]; 2] =
    [b"\x2a\x86\x48\x86\xf7\x0d\x01\x05", b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c"];

pub const INTEGER: u8 = 0x02;
pub const OCTET_STRING: u8 = 0x04;
pub const OBJECT_IDENTIFIER: u8 = 0x06;
pub const SEQUENCE: u8 = 0x30;

/// The first element's tag, contents and what follows, without any strictness: a length that runs
/// past the end means all there is.
pub fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = bytes.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        0..0x80 => (usize::from(first), rest),
        // Indefinite: to the end.
        0x80 => (usize::MAX, rest),
        _ => {
            let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length =
                octets.iter().fold(0_usize, |sum, octet| sum.saturating_mul(256) | usize::from(*octet));
            (length, rest)
        }
    };
    let (value, after) = rest.split_at(length.min(rest.len()));
    Some((tag, value, after))
}
