"""One function for each operation: what it gives is sent by a client. Made by clients/generate from openapi/openapi.json."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from . import models
from .calls import Call, Listing, nothing


def list_verification_keys() -> Call[models.JwkSet]:
    """List the keys that verify tokens.

    A JWK set. A key is here a day before it signs, and until its last token has ended.
    """
    return Call(
        "GET",
        "/.well-known/jwks.json",
        models.JwkSet.model_validate_json,
    )


def get_authorization_server() -> Call[models.AuthorizationServer]:
    """Show where tokens are had.

    The metadata of the authorization server (RFC 8414). OAuth clients read it by themselves, given `issuer`.
    """
    return Call(
        "GET",
        "/.well-known/oauth-authorization-server",
        models.AuthorizationServer.model_validate_json,
    )


def list_event_keys() -> Call[models.JwkSet]:
    """List the keys that verify events.

    A JWK set. Every message has a signature `v1a` (Standard Webhooks, Ed25519) by one of them, and `webhook-
    signature-key-id` says which. A key is here a day before it signs, and for 14 days after.
    """
    return Call(
        "GET",
        "/.well-known/webhook-keys.json",
        models.JwkSet.model_validate_json,
    )


def register_public_key(body: models.RegisterRsaKey | models.RegisterPgpKey) -> Call[models.RegisteredPublicKey]:
    """Register a public key.

    It serves its usages from now on; keys registered earlier live on beside it. A key that is refused is named with
    its reason in `ExtraData.PublicKey`.

    Takes the scope `public_keys:write`.
    """
    return Call(
        "POST",
        "/api/v1/key",
        models.RegisteredPublicKey.model_validate_json,
        body=body,
    )


def generate_key_pair(body: models.GenerateKeyPair) -> Call[models.GeneratedKeyPair]:
    """Generate a key pair here.

    `Key` is the public half. The private half never leaves the service, so nothing is delivered with this key by
    `deliver_to`.

    Takes the scope `public_keys:write`.
    """
    return Call(
        "POST",
        "/api/v1/key/generate",
        models.GeneratedKeyPair.model_validate_json,
        body=body,
    )


def list_public_keys(
    OwnerCode: str,
    *,
    includeExpired: bool | None = None,
    next: str | None = None,
) -> Listing[models.PublicKeyList, models.PublicKeyEntry]:
    """List public keys.

    Ordered by registration, oldest first, in pages: send each reply's `Next` as `next`, until it is null. A page
    may have fewer keys than the one after it.

    Takes the scope `public_keys:read`.
    """
    return Listing(
        "GET",
        "/api/v1/key/list/{OwnerCode}",
        models.PublicKeyList.model_validate_json,
        path_parameters={"OwnerCode": OwnerCode},
        query={"includeExpired": includeExpired, "next": next},
        items=lambda page: page.Items,
        following=lambda page: page.Next,
        cursor="next",
        start=None,
    )


def get_public_key_selection(OwnerCode: str, *, at: datetime | None = None) -> Call[models.PublicKeySelection]:
    """Show which keys would be used.

    For each usage, and for you and the service as holders of the private half: the key that is used at a time, and
    why. Ask for a time after a planned change to see what it does.

    Takes the scope `public_keys:read`.
    """
    return Call(
        "GET",
        "/api/v1/key/selection/{OwnerCode}",
        models.PublicKeySelection.model_validate_json,
        path_parameters={"OwnerCode": OwnerCode},
        query={"at": at},
    )


def get_public_key(UniqueId: UUID | str) -> Call[models.PublicKeyEntry]:
    """Show a public key.

    Also one that has expired or was deleted.

    Takes the scope `public_keys:read`.
    """
    return Call(
        "GET",
        "/api/v1/key/{UniqueId}",
        models.PublicKeyEntry.model_validate_json,
        path_parameters={"UniqueId": UniqueId},
    )


def delete_public_key(UniqueId: UUID | str) -> Call[None]:
    """End a public key.

    Its expiry becomes now; it can still be shown.

    Takes the scope `public_keys:write`.
    """
    return Call(
        "DELETE",
        "/api/v1/key/{UniqueId}",
        nothing,
        path_parameters={"UniqueId": UniqueId},
    )


def challenge_public_key(UniqueId: UUID | str) -> Call[models.PublicKeyChallenge]:
    """Ask for a challenge of a key.

    A key to which something is encrypted (`CredentialsDownload`, `Reports`, `MessageLevelEncryption`) is asked to
    decrypt: the text of the message is the answer. Any other is asked to sign `Challenge`, byte for byte: RSASSA-
    PSS, SHA-512, salt of 64 bytes; the answer is the signature in base64. The newest challenge counts, for 10
    minutes and 5 tries.

    Takes the scope `public_keys:write`.
    """
    return Call(
        "POST",
        "/api/v1/key/{UniqueId}/challenge",
        models.PublicKeyChallenge.model_validate_json,
        path_parameters={"UniqueId": UniqueId},
    )


def prove_public_key(UniqueId: UUID | str, body: models.KeyProof) -> Call[models.ProvenPublicKey]:
    """Prove that a key works.

    `Response` answers the newest challenge. A challenge proves once; its right answer, sent again before it
    expires, is answered again.

    Takes the scope `public_keys:write`.
    """
    return Call(
        "POST",
        "/api/v1/key/{UniqueId}/proof",
        models.ProvenPublicKey.model_validate_json,
        path_parameters={"UniqueId": UniqueId},
        body=body,
    )


def set_public_key_expiration(UniqueId: UUID | str, body: models.SetExpiration) -> Call[models.PublicKeyExpiration]:
    """Change a public key's expiry.

    A dead key never comes back. A later end is granted only to a key that would be accepted today.

    Takes the scope `public_keys:write`.
    """
    return Call(
        "PUT",
        "/api/v1/key/{UniqueId}/set-expiration",
        models.PublicKeyExpiration.model_validate_json,
        path_parameters={"UniqueId": UniqueId},
        body=body,
    )


def get_org() -> Call[models.OrgProfile]:
    """Show the org.

    And how many users it has.

    Takes the scope `org:read`.
    """
    return Call(
        "GET",
        "/v1/admin/org",
        lambda body: models.DataOrgProfile.model_validate_json(body).data,
    )


def update_org(body: models.UpdateOrg | None = None) -> Call[models.OrgProfile]:
    """Change the org.

    Its name, what is signed, and where it may be called from. Its `id` and `key` never change.

    Takes the scope `org:write`.
    """
    return Call(
        "PATCH",
        "/v1/admin/org",
        lambda body: models.DataOrgProfile.model_validate_json(body).data,
        body=body,
    )


def list_audit_log(
    *,
    limit: int | None = None,
    offset: int | None = None,
    cursor: str | None = None,
) -> Listing[models.AuditLog, models.AuditEntry]:
    """Read the audit log.

    Every change of the org's keys, secrets, public keys and queues, and of the org itself, oldest first. Entries
    are numbered without gaps, and each carries a MAC that covers the one before. Keep `head`: with it we can prove
    to you that nothing before it was changed since.

    Takes the scope `audit:read`.
    """
    return Listing(
        "GET",
        "/v1/admin/org/audit",
        models.AuditLog.model_validate_json,
        query={"limit": limit, "offset": offset, "cursor": cursor},
        items=lambda page: page.data,
        following=lambda page: page.pagination.next_cursor,
    )


def list_events(
    *,
    stream: str | None = None,
    status: Literal["pending", "delivered", "failed", "skipped"] | None = None,
    limit: int | None = None,
    offset: int | None = None,
    cursor: str | None = None,
) -> Listing[models.ListEventEntry, models.EventEntry]:
    """List events and their delivery.

    Ordered by creation, oldest first.

    Takes the scope `events:read`.
    """
    return Listing(
        "GET",
        "/v1/admin/org/events",
        models.ListEventEntry.model_validate_json,
        query={"stream": stream, "status": status, "limit": limit, "offset": offset, "cursor": cursor},
        items=lambda page: page.data,
        following=lambda page: page.pagination.next_cursor,
    )


def replay_events(body: models.ReplayNamedEvents | models.ReplayRange) -> Call[models.Replayed]:
    """Send events again.

    With the same `event_id`s, freshly signed. Events being delivered at this moment are left alone and not counted.

    Takes the scope `events:write`.
    """
    return Call(
        "POST",
        "/v1/admin/org/events/replay",
        lambda body: models.DataReplayed.model_validate_json(body).data,
        body=body,
    )


def get_event(event_id: str) -> Call[models.EventDetail]:
    """Show an event.

    With the very text that is signed, and what became of the last 20 attempts to deliver it.

    Takes the scope `events:read`.
    """
    return Call(
        "GET",
        "/v1/admin/org/events/{event_id}",
        lambda body: models.DataEventDetail.model_validate_json(body).data,
        path_parameters={"event_id": event_id},
    )


def freeze_administration(body: models.FreezeAdministration | None = None) -> Call[models.Administration]:
    """Freeze the administration.

    From now on every change of keys, secrets, public keys, queues and the org is answered 403
    `administration_frozen`, while users, tokens, events and all reading go on. Any live key of the org may do this,
    whatever its scopes, also one that was rotated, waits for its confirmation or leaked. Again it changes nothing.

    Takes the scope `org:write`.
    """
    return Call(
        "POST",
        "/v1/admin/org/freeze",
        lambda body: models.DataAdministration.model_validate_json(body).data,
        body=body,
    )


def create_portal_session(body: models.CreatePortalSession) -> Call[models.PortalLink]:
    """Make a link to the portal.

    For the person whom you name and have authenticated. The link opens once within 60 seconds, and then a session
    of 30 minutes, which ends sooner with the credential that this request is sent with. Nobody gives away a role
    that may do more than their own key: `viewer` takes the reading scopes, `developer` also `queues:write`,
    `events:write` and `reports:write`, `admin` also `tenant_keys:write`, `signing_secrets:write` and
    `public_keys:write`.

    Takes the scope `org:write`.
    """
    return Call(
        "POST",
        "/v1/admin/org/portal-sessions",
        lambda body: models.DataPortalLink.model_validate_json(body).data,
        body=body,
    )


def list_queues(
    *,
    limit: int | None = None,
    offset: int | None = None,
    cursor: str | None = None,
) -> Listing[models.ListQueue, models.Queue]:
    """List event queues.

    With how many events wait for each and how many have failed; without their secrets.

    Takes the scope `queues:read`.
    """
    return Listing(
        "GET",
        "/v1/admin/org/queues",
        models.ListQueue.model_validate_json,
        query={"limit": limit, "offset": offset, "cursor": cursor},
        items=lambda page: page.data,
        following=lambda page: page.pagination.next_cursor,
    )


def get_queue(queue_name: str) -> Call[models.Queue]:
    """Show an event queue.

    With how many events wait for it and how many have failed; without its secrets.

    Takes the scope `queues:read`.
    """
    return Call(
        "GET",
        "/v1/admin/org/queues/{queue_name}",
        lambda body: models.DataQueue.model_validate_json(body).data,
        path_parameters={"queue_name": queue_name},
    )


def create_queue(
    queue_name: str,
    body: models.RegisterWebhook | models.RegisterAwsSqs | models.RegisterAzureStorageQueue | models.RegisterAzureEventHubs | models.RegisterKafka | models.RegisterPoll,
) -> Call[models.Queue]:
    """Register an event queue.

    A signed `queue.test` event is sent first; if the queue does not acknowledge it within 5 seconds, nothing is
    stored and the 400 says why. Events that waited are then delivered.

    Takes the scope `queues:write`.
    """
    return Call(
        "POST",
        "/v1/admin/org/queues/{queue_name}",
        lambda body: models.DataQueue.model_validate_json(body).data,
        path_parameters={"queue_name": queue_name},
        body=body,
    )


def replace_queue(
    queue_name: str,
    body: models.RegisterWebhook | models.RegisterAwsSqs | models.RegisterAzureStorageQueue | models.RegisterAzureEventHubs | models.RegisterKafka | models.RegisterPoll,
) -> Call[models.Queue]:
    """Replace an event queue.

    As with registration, a test event is sent to the new queue first; if it fails, the old one stays. Events that
    wait for their next attempt are sent now; a paused queue is resumed. The other stream carries `queue.replaced`,
    and the old queue is told once.

    Takes the scope `queues:write`.
    """
    return Call(
        "PUT",
        "/v1/admin/org/queues/{queue_name}",
        lambda body: models.DataQueue.model_validate_json(body).data,
        path_parameters={"queue_name": queue_name},
        body=body,
    )


def delete_queue(queue_name: str) -> Call[None]:
    """Remove an event queue.

    Later events wait for the next one. The other stream carries `queue.deleted`, and the removed queue is told
    once.

    Takes the scope `queues:write`.
    """
    return Call(
        "DELETE",
        "/v1/admin/org/queues/{queue_name}",
        nothing,
        path_parameters={"queue_name": queue_name},
    )


def acknowledge_messages(
    queue_name: str,
    body: models.AcknowledgeNamed | models.AcknowledgeFetched,
) -> Call[models.AcknowledgedMessages]:
    """Acknowledge messages.

    By the `ack_token` of a reply, all of its messages but those that came again and are somebody else's by now; or
    by their ids. Acknowledging twice changes nothing.

    Takes the scope `events:consume`.
    """
    return Call(
        "POST",
        "/v1/admin/org/queues/{queue_name}/ack",
        lambda body: models.DataAcknowledgedMessages.model_validate_json(body).data,
        path_parameters={"queue_name": queue_name},
        body=body,
    )


def get_queue_health(queue_name: str) -> Call[models.QueueHour]:
    """Show how an event queue did.

    Attempts in each of the last 60 minutes, those that were acknowledged, and how long they took.

    Takes the scope `queues:read`.
    """
    return Call(
        "GET",
        "/v1/admin/org/queues/{queue_name}/health",
        lambda body: models.DataQueueHour.model_validate_json(body).data,
        path_parameters={"queue_name": queue_name},
    )


def fetch_messages(
    queue_name: str,
    *,
    limit: int | None = None,
    wait_seconds: int | None = None,
) -> Call[models.FetchedMessages]:
    """Fetch messages of a queue of the type `poll`.

    Signed as they are handed out. They are the caller's for 60 seconds; those that were not acknowledged by then
    come again, to whoever asks. While there is none, the reply waits for `wait_seconds`.

    Takes the scope `events:consume`.
    """
    return Call(
        "GET",
        "/v1/admin/org/queues/{queue_name}/messages",
        models.FetchedMessages.model_validate_json,
        path_parameters={"queue_name": queue_name},
        query={"limit": limit, "wait_seconds": wait_seconds},
    )


def pause_queue(queue_name: str) -> Call[models.Queue]:
    """Pause an event queue.

    Its events wait until it is resumed or replaced. The other stream carries `queue.paused`, and the queue itself
    is told once. A queue that is paused already stays as it is.

    Takes the scope `queues:write`.
    """
    return Call(
        "POST",
        "/v1/admin/org/queues/{queue_name}/pause",
        lambda body: models.DataQueue.model_validate_json(body).data,
        path_parameters={"queue_name": queue_name},
    )


def resume_queue(queue_name: str) -> Call[models.Queue]:
    """Resume an event queue.

    Events that waited are sent now, those that wait for their next attempt included.

    Takes the scope `queues:write`.
    """
    return Call(
        "POST",
        "/v1/admin/org/queues/{queue_name}/resume",
        lambda body: models.DataQueue.model_validate_json(body).data,
        path_parameters={"queue_name": queue_name},
    )


def test_queue(queue_name: str) -> Call[models.TestedQueue]:
    """Send a test event.

    A signed `queue.test` event is sent now, and the reply says whether the queue acknowledged it. If it did, events
    that wait for their next attempt are sent now as well, unless the queue is paused.

    Takes the scope `queues:write`.
    """
    return Call(
        "POST",
        "/v1/admin/org/queues/{queue_name}/test",
        lambda body: models.DataTestedQueue.model_validate_json(body).data,
        path_parameters={"queue_name": queue_name},
    )


def list_reports(
    *,
    limit: int | None = None,
    offset: int | None = None,
    cursor: str | None = None,
) -> Listing[models.ListReport, models.Report]:
    """List reports.

    Ordered by creation, oldest first. They stay in the list for 30 days.

    Takes the scope `reports:read`.
    """
    return Listing(
        "GET",
        "/v1/admin/org/reports",
        models.ListReport.model_validate_json,
        query={"limit": limit, "offset": offset, "cursor": cursor},
        items=lambda page: page.data,
        following=lambda page: page.pagination.next_cursor,
    )


def create_report(body: models.CreateReport) -> Call[models.RequestedReport]:
    """Ask for a report.

    It is made in the background, from one moment's state, and encrypted to the `Reports` key that you registered
    last: as an OpenPGP message for a certificate, as compact JWE, one a line, for an RSA key. `report.ready` or
    `report.failed` comes on the stream `credentials`.

    Takes the scope `reports:write`.
    """
    return Call(
        "POST",
        "/v1/admin/org/reports",
        lambda body: models.DataRequestedReport.model_validate_json(body).data,
        body=body,
    )


def get_report(report_id: UUID | str) -> Call[models.Report]:
    """Show a report.

    How far it is, and once it is ready, how long.

    Takes the scope `reports:read`.
    """
    return Call(
        "GET",
        "/v1/admin/org/reports/{report_id}",
        lambda body: models.DataReport.model_validate_json(body).data,
        path_parameters={"report_id": report_id},
    )


def delete_report(report_id: UUID | str) -> Call[None]:
    """Delete a report.

    Also one that waits or is being made: then it is not made. Its content can no longer be fetched.

    Takes the scope `reports:write`.
    """
    return Call(
        "DELETE",
        "/v1/admin/org/reports/{report_id}",
        nothing,
        path_parameters={"report_id": report_id},
    )


def get_report_content(report_id: UUID | str) -> Call[bytes]:
    """Fetch a report's content.

    For a certificate one binary OpenPGP message; for an RSA key compact JWE, one a line, whose plain texts are the
    report one after the other. `Range` (one range of octets) goes on with what broke off; `If-Range` takes the
    `ETag`.

    Takes the scope `reports:read`.
    """
    return Call(
        "GET",
        "/v1/admin/org/reports/{report_id}/content",
        bytes,
        path_parameters={"report_id": report_id},
    )


def list_tenant_keys(
    *,
    include_revoked: bool | None = None,
    limit: int | None = None,
    offset: int | None = None,
    cursor: str | None = None,
) -> Listing[models.ListTenantKeyEntry, models.TenantKeyEntry]:
    """List tenant API keys.

    Ordered by creation, oldest first. Shows prefixes, never keys.

    Takes the scope `tenant_keys:read`.
    """
    return Listing(
        "GET",
        "/v1/admin/org/tenant-keys",
        models.ListTenantKeyEntry.model_validate_json,
        query={"include_revoked": include_revoked, "limit": limit, "offset": offset, "cursor": cursor},
        items=lambda page: page.data,
        following=lambda page: page.pagination.next_cursor,
    )


def create_tenant_key(body: models.CreateTenantKey) -> Call[models.MintedTenantKey]:
    """Mint a tenant API key.

    The key, `secret`, is shown only here: store it before anything else. Give it the `scopes` that its backend
    needs; it cannot have more than the key that mints it.

    Takes the scope `tenant_keys:write`.
    """
    return Call(
        "POST",
        "/v1/admin/org/tenant-keys",
        lambda body: models.DataMintedTenantKey.model_validate_json(body).data,
        body=body,
    )


def get_tenant_key(key_id: UUID | str) -> Call[models.TenantKeyDetails]:
    """Show a tenant API key.

    And the rotation that it takes part in.

    Takes the scope `tenant_keys:read`.
    """
    return Call(
        "GET",
        "/v1/admin/org/tenant-keys/{key_id}",
        lambda body: models.DataTenantKeyDetails.model_validate_json(body).data,
        path_parameters={"key_id": key_id},
    )


def update_tenant_key(key_id: UUID | str, body: models.UpdateTenantKey | None = None) -> Call[models.TenantKeyEntry]:
    """Change a tenant API key.

    Its name, its end, what it may do and where it may be used from. Shortens or extends a running grace window as
    well. A dead key never comes back. Nobody changes a key that may do more than their own, nor lets it.

    Takes the scope `tenant_keys:write`.
    """
    return Call(
        "PATCH",
        "/v1/admin/org/tenant-keys/{key_id}",
        lambda body: models.DataTenantKeyEntry.model_validate_json(body).data,
        path_parameters={"key_id": key_id},
        body=body,
    )


def revoke_tenant_key(key_id: UUID | str) -> Call[None]:
    """Revoke a tenant API key.

    It ends now, everywhere within a second. A key cannot revoke itself: rotate it with a grace period of 0, or use
    another one. A successor that waits for its confirmation may: its rotation is abandoned, and the old key stands
    as it was. Whoever is waited for is replaced at once.

    Takes the scope `tenant_keys:write`.
    """
    return Call(
        "DELETE",
        "/v1/admin/org/tenant-keys/{key_id}",
        nothing,
        path_parameters={"key_id": key_id},
    )


def confirm_tenant_key_rotation(key_id: UUID | str) -> Call[models.ConfirmedRotation]:
    """Confirm a tenant API key's rotation.

    The grace window of the old key begins. `key_id` is the successor's; it may confirm itself.

    Takes the scope `tenant_keys:write`.
    """
    return Call(
        "POST",
        "/v1/admin/org/tenant-keys/{key_id}/confirm",
        lambda body: models.DataConfirmedRotation.model_validate_json(body).data,
        path_parameters={"key_id": key_id},
    )


def get_tenant_key_restrictions(key_id: UUID | str) -> Call[models.TenantKeyRestrictions]:
    """Show what restrictions of a tenant API key would refuse.

    And the narrowest ones that what it was seen to do needs. Restrict with the policy `report` first, look here
    until nothing is refused that should not be, then set `enforce`.

    Takes the scope `tenant_keys:read`.
    """
    return Call(
        "GET",
        "/v1/admin/org/tenant-keys/{key_id}/restrictions",
        lambda body: models.DataTenantKeyRestrictions.model_validate_json(body).data,
        path_parameters={"key_id": key_id},
    )


def get_tenant_key_usage(key_id: UUID | str) -> Call[models.TenantKeyUsage]:
    """Show who still uses a tenant API key.

    Requests with it by hour and by source, and whether it is safe to retire it: `yes` when its successor was used
    and it was not for 24 hours (or the whole grace window, if that is shorter).

    Takes the scope `tenant_keys:read`.
    """
    return Call(
        "GET",
        "/v1/admin/org/tenant-keys/{key_id}/usage",
        lambda body: models.DataTenantKeyUsage.model_validate_json(body).data,
        path_parameters={"key_id": key_id},
    )


def thaw_administration() -> Call[models.Administration]:
    """Thaw the administration.

    Takes a signed request (RFC 9421): whoever stole a tenant key cannot sign. Without a key that signs, ask the
    integration contact.

    Takes the scope `org:write`.
    """
    return Call(
        "POST",
        "/v1/admin/org/thaw",
        lambda body: models.DataAdministration.model_validate_json(body).data,
    )


def check_signature(body: models.CheckSignature) -> Call[models.SignatureCheck]:
    """Check a signed request.

    Says what the service would make of it, with your org's own keys. Nothing is stored and no nonce is used up;
    whether a nonce was used before is not looked at.

    Takes the scope `public_keys:read`.
    """
    return Call(
        "POST",
        "/v1/auth/signature/check",
        lambda body: models.DataSignatureCheck.model_validate_json(body).data,
        body=body,
    )


def get_signing_secret() -> Call[models.SigningSecrets]:
    """Show which signing secrets are alive.

    Ids and dates only: no secret is ever shown twice.

    Takes the scope `signing_secrets:read`.
    """
    return Call(
        "GET",
        "/v1/auth/signing-secret",
        lambda body: models.DataSigningSecrets.model_validate_json(body).data,
    )


def rotate_signing_secret(body: models.RotateSigningSecret | None = None) -> Call[models.RotatedSigningSecret]:
    """Rotate the event-signing secret.

    Until `previous_secret_expires_at` every event carries a signature of the new secret and of the previous one. A
    secret made by the service is shown only here. With `activation` the previous secret stays the current one until
    the rotation is confirmed, and the new one ends if it is not.

    Takes the scope `signing_secrets:write`.
    """
    return Call(
        "POST",
        "/v1/auth/signing-secret/rotate",
        lambda body: models.DataRotatedSigningSecret.model_validate_json(body).data,
        body=body,
    )


def revoke_signing_secret(secret_id: UUID | str) -> Call[None]:
    """End a previous signing secret.

    Its grace ends now: events are no longer signed with it. Or a rotation that waits to be confirmed is abandoned,
    and the current secret stands as it was.

    Takes the scope `signing_secrets:write`.
    """
    return Call(
        "DELETE",
        "/v1/auth/signing-secret/{secret_id}",
        nothing,
        path_parameters={"secret_id": secret_id},
    )


def confirm_signing_secret_rotation(secret_id: UUID | str) -> Call[models.ConfirmedSecretRotation]:
    """Confirm the signing secret's rotation.

    The new secret is the current one, and the grace window of the old one begins.

    Takes the scope `signing_secrets:write`.
    """
    return Call(
        "POST",
        "/v1/auth/signing-secret/{secret_id}/confirm",
        lambda body: models.DataConfirmedSecretRotation.model_validate_json(body).data,
        path_parameters={"secret_id": secret_id},
    )


def rotate_tenant_key(body: models.RotateTenantKey | None = None) -> Call[models.RotatedTenantKey]:
    """Rotate a tenant API key.

    Old and new key both work until `previous_key_expires_at`. The new key is shown only here: store it before
    anything else. A key can be rotated once; rotate its successor next. With `activation` the old key goes on as it
    was until the rotation is confirmed, and the new key ends if it is not.

    Takes the scope `tenant_keys:write`.
    """
    return Call(
        "POST",
        "/v1/auth/tenant-key/rotate",
        lambda body: models.DataRotatedTenantKey.model_validate_json(body).data,
        body=body,
    )


def issue_member_token(body: models.IssueMemberToken) -> Call[models.MemberToken]:
    """Issue a member token.

    With it, the user can read, change and delete itself at `/v1/users/{user_id}` for an hour; it ends at once with
    the user, and within a second with the tenant key that issued it (`key_id`) and with the public key that signed
    the request for it, or got the partner token it came with (`key`). Others can verify it with the keys at
    `/.well-known/jwks.json`, as RFC 9068 says: `client_id` is your org's id, as `aud` is.

    Takes the scope `tokens:write`.
    """
    return Call(
        "POST",
        "/v1/auth/token",
        lambda body: models.DataMemberToken.model_validate_json(body).data,
        body=body,
    )


def open_claim(token: str) -> Call[models.ClaimedOrg]:
    """Open a claim.

    The link that the platform sent makes the org's credentials, and shows them to whoever opens it first. A second
    try is refused, and the org hears of it (`claim.reopened`): if you are second without having been first, call
    your contact.
    """
    return Call(
        "POST",
        "/v1/claims/{token}",
        lambda body: models.DataClaimedOrg.model_validate_json(body).data,
        path_parameters={"token": token},
        is_repeatable=False,
    )


def list_event_types(*, stream: str | None = None) -> Call[list[models.EventStream]]:
    """List event types.

    Every stream that a queue can be registered for, with the types of events on it and the schemas of their data:
    the service's own first, then the platform's by name. Types may be added at any time.

    Takes the scope `events:read`.
    """
    return Call(
        "GET",
        "/v1/event-types",
        lambda body: models.DataVecEventStream.model_validate_json(body).data,
        query={"stream": stream},
    )


def list_features() -> Call[list[models.FeatureStatus]]:
    """List features and whether they are live.

    One that is not answers 503 on its routes.

    Takes the scope `org:read`.
    """
    return Call(
        "GET",
        "/v1/features",
        lambda body: models.DataVecFeatureStatus.model_validate_json(body).data,
    )


def report_leak(body: models.ReportLeak) -> Call[models.ReceivedLeak]:
    """Report a leaked key.

    For whoever finds a tenant API key where it does not belong; no credentials. The answer is the same for every
    text with the shape of a key, whether it opens anything or not. Its owner is told, and the key ends as the owner
    wants it. At most 10 reports a minute from one network.
    """
    return Call(
        "POST",
        "/v1/leaks",
        lambda body: models.DataReceivedLeak.model_validate_json(body).data,
        body=body,
    )


def list_users(
    *,
    limit: int | None = None,
    offset: int | None = None,
    cursor: str | None = None,
) -> Listing[models.ListUserEntry, models.UserEntry]:
    """List users.

    Ordered by creation, oldest first.

    Takes the scope `users:read`.
    """
    return Listing(
        "GET",
        "/v1/users",
        models.ListUserEntry.model_validate_json,
        query={"limit": limit, "offset": offset, "cursor": cursor},
        items=lambda page: page.data,
        following=lambda page: page.pagination.next_cursor,
    )


def create_user(body: models.CreateUser) -> Call[models.CreatedUser]:
    """Create a user.

    The `user_id` is yours to choose and identifies the user from then on.

    Takes the scope `users:write`.
    """
    return Call(
        "POST",
        "/v1/users",
        lambda body: models.DataCreatedUser.model_validate_json(body).data,
        body=body,
    )


def create_users_in_bulk(lines: bytes) -> Call[list[models.BulkResult]]:
    """Create many users.

    One user a line, as `POST /v1/users` takes it: at most 10 MiB, 10,000 lines, and 16 KiB a line; blank lines are
    skipped. The reply has one line for each, in order, after the last was read. Lines are stored while the body
    arrives, so those before a 413 or a lost connection may be stored; sending them again is safe and answers
    `exists`.

    Takes the scope `users:write`.
    """
    return Call(
        "POST",
        "/v1/users/bulk",
        lambda body: [models.BulkResult.model_validate_json(line) for line in body.splitlines() if line],
        content=lines,
        content_type="application/x-ndjson",
    )


def get_user(user_id: UUID | str) -> Call[models.User]:
    """Show a user.

    Also to that user's own app, with a member token.

    Takes the scope `users:read`.
    """
    return Call(
        "GET",
        "/v1/users/{user_id}",
        lambda body: models.DataUser.model_validate_json(body).data,
        path_parameters={"user_id": user_id},
    )


def update_user(user_id: UUID | str, body: models.UpdateUser | None = None) -> Call[None]:
    """Change a user's profile.

    Fields that are absent stay as they are; `null` clears.

    Takes the scope `users:write`.
    """
    return Call(
        "PATCH",
        "/v1/users/{user_id}",
        nothing,
        path_parameters={"user_id": user_id},
        body=body,
    )


def delete_user(user_id: UUID | str) -> Call[None]:
    """Delete a user.

    The row is purged, not flagged; the `user_id` can be used again.

    Takes the scope `users:write`.
    """
    return Call(
        "DELETE",
        "/v1/users/{user_id}",
        nothing,
        path_parameters={"user_id": user_id},
    )
