//! The name of a stream: of a built-in one, or of one of the platform's (contract 15).

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::Stream;

/// A stream that was found: cheap to clone, and equal where the names are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StreamName {
    /// One of ours.
    BuiltIn(Stream),
    /// One of the platform's.
    Platform(Arc<str>),
}

impl StreamName {
    /// The form of a name, for the document.
    pub const PATTERN: &str = "^[a-z][a-z0-9_]{0,62}$";

    /// The name of a row, whose stream was found when it was written.
    #[must_use]
    pub fn stored(name: &str) -> Self {
        name.parse().map_or_else(|()| Self::Platform(name.into()), Self::BuiltIn)
    }

    /// Returns `true` if a stream may be called so: [`StreamName::PATTERN`].
    #[must_use]
    pub fn is_one(name: &str) -> bool {
        let mut bytes = name.bytes();
        name.len() <= 63
            && bytes.next().is_some_and(|first| first.is_ascii_lowercase())
            && bytes.all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
    }

    /// The name on the wire and in the database.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::BuiltIn(stream) => stream.name(),
            Self::Platform(name) => name,
        }
    }

    /// The stream that carries what happens to this one's queue: never this one itself.
    #[must_use]
    pub fn told_on(&self) -> Stream {
        if *self == Self::BuiltIn(Stream::Credentials) { Stream::Users } else { Stream::Credentials }
    }
}

impl From<Stream> for StreamName {
    fn from(stream: Stream) -> Self {
        Self::BuiltIn(stream)
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for StreamName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl PartialSchema for StreamName {
    fn schema() -> RefOr<Schema> {
        let name = ObjectBuilder::new().schema_type(Type::String).pattern(Some(Self::PATTERN));
        let name = name.examples([Stream::Credentials.name()]);
        name.description(Some("The name of a stream: `users`, `credentials`, or one of the platform's."))
            .into()
    }
}

impl ToSchema for StreamName {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("StreamName")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_built_in_stream_is_the_same_however_it_was_named() {
        assert_eq!(StreamName::stored("users"), StreamName::from(Stream::Users));
        assert_eq!(StreamName::stored("orders"), StreamName::Platform("orders".into()));
        assert_ne!(StreamName::stored("orders"), StreamName::stored("order"));
    }

    #[test]
    fn what_happens_to_a_queue_is_told_on_another_stream() {
        let told = ["users", "credentials", "orders"].map(|name| StreamName::stored(name).told_on());
        assert_eq!(told, [Stream::Credentials, Stream::Users, Stream::Credentials]);
    }

    #[test]
    fn names_are_short_and_plain() {
        let longest = "a".repeat(63);
        for good in ["a", "orders", "order_lines_2", &longest] {
            assert!(StreamName::is_one(good), "{good}");
        }
        for bad in ["", "_a", "1a", "Orders", "or-ders", "or.ders", "ordérs", "a\n", &"a".repeat(64)] {
            assert!(!StreamName::is_one(bad), "{bad}");
        }
    }
}
