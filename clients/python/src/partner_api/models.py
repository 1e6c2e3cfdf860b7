"""The shapes of requests, replies and events. Made by clients/generate from openapi/openapi.json."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from partner_api._model import Model
from pydantic import AwareDatetime, ConfigDict, Field, RootModel, SecretStr


class AcknowledgeFetched(Model):
    """
    All messages of a reply.
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    ack_token: str
    """
    As the reply had it.
    """


class AcknowledgedMessages(Model):
    """
    What was acknowledged.
    """

    acknowledged: int
    """
    The messages that are delivered by it. Those that were already are not counted.
    """


class Administration(Model):
    """
    Whether keys, secrets, queues and the org may be changed. Reading, users and tokens are never frozen.
    """

    frozen_at: AwareDatetime | None
    """
    Since when they may not; null while they may.
    """
    reason: str | None
    """
    What was said when it was frozen.
    """


class AnyObject(Model):
    """
    Any object.
    """

    model_config = ConfigDict(
        extra="allow",
    )


class Attempt(Model):
    """
    An attempt to deliver an event, as it is stored and shown.
    """

    at: AwareDatetime
    """
    When it began.
    """
    attempt: int
    """
    Its number: 1 is the first since the event was written or replayed.
    """
    duration_ms: int
    """
    How long it took until the queue's answer, or until it was given up, in milliseconds.
    """
    error: str | None
    """
    What went wrong, as in `last_error`; null if it was delivered. `not acknowledged` of one that was fetched.
    """
    status: int | None
    """
    The status that a webhook answered with; null for other queues, and where there was no answer.
    """


class AuditEntry(Model):
    """
    A change.
    """

    action: str
    """
    What: `<kind of thing>.<what was done>`.
    """
    actor: (
        Literal[
            "tenant_key",
            "public_key",
            "gateway",
            "operator",
            "platform",
            "claim",
            "portal",
            "service",
        ]
        | str
    )
    """
    Who.
    """
    actor_id: str | None
    """
    Of `portal` the person, in the words of whoever made the session.
    """
    at: AwareDatetime
    """
    When.
    """
    client_address: str | None
    """
    The address that the request came from, where there was one.
    """
    key_id: UUID | None
    """
    The key that authenticated, of `tenant_key` and `public_key`; of `platform` its token, of `claim` the claim, of
    `portal` the session.
    """
    mac: str | None
    """
    Covers this entry and the `mac` before, in hex; null before chaining began.
    """
    request_id: str | None
    """
    The request's `x-request-id`, where there was one.
    """
    seq: int
    """
    Its number: 1 is the org's creation, and none is ever missing.
    """
    subject: str
    """
    To what: an id, a stream's name, or the org's `key`.
    """


class AuditHead(Model):
    """
    The newest entry. Whoever keeps it can have it compared later: everything before it is as it
    was then, or it can be told that it is not.
    """

    mac: str | None
    """
    Its `mac`.
    """
    seq: int
    """
    Its number, which is also how many entries there are.
    """


class AuthorizationServer(Model):
    """
    The service as an authorization server.
    """

    grant_types_supported: list[str]
    """
    The grants.
    """
    issuer: str
    """
    `iss` of every token.
    """
    jwks_uri: str
    """
    The keys that verify tokens.
    """
    response_types_supported: list[str]
    """
    None: nobody is sent here with a browser.
    """
    scopes_supported: list[str]
    """
    What can be asked for.
    """
    service_documentation: str
    """
    Where people read on.
    """
    token_endpoint: str
    """
    Where tokens are had.
    """
    token_endpoint_auth_methods_supported: list[str]
    """
    How clients authenticate.
    """
    token_endpoint_auth_signing_alg_values_supported: list[str]
    """
    How their assertions are signed.
    """


class AwsSqs(Model):
    """
    An Amazon SQS queue, standard or FIFO.
    """

    queue_url: str
    """
    `https://sqs.<region>.amazonaws.com/<account>/<name>`
    """
    region: str
    """
    The queue's region.
    """
    role_arn: str | None = None
    """
    The role that the service assumes to send, with the org's id as external id.
    """


class AwsSqsReply(AwsSqs):
    """
    An SQS queue, and what the partner's trust policy needs.
    """

    external_id: UUID
    """
    Goes into the trust policy's condition: always the org's id.
    """
    publishing_principal_arn: str | None
    """
    Who assumes the role: goes into the trust policy's principal.
    """


class AwsSqsTarget(Model):
    """
    Which SQS queue, standard or FIFO, and by which right.
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    queue_url: str
    """
    `https://sqs.<region>.amazonaws.com/<account>/<name>`, with the region given beside it.
    """
    region: str
    """
    The queue's region.
    """
    role_arn: str
    """
    The role that the service assumes to send, with the org's id as external id.
    """


class AzureEventHubs(Model):
    """
    The public part of an event hub.
    """

    event_hub_name: str
    """
    The hub in it.
    """
    namespace: str
    """
    The namespace, without its domain.
    """
    sas_policy_name: str
    """
    The policy that may send to it.
    """


class AzureEventHubsTarget(Model):
    """
    Which event hub, and the right to send to it.
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    event_hub_name: str
    """
    The hub in it.
    """
    namespace: str
    """
    The namespace, without its domain.
    """
    sas_key: SecretStr
    """
    The key of that policy, or a connection string that holds it. It is never shown again.
    """
    sas_policy_name: str
    """
    The policy that may send to it.
    """


class AzureStorageQueue(Model):
    """
    The public part of an Azure storage queue.
    """

    account_name: str
    """
    The storage account.
    """
    queue_name: str
    """
    The queue in it.
    """


class AzureStorageQueueReply(AzureStorageQueue):
    """
    An Azure storage queue.
    """

    sas_token_expires_at: AwareDatetime | None
    """
    When the SAS token ends by itself.
    """


class AzureStorageQueueTarget(Model):
    """
    Which Azure storage queue, and the right to write to it.
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    account_name: str
    """
    The storage account.
    """
    queue_name: str
    """
    The queue in it.
    """
    sas_token: SecretStr
    """
    A shared access signature with permission to add: its query string, a URL of the queue that
    ends with it, or a connection string that holds it. It is never shown again.
    """


class ClaimedOrg(Model):
    """
    An org's credentials. They are shown only here.
    """

    key: str
    """
    The org's public name.
    """
    key_id: UUID
    """
    The API key's id.
    """
    name: str
    """
    The org's name for people.
    """
    org_id: UUID
    """
    The org's id.
    """
    signing_secret: SecretStr | None = None
    """
    The signing secret, where the org had none.
    """
    tenant_api_key: SecretStr
    """
    The API key.
    """


class ConfirmedRotation(Model):
    """
    A rotation that was confirmed.
    """

    key_id: UUID
    """
    The new key's id.
    """
    previous_key_expires_at: AwareDatetime
    """
    Until when the old key works.
    """
    previous_key_id: UUID
    """
    The old key's id.
    """


class ConfirmedSecretRotation(Model):
    """
    A rotation that was confirmed.
    """

    previous_secret_expires_at: AwareDatetime
    """
    Until when the old secret signs along.
    """
    previous_secret_id: UUID
    """
    The old secret's id.
    """
    secret_id: UUID
    """
    The new secret's id.
    """


class CreateUser(Model):
    """
    A user to create.
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    email: str | None = None
    """
    E-mail address.
    """
    first_name: str | None = None
    """
    Given name.
    """
    last_name: str | None = None
    """
    Family name.
    """
    user_id: UUID
    """
    Any UUID that is not a user of yours yet.
    """


class CreatedUser(Model):
    """
    The id of a user that was created.
    """

    user_id: UUID
    """
    As the partner chose it.
    """


class DataAcknowledgedMessages(Model):
    """
    A single thing.
    """

    data: AcknowledgedMessages


class DataAdministration(Model):
    """
    A single thing.
    """

    data: Administration


class DataClaimedOrg(Model):
    """
    A single thing.
    """

    data: ClaimedOrg


class DataConfirmedRotation(Model):
    """
    A single thing.
    """

    data: ConfirmedRotation


class DataConfirmedSecretRotation(Model):
    """
    A single thing.
    """

    data: ConfirmedSecretRotation


class DataCreatedUser(Model):
    """
    A single thing.
    """

    data: CreatedUser


class EncryptedTo(Model):
    """
    Whom something was encrypted to.
    """

    Fingerprint: str
    """
    The public key's fingerprint.
    """
    UniqueId: UUID
    """
    The public key's id.
    """


class FeatureStatus(Model):
    """
    A feature and how it stands.
    """

    feature: str
    """
    The feature's name.
    """
    status: Literal["live", "disabled", "planned"] | str
    """
    How it stands.
    """


class FreezeAdministration(Model):
    """
    Why.
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    reason: str | None = None
    """
    For people, and for the integration contact.
    """


class GeneratedKeyPair(Model):
    """
    A pair that was generated here.
    """

    Algorithm: str
    """
    For people.
    """
    ExpirationUtc: AwareDatetime
    """
    When it ends.
    """
    Key: str
    """
    The public half: SPKI PEM.
    """
    UniqueId: UUID
    """
    The key's id.
    """


class HourOfRequests(Model):
    """
    Requests of an hour.
    """

    hour: AwareDatetime
    """
    Its beginning.
    """
    requests: int
    """
    How many.
    """


class IssueMemberToken(Model):
    """
    Whom a token is for.
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    user_id: UUID
    """
    A user of yours.
    """


class Jwk(Model):
    """
    A verification key (RFC 7517, RFC 8037).
    """

    alg: str
    crv: str
    kid: str
    """
    The key's thumbprint (RFC 7638).
    """
    kty: str
    use: str
    x: str
    """
    The key.
    """


class JwkSet(Model):
    """
    The published keys (RFC 7517).
    """

    keys: list[Jwk]
    """
    Those that sign, will sign, or signed what may still be looked at.
    """


class KeyProof(Model):
    """
    The answer to a challenge.
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    Response: str
    """
    The text of the message that was encrypted, or the signature in base64. White space around or in it counts
    for nothing.
    """


class MinuteOfAttempts(Model):
    """
    Attempts of a minute.
    """

    attempts: int
    """
    How many.
    """
    delivered: int
    """
    Of these, those that were acknowledged.
    """
    minute: AwareDatetime
    """
    Its beginning.
    """
    p95_ms: int | None
    """
    The milliseconds within which 95 of 100 were over, at most half too high; null where there were none.
    """


class Pagination(Model):
    """
    What a list says about itself.
    """

    limit: int
    """
    As asked for, or the default.
    """
    next_cursor: str | None = None
    """
    Only where `cursor` was sent: the next page's, or null at the end.
    """
    offset: int
    """
    As asked for, or 0.
    """
    total: int
    """
    All entries there are. Exact up to 10,000; above that up to a minute old.
    """


class Poll(Model):
    """
    A queue that the partner fetches from: there is nothing to set.
    """


class PollTarget(Model):
    """
    Nothing.
    """

    model_config = ConfigDict(
        extra="forbid",
    )


class PortalActor(Model):
    """
    A person.
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    email: str | None = None
    """
    For the page's head; the audit log does not have it.
    """
    id: str
    """
    Who it is, in your words: the audit log names it beside every change. No e-mail address.
    """


class PortalLink(Model):
    """
    A link to the portal. It is shown only here.
    """

    expires_at: AwareDatetime
    """
    Until when it may be opened.
    """
    url: SecretStr
    """
    Send the person there: it opens once.
    """


class PreviousSecret(Model):
    """
    A previous secret that still signs.
    """

    expires_at: AwareDatetime
    """
    Until when it signs.
    """
    id: UUID
    """
    Its id.
    """


class Profile(Model):
    """
    What is known of a person; all of it optional.
    """

    email: str | None
    """
    E-mail address.
    """
    first_name: str | None
    """
    Given name.
    """
    last_name: str | None
    """
    Family name.
    """


class ProvenPublicKey(Model):
    """
    A key that works.
    """

    ProvenUtc: AwareDatetime
    """
    When that was proven.
    """
    UniqueId: UUID
    """
    The key's id.
    """


class PublicKeyChallenge(Model):
    """
    A question that only the private half answers.
    """

    Challenge: str
    """
    An armored OpenPGP message or a compact JWE, whose text is the answer; or, for a key to which nothing is
    encrypted, a line of text to sign.
    """
    ExpiresUtc: AwareDatetime
    """
    Until when it can be answered.
    """
    UniqueId: UUID
    """
    The key's id.
    """


class PublicKeyExpiration(Model):
    """
    A key's new end.
    """

    ExpirationUtc: AwareDatetime
    """
    When it ends.
    """
    UniqueId: UUID
    """
    The key's id.
    """


class QueueHour(Model):
    """
    How a queue did in the last hour. Attempts of the last seconds may not be in it yet.
    """

    minutes: list[MinuteOfAttempts]
    """
    The last 60 minutes, oldest first; the last one is running.
    """


class ReceivedLeak(Model):
    """
    The same for every report.
    """

    status: str
    """
    Always `received`: whether the key is anybody's is told to its owner alone.
    """


class RefusedNetwork(Model):
    """
    Requests from outside the networks that are allowed.
    """

    last_seen_at: AwareDatetime
    """
    The last one from there.
    """
    network: str | None
    """
    The /24 of IPv4 or /48 of IPv6 that they came from; null where no address was known.
    """
    requests: int
    """
    How many.
    """


class RefusedScope(Model):
    """
    Requests beyond the key's scopes.
    """

    last_seen_at: AwareDatetime
    """
    The last one.
    """
    requests: int
    """
    How many.
    """
    scope: str
    """
    The scope that they needed.
    """


class RegisterAwsSqs(Model):
    """
    An Amazon SQS queue to register.
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    aws_sqs: AwsSqsTarget
    """
    The queue.
    """
    encrypt_to: str | None = None
    """
    Messages are encrypted to this key of yours: `MessageLevelEncryption`, `Reports` or
    `CredentialsDownload` for the live one of that usage that was registered last, or a `UniqueId` of one
    that has such a usage.
    """
    event_types: list[str] | None = None
    """
    The types that the queue takes; without it, all of the stream. What is left out counts as `skipped`
    and can be replayed. Types that there are not yet may be named.
    """
    format: Literal["envelope", "cloudevents"] | str | None = None
    ordering: Literal["per_subject"] | None = None
    type: Literal["aws_sqs"]
    """
    The type of an SQS queue.
    """


class RegisterAzureEventHubs(Model):
    """
    An event hub to register.
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    azure_event_hubs: AzureEventHubsTarget
    """
    The hub.
    """
    encrypt_to: str | None = None
    """
    Messages are encrypted to this key of yours: `MessageLevelEncryption`, `Reports` or
    `CredentialsDownload` for the live one of that usage that was registered last, or a `UniqueId` of one
    that has such a usage.
    """
    event_types: list[str] | None = None
    """
    The types that the queue takes; without it, all of the stream. What is left out counts as `skipped`
    and can be replayed. Types that there are not yet may be named.
    """
    format: Literal["envelope", "cloudevents"] | str | None = None
    ordering: Literal["per_subject"] | None = None
    type: Literal["azure_event_hubs"]
    """
    The type of an event hub.
    """


class RegisterAzureStorageQueue(Model):
    """
    An Azure storage queue to register.
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    azure_storage_queue: AzureStorageQueueTarget
    """
    The queue.
    """
    encrypt_to: str | None = None
    """
    Messages are encrypted to this key of yours: `MessageLevelEncryption`, `Reports` or
    `CredentialsDownload` for the live one of that usage that was registered last, or a `UniqueId` of one
    that has such a usage.
    """
    event_types: list[str] | None = None
    """
    The types that the queue takes; without it, all of the stream. What is left out counts as `skipped`
    and can be replayed. Types that there are not yet may be named.
    """
    format: Literal["envelope", "cloudevents"] | str | None = None
    ordering: Literal["per_subject"] | None = None
    type: Literal["azure_storage_queue"]
    """
    The type of a storage queue.
    """


class RegisterPgpKey(Model):
    """
    An OpenPGP certificate to register.
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    ExpirationUtc: AwareDatetime
    """
    When the key ends: with an offset, in the future, at most three years ahead. The certificate
    must have a key to encrypt to that lives as long.
    """
    OwnerCode: str
    """
    Your organisation's `key`.
    """
    PublicKey: str
    """
    One certificate, armored, or base64 of the binary or of the armor. Never a private key.
    """
    RelatedClientId: str | None = None
    """
    A name of yours for whatever uses the key.
    """
    Type: Literal["PGP"]
    """
    The type of an OpenPGP certificate.
    """
    Usage: list[Literal["Reports", "CredentialsDownload"]]
    """
    What the certificate is for; duplicates are folded.
    """


class RegisterPoll(Model):
    """
    A queue to fetch from. It has no `ordering`: its messages come oldest first.
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    encrypt_to: str | None = None
    """
    Messages are encrypted to this key of yours: `MessageLevelEncryption`, `Reports` or
    `CredentialsDownload` for the live one of that usage that was registered last, or a `UniqueId` of one
    that has such a usage.
    """
    event_types: list[str] | None = None
    """
    The types that the queue takes; without it, all of the stream. What is left out counts as `skipped`
    and can be replayed. Types that there are not yet may be named.
    """
    format: Literal["envelope", "cloudevents"] | str | None = None
    poll: PollTarget
    """
    There is nothing to set.
    """
    type: Literal["poll"]
    """
    The type of a queue to fetch from.
    """


class RegisteredPublicKey(Model):
    """
    A registered key.
    """

    UniqueId: UUID
    """
    The key's id.
    """


class ReplayNamedEvents(Model):
    """
    Events to send again, by their ids.
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    event_ids: list[str]
    """
    At most 1,000.
    """


class Replayed(Model):
    """
    What will be sent again.
    """

    replayed: int
    """
    How many events.
    """


class ReportLeak(Model):
    """
    A key that somebody found.
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    key: SecretStr
    """
    The whole key: of this service's form, or of one that its platform imported keys of.
    """
    note: str | None = None
    """
    Anything that helps its owner, who sees it.
    """
    url: str | None = None
    """
    Where others can read it. Its owner sees this.
    """


class RequestSource(Model):
    """
    Requests from one network with one `User-Agent`.
    """

    first_seen_at: AwareDatetime
    """
    The first request that is remembered.
    """
    last_seen_at: AwareDatetime
    """
    The last request.
    """
    network: str | None
    """
    A /24 of IPv4 or a /48 of IPv6, never an address; null where none is known.
    """
    outside_networks: int
    """
    Of these, from outside the networks that the key and its org allow: refused, or with the policy `report` only
    counted.
    """
    requests: int
    """
    How many.
    """
    user_agent: str | None
    """
    The `User-Agent`, cut to 100 characters; null where none was sent.
    """


class RequestedReport(Model):
    """
    A report that was asked for.
    """

    encrypted_to: EncryptedTo
    """
    The public key that it is encrypted to.
    """
    report_id: UUID
    """
    The report's id.
    """
    status: Literal["queued", "running", "ready", "failed", "expired"] | str
    """
    How it stands.
    """
    type: Literal["users", "audit_log", "events", "credentials"] | str
    """
    On what it is.
    """


class RotateTenantKey(Model):
    """
    Which key to rotate, and how.
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    activation: Literal["immediate", "on_confirm", "on_first_use"] | None = None
    """
    When the old key's grace window begins: with this request (the default), when the successor is confirmed, or when it is first
    used. Until then the successor works and administers nothing, and the old key is as it was.
    """
    allowed_networks: list[str] | None = None
    """
    The networks that the new key may be used from (CIDR); by default those of the old one.
    """
    confirm_within_seconds: int | None = None
    """
    How long the confirmation may take, in seconds; after that the successor ends. By default a day; not with
    `immediate`.
    """
    deliver_to: str | None = None
    """
    Encrypts the new key to a registered public key of yours: `CredentialsDownload`, or the
    `UniqueId` of a key with this usage.
    """
    expires_at: AwareDatetime | None = None
    """
    When the successor ends. By default it gets the old key's lifetime, if that had one.
    """
    grace_period_seconds: int | None = None
    """
    How long the old key goes on working, in seconds. With 0 it ends at once: if the reply is
    lost on its way, so is access, until the integration contact makes a key.
    """
    key_id: UUID | None = None
    """
    The key to rotate; by default the one that authenticates this request.
    """
    network_policy: Literal["enforce", "report"] | str | None = None
    """
    Whether requests from other networks are refused, or only reported; by default as for the old key.
    """
    scope_policy: Literal["enforce", "report"] | str | None = None
    """
    Whether the new key is held to that, or only watched; by default as the old one is.
    """
    scopes: (
        list[
            Literal[
                "*",
                "users:read",
                "users:write",
                "tokens:write",
                "org:read",
                "org:write",
                "tenant_keys:read",
                "tenant_keys:write",
                "signing_secrets:read",
                "signing_secrets:write",
                "queues:read",
                "queues:write",
                "events:read",
                "events:write",
                "events:consume",
                "public_keys:read",
                "public_keys:write",
                "audit:read",
                "reports:read",
                "reports:write",
            ]
            | str
        ]
        | None
    ) = None
    """
    What the new key may do; by default what the old one may. No more than the key that authenticates this request.
    """


class RotatedSigningSecret(Model):
    """
    A new secret in place.
    """

    confirmation_expires_at: AwareDatetime | None = None
    """
    Until when the rotation may be confirmed, if it waits for that.
    """
    encrypted_secret: str | None = None
    """
    With `deliver_to`, the new secret encrypted: an armored OpenPGP message, or a compact JWE.
    """
    encrypted_to: EncryptedTo | None = None
    new_signing_secret: SecretStr | None = None
    """
    The new secret, if the service made it; not with `deliver_to`. It is shown only here.
    """
    previous_secret_expires_at: AwareDatetime | None
    """
    Until when the previous secret signs along; null if there was none, and while the rotation waits.
    """
    secret_id: UUID
    """
    The new secret's id.
    """
    signing_secret_rotated_at: AwareDatetime
    """
    When it was put in place, or began to wait for that.
    """


class RotatedTenantKey(Model):
    """
    A rotated key's successor. The key is shown only here.
    """

    confirmation_expires_at: AwareDatetime | None = None
    """
    Until when the rotation may be confirmed, if it waits for that.
    """
    encrypted_secret: str | None = None
    """
    With `deliver_to`, the new key encrypted: an armored OpenPGP message, or a compact JWE.
    """
    encrypted_to: EncryptedTo | None = None
    key_id: UUID
    """
    The new key's id.
    """
    new_tenant_api_key: SecretStr | None = None
    """
    The new key; not with `deliver_to`.
    """
    previous_key_expires_at: AwareDatetime | None
    """
    Until when the old key works; while the rotation waits, the end that it had, or null.
    """
    previous_key_id: UUID
    """
    The old key's id.
    """


class SafeToRetire(Model):
    """
    Whether a key may go, and why.
    """

    answer: Literal["yes", "no", "unknown"] | str
    """
    `yes`: its successor was used and it was not for 24 hours (or its grace window, if shorter), or it has ended
    already, or it leaked. `no`: it was used lately. `unknown`: what is known does not tell.
    """
    reason: str
    """
    For people: why.
    """
    unused_for_seconds: int
    """
    Since its last use, or where it was never used since it was made.
    """


class SetExpiration(Model):
    """
    A key's new end.
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    ExpirationUtc: AwareDatetime
    """
    When the key ends: with an offset, in the future, at most three years ahead.
    """


class SignatureCheck(Model):
    """
    What the service would have verified.
    """

    algorithm: str | None
    """
    The algorithm that is verified.
    """
    covered: list[str]
    """
    The components that are covered.
    """
    keyid: str | None
    """
    The key that the signature names.
    """
    problem: str | None
    """
    The first thing that is wrong, for people.
    """
    signature_base: str | None
    """
    The signature base (RFC 9421 2.5) as the service makes it, once it can: compare it with yours, byte for byte.
    """
    valid: bool
    """
    Whether the request would pass.
    """


class SignedHeaders(Model):
    """
    The headers of Standard Webhooks.
    """

    webhook_id: str = Field(..., validation_alias="webhook-id", serialization_alias="webhook-id")
    """
    The event's id: the same for every attempt.
    """
    webhook_signature: str = Field(..., validation_alias="webhook-signature", serialization_alias="webhook-signature")
    """
    One signature (`v1`) per live secret, newest first, and one (`v1a`) of the service's key, separated by
    spaces.
    """
    webhook_signature_key_id: str | None = Field(default=None, validation_alias="webhook-signature-key-id", serialization_alias="webhook-signature-key-id")
    """
    The service's key, as `/.well-known/webhook-keys.json` names it. Empty in messages of versions that had none.
    """
    webhook_timestamp: str = Field(..., validation_alias="webhook-timestamp", serialization_alias="webhook-timestamp")
    """
    The time of signing, in seconds since 1970.
    """


class StreamEventType(Model):
    """
    A type of events.
    """

    description: str
    """
    For people.
    """
    schema_: AnyObject | None = Field(..., validation_alias="schema", serialization_alias="schema")
    type: str
    """
    The `type` of the body.
    """


class Suggestion(Model):
    """
    Restrictions, as PATCH takes them. What cannot be suggested is not there.
    """

    allowed_networks: list[str] | None = None
    """
    The networks that they came from: neighbours are one, and of more than 20 those that lie nearest.
    """
    scopes: list[str] | None = None
    """
    The scopes that its requests needed.
    """


class TenantKeyEntry(Model):
    """
    A key as lists show it.
    """

    allowed_networks: list[str] | None
    """
    The networks that it may be used from; null for any.
    """
    created_at: AwareDatetime
    """
    When it was made.
    """
    expires_at: AwareDatetime | None
    """
    When it ends.
    """
    id: UUID
    """
    The key's id.
    """
    is_current: bool
    """
    Whether it authenticated this request.
    """
    last_used_at: AwareDatetime | None
    """
    When it was last used, exactly; up to a minute late.
    """
    leaked_at: AwareDatetime | None
    """
    When it was first reported to be where others can read it.
    """
    name: str
    """
    For people: where the key is used.
    """
    network_policy: Literal["enforce", "report"] | str
    """
    Whether requests from other networks are refused, or only reported.
    """
    origin: Literal["made", "imported"] | str
    """
    Whether it was made here, or elsewhere and imported.
    """
    prefix: str
    """
    The key's first characters.
    """
    revoked_at: AwareDatetime | None
    """
    When it was revoked.
    """
    rotated_to: UUID | None
    """
    Its successor's id.
    """
    scope_policy: Literal["enforce", "report"] | str
    """
    Whether it is held to that (`enforce`), or may do everything and is watched (`report`).
    """
    scopes: list[
        Literal[
            "*",
            "users:read",
            "users:write",
            "tokens:write",
            "org:read",
            "org:write",
            "tenant_keys:read",
            "tenant_keys:write",
            "signing_secrets:read",
            "signing_secrets:write",
            "queues:read",
            "queues:write",
            "events:read",
            "events:write",
            "events:consume",
            "public_keys:read",
            "public_keys:write",
            "audit:read",
            "reports:read",
            "reports:write",
        ]
        | str
    ]
    """
    What it may do.
    """


class TenantKeyUsage(Model):
    """
    The uses of a key. What reached the service in the last minute may not be in it yet.
    """

    hourly: list[HourOfRequests]
    """
    Requests with it in each of the last 48 hours, oldest first; the last one is running.
    """
    key_id: UUID
    """
    The key's id.
    """
    last_used_at: AwareDatetime | None
    """
    When it was last used, exactly; a gateway's question for it counts too.
    """
    requests_last_24h: int
    """
    Requests in the last 24 of the hours below, the running one included.
    """
    safe_to_retire: SafeToRetire
    """
    Whether somebody would miss it.
    """
    sources: list[RequestSource]
    """
    Where they came from in the last 35 days: at most 50, the one that was seen last comes first.
    """


class TestedQueue(Model):
    """
    What a test event said.
    """

    event_id: str
    """
    The test event's id.
    """


class UpdateOrg(Model):
    """
    Changes to the org.
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    allowed_networks: list[str] | None = None
    """
    The networks (CIDR) that the org's keys, signed requests and tokens may be used from; `null` for any. Member
    tokens are not bound.
    """
    leak_grace_seconds: int | None = None
    """
    With `grace`, how long it still works, in seconds.
    """
    leak_policy: Literal["notify", "grace", "revoke"] | str | None = None
    """
    What happens from now on to a key of yours that is found where others can read it.
    """
    name: str | None = None
    """
    For people. Cannot be cleared.
    """
    network_policy: Literal["enforce", "report"] | str | None = None
    """
    Whether requests from other networks are refused, or only reported.
    """
    sign_responses: bool | None = None
    """
    Whether every response is signed from now on, asked for or not.
    """
    signature_policy: Literal["optional", "administration", "required"] | str | None = (
        None
    )
    """
    Which requests must be signed from now on. Changing it takes a signed request.
    """


class UpdateTenantKey(Model):
    """
    Changes to a key.
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    allowed_networks: list[str] | None = None
    """
    The networks that it may be used from (CIDR); `null` for any.
    """
    expires_at: AwareDatetime | None = None
    """
    When it ends; `null` for never. A rotated key ends within seven days of its rotation.
    """
    name: str | None = None
    """
    For people: where the key is used. Cannot be cleared.
    """
    network_policy: Literal["enforce", "report"] | str | None = None
    """
    Whether requests from other networks are refused, or only reported. Cannot be cleared.
    """
    scope_policy: Literal["enforce", "report"] | str | None = None
    """
    Whether it is held to that, or only watched. Cannot be cleared.
    """
    scopes: (
        list[
            Literal[
                "*",
                "users:read",
                "users:write",
                "tokens:write",
                "org:read",
                "org:write",
                "tenant_keys:read",
                "tenant_keys:write",
                "signing_secrets:read",
                "signing_secrets:write",
                "queues:read",
                "queues:write",
                "events:read",
                "events:write",
                "events:consume",
                "public_keys:read",
                "public_keys:write",
                "audit:read",
                "reports:read",
                "reports:write",
            ]
            | str
        ]
        | None
    ) = None
    """
    What it may do. Cannot be cleared.
    """


class UpdateUser(Model):
    """
    Changes to a user's profile. Absent fields stay as they are, `null` clears.
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    email: str | None = None
    """
    E-mail address.
    """
    first_name: str | None = None
    """
    Given name.
    """
    last_name: str | None = None
    """
    Family name.
    """


class User(Model):
    """
    A user.
    """

    created_at: AwareDatetime
    """
    When it was created.
    """
    profile: Profile
    """
    What is known of the person.
    """
    updated_at: AwareDatetime
    """
    When it was last changed.
    """
    user_id: UUID
    """
    As the partner chose it.
    """


class UserEntry(Model):
    """
    A user in a list.
    """

    created_at: AwareDatetime
    """
    When it was created.
    """
    user_id: UUID
    """
    As the partner chose it.
    """


class WaitingSecret(Model):
    """
    A secret that waits to be confirmed.
    """

    confirmation_expires_at: AwareDatetime
    """
    Until when it may be confirmed.
    """
    id: UUID
    """
    Its id.
    """


class WebhookEndpoint(Model):
    """
    A webhook.
    """

    url: str
    """
    Where events are posted; https only.
    """


class WebhookTarget(Model):
    """
    Where events are posted.
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    url: str
    """
    Starts with `https://`, without user name, password and fragment, and leads to a public
    address.
    """


class WouldRefuse(Model):
    """
    Requests that would be refused.
    """

    networks: list[RefusedNetwork]
    """
    By the network that they came from.
    """
    scopes: list[RefusedScope]
    """
    By the scope that they needed.
    """


class ClaimReopenedData(Model):
    """
    Somebody tried to open a claim that was opened already.
    """

    claim_id: UUID
    """
    The claim.
    """
    occurred_at: AwareDatetime
    """
    The same as `timestamp`.
    """
    opened_at: AwareDatetime
    """
    When it was opened.
    """
    version: int
    """
    Counts the changes of this subject: of two events the higher version is the later one.
    """


class ClaimReopenedEvent(Model):
    """
    Somebody tried to open a claim that was opened already.
    """

    data: ClaimReopenedData
    org_id: UUID
    """
    To whom: the org.
    """
    timestamp: AwareDatetime
    """
    When.
    """
    type: Literal["claim.reopened"]
    """
    What happened.
    """


class OrgAdministrationFrozenData(Model):
    """
    Nothing of the administration changes any more.
    """

    by_key_id: UUID | None = None
    """
    The tenant key that authenticated the request, if one did.
    """
    occurred_at: AwareDatetime
    """
    The same as `timestamp`.
    """
    version: int
    """
    Counts the changes of this subject: of two events the higher version is the later one.
    """


class OrgAdministrationFrozenEvent(Model):
    """
    Nothing of the administration changes any more.
    """

    data: OrgAdministrationFrozenData
    org_id: UUID
    """
    To whom: the org.
    """
    timestamp: AwareDatetime
    """
    When.
    """
    type: Literal["org.administration_frozen"]
    """
    What happened.
    """


class OrgAdministrationThawedData(Model):
    """
    The administration may be changed again.
    """

    by_key_id: UUID | None = None
    """
    The tenant key that authenticated the request, if one did.
    """
    occurred_at: AwareDatetime
    """
    The same as `timestamp`.
    """
    version: int
    """
    Counts the changes of this subject: of two events the higher version is the later one.
    """


class OrgAdministrationThawedEvent(Model):
    """
    The administration may be changed again.
    """

    data: OrgAdministrationThawedData
    org_id: UUID
    """
    To whom: the org.
    """
    timestamp: AwareDatetime
    """
    When.
    """
    type: Literal["org.administration_thawed"]
    """
    What happened.
    """


class PublicKeyDeletedData(Model):
    """
    A public key was ended.
    """

    expires_at: AwareDatetime
    """
    When the key ends, or ended.
    """
    occurred_at: AwareDatetime
    """
    The same as `timestamp`.
    """
    unique_id: UUID
    """
    The key: its `UniqueId`.
    """
    version: int
    """
    Counts the changes of this subject: of two events the higher version is the later one.
    """


class PublicKeyDeletedEvent(Model):
    """
    A public key was ended.
    """

    data: PublicKeyDeletedData
    org_id: UUID
    """
    To whom: the org.
    """
    timestamp: AwareDatetime
    """
    When.
    """
    type: Literal["public_key.deleted"]
    """
    What happened.
    """


class PublicKeyExpiredData(Model):
    """
    A public key has come to its end.
    """

    expires_at: AwareDatetime
    """
    When the key ends, or ended.
    """
    occurred_at: AwareDatetime
    """
    The same as `timestamp`.
    """
    unique_id: UUID
    """
    The key: its `UniqueId`.
    """
    version: int
    """
    Counts the changes of this subject: of two events the higher version is the later one.
    """


class PublicKeyExpiredEvent(Model):
    """
    A public key has come to its end.
    """

    data: PublicKeyExpiredData
    org_id: UUID
    """
    To whom: the org.
    """
    timestamp: AwareDatetime
    """
    When.
    """
    type: Literal["public_key.expired"]
    """
    What happened.
    """


class PublicKeyExpiringData(Model):
    """
    A public key ends in 30, 7 or 1 days.
    """

    expires_at: AwareDatetime
    """
    When the key ends, or ended.
    """
    occurred_at: AwareDatetime
    """
    The same as `timestamp`.
    """
    unique_id: UUID
    """
    The key: its `UniqueId`.
    """
    version: int
    """
    Counts the changes of this subject: of two events the higher version is the later one.
    """


class PublicKeyExpiringEvent(Model):
    """
    A public key ends in 30, 7 or 1 days.
    """

    data: PublicKeyExpiringData
    org_id: UUID
    """
    To whom: the org.
    """
    timestamp: AwareDatetime
    """
    When.
    """
    type: Literal["public_key.expiring"]
    """
    What happened.
    """


class PublicKeyProvenData(Model):
    """
    A public key's private half was shown to be there.
    """

    expires_at: AwareDatetime
    """
    When the key ends, or ended.
    """
    occurred_at: AwareDatetime
    """
    The same as `timestamp`.
    """
    unique_id: UUID
    """
    The key: its `UniqueId`.
    """
    version: int
    """
    Counts the changes of this subject: of two events the higher version is the later one.
    """


class PublicKeyProvenEvent(Model):
    """
    A public key's private half was shown to be there.
    """

    data: PublicKeyProvenData
    org_id: UUID
    """
    To whom: the org.
    """
    timestamp: AwareDatetime
    """
    When.
    """
    type: Literal["public_key.proven"]
    """
    What happened.
    """


class PublicKeyRegisteredData(Model):
    """
    A public key was registered, or a pair was generated.
    """

    expires_at: AwareDatetime
    """
    When the key ends, or ended.
    """
    occurred_at: AwareDatetime
    """
    The same as `timestamp`.
    """
    unique_id: UUID
    """
    The key: its `UniqueId`.
    """
    version: int
    """
    Counts the changes of this subject: of two events the higher version is the later one.
    """


class PublicKeyRegisteredEvent(Model):
    """
    A public key was registered, or a pair was generated.
    """

    data: PublicKeyRegisteredData
    org_id: UUID
    """
    To whom: the org.
    """
    timestamp: AwareDatetime
    """
    When.
    """
    type: Literal["public_key.registered"]
    """
    What happened.
    """


class PublicKeyUpdatedData(Model):
    """
    A public key's end was changed.
    """

    expires_at: AwareDatetime
    """
    When the key ends, or ended.
    """
    occurred_at: AwareDatetime
    """
    The same as `timestamp`.
    """
    unique_id: UUID
    """
    The key: its `UniqueId`.
    """
    version: int
    """
    Counts the changes of this subject: of two events the higher version is the later one.
    """


class PublicKeyUpdatedEvent(Model):
    """
    A public key's end was changed.
    """

    data: PublicKeyUpdatedData
    org_id: UUID
    """
    To whom: the org.
    """
    timestamp: AwareDatetime
    """
    When.
    """
    type: Literal["public_key.updated"]
    """
    What happened.
    """


class QueueDeletedData(Model):
    """
    An event queue was removed.
    """

    occurred_at: AwareDatetime
    """
    The same as `timestamp`.
    """
    queue_name: str
    """
    The queue: the name of its stream.
    """
    reason: Literal["requested", "gone"] | None = None
    version: int
    """
    Counts the changes of this subject: of two events the higher version is the later one.
    """


class QueueDeletedEvent(Model):
    """
    An event queue was removed.
    """

    data: QueueDeletedData
    org_id: UUID
    """
    To whom: the org.
    """
    timestamp: AwareDatetime
    """
    When.
    """
    type: Literal["queue.deleted"]
    """
    What happened.
    """


class QueueFailingData(Model):
    """
    An event queue's deliveries fail.
    """

    last_error: str | None = None
    """
    Of `failing`: what went wrong last, as events show it.
    """
    occurred_at: AwareDatetime
    """
    The same as `timestamp`.
    """
    queue_name: str
    """
    The queue: the name of its stream.
    """
    since: AwareDatetime
    """
    Since when it is known not to work; the same in both.
    """
    version: int
    """
    Counts the changes of this subject: of two events the higher version is the later one.
    """


class QueueFailingEvent(Model):
    """
    An event queue's deliveries fail.
    """

    data: QueueFailingData
    org_id: UUID
    """
    To whom: the org.
    """
    timestamp: AwareDatetime
    """
    When.
    """
    type: Literal["queue.failing"]
    """
    What happened.
    """


class QueuePausedData(Model):
    """
    An event queue stands still until it is resumed.
    """

    occurred_at: AwareDatetime
    """
    The same as `timestamp`.
    """
    queue_name: str
    """
    The queue: the name of its stream.
    """
    reason: Literal["requested", "gone"] | None = None
    version: int
    """
    Counts the changes of this subject: of two events the higher version is the later one.
    """


class QueuePausedEvent(Model):
    """
    An event queue stands still until it is resumed.
    """

    data: QueuePausedData
    org_id: UUID
    """
    To whom: the org.
    """
    timestamp: AwareDatetime
    """
    When.
    """
    type: Literal["queue.paused"]
    """
    What happened.
    """


class QueueRecoveredData(Model):
    """
    An event queue takes events again.
    """

    last_error: str | None = None
    """
    Of `failing`: what went wrong last, as events show it.
    """
    occurred_at: AwareDatetime
    """
    The same as `timestamp`.
    """
    queue_name: str
    """
    The queue: the name of its stream.
    """
    since: AwareDatetime
    """
    Since when it is known not to work; the same in both.
    """
    version: int
    """
    Counts the changes of this subject: of two events the higher version is the later one.
    """


class QueueRecoveredEvent(Model):
    """
    An event queue takes events again.
    """

    data: QueueRecoveredData
    org_id: UUID
    """
    To whom: the org.
    """
    timestamp: AwareDatetime
    """
    When.
    """
    type: Literal["queue.recovered"]
    """
    What happened.
    """


class QueueReplacedData(Model):
    """
    An event queue was replaced.
    """

    occurred_at: AwareDatetime
    """
    The same as `timestamp`.
    """
    queue_name: str
    """
    The queue: the name of its stream.
    """
    reason: Literal["requested", "gone"] | None = None
    version: int
    """
    Counts the changes of this subject: of two events the higher version is the later one.
    """


class QueueReplacedEvent(Model):
    """
    An event queue was replaced.
    """

    data: QueueReplacedData
    org_id: UUID
    """
    To whom: the org.
    """
    timestamp: AwareDatetime
    """
    When.
    """
    type: Literal["queue.replaced"]
    """
    What happened.
    """


class ReportFailedData(Model):
    """
    A report could not be made.
    """

    expires_at: AwareDatetime | None = None
    """
    Of `ready`: when its content goes.
    """
    occurred_at: AwareDatetime
    """
    The same as `timestamp`.
    """
    report_id: UUID
    """
    The report.
    """
    version: int
    """
    Counts the changes of this subject: of two events the higher version is the later one.
    """


class ReportFailedEvent(Model):
    """
    A report could not be made.
    """

    data: ReportFailedData
    org_id: UUID
    """
    To whom: the org.
    """
    timestamp: AwareDatetime
    """
    When.
    """
    type: Literal["report.failed"]
    """
    What happened.
    """


class ReportReadyData(Model):
    """
    A report can be fetched.
    """

    expires_at: AwareDatetime | None = None
    """
    Of `ready`: when its content goes.
    """
    occurred_at: AwareDatetime
    """
    The same as `timestamp`.
    """
    report_id: UUID
    """
    The report.
    """
    version: int
    """
    Counts the changes of this subject: of two events the higher version is the later one.
    """


class ReportReadyEvent(Model):
    """
    A report can be fetched.
    """

    data: ReportReadyData
    org_id: UUID
    """
    To whom: the org.
    """
    timestamp: AwareDatetime
    """
    When.
    """
    type: Literal["report.ready"]
    """
    What happened.
    """


class SigningSecretExpiredData(Model):
    """
    A previous signing secret has come to its end.
    """

    expires_at: AwareDatetime | None = None
    """
    Of `rotated`: when the old one ends.
    """
    occurred_at: AwareDatetime
    """
    The same as `timestamp`.
    """
    previous_secret_id: UUID | None = None
    """
    Of `rotated`, `rotation_started` and `rotation_abandoned`: the old secret, if there was one.
    """
    secret_id: UUID
    """
    The secret; of `rotated` and what leads there, the new one.
    """
    version: int
    """
    Counts the changes of this subject: of two events the higher version is the later one.
    """


class SigningSecretExpiredEvent(Model):
    """
    A previous signing secret has come to its end.
    """

    data: SigningSecretExpiredData
    org_id: UUID
    """
    To whom: the org.
    """
    timestamp: AwareDatetime
    """
    When.
    """
    type: Literal["signing_secret.expired"]
    """
    What happened.
    """


class SigningSecretRevokedData(Model):
    """
    A previous signing secret was ended.
    """

    expires_at: AwareDatetime | None = None
    """
    Of `rotated`: when the old one ends.
    """
    occurred_at: AwareDatetime
    """
    The same as `timestamp`.
    """
    previous_secret_id: UUID | None = None
    """
    Of `rotated`, `rotation_started` and `rotation_abandoned`: the old secret, if there was one.
    """
    secret_id: UUID
    """
    The secret; of `rotated` and what leads there, the new one.
    """
    version: int
    """
    Counts the changes of this subject: of two events the higher version is the later one.
    """


class SigningSecretRevokedEvent(Model):
    """
    A previous signing secret was ended.
    """

    data: SigningSecretRevokedData
    org_id: UUID
    """
    To whom: the org.
    """
    timestamp: AwareDatetime
    """
    When.
    """
    type: Literal["signing_secret.revoked"]
    """
    What happened.
    """


class SigningSecretRotatedData(Model):
    """
    There is a new signing secret.
    """

    expires_at: AwareDatetime | None = None
    """
    Of `rotated`: when the old one ends.
    """
    occurred_at: AwareDatetime
    """
    The same as `timestamp`.
    """
    previous_secret_id: UUID | None = None
    """
    Of `rotated`, `rotation_started` and `rotation_abandoned`: the old secret, if there was one.
    """
    secret_id: UUID
    """
    The secret; of `rotated` and what leads there, the new one.
    """
    version: int
    """
    Counts the changes of this subject: of two events the higher version is the later one.
    """


class SigningSecretRotatedEvent(Model):
    """
    There is a new signing secret.
    """

    data: SigningSecretRotatedData
    org_id: UUID
    """
    To whom: the org.
    """
    timestamp: AwareDatetime
    """
    When.
    """
    type: Literal["signing_secret.rotated"]
    """
    What happened.
    """


class SigningSecretRotationAbandonedData(Model):
    """
    A new signing secret was not confirmed, and has ended.
    """

    expires_at: AwareDatetime | None = None
    """
    Of `rotated`: when the old one ends.
    """
    occurred_at: AwareDatetime
    """
    The same as `timestamp`.
    """
    previous_secret_id: UUID | None = None
    """
    Of `rotated`, `rotation_started` and `rotation_abandoned`: the old secret, if there was one.
    """
    secret_id: UUID
    """
    The secret; of `rotated` and what leads there, the new one.
    """
    version: int
    """
    Counts the changes of this subject: of two events the higher version is the later one.
    """


class SigningSecretRotationAbandonedEvent(Model):
    """
    A new signing secret was not confirmed, and has ended.
    """

    data: SigningSecretRotationAbandonedData
    org_id: UUID
    """
    To whom: the org.
    """
    timestamp: AwareDatetime
    """
    When.
    """
    type: Literal["signing_secret.rotation_abandoned"]
    """
    What happened.
    """


class SigningSecretRotationStartedData(Model):
    """
    A new signing secret waits for its confirmation.
    """

    expires_at: AwareDatetime | None = None
    """
    Of `rotated`: when the old one ends.
    """
    occurred_at: AwareDatetime
    """
    The same as `timestamp`.
    """
    previous_secret_id: UUID | None = None
    """
    Of `rotated`, `rotation_started` and `rotation_abandoned`: the old secret, if there was one.
    """
    secret_id: UUID
    """
    The secret; of `rotated` and what leads there, the new one.
    """
    version: int
    """
    Counts the changes of this subject: of two events the higher version is the later one.
    """


class SigningSecretRotationStartedEvent(Model):
    """
    A new signing secret waits for its confirmation.
    """

    data: SigningSecretRotationStartedData
    org_id: UUID
    """
    To whom: the org.
    """
    timestamp: AwareDatetime
    """
    When.
    """
    type: Literal["signing_secret.rotation_started"]
    """
    What happened.
    """


class TenantKeyCreatedData(Model):
    """
    An API key was made.
    """

    expires_at: AwareDatetime | None = None
    """
    When the key ends, if it does; of `rotated`, when the old one does.
    """
    key_id: UUID
    """
    The key; of `rotated` and what leads there, the new one.
    """
    occurred_at: AwareDatetime
    """
    The same as `timestamp`.
    """
    previous_key_id: UUID | None = None
    """
    Of `rotated`, `rotation_started` and `rotation_abandoned`: the old key.
    """
    version: int
    """
    Counts the changes of this subject: of two events the higher version is the later one.
    """


class TenantKeyCreatedEvent(Model):
    """
    An API key was made.
    """

    data: TenantKeyCreatedData
    org_id: UUID
    """
    To whom: the org.
    """
    timestamp: AwareDatetime
    """
    When.
    """
    type: Literal["tenant_key.created"]
    """
    What happened.
    """


class TenantKeyExpiredData(Model):
    """
    An API key has come to its end.
    """

    expires_at: AwareDatetime | None = None
    """
    When the key ends, if it does; of `rotated`, when the old one does.
    """
    key_id: UUID
    """
    The key; of `rotated` and what leads there, the new one.
    """
    occurred_at: AwareDatetime
    """
    The same as `timestamp`.
    """
    previous_key_id: UUID | None = None
    """
    Of `rotated`, `rotation_started` and `rotation_abandoned`: the old key.
    """
    version: int
    """
    Counts the changes of this subject: of two events the higher version is the later one.
    """


class TenantKeyExpiredEvent(Model):
    """
    An API key has come to its end.
    """

    data: TenantKeyExpiredData
    org_id: UUID
    """
    To whom: the org.
    """
    timestamp: AwareDatetime
    """
    When.
    """
    type: Literal["tenant_key.expired"]
    """
    What happened.
    """


class TenantKeyExpiringData(Model):
    """
    An API key ends in 30, 7 or 1 days.
    """

    expires_at: AwareDatetime | None = None
    """
    When the key ends, if it does; of `rotated`, when the old one does.
    """
    key_id: UUID
    """
    The key; of `rotated` and what leads there, the new one.
    """
    occurred_at: AwareDatetime
    """
    The same as `timestamp`.
    """
    previous_key_id: UUID | None = None
    """
    Of `rotated`, `rotation_started` and `rotation_abandoned`: the old key.
    """
    version: int
    """
    Counts the changes of this subject: of two events the higher version is the later one.
    """


class TenantKeyExpiringEvent(Model):
    """
    An API key ends in 30, 7 or 1 days.
    """

    data: TenantKeyExpiringData
    org_id: UUID
    """
    To whom: the org.
    """
    timestamp: AwareDatetime
    """
    When.
    """
    type: Literal["tenant_key.expiring"]
    """
    What happened.
    """


class TenantKeyLeakedData(Model):
    """
    An API key was found where others can read it.
    """

    ends_at: AwareDatetime | None
    """
    When it ends, if it does.
    """
    key_id: UUID
    """
    The key.
    """
    occurred_at: AwareDatetime
    """
    The same as `timestamp`.
    """
    source: str
    """
    Who reported it: `report` (anybody), `github`, or a name that an operator gave.
    """
    url: str | None
    """
    Where it was found, as the reporter says.
    """
    version: int
    """
    Counts the changes of this subject: of two events the higher version is the later one.
    """


class TenantKeyLeakedEvent(Model):
    """
    An API key was found where others can read it.
    """

    data: TenantKeyLeakedData
    org_id: UUID
    """
    To whom: the org.
    """
    timestamp: AwareDatetime
    """
    When.
    """
    type: Literal["tenant_key.leaked"]
    """
    What happened.
    """


class TenantKeyRevokedData(Model):
    """
    An API key was ended.
    """

    expires_at: AwareDatetime | None = None
    """
    When the key ends, if it does; of `rotated`, when the old one does.
    """
    key_id: UUID
    """
    The key; of `rotated` and what leads there, the new one.
    """
    occurred_at: AwareDatetime
    """
    The same as `timestamp`.
    """
    previous_key_id: UUID | None = None
    """
    Of `rotated`, `rotation_started` and `rotation_abandoned`: the old key.
    """
    version: int
    """
    Counts the changes of this subject: of two events the higher version is the later one.
    """


class TenantKeyRevokedEvent(Model):
    """
    An API key was ended.
    """

    data: TenantKeyRevokedData
    org_id: UUID
    """
    To whom: the org.
    """
    timestamp: AwareDatetime
    """
    When.
    """
    type: Literal["tenant_key.revoked"]
    """
    What happened.
    """


class TenantKeyRotatedData(Model):
    """
    An API key has a successor.
    """

    expires_at: AwareDatetime | None = None
    """
    When the key ends, if it does; of `rotated`, when the old one does.
    """
    key_id: UUID
    """
    The key; of `rotated` and what leads there, the new one.
    """
    occurred_at: AwareDatetime
    """
    The same as `timestamp`.
    """
    previous_key_id: UUID | None = None
    """
    Of `rotated`, `rotation_started` and `rotation_abandoned`: the old key.
    """
    version: int
    """
    Counts the changes of this subject: of two events the higher version is the later one.
    """


class TenantKeyRotatedEvent(Model):
    """
    An API key has a successor.
    """

    data: TenantKeyRotatedData
    org_id: UUID
    """
    To whom: the org.
    """
    timestamp: AwareDatetime
    """
    When.
    """
    type: Literal["tenant_key.rotated"]
    """
    What happened.
    """


class TenantKeyRotationAbandonedData(Model):
    """
    A successor was not confirmed, and has ended.
    """

    expires_at: AwareDatetime | None = None
    """
    When the key ends, if it does; of `rotated`, when the old one does.
    """
    key_id: UUID
    """
    The key; of `rotated` and what leads there, the new one.
    """
    occurred_at: AwareDatetime
    """
    The same as `timestamp`.
    """
    previous_key_id: UUID | None = None
    """
    Of `rotated`, `rotation_started` and `rotation_abandoned`: the old key.
    """
    version: int
    """
    Counts the changes of this subject: of two events the higher version is the later one.
    """


class TenantKeyRotationAbandonedEvent(Model):
    """
    A successor was not confirmed, and has ended.
    """

    data: TenantKeyRotationAbandonedData
    org_id: UUID
    """
    To whom: the org.
    """
    timestamp: AwareDatetime
    """
    When.
    """
    type: Literal["tenant_key.rotation_abandoned"]
    """
    What happened.
    """


class TenantKeyRotationStartedData(Model):
    """
    A successor waits for its confirmation.
    """

    expires_at: AwareDatetime | None = None
    """
    When the key ends, if it does; of `rotated`, when the old one does.
    """
    key_id: UUID
    """
    The key; of `rotated` and what leads there, the new one.
    """
    occurred_at: AwareDatetime
    """
    The same as `timestamp`.
    """
    previous_key_id: UUID | None = None
    """
    Of `rotated`, `rotation_started` and `rotation_abandoned`: the old key.
    """
    version: int
    """
    Counts the changes of this subject: of two events the higher version is the later one.
    """


class TenantKeyRotationStartedEvent(Model):
    """
    A successor waits for its confirmation.
    """

    data: TenantKeyRotationStartedData
    org_id: UUID
    """
    To whom: the org.
    """
    timestamp: AwareDatetime
    """
    When.
    """
    type: Literal["tenant_key.rotation_started"]
    """
    What happened.
    """


class TenantKeyUpdatedData(Model):
    """
    An API key's name, end, scopes or networks were changed.
    """

    expires_at: AwareDatetime | None = None
    """
    When the key ends, if it does; of `rotated`, when the old one does.
    """
    key_id: UUID
    """
    The key; of `rotated` and what leads there, the new one.
    """
    occurred_at: AwareDatetime
    """
    The same as `timestamp`.
    """
    previous_key_id: UUID | None = None
    """
    Of `rotated`, `rotation_started` and `rotation_abandoned`: the old key.
    """
    version: int
    """
    Counts the changes of this subject: of two events the higher version is the later one.
    """


class TenantKeyUpdatedEvent(Model):
    """
    An API key's name, end, scopes or networks were changed.
    """

    data: TenantKeyUpdatedData
    org_id: UUID
    """
    To whom: the org.
    """
    timestamp: AwareDatetime
    """
    When.
    """
    type: Literal["tenant_key.updated"]
    """
    What happened.
    """


class UserCreatedData(Model):
    """
    A user was created.
    """

    occurred_at: AwareDatetime
    """
    The same as `timestamp`.
    """
    user_id: UUID
    """
    As the partner chose it.
    """
    version: int
    """
    Counts the changes of this subject: of two events the higher version is the later one.
    """


class UserCreatedEvent(Model):
    """
    A user was created.
    """

    data: UserCreatedData
    org_id: UUID
    """
    To whom: the org.
    """
    timestamp: AwareDatetime
    """
    When.
    """
    type: Literal["user.created"]
    """
    What happened.
    """


class UserDeletedData(Model):
    """
    A user was deleted.
    """

    occurred_at: AwareDatetime
    """
    The same as `timestamp`.
    """
    user_id: UUID
    """
    As the partner chose it.
    """
    version: int
    """
    Counts the changes of this subject: of two events the higher version is the later one.
    """


class UserDeletedEvent(Model):
    """
    A user was deleted.
    """

    data: UserDeletedData
    org_id: UUID
    """
    To whom: the org.
    """
    timestamp: AwareDatetime
    """
    When.
    """
    type: Literal["user.deleted"]
    """
    What happened.
    """


class UserUpdatedData(Model):
    """
    A user's profile was changed.
    """

    occurred_at: AwareDatetime
    """
    The same as `timestamp`.
    """
    user_id: UUID
    """
    As the partner chose it.
    """
    version: int
    """
    Counts the changes of this subject: of two events the higher version is the later one.
    """


class UserUpdatedEvent(Model):
    """
    A user's profile was changed.
    """

    data: UserUpdatedData
    org_id: UUID
    """
    To whom: the org.
    """
    timestamp: AwareDatetime
    """
    When.
    """
    type: Literal["user.updated"]
    """
    What happened.
    """


class AcknowledgeNamed(Model):
    """
    Messages that were handled, by their ids.
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    event_ids: list[str]
    """
    At most 1,000.
    """


class AuditLog(Model):
    """
    A page of the audit log.
    """

    data: list[AuditEntry]
    """
    Oldest first.
    """
    head: AuditHead
    """
    Where the log ends, to be kept by who wants to be sure of it.
    """
    pagination: Pagination
    """
    Where in the log this is.
    """


class CheckSignature(Model):
    """
    A request as it was signed.
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    body_base64: str | None = None
    """
    The body in base64, if there is one.
    """
    headers: list[list[str]]
    """
    Names and values of the headers, in order.
    """
    method: str
    """
    The method.
    """
    target_uri: str
    """
    The whole URL that the request is sent to, with its query.
    """


class CreatePortalSession(Model):
    """
    Whom a link to the portal is for.
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    actor: PortalActor
    """
    The person.
    """
    return_url: str | None = None
    """
    Where the portal's way back leads: an https URL, of at most 2,000 characters.
    """
    role: Literal["viewer", "developer", "admin"]
    """
    What they may do.
    """


class CreateReport(Model):
    """
    What to report on.
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    format: Literal["ndjson", "csv"] | str | None = None
    from_: AwareDatetime | None = Field(default=None, validation_alias="from", serialization_alias="from")
    """
    Only what was created from here on,
    """
    to: AwareDatetime | None = None
    """
    and before here.
    """
    type: Literal["users", "audit_log", "events", "credentials"] | str
    """
    On what.
    """


class CreateTenantKey(Model):
    """
    A key to mint.
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    allowed_networks: list[str] | None = None
    """
    The networks that it may be used from (CIDR); by default any.
    """
    deliver_to: str | None = None
    """
    Encrypts the key to a registered public key of yours: `CredentialsDownload`, or the
    `UniqueId` of a key with this usage.
    """
    expires_at: AwareDatetime | None = None
    """
    When it ends; by default never.
    """
    name: str
    """
    For people: where the key is used.
    """
    network_policy: Literal["enforce", "report"] | str | None = None
    """
    Whether requests from other networks are refused (the default), or only reported.
    """
    scope_policy: Literal["enforce", "report"] | str | None = None
    """
    Whether it is held to that, or only watched: with `report` it may do everything, and what its scopes do not
    allow is counted.
    """
    scopes: (
        list[
            Literal[
                "*",
                "users:read",
                "users:write",
                "tokens:write",
                "org:read",
                "org:write",
                "tenant_keys:read",
                "tenant_keys:write",
                "signing_secrets:read",
                "signing_secrets:write",
                "queues:read",
                "queues:write",
                "events:read",
                "events:write",
                "events:consume",
                "public_keys:read",
                "public_keys:write",
                "audit:read",
                "reports:read",
                "reports:write",
            ]
            | str
        ]
        | None
    ) = None
    """
    What it may do; by default everything (`*`). No more than the key that authenticates this request.
    """


class CurrentSecret(Model):
    """
    The current secret, without the secret.
    """

    created_at: AwareDatetime
    """
    When it was put in place.
    """
    id: UUID
    """
    Its id.
    """
    source: Literal["server", "partner"] | str
    """
    Who made it.
    """


class DataPortalLink(Model):
    """
    A single thing.
    """

    data: PortalLink


class DataQueueHour(Model):
    """
    A single thing.
    """

    data: QueueHour


class DataReceivedLeak(Model):
    """
    A single thing.
    """

    data: ReceivedLeak


class DataReplayed(Model):
    """
    A single thing.
    """

    data: Replayed


class DataRequestedReport(Model):
    """
    A single thing.
    """

    data: RequestedReport


class DataRotatedSigningSecret(Model):
    """
    A single thing.
    """

    data: RotatedSigningSecret


class DataRotatedTenantKey(Model):
    """
    A single thing.
    """

    data: RotatedTenantKey


class DataSignatureCheck(Model):
    """
    A single thing.
    """

    data: SignatureCheck


class DataTenantKeyEntry(Model):
    """
    A single thing.
    """

    data: TenantKeyEntry


class DataTenantKeyUsage(Model):
    """
    A single thing.
    """

    data: TenantKeyUsage


class DataTestedQueue(Model):
    """
    A single thing.
    """

    data: TestedQueue


class DataUser(Model):
    """
    A single thing.
    """

    data: User


class DataVecFeatureStatus(Model):
    """
    A single thing.
    """

    data: list[FeatureStatus]


class Envelope(Model):
    """
    The message on a queue. Only `body` is signed; the rest is a copy for routing.
    """

    body: str
    """
    To be passed to a Standard Webhooks library: the very bytes that were signed.
    """
    content_type: str
    """
    The media type of `body`: JSON, or that of what is encrypted.
    """
    event_id: str
    """
    The event's id.
    """
    headers: SignedHeaders
    """
    To be passed to a Standard Webhooks library.
    """
    org_id: UUID
    """
    To whom: the org.
    """
    signed_at: str
    """
    The time when this message was signed.
    """
    stream: str
    """
    The stream.
    """
    type: str
    """
    The kind of event.
    """


class EventEntry(Model):
    """
    An event and its delivery.
    """

    attempts: int
    """
    How often it was tried.
    """
    created_at: AwareDatetime
    """
    When it happened.
    """
    delivered_at: AwareDatetime | None
    """
    When the queue acknowledged it.
    """
    event_id: str
    """
    The event's id.
    """
    last_error: str | None
    """
    Why the last attempt failed.
    """
    next_attempt_at: AwareDatetime | None
    """
    When it is tried next, while it is pending.
    """
    status: Literal["pending", "delivered", "failed", "skipped"] | str
    """
    How its delivery stands.
    """
    stream: str
    """
    The stream that it belongs to.
    """
    type: str
    """
    What happened: of our own streams an `EventType`, of the platform's a type of its own.
    """


class EventStream(Model):
    """
    A stream, and the types of events on it.
    """

    description: str
    """
    For people.
    """
    stream: str
    """
    The stream's name: a queue's `queue_name`.
    """
    types: list[StreamEventType]
    """
    The types of events on it.
    """


class FetchedMessages(Model):
    """
    Messages that were handed out.
    """

    ack_token: str | None
    """
    Acknowledges all of them. Null where there are none.
    """
    data: list[Envelope]
    """
    In the order in which they should be handled, as on any other queue.
    """


class KafkaLogin(Model):
    """
    The public part of a log-in.
    """

    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | str
    """
    The way to prove the password.
    """
    username: str
    """
    The user.
    """


class Sasl(Model):
    """
    A user, and the way to prove its password.
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | str
    """
    The way to prove the password.
    """
    password: str
    """
    Its password: printable ASCII. It is never shown again.
    """
    username: str
    """
    The user: printable ASCII.
    """


class KafkaTarget(Model):
    """
    Which topic, who vouches for its brokers, and how to log in.
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    bootstrap_servers: list[str]
    """
    `<host>:<port>` of brokers that tell of the others; of all, the ports are 443 or from 1024 on, and the
    addresses public.
    """
    ca_certificate: str | None = None
    """
    PEM of the authorities that vouch for the brokers, 1 to 10 of them; without it, the public ones.
    """
    sasl: Sasl | None = None
    """
    How to log in; without it, the service does not.
    """
    tls: bool | None = None
    """
    Whether connections are inside TLS: always.
    """
    topic: str
    """
    The topic, which must be there.
    """


class KeyLeak(Model):
    """
    What is known of a key's leak. Url and note are what the reporter says, who may be anybody.
    """

    note: str | None
    """
    What was said of it.
    """
    response: Literal["notify", "grace", "revoke"] | str
    """
    What was done: the org's `leak_policy` at that time.
    """
    source: str
    """
    Who reported it: `report` (anybody), `github`, or a name that an operator gave.
    """
    url: str | None
    """
    Where it was found.
    """


class KeyRotation(Model):
    """
    A rotation, seen from either of its keys.
    """

    confirmation_expires_at: AwareDatetime | None
    """
    Until when it may be confirmed, while it waits for that.
    """
    ends_at: AwareDatetime | None
    """
    When the old key ends or ended; null where it has no end.
    """
    previous_key_id: UUID
    """
    The old key.
    """
    state: Literal["pending", "grace", "completed"] | str
    """
    How it stands.
    """
    successor_id: UUID
    """
    The new key.
    """


class ListEventEntry(Model):
    """
    A page of a list.
    """

    data: list[EventEntry]
    """
    Oldest first.
    """
    pagination: Pagination
    """
    Where in the list this is.
    """


class ListTenantKeyEntry(Model):
    """
    A page of a list.
    """

    data: list[TenantKeyEntry]
    """
    Oldest first.
    """
    pagination: Pagination
    """
    Where in the list this is.
    """


class ListUserEntry(Model):
    """
    A page of a list.
    """

    data: list[UserEntry]
    """
    Oldest first.
    """
    pagination: Pagination
    """
    Where in the list this is.
    """


class MemberToken(Model):
    """
    A token. It is shown only here.
    """

    access_token: SecretStr
    """
    A JWT, signed with Ed25519.
    """
    expires_in: int
    """
    Seconds.
    """
    token_type: Literal["Bearer"]
    """
    How to send it: `Authorization: Bearer <access_token>`.
    """


class MintedTenantKey(TenantKeyEntry):
    """
    A new key. `secret` is shown only here.
    """

    encrypted_secret: str | None = None
    """
    With `deliver_to`, the key encrypted: an armored OpenPGP message, or a compact JWE.
    """
    encrypted_to: EncryptedTo | None = None
    secret: SecretStr | None = None
    """
    The key itself; not with `deliver_to`.
    """


class OrgProfile(Model):
    """
    The org.
    """

    administration: Administration
    """
    Whether anything of the org may be changed.
    """
    allowed_networks: list[str] | None
    """
    The networks that the org's keys, signed requests and tokens may be used from, whatever a key itself allows;
    null for any.
    """
    created_at: AwareDatetime
    """
    When it was made.
    """
    id: UUID
    """
    The org's id, as in `OrgId`.
    """
    key: str
    """
    The org's public name, `OwnerCode` of its public keys; it never changes.
    """
    leak_grace_seconds: int
    """
    With `grace`, how long it still works, in seconds.
    """
    leak_policy: Literal["notify", "grace", "revoke"] | str
    """
    What happens to a key of yours that is found where others can read it.
    """
    member_count: int
    """
    How many users it has. Exact up to 10,000; above that up to a minute old.
    """
    name: str
    """
    For people.
    """
    network_policy: Literal["enforce", "report"] | str
    """
    Whether requests from other networks are refused, or only reported.
    """
    sign_responses: bool
    """
    Whether every response is signed; else those that are asked for with `Accept-Signature`.
    """
    signature_policy: Literal["optional", "administration", "required"] | str
    """
    Which of the org's requests must be signed.
    """


class Problem(Model):
    """
    One broken rule.
    """

    loc: list[str | int]
    """
    Where: `body`, `path`, `query` or `header`, then names and list positions.
    """
    msg: str
    """
    For people; never repeats input.
    """
    type: (
        Literal[
            "missing",
            "json_invalid",
            "model_attributes_type",
            "extra_forbidden",
            "string_type",
            "string_too_short",
            "string_too_long",
            "uuid_parsing",
            "int_type",
            "int_parsing",
            "greater_than_equal",
            "less_than_equal",
            "datetime_parsing",
            "enum",
            "value_error",
            "immutable_field",
        ]
        | str
    )
    """
    For programs, from a closed set.
    """


class PublicKeyEntry(Model):
    """
    A key as it is shown.
    """

    Algorithm: str
    """
    For people.
    """
    ExpirationUtc: AwareDatetime
    """
    When it ends, or ended.
    """
    Fingerprint: str
    """
    RSA: SHA-256 of the SubjectPublicKeyInfo in lower-case hex. PGP: OpenPGP's own in upper-case hex.
    """
    HasPrivateKey: bool
    """
    Whether the pair was generated here, and its private half stayed.
    """
    OwnerCode: str
    """
    The organisation's `key`.
    """
    ProvenUtc: AwareDatetime | None
    """
    When you last proved that you hold the private half; null for never, and for a pair that was generated here.
    """
    PublicKey: str
    """
    In canonical form: SPKI PEM, or an armored certificate without third-party signatures.
    """
    RelatedClientId: str | None
    """
    A name of yours.
    """
    Type: Literal["RSA", "PGP"] | str
    """
    What kind of key it is.
    """
    UniqueId: UUID
    """
    The key's id.
    """
    Usage: list[
        Literal[
            "Unknown",
            "Reports",
            "Authentication",
            "MessageLevelEncryption",
            "CredentialsDownload",
            "ResponseSignature",
        ]
        | str
    ]
    """
    What it is for.
    """


class PublicKeyList(Model):
    """
    An organisation's keys.
    """

    Items: list[PublicKeyEntry]
    """
    Oldest first: at most 100, and fewer where their `PublicKey`s have more than 1 MiB together.
    """
    Next: str | None
    """
    The next page's `next`; null on the last one.
    """


class RegisterKafka(Model):
    """
    A topic of a Kafka cluster to register.
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    encrypt_to: str | None = None
    """
    Messages are encrypted to this key of yours: `MessageLevelEncryption`, `Reports` or
    `CredentialsDownload` for the live one of that usage that was registered last, or a `UniqueId` of one
    that has such a usage.
    """
    event_types: list[str] | None = None
    """
    The types that the queue takes; without it, all of the stream. What is left out counts as `skipped`
    and can be replayed. Types that there are not yet may be named.
    """
    format: Literal["envelope", "cloudevents"] | str | None = None
    kafka: KafkaTarget
    """
    The topic.
    """
    ordering: Literal["per_subject"] | None = None
    type: Literal["kafka"]
    """
    The type of a topic.
    """


class RegisterWebhook(Model):
    """
    An HTTPS endpoint to register.
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    encrypt_to: str | None = None
    """
    Messages are encrypted to this key of yours: `MessageLevelEncryption`, `Reports` or
    `CredentialsDownload` for the live one of that usage that was registered last, or a `UniqueId` of one
    that has such a usage.
    """
    event_types: list[str] | None = None
    """
    The types that the queue takes; without it, all of the stream. What is left out counts as `skipped`
    and can be replayed. Types that there are not yet may be named.
    """
    format: Literal["envelope", "cloudevents"] | str | None = None
    ordering: Literal["per_subject"] | None = None
    type: Literal["webhook"]
    """
    The type of a webhook.
    """
    webhook: WebhookTarget
    """
    The endpoint.
    """


class ReplayRange(Model):
    """
    Events to send again, by their stream and time.
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    from_: AwareDatetime = Field(..., validation_alias="from", serialization_alias="from")
    """
    Events created from here on,
    """
    stream: str
    """
    The stream of the range.
    """
    to: AwareDatetime
    """
    and before here; at most 10,000.
    """


class Report(Model):
    """
    A report.
    """

    bytes: int
    """
    Octets of its content as it is fetched; while it is being made, so far.
    """
    created_at: AwareDatetime
    """
    When it was asked for.
    """
    encrypted_to: EncryptedTo
    """
    The public key that it is encrypted to.
    """
    expires_at: AwareDatetime | None
    """
    When its content goes, 7 days later.
    """
    format: Literal["ndjson", "csv"] | str
    """
    The form of its rows.
    """
    from_: AwareDatetime | None = Field(..., validation_alias="from", serialization_alias="from")
    """
    Only of what was created from here on.
    """
    progress: float
    """
    From 0 to 1.
    """
    ready_at: AwareDatetime | None
    """
    When it was ready.
    """
    reason: str | None
    """
    Why it failed.
    """
    report_id: UUID
    """
    The report's id.
    """
    rows: int
    """
    Rows in it; while it is being made, so far.
    """
    status: Literal["queued", "running", "ready", "failed", "expired"] | str
    """
    How it stands.
    """
    to: AwareDatetime | None
    """
    Only of what was created before here.
    """
    type: Literal["users", "audit_log", "events", "credentials"] | str
    """
    On what it is.
    """


class RotateSigningSecret(Model):
    """
    How to rotate. There is no example of a secret: whoever sent it unedited would sign with one that
    everybody knows.
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    activation: Literal["immediate", "on_confirm"] | None = None
    """
    When the previous secret's grace window begins: with this request (the default), or when the new secret is confirmed. Until then
    both sign, and the previous one stays the current one.
    """
    confirm_within_seconds: int | None = None
    """
    How long the confirmation may take, in seconds; after that the new secret ends. By default a day; not with
    `immediate`.
    """
    deliver_to: str | None = None
    """
    Encrypts the new secret to a registered public key of yours: `CredentialsDownload`, or the
    `UniqueId` of a key with this usage. A secret of your own is not sent back, so there is nothing
    to encrypt then.
    """
    grace_period_seconds: int | None = None
    """
    How long the previous secret signs along, in seconds.
    """
    secret: SecretStr | None = None
    """
    A secret of your own, 32 to 256 bytes once decoded; by default the service makes one.
    64 or more, evenly many, hex characters are hex; everything else is base64, standard or
    URL-safe, padded or not. A `whsec_` in front is allowed. What looks like hex and is not, and
    published examples, are refused with a reason.
    """


class SelectedPublicKey(Model):
    """
    The key that would be used for a usage, or none.
    """

    ExpirationUtc: AwareDatetime | None
    """
    When the key ends.
    """
    Fingerprint: str | None
    """
    The key's fingerprint.
    """
    HasPrivateKey: bool
    """
    Whose key it would be: true for a pair that was generated here, false for one of yours.
    """
    Reason: str
    """
    Why this one, or why none; for people.
    """
    UniqueId: UUID | None
    """
    The key's id.
    """
    Usage: (
        Literal[
            "Unknown",
            "Reports",
            "Authentication",
            "MessageLevelEncryption",
            "CredentialsDownload",
            "ResponseSignature",
        ]
        | str
    )
    """
    What for.
    """


class SigningSecrets(Model):
    """
    The secrets that sign.
    """

    current: CurrentSecret
    """
    The one to verify with.
    """
    pending: WaitingSecret | None
    previous: list[PreviousSecret]
    """
    Those whose grace runs, newest first.
    """


class TenantKeyDetails(TenantKeyEntry):
    """
    A key, and the rotation that it takes part in.
    """

    leak: KeyLeak | None
    rotation: KeyRotation | None


class TenantKeyRestrictions(Model):
    """
    What was seen of a key, held against what it may do. What reached the service in the last minute may not be in it
    yet.
    """

    key_id: UUID
    """
    The key's id.
    """
    note: str | None
    """
    For people: what the suggestion lacks, and why.
    """
    suggestion: Suggestion
    """
    The narrowest restrictions that all it was seen to do needs, refused requests apart. It can be sent as it is in
    PATCH.
    """
    watched_since: AwareDatetime
    """
    Since when requests with it are known: at most 35 days.
    """
    would_refuse: WouldRefuse
    """
    What the policy `report` let through, and `enforce` would refuse.
    """


class AcknowledgeMessages(RootModel[AcknowledgeNamed | AcknowledgeFetched]):
    root: AcknowledgeNamed | AcknowledgeFetched
    """
    Messages that were handled: all of a reply by its token, or some by their ids.
    """


class BulkResult(Model):
    """
    What became of one line.
    """

    detail: list[Problem]
    """
    Of an invalid line: what is wrong with it, at most five problems. Where thousands of lines are
    wrong, only the first problem of each after the first mebibyte of results.
    """
    status: Literal["created", "exists", "invalid", "failed"] | str
    """
    How it went.
    """
    user_id: UUID | None
    """
    As the partner chose it; null where the line does not say.
    """


class DataMemberToken(Model):
    """
    A single thing.
    """

    data: MemberToken


class DataMintedTenantKey(Model):
    """
    A single thing.
    """

    data: MintedTenantKey


class DataOrgProfile(Model):
    """
    A single thing.
    """

    data: OrgProfile


class DataReport(Model):
    """
    A single thing.
    """

    data: Report


class DataSigningSecrets(Model):
    """
    A single thing.
    """

    data: SigningSecrets


class DataTenantKeyDetails(Model):
    """
    A single thing.
    """

    data: TenantKeyDetails


class DataTenantKeyRestrictions(Model):
    """
    A single thing.
    """

    data: TenantKeyRestrictions


class DataVecEventStream(Model):
    """
    A single thing.
    """

    data: list[EventStream]


class EventDetail(EventEntry):
    """
    An event with what was signed, and what became of each attempt to deliver it.
    """

    body: str
    """
    The very text that is signed and sent.
    """
    deliveries: list[Attempt]
    """
    The last 20 attempts, oldest first.
    """
    subject: str | None = None
    """
    What it is about, where whoever published it said so.
    """


class GenerateKeyPair(Model):
    """
    A pair to generate: its private half stays here.
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    ExpirationUtc: AwareDatetime
    """
    When the key ends: with an offset, in the future, at most three years ahead.
    """
    Length: Literal[2048, 3072, 4096]
    """
    Bits of the modulus.
    """
    OwnerCode: str
    """
    Your organisation's `key`.
    """
    RelatedClientId: str | None = None
    """
    A name of yours for whatever uses the key.
    """
    Type: Literal["RSA"]
    """
    RSA. An OpenPGP pair cannot be generated here: it is made where its private half is used.
    """
    Usage: list[
        Literal[
            "Reports",
            "Authentication",
            "MessageLevelEncryption",
            "CredentialsDownload",
            "ResponseSignature",
        ]
        | Literal["Unknown"]
    ]
    """
    What the pair is for.
    """


class Kafka(Model):
    """
    The public part of a topic of a Kafka cluster.
    """

    bootstrap_servers: list[str]
    """
    The brokers that are asked for the others.
    """
    ca_certificate: str | None
    """
    The authorities that vouch for the brokers; null: the public ones.
    """
    sasl: KafkaLogin | None
    tls: bool
    """
    Whether connections are inside TLS.
    """
    topic: str
    """
    The topic.
    """


class ListReport(Model):
    """
    A page of a list.
    """

    data: list[Report]
    """
    Oldest first.
    """
    pagination: Pagination
    """
    Where in the list this is.
    """


class PublicKeySelection(Model):
    """
    The keys that would be used.
    """

    At: AwareDatetime
    """
    The time that is spoken of.
    """
    Items: list[SelectedPublicKey]
    """
    One for each usage and holder of the private half.
    """


class Queue(Model):
    """
    A queue, without its secrets.
    """

    aws_sqs: AwsSqsReply | None = None
    azure_event_hubs: AzureEventHubs | None = None
    azure_storage_queue: AzureStorageQueueReply | None = None
    consecutive_failures: int
    """
    Deliveries that failed in a row.
    """
    created_at: AwareDatetime
    """
    When it was registered.
    """
    encrypt_to: str | None
    """
    The usage, or the key's `UniqueId`, that messages are encrypted to; null: in clear.
    """
    event_types: list[str] | None
    """
    The types that it takes; null is all of its stream.
    """
    failed_events: int
    """
    Events that were given up, counted up to 10,001; they can be replayed.
    """
    format: Literal["envelope", "cloudevents"] | str
    """
    The form of a message.
    """
    kafka: Kafka | None = None
    lost_events: int
    """
    Events that waited too long and were deleted.
    """
    oldest_waiting_at: AwareDatetime | None
    """
    When the oldest event that waits happened; null where none waits.
    """
    ordering: Literal["per_subject"] | None
    p95_ms_1h: int | None
    """
    The milliseconds within which 95 of 100 attempts in the last hour were over, at most half too high; null where
    there were none.
    """
    pause_reason: Literal["requested", "gone"] | str | None
    paused_until: AwareDatetime | None
    """
    Until when it stands still by itself: its receiver asked for time (`Retry-After`), or failed so
    often that it is only tried now and then. Null otherwise.
    """
    poll: Poll | None = None
    queue_name: str
    """
    The stream's name.
    """
    skipped_events: int
    """
    Events of types that it does not take, counted up to 10,001; they can be replayed.
    """
    state: Literal["active", "paused", "failing"] | str
    """
    How it does.
    """
    success_rate_1h: float | None
    """
    Of the attempts in the last hour, the share that was acknowledged; null where there were none.
    """
    type: (
        Literal[
            "aws_sqs",
            "azure_storage_queue",
            "azure_event_hubs",
            "kafka",
            "webhook",
            "poll",
        ]
        | str
    )
    """
    What kind of queue it is: the object of the same name says where.
    """
    updated_at: AwareDatetime
    """
    When it was last replaced.
    """
    waiting_events: int
    """
    Events that wait, counted up to 10,001.
    """
    webhook: WebhookEndpoint | None = None


class RegisterQueue(
    RootModel[
        RegisterWebhook
        | RegisterAwsSqs
        | RegisterAzureStorageQueue
        | RegisterAzureEventHubs
        | RegisterKafka
        | RegisterPoll
    ]
):
    root: (
        RegisterWebhook
        | RegisterAwsSqs
        | RegisterAzureStorageQueue
        | RegisterAzureEventHubs
        | RegisterKafka
        | RegisterPoll
    ) = Field(..., discriminator="type")
    """
    A queue to register: `type`, and the object of that type.
    """


class RegisterRsaKey(Model):
    """
    An RSA key to register.
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    ExpirationUtc: AwareDatetime
    """
    When the key ends: with an offset, in the future, at most three years ahead.
    """
    OwnerCode: str
    """
    Your organisation's `key`.
    """
    PublicKey: str
    """
    SubjectPublicKeyInfo or PKCS#1, as PEM or as bare base64 of the DER. Never a private key.
    """
    RelatedClientId: str | None = None
    """
    A name of yours for whatever uses the key.
    """
    Type: Literal["RSA"]
    """
    RSA. An OpenPGP pair cannot be generated here: it is made where its private half is used.
    """
    Usage: list[
        Literal[
            "Reports",
            "Authentication",
            "MessageLevelEncryption",
            "CredentialsDownload",
            "ResponseSignature",
        ]
        | Literal["Unknown"]
    ]
    """
    What the key is for.
    """


class ReplayEvents(RootModel[ReplayNamedEvents | ReplayRange]):
    root: ReplayNamedEvents | ReplayRange
    """
    Which events to send again: either those that are named, or those of a range.
    """


class DataEventDetail(Model):
    """
    A single thing.
    """

    data: EventDetail


class DataQueue(Model):
    """
    A single thing.
    """

    data: Queue


class ListQueue(Model):
    """
    A page of a list.
    """

    data: list[Queue]
    """
    Oldest first.
    """
    pagination: Pagination
    """
    Where in the list this is.
    """


class RegisterPublicKey(RootModel[RegisterRsaKey | RegisterPgpKey]):
    root: RegisterRsaKey | RegisterPgpKey = Field(..., discriminator="Type")
    """
    A key to register: RSA for every usage, OpenPGP where something is encrypted to be read later.
    """
