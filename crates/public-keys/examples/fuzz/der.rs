//! DER as a tree, so that what is changed inside leaves the lengths around it right.

use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use crate::text;

const BIT_STRING: u8 = 3;
/// How deep a tree is read.
const DEEPEST: u8 = 8;

/// One element.
#[derive(Clone)]
pub struct Element {
    tag: u8,
    content: Content,
}

#[derive(Clone)]
enum Content {
    Bytes(Vec<u8>),
    /// What is inside, behind octets that are not part of it (the unused bits of a BIT STRING).
    Elements(Vec<u8>, Vec<Element>),
}

/// `None` for what is no DER.
pub fn split(bytes: &[u8]) -> Option<Vec<Element>> {
    read(bytes, DEEPEST)
}

fn read(mut bytes: &[u8], depth: u8) -> Option<Vec<Element>> {
    let depth = depth.checked_sub(1)?;
    let mut elements = Vec::new();
    while let Some((&[tag, first], rest)) = bytes.split_first_chunk::<2>() {
        let (octets, rest) =
            rest.split_at_checked(if first < 0x80 { 0 } else { usize::from(first & 0x7f) })?;
        let length = match first {
            0..0x80 => usize::from(first),
            _ if octets.len() > 3 => return None,
            _ => octets.iter().fold(0, |sum, octet| (sum << 8) | usize::from(*octet)),
        };
        let (value, rest) = rest.split_at_checked(length)?;
        let skipped = usize::from(tag == BIT_STRING).min(value.len());
        let inner = (tag & 0x20 != 0 || tag == BIT_STRING).then(|| read(&value[skipped..], depth)).flatten();
        let content = match inner {
            Some(inner) => Content::Elements(value[..skipped].to_vec(), inner),
            None => Content::Bytes(value.to_vec()),
        };
        elements.push(Element { tag, content });
        bytes = rest;
    }
    bytes.is_empty().then_some(elements)
}

pub fn join(elements: &[Element]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for element in elements {
        let value = match &element.content {
            Content::Bytes(value) => value.clone(),
            Content::Elements(before, inner) => [before.clone(), join(inner)].concat(),
        };
        bytes.push(element.tag);
        match u8::try_from(value.len()) {
            Ok(length @ 0..0x80) => bytes.push(length),
            _ => {
                let octets = value.len().to_be_bytes();
                let zeros = octets.iter().take_while(|octet| **octet == 0).count();
                bytes.push(0x80 | u8::try_from(octets.len() - zeros).unwrap_or_default());
                bytes.extend(&octets[zeros..]);
            }
        }
        bytes.extend(value);
    }
    bytes
}

pub fn mutate(elements: &mut Vec<Element>, others: &[Element], rng: &mut StdRng) {
    if elements.is_empty() {
        return;
    }
    let at = rng.random_range(0..elements.len());
    if let Content::Elements(_, inner) = &mut elements[at].content
        && rng.random_ratio(9, 10)
    {
        return mutate(inner, others, rng);
    }
    match rng.random_range(0..10) {
        0 => drop(elements.remove(at)),
        1 => elements.push(elements[at].clone()),
        2 => elements.extend(others.choose(rng).cloned()),
        3 => elements[at].tag = *[2, 3, 4, 5, 6, 16, 48, 49, 160].choose(rng).unwrap_or(&2),
        _ => match &mut elements[at].content {
            Content::Elements(before, _) => text::mutate(before, rng),
            Content::Bytes(value) => change_number(value, rng),
        },
    }
}

/// Moduli that are a little different, of another length, or all wrong.
fn change_number(value: &mut Vec<u8>, rng: &mut StdRng) {
    match rng.random_range(0..6) {
        0 => value.insert(0, rng.random()),
        1 => value.truncate(rng.random_range(0..=value.len())),
        2 => value.extend_from_within(..rng.random_range(0..=value.len())),
        3 => value.iter_mut().rev().take(16).for_each(|octet| *octet = rng.random()),
        // A modulus that is still odd and as long: what only the closer screening can tell.
        4 if value.len() > 8 => {
            let at = rng.random_range(2..value.len() - 1);
            value[at] = rng.random();
        }
        _ => text::mutate(value, rng),
    }
}
