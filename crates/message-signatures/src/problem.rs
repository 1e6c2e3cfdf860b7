//! What is wrong with a signed request, in words for the engineer who signs.

use thiserror::Error;

/// The first thing that is wrong with a signature or a digest.
///
/// The words name parts of the request, so they are for whoever sent it and for nobody else.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    /// One of the two fields came without the other.
    #[error("`{0}` is missing: `signature-input` and `signature` belong together")]
    Missing(&'static str),
    /// A field of ours is longer than is read.
    #[error("`{field}` is longer than {limit} bytes")]
    FieldTooLong {
        /// Its name.
        field: &'static str,
        /// In bytes.
        limit: usize,
    },
    /// A field of ours is no dictionary (RFC 9651 3.2), or says one thing twice.
    #[error("`{0}` is not a dictionary of structured fields, or has a label or a parameter twice")]
    NotADictionary(&'static str),
    /// More than one signature, and not exactly one of them is meant for us.
    #[error("{tagged} of {labels} signatures have `tag=\"{tag}\"`; exactly one must", tag = crate::TAG)]
    Label {
        /// How many there are.
        labels: usize,
        /// How many of them have our tag.
        tagged: usize,
    },
    /// The member of `signature-input` is not a list of components.
    #[error("`{0}` in `signature-input` is not a list of components in parentheses")]
    NotAList(String),
    /// No such member in `signature`.
    #[error("`signature` has no member `{0}`")]
    NoSignature(String),
    /// The member of `signature` is no byte sequence, or longer than an RSA signature can be.
    #[error("`{0}` in `signature` is not base64 between colons, or too long for RSA of 8192 bits")]
    NotBytes(String),
    /// A parameter that must be there.
    #[error("parameter `{0}` is missing")]
    NoParameter(&'static str),
    /// A parameter with a value of another type, or outside its bounds.
    #[error("parameter `{name}` must be {must}")]
    Parameter {
        /// Its name.
        name: &'static str,
        /// What it must be, in words.
        must: &'static str,
    },
    /// A parameter whose meaning is not known, and so cannot be honoured.
    #[error("parameter `{0}` is not known")]
    UnknownParameter(String),
    /// Neither of the two algorithms.
    #[error("algorithm `{0}` is neither `rsa-pss-sha512` nor `rsa-v1_5-sha256`")]
    Algorithm(String),
    /// More components, or more bytes in them, than are read.
    #[error("more than {components} components, or more than {bytes} bytes to sign or to parse", components = crate::MAX_COMPONENTS, bytes = crate::MAX_BASE)]
    TooMuch,
    /// A component that is not a quoted name.
    #[error("component {0} is not a quoted name")]
    NotAName(String),
    /// A derived component that requests do not have, or that is not known.
    #[error("component {0} is not known in a request")]
    UnknownComponent(String),
    /// A field name with upper-case letters or characters that field names do not have.
    #[error("component {0} is not a field name in lower case")]
    FieldName(String),
    /// A parameter of a component that does not fit it.
    #[error(
        "component {0} has a parameter that it cannot have; there may be one of `sf`, `bs`, `key` or `name`"
    )]
    ComponentParameter(String),
    /// The same component twice (RFC 9421 2).
    #[error("component {0} is covered twice")]
    Twice(String),
    /// A covered field that the request does not have.
    #[error("{0} is covered and not in the request")]
    Absent(String),
    /// A covered field with bytes that are no visible ASCII.
    #[error("{0} has characters outside ASCII; cover it with `bs`")]
    NotAscii(String),
    /// A covered field that is no structured field, or could be two.
    #[error("{0} is not a structured field")]
    NotStructured(String),
    /// A method, target or authority with bytes that do not belong there.
    #[error("the method, the request target or the authority has characters that must be percent-encoded")]
    Target,
    /// A component that must be covered and is not.
    #[error("`{0}` is not covered")]
    NotCovered(&'static str),
    /// Signed for the future.
    #[error("`created` is {0} s in the future; {limit} s are accepted", limit = crate::WINDOW)]
    Early(i64),
    /// Signed too long ago.
    #[error("`created` is {0} s in the past; {limit} s are accepted", limit = crate::WINDOW)]
    Late(i64),
    /// Past its own end.
    #[error("`expires` was {0} s ago")]
    Expired(i64),
    /// Sound, and not made by this key over these bytes.
    #[error("the signature is not that of this key over this signature base")]
    Signature,
    /// Made by this key over these bytes, with another salt than RFC 9421 3.3.1 has.
    #[error(
        "the salt of the signature is as long as it can be, and must have 64 bytes (RFC 9421 3.3.1): in Node \
         `saltLength: 64`, in Go `SaltLength: rsa.PSSSaltLengthEqualsHash`, with openssl `rsa_pss_saltlen:64`"
    )]
    Salt,
    /// There is no `Content-Digest` to compare the body with.
    #[error("`content-digest` is missing")]
    NoDigest,
    /// Only digests that are not known or no longer trusted (RFC 9530 5).
    #[error("`content-digest` has neither `sha-256` nor `sha-512`")]
    UnknownDigest,
    /// The body is another one.
    #[error("`{0}` in `content-digest` is not that of the body")]
    Digest(&'static str),
}
