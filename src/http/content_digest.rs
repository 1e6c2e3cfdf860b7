//! The digest of a response that is sent as a stream, for its signature (contract 12.2).

/// SHA-256 of the whole content, as an extension of the response: who signs it need not hold it.
#[derive(Clone, Copy, Debug)]
pub struct ContentDigest(pub [u8; 32]);
