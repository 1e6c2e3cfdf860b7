//! The closed set of error codes.

use std::borrow::Cow;

use axum::http::StatusCode;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:ident, $message:literal;)*) => {
        /// A machine-readable reason. Clients may switch on it, so a name never changes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "the names and messages say it")]
        pub enum Code { $($(#[$doc])* $variant),* }

        impl Code {
            /// Every code there is.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name on the wire.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// The status under `/v1`.
            #[must_use]
            pub fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status),* }
            }

            /// The message where the caller has nothing better to say.
            #[must_use]
            pub fn default_message(self) -> &'static str {
                match self { $(Self::$variant => $message),* }
            }
        }
    };
}

codes! {
    /// One body for every 401, so that it tells nothing.
    Unauthorized = "unauthorized", UNAUTHORIZED, "Credentials are missing or not valid.";
    Forbidden = "forbidden", FORBIDDEN, "This organisation has no access.";
    NotFound = "not_found", NOT_FOUND, "There is no such resource.";
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "This resource does not support that method; see the Allow header.";
    InvalidRequest = "invalid_request", BAD_REQUEST, "The request is not valid.";
    ConflictingCredentials = "conflicting_credentials", BAD_REQUEST, "A bearer token cannot be combined with a tenant key or an OrgId.";
    /// Another site's page, say, whose name was made to lead here (DNS rebinding).
    MisdirectedRequest = "misdirected_request", MISDIRECTED_REQUEST, "OrgId is believed here only in requests to localhost or to the host of PUBLIC_URL.";
    PayloadTooLarge = "payload_too_large", PAYLOAD_TOO_LARGE, "The request body is too large.";
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "The request body must be sent as application/json.";
    RateLimited = "rate_limited", TOO_MANY_REQUESTS, "Too many requests; try again later.";
    InternalError = "internal_error", INTERNAL_SERVER_ERROR, "Something went wrong on our side.";
    ServiceUnavailable = "service_unavailable", SERVICE_UNAVAILABLE, "The service cannot answer right now; try again later.";
    IdempotencyInProgress = "idempotency_in_progress", CONFLICT, "A request with this Idempotency-Key is being answered; try again.";
    IdempotencyKeyReused = "idempotency_key_reused", UNPROCESSABLE_ENTITY, "This Idempotency-Key was used for another request.";
    SecretNoLongerAvailable = "secret_no_longer_available", CONFLICT, "The request was carried out, and its secret was shown; details name what it made.";
    /// Contract 13.3. `details` name what is missing, never what the key has.
    InsufficientScope = "insufficient_scope", FORBIDDEN, "This key or token does not have the scope that this takes; details name it.";
    KeySuperseded = "key_superseded", FORBIDDEN, "This key was rotated and administers nothing any more; use its successor.";
    /// Contract 13.1.
    KeyNotConfirmed = "key_not_confirmed", FORBIDDEN, "This key waits for its confirmation, and administers nothing but that and its own end.";
    /// Contract 13.4.
    KeyLeaked = "key_leaked", FORBIDDEN, "This key was found where others can read it, and administers nothing any more; use another one.";
    AdministrationFrozen = "administration_frozen", FORBIDDEN, "This organisation's administration is frozen; a signed request to /v1/admin/org/thaw or the integration contact releases it.";
    RotationPending = "rotation_pending", CONFLICT, "This key's rotation waits for its confirmation; confirm or end the successor that details names.";
    RotationNotPending = "rotation_not_pending", CONFLICT, "No rotation to this key or secret waits for a confirmation.";
    /// Contract 13.3.
    NetworkNotAllowed = "network_not_allowed", FORBIDDEN, "This credential may not be used from the network that you call from.";
    WouldLockOut = "would_lock_out", CONFLICT, "Your own address would be shut out; name its network as well, or set network_policy to report.";
    /// Contract 15.
    OrgAlreadyExists = "org_already_exists", CONFLICT, "There is an organisation with this key already.";
    BuiltInStream = "built_in_stream", CONFLICT, "This stream is the service's own and cannot be changed.";
    TooManyStreams = "too_many_streams", CONFLICT, "There are 100 streams already.";
    ClaimGone = "claim_gone", GONE, "This claim was opened already, or its time is over.";
    /// The org asks for it (contract 12.1).
    SignatureRequired = "signature_required", FORBIDDEN, "This request must be signed by a registered key of the usage Authentication.";
    LastAuthenticationKey = "last_authentication_key", BAD_REQUEST, "This is the last key that can sign, and signatures are required; relax the policy first.";
    /// Contract 12.2.
    NoResponseKey = "no_response_key", CONFLICT, "There is no live pair of the usage ResponseSignature to sign responses with; generate one.";
    /// Contract 12.3. One answer whatever is wrong.
    DecryptionFailed = "decryption_failed", BAD_REQUEST, "The body cannot be decrypted.";
    NoEncryptionKey = "no_encryption_key", CONFLICT, "There is no such live public key of yours, of the usage MessageLevelEncryption, to encrypt to.";
    AmbiguousTenantKey = "ambiguous_tenant_key", CONFLICT, "There is more than one key to rotate, or none; name it in key_id.";
    KeyAlreadyRotated = "key_already_rotated", CONFLICT, "This key was rotated already; rotate its successor.";
    KeyNotLive = "key_not_live", CONFLICT, "This key has expired or was revoked, and does not come back.";
    TooManyLiveKeys = "too_many_live_keys", CONFLICT, "The organisation would have more than 10 live keys.";
    NoDeliveryKey = "no_delivery_key", CONFLICT, "There is no live public key of yours to encrypt to.";
    NoReportKey = "no_report_key", CONFLICT, "There is no live public key of yours with the usage Reports.";
    TooManyReports = "too_many_reports", CONFLICT, "The organisation has 4 reports that wait or are being made already.";
    ReportNotReady = "report_not_ready", CONFLICT, "The report has no content yet, or could not be made; see its status.";
    RangeNotSatisfiable = "range_not_satisfiable", RANGE_NOT_SATISFIABLE, "The range begins after the end of the content.";
    CannotRevokeSelf = "cannot_revoke_self", CONFLICT, "A key cannot revoke itself; use another one.";
    TooManyLiveSecrets = "too_many_live_secrets", CONFLICT, "The organisation would have more than 5 live signing secrets.";
    SecretReused = "secret_reused", CONFLICT, "The organisation has had this signing secret before.";
    CannotRevokeCurrent = "cannot_revoke_current", CONFLICT, "The current signing secret cannot be ended; rotate it.";
    SigningSecretNotConfigured = "signing_secret_not_configured", NOT_FOUND, "The organisation has no signing secret yet.";
    QueueAlreadyConfigured = "queue_already_configured", CONFLICT, "This stream has a queue already; replace it with PUT.";
    SigningSecretRequired = "signing_secret_not_configured", CONFLICT, "Make a signing secret first: events are signed with it.";
    QueueNotConfigured = "queue_not_configured", NOT_FOUND, "This stream has no queue.";
    /// Contract 14: messages of some queues are sent, of others they are fetched.
    QueueTypeMismatch = "queue_type_mismatch", CONFLICT, "A queue of this type does not do that: of type poll, messages are fetched; of any other, they are sent.";
    UnknownStream = "unknown_stream", NOT_FOUND, "There is no such stream.";
    /// Under `/api/v1/key`, where what stands in a key's way is 400.
    DuplicateKey = "duplicate_key", BAD_REQUEST, "The organisation has this key alive already.";
    WeakKey = "weak_key", BAD_REQUEST, "The key is too weak to protect anything; see ExtraData.";
    PrivateKey = "private_key", BAD_REQUEST, "Private keys must never be sent; see ExtraData.";
    PublicKeyNotLive = "key_not_live", BAD_REQUEST, "This key has expired or was deleted, and does not come back.";
    TooManyKeys = "too_many_keys", BAD_REQUEST, "The organisation would have more than 100 live public keys.";
    ProofFailed = "proof_failed", BAD_REQUEST, "This does not prove that you hold the private key; see ExtraData.";
    /// At the token endpoint alone, in RFC 6749's words (contract 16). One body for whatever is wrong with an assertion.
    InvalidClient = "invalid_client", UNAUTHORIZED, "The client could not be authenticated.";
    UnauthorizedClient = "unauthorized_client", BAD_REQUEST, "This organisation has no access.";
    UnsupportedGrantType = "unsupported_grant_type", BAD_REQUEST, "The only grant_type is client_credentials.";
    InvalidScope = "invalid_scope", BAD_REQUEST, "A scope that is asked for does not exist; scopes_supported of the metadata lists them.";
    UserNotFound = "user_not_found", NOT_FOUND, "There is no user with this user_id.";
    UserAlreadyExists = "user_already_exists", CONFLICT, "A user with this user_id already exists.";
}

impl Code {
    /// Whether it is one of the token endpoint's alone, which no other route answers.
    #[must_use]
    pub fn is_of_token_endpoint(self) -> bool {
        use Code::{InvalidClient, InvalidScope, UnauthorizedClient, UnsupportedGrantType};
        matches!(self, InvalidClient | UnauthorizedClient | UnsupportedGrantType | InvalidScope)
    }

    /// The name in RFC 6749's set, which the token endpoint answers with (5.2, and for what is ours 4.1.2.1).
    #[must_use]
    pub fn oauth_name(self) -> &'static str {
        match self {
            own if own.is_of_token_endpoint() => own.name(),
            Self::InternalError => "server_error",
            Self::RateLimited | Self::ServiceUnavailable => "temporarily_unavailable",
            _ => Self::InvalidRequest.name(),
        }
    }

    /// Every such name.
    pub const OAUTH_NAMES: [&str; 7] = [
        "invalid_request",
        "invalid_client",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
        "server_error",
        "temporarily_unavailable",
    ];

    /// Seconds a client should wait; only 429 and 503 have it.
    pub(super) fn retry_after(self) -> Option<u32> {
        matches!(self, Self::RateLimited | Self::ServiceUnavailable).then_some(1)
    }
}

impl PartialSchema for Code {
    fn schema() -> RefOr<Schema> {
        let codes = Self::ALL.iter().filter(|code| !code.is_of_token_endpoint());
        let mut names: Vec<_> = codes.map(|code| code.name()).collect();
        // One name may have two statuses.
        names.sort_unstable();
        names.dedup();
        let names = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names));
        names.description(Some("What is wrong, from a closed set; programs may switch on it.")).into()
    }
}

impl ToSchema for Code {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("ErrorCode")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_snake_case_and_every_message_is_a_sentence() {
        // One name may have two statuses: asked for, a missing thing is 404; in the way, it is 409.
        let names: HashSet<_> = Code::ALL.iter().map(|code| (code.name(), code.status())).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(code.name().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{code:?}");
            assert!(code.status().is_client_error() || code.status().is_server_error());
            assert!(code.default_message().ends_with('.'), "{code:?}");
        }
    }

    #[test]
    fn the_token_endpoint_answers_in_oauths_words_alone() {
        let mut names: Vec<_> = Code::ALL.iter().map(|code| code.oauth_name()).collect();
        names.sort_unstable();
        names.dedup();
        let mut known = Code::OAUTH_NAMES;
        known.sort_unstable();
        assert_eq!(names, known);
    }
}
