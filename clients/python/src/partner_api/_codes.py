"""A class for each code of the service's. Made by clients/generate from openapi/openapi.json."""

from ._errors import ApiError


class AdministrationFrozen(ApiError):
    """`administration_frozen`"""


class AmbiguousTenantKey(ApiError):
    """`ambiguous_tenant_key`"""


class BuiltInStream(ApiError):
    """`built_in_stream`"""


class CannotRevokeCurrent(ApiError):
    """`cannot_revoke_current`"""


class CannotRevokeSelf(ApiError):
    """`cannot_revoke_self`"""


class ClaimGone(ApiError):
    """`claim_gone`"""


class ConflictingCredentials(ApiError):
    """`conflicting_credentials`"""


class DecryptionFailed(ApiError):
    """`decryption_failed`"""


class DuplicateKey(ApiError):
    """`duplicate_key`"""


class Forbidden(ApiError):
    """`forbidden`"""


class IdempotencyInProgress(ApiError):
    """`idempotency_in_progress`"""


class IdempotencyKeyReused(ApiError):
    """`idempotency_key_reused`"""


class InsufficientScope(ApiError):
    """`insufficient_scope`"""


class InternalError(ApiError):
    """`internal_error`"""


class InvalidRequest(ApiError):
    """`invalid_request`"""


class KeyAlreadyRotated(ApiError):
    """`key_already_rotated`"""


class KeyLeaked(ApiError):
    """`key_leaked`"""


class KeyNotConfirmed(ApiError):
    """`key_not_confirmed`"""


class KeyNotLive(ApiError):
    """`key_not_live`"""


class KeySuperseded(ApiError):
    """`key_superseded`"""


class LastAuthenticationKey(ApiError):
    """`last_authentication_key`"""


class MethodNotAllowed(ApiError):
    """`method_not_allowed`"""


class MisdirectedRequest(ApiError):
    """`misdirected_request`"""


class NetworkNotAllowed(ApiError):
    """`network_not_allowed`"""


class NoDeliveryKey(ApiError):
    """`no_delivery_key`"""


class NoEncryptionKey(ApiError):
    """`no_encryption_key`"""


class NoReportKey(ApiError):
    """`no_report_key`"""


class NoResponseKey(ApiError):
    """`no_response_key`"""


class NotFound(ApiError):
    """`not_found`"""


class OrgAlreadyExists(ApiError):
    """`org_already_exists`"""


class PayloadTooLarge(ApiError):
    """`payload_too_large`"""


class PrivateKey(ApiError):
    """`private_key`"""


class ProofFailed(ApiError):
    """`proof_failed`"""


class QueueAlreadyConfigured(ApiError):
    """`queue_already_configured`"""


class QueueNotConfigured(ApiError):
    """`queue_not_configured`"""


class QueueTypeMismatch(ApiError):
    """`queue_type_mismatch`"""


class RangeNotSatisfiable(ApiError):
    """`range_not_satisfiable`"""


class RateLimited(ApiError):
    """`rate_limited`"""


class ReportNotReady(ApiError):
    """`report_not_ready`"""


class RotationNotPending(ApiError):
    """`rotation_not_pending`"""


class RotationPending(ApiError):
    """`rotation_pending`"""


class SecretNoLongerAvailable(ApiError):
    """`secret_no_longer_available`"""


class SecretReused(ApiError):
    """`secret_reused`"""


class ServiceUnavailable(ApiError):
    """`service_unavailable`"""


class SignatureRequired(ApiError):
    """`signature_required`"""


class SigningSecretNotConfigured(ApiError):
    """`signing_secret_not_configured`"""


class TooManyKeys(ApiError):
    """`too_many_keys`"""


class TooManyLiveKeys(ApiError):
    """`too_many_live_keys`"""


class TooManyLiveSecrets(ApiError):
    """`too_many_live_secrets`"""


class TooManyReports(ApiError):
    """`too_many_reports`"""


class TooManyStreams(ApiError):
    """`too_many_streams`"""


class Unauthorized(ApiError):
    """`unauthorized`"""


class UnknownStream(ApiError):
    """`unknown_stream`"""


class UnsupportedMediaType(ApiError):
    """`unsupported_media_type`"""


class UserAlreadyExists(ApiError):
    """`user_already_exists`"""


class UserNotFound(ApiError):
    """`user_not_found`"""


class WeakKey(ApiError):
    """`weak_key`"""


class WouldLockOut(ApiError):
    """`would_lock_out`"""


BY_CODE: dict[str, type[ApiError]] = {
    "administration_frozen": AdministrationFrozen,
    "ambiguous_tenant_key": AmbiguousTenantKey,
    "built_in_stream": BuiltInStream,
    "cannot_revoke_current": CannotRevokeCurrent,
    "cannot_revoke_self": CannotRevokeSelf,
    "claim_gone": ClaimGone,
    "conflicting_credentials": ConflictingCredentials,
    "decryption_failed": DecryptionFailed,
    "duplicate_key": DuplicateKey,
    "forbidden": Forbidden,
    "idempotency_in_progress": IdempotencyInProgress,
    "idempotency_key_reused": IdempotencyKeyReused,
    "insufficient_scope": InsufficientScope,
    "internal_error": InternalError,
    "invalid_request": InvalidRequest,
    "key_already_rotated": KeyAlreadyRotated,
    "key_leaked": KeyLeaked,
    "key_not_confirmed": KeyNotConfirmed,
    "key_not_live": KeyNotLive,
    "key_superseded": KeySuperseded,
    "last_authentication_key": LastAuthenticationKey,
    "method_not_allowed": MethodNotAllowed,
    "misdirected_request": MisdirectedRequest,
    "network_not_allowed": NetworkNotAllowed,
    "no_delivery_key": NoDeliveryKey,
    "no_encryption_key": NoEncryptionKey,
    "no_report_key": NoReportKey,
    "no_response_key": NoResponseKey,
    "not_found": NotFound,
    "org_already_exists": OrgAlreadyExists,
    "payload_too_large": PayloadTooLarge,
    "private_key": PrivateKey,
    "proof_failed": ProofFailed,
    "queue_already_configured": QueueAlreadyConfigured,
    "queue_not_configured": QueueNotConfigured,
    "queue_type_mismatch": QueueTypeMismatch,
    "range_not_satisfiable": RangeNotSatisfiable,
    "rate_limited": RateLimited,
    "report_not_ready": ReportNotReady,
    "rotation_not_pending": RotationNotPending,
    "rotation_pending": RotationPending,
    "secret_no_longer_available": SecretNoLongerAvailable,
    "secret_reused": SecretReused,
    "service_unavailable": ServiceUnavailable,
    "signature_required": SignatureRequired,
    "signing_secret_not_configured": SigningSecretNotConfigured,
    "too_many_keys": TooManyKeys,
    "too_many_live_keys": TooManyLiveKeys,
    "too_many_live_secrets": TooManyLiveSecrets,
    "too_many_reports": TooManyReports,
    "too_many_streams": TooManyStreams,
    "unauthorized": Unauthorized,
    "unknown_stream": UnknownStream,
    "unsupported_media_type": UnsupportedMediaType,
    "user_already_exists": UserAlreadyExists,
    "user_not_found": UserNotFound,
    "weak_key": WeakKey,
    "would_lock_out": WouldLockOut,
}

__all__ = [
    "AdministrationFrozen",
    "AmbiguousTenantKey",
    "BuiltInStream",
    "CannotRevokeCurrent",
    "CannotRevokeSelf",
    "ClaimGone",
    "ConflictingCredentials",
    "DecryptionFailed",
    "DuplicateKey",
    "Forbidden",
    "IdempotencyInProgress",
    "IdempotencyKeyReused",
    "InsufficientScope",
    "InternalError",
    "InvalidRequest",
    "KeyAlreadyRotated",
    "KeyLeaked",
    "KeyNotConfirmed",
    "KeyNotLive",
    "KeySuperseded",
    "LastAuthenticationKey",
    "MethodNotAllowed",
    "MisdirectedRequest",
    "NetworkNotAllowed",
    "NoDeliveryKey",
    "NoEncryptionKey",
    "NoReportKey",
    "NoResponseKey",
    "NotFound",
    "OrgAlreadyExists",
    "PayloadTooLarge",
    "PrivateKey",
    "ProofFailed",
    "QueueAlreadyConfigured",
    "QueueNotConfigured",
    "QueueTypeMismatch",
    "RangeNotSatisfiable",
    "RateLimited",
    "ReportNotReady",
    "RotationNotPending",
    "RotationPending",
    "SecretNoLongerAvailable",
    "SecretReused",
    "ServiceUnavailable",
    "SignatureRequired",
    "SigningSecretNotConfigured",
    "TooManyKeys",
    "TooManyLiveKeys",
    "TooManyLiveSecrets",
    "TooManyReports",
    "TooManyStreams",
    "Unauthorized",
    "UnknownStream",
    "UnsupportedMediaType",
    "UserAlreadyExists",
    "UserNotFound",
    "WeakKey",
    "WouldLockOut",
]
