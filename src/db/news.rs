//! What a change tells every replica, as text and read back.

use uuid::Uuid;

use crate::crypto::keyring::KeyDigest;
use crate::ids::{KeyId, OrgId};

/// The announcement of a changed stream of the platform's.
pub const STREAMS: &str = "streams";
/// The announcement of a form of imported keys.
pub const KEY_PATTERNS: &str = "key_patterns";
/// The announcement of an ended platform token.
pub const PLATFORM_TOKENS: &str = "platform_tokens";
/// The announcement of renewed service keys.
pub const SERVICE_KEYS: &str = "service_keys";

/// Something of which all that memory knows is void.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// `org <id>`
    Org(OrgId),
    /// `key <id> <digest in hex> <org>`
    Key(OrgId, KeyId, KeyDigest),
    /// `moved <id> <new digest in hex> <old one> <org>`: the key is stored under another digest.
    Moved(OrgId, KeyId, [KeyDigest; 2]),
    /// `service_keys`: they were renewed.
    ServiceKeys,
    /// `streams`: one of the platform's was put in place.
    Streams,
    /// `key_patterns`: keys were imported.
    KeyPatterns,
    /// `platform_tokens`: one has ended.
    PlatformTokens,
}

/// What the memory of every platform token hangs on: they are few, and end seldom.
pub const ALL_PLATFORM_TOKENS: Uuid = Uuid::from_u128(1);

impl Changed {
    /// Reads an announcement.
    #[must_use]
    pub fn parse(news: &str) -> Option<Self> {
        match news {
            SERVICE_KEYS => return Some(Self::ServiceKeys),
            STREAMS => return Some(Self::Streams),
            KEY_PATTERNS => return Some(Self::KeyPatterns),
            PLATFORM_TOKENS => return Some(Self::PlatformTokens),
            _ => {}
        }
        let (what, rest) = news.split_once(' ')?;
        match (what, &*rest.split(' ').collect::<Vec<_>>()) {
            ("org", [id]) => Some(Self::Org(OrgId(uuid(id)?))),
            ("key", [id, known, org]) => Some(Self::Key(OrgId(uuid(org)?), KeyId(uuid(id)?), digest(known)?)),
            ("moved", [id, new, old, org]) => {
                Some(Self::Moved(OrgId(uuid(org)?), KeyId(uuid(id)?), [digest(new)?, digest(old)?]))
            }
            _ => None,
        }
    }

    /// What reads that are on their way are checked against.
    pub(super) fn subject(&self) -> Uuid {
        match self {
            Self::Org(OrgId(id)) | Self::Key(_, KeyId(id), _) | Self::Moved(_, KeyId(id), _) => *id,
            Self::PlatformTokens => ALL_PLATFORM_TOKENS,
            // No cache holds them.
            Self::ServiceKeys | Self::Streams | Self::KeyPatterns => Uuid::nil(),
        }
    }
}

fn uuid(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok()
}

fn digest(text: &str) -> Option<KeyDigest> {
    let mut bytes = KeyDigest::default();
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_are_read_back_and_nothing_else_is() {
        let id = Uuid::from_u128(7);
        assert_eq!(Changed::parse(&format!("org {id}")), Some(Changed::Org(OrgId(id))));
        let before = format!("key {id} {}", "ab".repeat(32));
        let org = Uuid::from_u128(1);
        let key = format!("{before} {org}");
        assert_eq!(Changed::parse(&key), Some(Changed::Key(OrgId(org), KeyId(id), [0xab; 32])));
        let moved = format!("moved {id} {} {} {org}", "ab".repeat(32), "cd".repeat(32));
        let digests = [[0xab; 32], [0xcd; 32]];
        assert_eq!(Changed::parse(&moved), Some(Changed::Moved(OrgId(org), KeyId(id), digests)));
        assert_eq!(Changed::parse(SERVICE_KEYS), Some(Changed::ServiceKeys));
        let bad = [
            "",
            "service_keys ",
            "org",
            "org x",
            "key",
            &format!("key {id}"),
            &format!("org {id} x"),
            &before,
            &format!("{moved} x"),
        ];
        for bad in bad.into_iter().chain([&*format!("{before}ab {org}"), &format!("{key} x")]) {
            assert_eq!(Changed::parse(bad), None, "{bad}");
        }
    }
}
