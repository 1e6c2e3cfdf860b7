//! Text around key bytes: PEM-like blocks and base64, read leniently where people and tools differ
//! (line breaks, padding, alphabet, notes around), strictly where a second meaning could hide.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
pub const DASHES: &str = "-----";

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// A block between `-----BEGIN label-----` and its `-----END label-----`.
pub struct Block<'a> {
    pub label: &'a str,
    pub body: &'a str,
}

/// The blocks of a text and what stands behind the last one; `None` when a frame is broken.
pub fn blocks(text: &str) -> Option<(Vec<Block<'_>>, &str)> {
    let (mut blocks, mut rest) = (Vec::new(), text);
    while let Some((_, after)) = rest.split_once(BEGIN) {
        let (label, after) = after.split_once(DASHES)?;
        let (body, after) = after.split_once(END)?;
        rest = after.strip_prefix(label)?.strip_prefix(DASHES)?;
        blocks.push(Block { label, body });
    }
    Some((blocks, rest))
}

/// Whether a text says nothing: blanks, or lines that are comments.
pub fn is_comment(text: &str) -> bool {
    text.lines()
        .map(str::trim)
        .all(|line| line.is_empty() || line.starts_with(['#', ';']) || line.starts_with("// "))
}

/// Text as it was before somebody put it on one line or a tool of another system saved it: no byte
/// order mark, line ends of one kind, and line ends spelt out (`\n`) made real.
pub fn unescaped(text: &str) -> Cow<'_, str> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}' || c == '\u{200b}');
    if !text.contains(['\\', '\r', '\u{feff}', '\u{a0}']) {
        return Cow::Borrowed(text);
    }
    let spelt = [("\\r", "\n"), ("\\n", "\n"), ("\\t", " "), ("\\/", "/"), ("\\\"", "\"")];
    let real = [("\r\n", "\n"), ("\r", "\n"), ("\u{feff}", ""), ("\u{a0}", " ")];
    let replaced =
        spelt.into_iter().chain(real).fold(text.to_owned(), |text, (old, new)| text.replace(old, new));
    Cow::Owned(replaced.trim().to_owned())
}

/// The same without the quotation marks around it and the `>` before each line that a mail has.
pub fn undressed(text: &str) -> String {
    let text = unescaped(text);
    let text =
        ["\"", "'", "`"].iter().find_map(|mark| text.strip_prefix(mark)?.strip_suffix(mark)).unwrap_or(&text);
    let is_quoted = text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('>'));
    let unquoted =
        |line: &str| if is_quoted { line.trim_start_matches(['>', ' ']).to_owned() } else { line.to_owned() };
    text.lines().map(|line| unquoted(line) + "\n").collect::<String>().trim().to_owned()
}

/// Text without the header lines of public armor (RFC 9580 section 6.2.2), which may say anything.
pub fn without_armor_headers(text: &str) -> Cow<'_, str> {
    const PUBLIC: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
    const HEADERS: [&str; 5] = ["Comment:", "Version:", "Hash:", "MessageID:", "Charset:"];
    if !text.contains(PUBLIC) {
        return Cow::Borrowed(text);
    }
    let mut is_head = false;
    let lines = text.lines().filter(|line| {
        let is_header = is_head && HEADERS.iter().any(|name| line.trim_start().starts_with(name));
        is_head = line.trim_end().ends_with(PUBLIC) || is_header;
        !is_header
    });
    Cow::Owned(lines.flat_map(|line| [line, "\n"]).collect())
}

/// The base64 inside an armored block: no headers and no checksum, which says nothing that the
/// signatures do not say better, and which section 6.1 forbids refusing for.
pub fn armored(body: &str) -> String {
    let is_long =
        |word: &str| word.len() >= 60 && word.chars().all(|c| c.is_ascii_alphanumeric() || "+/=".contains(c));
    let mut lines = body.lines().map(str::trim).skip_while(|line| line.is_empty()).peekable();
    let mut data = String::new();
    // Headers end with a blank line, or with the first line that has no colon.
    while let Some(line) = lines.next_if(|line| line.is_empty() || line.contains(':')) {
        // On one line, the data begins with the first word that can only be data.
        let at = line.split_whitespace().position(is_long);
        data.extend(at.into_iter().flat_map(|at| line.split_whitespace().skip(at)));
    }
    data.extend(lines.flat_map(str::split_whitespace));
    let checksum = data.len().checked_sub(5).filter(|at| {
        data.is_char_boundary(*at) && data[*at..].starts_with('=') && !data[at + 1..].contains('=')
    });
    data.truncate(checksum.unwrap_or(data.len()));
    data
}

/// Base64 in either alphabet, with or without padding, white space anywhere.
pub fn base64(text: &str) -> Option<Vec<u8>> {
    let squeezed: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let url_safe = squeezed.iter().any(|b| matches!(b, b'-' | b'_'));
    let engine = if url_safe { URL_SAFE } else { STANDARD };
    engine.decode(squeezed).ok().filter(|bytes| !bytes.is_empty())
}

/// Standard base64 in lines of 64 columns, each ended by a line feed, between PEM lines.
pub fn pem(label: &str, der: &[u8]) -> String {
    let encoded = base64::prelude::BASE64_STANDARD.encode(der);
    let mut out = format!("{BEGIN}{label}{DASHES}\n");
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    out + &format!("{END}{label}{DASHES}\n")
}
