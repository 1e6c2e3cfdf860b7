"""The service's own events, by their types. Made by clients/generate from openapi/openapi.json."""

from pydantic import BaseModel

from . import models

PartnerEvent = (
    models.ClaimReopenedEvent
    | models.OrgAdministrationFrozenEvent
    | models.OrgAdministrationThawedEvent
    | models.PublicKeyDeletedEvent
    | models.PublicKeyExpiredEvent
    | models.PublicKeyExpiringEvent
    | models.PublicKeyProvenEvent
    | models.PublicKeyRegisteredEvent
    | models.PublicKeyUpdatedEvent
    | models.QueueDeletedEvent
    | models.QueueFailingEvent
    | models.QueuePausedEvent
    | models.QueueRecoveredEvent
    | models.QueueReplacedEvent
    | models.ReportFailedEvent
    | models.ReportReadyEvent
    | models.SigningSecretExpiredEvent
    | models.SigningSecretRevokedEvent
    | models.SigningSecretRotatedEvent
    | models.SigningSecretRotationAbandonedEvent
    | models.SigningSecretRotationStartedEvent
    | models.TenantKeyCreatedEvent
    | models.TenantKeyExpiredEvent
    | models.TenantKeyExpiringEvent
    | models.TenantKeyLeakedEvent
    | models.TenantKeyRevokedEvent
    | models.TenantKeyRotatedEvent
    | models.TenantKeyRotationAbandonedEvent
    | models.TenantKeyRotationStartedEvent
    | models.TenantKeyUpdatedEvent
    | models.UserCreatedEvent
    | models.UserDeletedEvent
    | models.UserUpdatedEvent
)

BY_TYPE: dict[str, type[PartnerEvent]] = {
    "claim.reopened": models.ClaimReopenedEvent,
    "org.administration_frozen": models.OrgAdministrationFrozenEvent,
    "org.administration_thawed": models.OrgAdministrationThawedEvent,
    "public_key.deleted": models.PublicKeyDeletedEvent,
    "public_key.expired": models.PublicKeyExpiredEvent,
    "public_key.expiring": models.PublicKeyExpiringEvent,
    "public_key.proven": models.PublicKeyProvenEvent,
    "public_key.registered": models.PublicKeyRegisteredEvent,
    "public_key.updated": models.PublicKeyUpdatedEvent,
    "queue.deleted": models.QueueDeletedEvent,
    "queue.failing": models.QueueFailingEvent,
    "queue.paused": models.QueuePausedEvent,
    "queue.recovered": models.QueueRecoveredEvent,
    "queue.replaced": models.QueueReplacedEvent,
    "report.failed": models.ReportFailedEvent,
    "report.ready": models.ReportReadyEvent,
    "signing_secret.expired": models.SigningSecretExpiredEvent,
    "signing_secret.revoked": models.SigningSecretRevokedEvent,
    "signing_secret.rotated": models.SigningSecretRotatedEvent,
    "signing_secret.rotation_abandoned": models.SigningSecretRotationAbandonedEvent,
    "signing_secret.rotation_started": models.SigningSecretRotationStartedEvent,
    "tenant_key.created": models.TenantKeyCreatedEvent,
    "tenant_key.expired": models.TenantKeyExpiredEvent,
    "tenant_key.expiring": models.TenantKeyExpiringEvent,
    "tenant_key.leaked": models.TenantKeyLeakedEvent,
    "tenant_key.revoked": models.TenantKeyRevokedEvent,
    "tenant_key.rotated": models.TenantKeyRotatedEvent,
    "tenant_key.rotation_abandoned": models.TenantKeyRotationAbandonedEvent,
    "tenant_key.rotation_started": models.TenantKeyRotationStartedEvent,
    "tenant_key.updated": models.TenantKeyUpdatedEvent,
    "user.created": models.UserCreatedEvent,
    "user.deleted": models.UserDeletedEvent,
    "user.updated": models.UserUpdatedEvent,
}
