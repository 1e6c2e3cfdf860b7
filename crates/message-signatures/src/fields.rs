//! Field lines joined (RFC 9421 2.1), and dictionaries that do not say one thing twice.

use std::fmt;

use http::{HeaderMap, HeaderValue};
use sfv::visitor::{DictionaryVisitor, EntryVisitor, InnerListVisitor, ItemVisitor, ParameterVisitor};
use sfv::{BareItemFromInput, Dictionary, InnerList, Item, KeyRef, ListEntry, Parameters, Parser};

use crate::{MAX_FIELD, Problem};

/// The value of one line without the white space around it.
pub fn trimmed(value: &HeaderValue) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let bytes = value.as_bytes();
    let Some(start) = bytes.iter().position(|byte| !is_space(byte)) else { return &[] };
    let end = bytes.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
    &bytes[start..end]
}

/// All lines of field `name`, trimmed and joined; none if there is no such field.
pub fn joined(headers: &HeaderMap, name: &str) -> Option<Vec<u8>> {
    let mut lines = headers.get_all(name).iter();
    let mut joined = trimmed(lines.next()?).to_vec();
    for line in lines {
        joined.extend_from_slice(b", ");
        joined.extend_from_slice(trimmed(line));
    }
    Some(joined)
}

/// Field `name` as a dictionary; none if there is no such field.
///
/// Where RFC 9651 lets the last of two equal keys win, this refuses: a signer and a verifier that disagree
/// about which one counts would verify different things.
pub fn dictionary(headers: &HeaderMap, name: &'static str) -> Result<Option<Dictionary>, Problem> {
    let Some(joined) = joined(headers, name) else { return Ok(None) };
    if joined.len() > MAX_FIELD {
        return Err(Problem::FieldTooLong { field: name, limit: MAX_FIELD });
    }
    let unique = Unique(Dictionary::new());
    Parser::new(&joined)
        .parse_dictionary_with_visitor(unique)
        .map(Some)
        .map_err(|_| Problem::NotADictionary(name))
}

/// A key came twice.
#[derive(Debug)]
struct Twice;

impl fmt::Display for Twice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("twice")
    }
}

impl std::error::Error for Twice {}

/// Visits a part of a dictionary, and ends at the first key that is there already.
struct Unique<T>(T);

/// A member of the dictionary that is about to be read.
struct Member<'de, 'a> {
    dictionary: &'a mut Dictionary,
    label: &'de KeyRef,
}

impl<'de> DictionaryVisitor<'de> for Unique<Dictionary> {
    type Out = Dictionary;
    type Error = Twice;

    fn entry(&mut self, label: &'de KeyRef) -> Result<impl EntryVisitor<'de>, Twice> {
        if self.0.contains_key(label) {
            return Err(Twice);
        }
        Ok(Member { dictionary: &mut self.0, label })
    }

    fn finish(self) -> Result<Dictionary, Twice> {
        Ok(self.0)
    }
}

impl<'de> EntryVisitor<'de> for Member<'de, '_> {
    type Error = Twice;

    fn item(self) -> Result<impl ItemVisitor<'de>, Twice> {
        Ok(self)
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'de>, Twice> {
        match self.dictionary.entry(self.label.to_owned()).or_insert(InnerList::default().into()) {
            ListEntry::InnerList(list) => Ok(Unique(list)),
            ListEntry::Item(_) => Err(Twice),
        }
    }
}

impl<'de> ItemVisitor<'de> for Member<'de, '_> {
    type Out = ();
    type Error = Twice;

    fn bare_item(self, value: BareItemFromInput<'de>) -> Result<impl ParameterVisitor<'de, Out = ()>, Twice> {
        match self.dictionary.entry(self.label.to_owned()).or_insert(Item::new(value).into()) {
            ListEntry::Item(item) => Ok(Unique(&mut item.params)),
            ListEntry::InnerList(_) => Err(Twice),
        }
    }
}

impl<'de> InnerListVisitor<'de> for Unique<&mut InnerList> {
    type Error = Twice;

    fn item(&mut self) -> Result<impl ItemVisitor<'de>, Twice> {
        self.0.items.push(Item::new(false));
        self.0.items.last_mut().map(Unique).ok_or(Twice)
    }

    fn finish(self) -> Result<impl ParameterVisitor<'de>, Twice> {
        Ok(Unique(&mut self.0.params))
    }
}

impl<'de> ItemVisitor<'de> for Unique<&mut Item> {
    type Out = ();
    type Error = Twice;

    fn bare_item(self, value: BareItemFromInput<'de>) -> Result<impl ParameterVisitor<'de, Out = ()>, Twice> {
        self.0.bare_item = value.into();
        Ok(Unique(&mut self.0.params))
    }
}

impl<'de> ParameterVisitor<'de> for Unique<&mut Parameters> {
    type Out = ();
    type Error = Twice;

    fn parameter(&mut self, key: &'de KeyRef, value: BareItemFromInput<'de>) -> Result<(), Twice> {
        match self.0.insert(key.to_owned(), value.into()) {
            None => Ok(()),
            Some(_) => Err(Twice),
        }
    }

    fn finish(self) -> Result<(), Twice> {
        Ok(())
    }
}
