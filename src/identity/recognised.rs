//! Keys that were seen alive, recognised by a tag instead of their digest.
//!
//! A partner sends the same key with every request. Its digest is HMAC-SHA-256, which is a good part of what a question
//! from memory costs where the processor has no instructions for it; keyed BLAKE3 takes a tenth. The tag leads to the
//! digest and to nothing else: whether the key is still alive is asked of what is remembered under the digest, as ever.

use std::fmt;

use quick_cache::sync::Cache;
use rand::Rng as _;
use zeroize::Zeroizing;

use crate::crypto::keyring::Hashed;

/// A longer text is no key.
const LONGEST: usize = 512;

/// What a text is recognised by. Equal tags are equal texts; without this process's key nobody makes a tag.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Tag([u8; 32]);

/// The digests of keys that were seen alive. Bounded.
pub(super) struct Recognised {
    /// Of this process alone, and as secret as the keys are.
    key: Zeroizing<[u8; 32]>,
    digests: Cache<Tag, Hashed>,
}

impl Recognised {
    /// Remembers at most `keys`.
    pub(super) fn new(keys: usize) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        rand::rng().fill_bytes(&mut *key);
        Self { key, digests: Cache::new(keys) }
    }

    /// The tag of a text; `None` for what is no key anyway.
    pub(super) fn tag(&self, text: &[u8]) -> Option<Tag> {
        (text.len() <= LONGEST).then(|| Tag(blake3::keyed_hash(&self.key, text).into()))
    }

    /// The digest that `pepper` makes of the text, if it was seen alive under that one.
    pub(super) fn digest(&self, tag: &Tag, pepper: i16) -> Option<Hashed> {
        self.digests.get(tag).filter(|hashed| hashed.pepper == pepper)
    }

    /// Remembers the digest of a key that is alive; a stranger's texts never get here.
    pub(super) fn note(&self, tag: Tag, hashed: Hashed) {
        self.digests.insert(tag, hashed);
    }
}

impl fmt::Debug for Recognised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recognised").field("keys", &self.digests.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_recognised_under_its_pepper_and_no_other_is() {
        let recognised = Recognised::new(10);
        let tag = recognised.tag(b"tk_test_1").unwrap();
        assert_eq!(recognised.digest(&tag, 0), None);
        let hashed = Hashed { digest: [7; 32], pepper: 0 };
        recognised.note(tag, hashed);
        assert_eq!(recognised.digest(&tag, 0), Some(hashed));
        assert_eq!(recognised.digest(&tag, 1), None, "after a renewal the digest is another");
        let other = recognised.tag(b"tk_test_2").unwrap();
        assert_eq!(recognised.digest(&other, 0), None);
    }

    #[test]
    fn tags_are_of_one_process_alone() {
        let tags = [Recognised::new(1), Recognised::new(1)].map(|one| one.tag(b"tk_test_1").unwrap().0);
        assert_ne!(tags[0], tags[1]);
    }

    #[test]
    fn what_is_too_long_for_a_key_is_not_even_hashed() {
        assert!(Recognised::new(1).tag(&[b'a'; LONGEST + 1]).is_none());
    }
}
