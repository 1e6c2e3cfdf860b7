//! What is wrong with an assertion.

use thiserror::Error;

/// Why an assertion is not accepted. The words say nothing that the assertion says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    /// Longer than [`crate::MAX_ASSERTION`].
    #[error("the assertion is too long")]
    TooLong,
    /// Not three parts of base64url without padding (RFC 7515 7.1).
    #[error("the assertion is not a compact JWS")]
    NotCompact,
    /// A header that is no JSON object, or with a member that is repeated or of the wrong type.
    #[error("the header is not a JSON object with `alg` and `kid`, each name once")]
    Header,
    /// `none`, an HMAC, a curve, or RSA with a scheme that is not taken.
    #[error("`alg` must be RS384, PS256, PS384 or PS512")]
    Algorithm,
    /// Extensions that must be understood (RFC 7515 4.1.11): none are.
    #[error("`crit` is not supported")]
    Critical,
    /// Another kind of token.
    #[error("`typ` must be absent, `JWT` or `client-authentication+jwt`")]
    Type,
    /// Absent, empty, or longer than 256 bytes.
    #[error("`kid` must be a string of 1 to 256 bytes")]
    KeyId,
    /// Sound, and not made by this key.
    #[error("the signature is not that of this key")]
    Signature,
    /// Claims that are no JSON object, or with a known claim that is absent, repeated or of the wrong type.
    #[error("the claims are not a JSON object with `iss`, `sub`, `aud`, `exp` and `jti`, each once")]
    Claims,
    /// Issuer and subject are not both the client.
    #[error("`iss` and `sub` must both be the client's identifier")]
    Client,
    /// Meant for somebody else.
    #[error("`aud` does not name this server")]
    Audience,
    /// `exp` reached.
    #[error("the assertion has expired")]
    Expired,
    /// `exp` further ahead than [`crate::LIFETIME`].
    #[error("`exp` is more than five minutes ahead")]
    TooLongLived,
    /// `nbf` ahead by more than [`crate::LEEWAY`].
    #[error("the assertion is not valid yet")]
    NotYet,
    /// `iat` ahead by more than [`crate::LEEWAY`].
    #[error("the assertion was issued in the future")]
    Future,
    /// Empty, longer than 256 characters, or with a control character.
    #[error("`jti` must be a string of 1 to 256 characters, none a control character")]
    Id,
}
