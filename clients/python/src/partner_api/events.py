"""Verifies events: that they are the service's, meant for you, and sent lately (Standard Webhooks, v1 and v1a)."""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from ._clock import Clock
from ._errors import EventNotTrusted
from ._events import BY_TYPE, PartnerEvent
from ._keys import PrivateKey, revealed
from .jwe import decrypt_jwe
from .models import Envelope

TOLERANCE = 300
Secret = str | SecretStr
# The names in any case, as an object or in pairs.
HeaderFields = Mapping[str, Any] | Iterable[tuple[str, str]]


class OtherEvent(BaseModel):
    """An event that this version has no class for: the platform's own, a newer service's, or a CloudEvent."""

    model_config = ConfigDict(extra="allow")

    type: str


Event = PartnerEvent | OtherEvent


@dataclass(frozen=True)
class Webhook:
    """A webhook's headers and raw body, as they came: a body that was parsed and printed again does not verify."""

    headers: HeaderFields
    body: str | bytes


# A message from a queue, as text or read; or a webhook.
Message = str | bytes | Mapping[str, Any] | Envelope | Webhook


@dataclass(frozen=True)
class VerifiedMessage:
    """What a good signature vouches for."""

    # The event's id, the same in every attempt: drop what you have handled.
    id: str
    sent_at: datetime
    # What was signed.
    body: str = field(repr=False)


@dataclass(frozen=True)
class Signed:
    """A message, read and not yet trusted."""

    headers: Mapping[str, str]
    body: str

    @property
    def key_id(self) -> str:
        return self.required("webhook-signature-key-id")

    def required(self, name: str) -> str:
        value = self.headers.get(name)
        if not value:
            raise EventNotTrusted(f"the message has no {name}")
        return value

    @property
    def text(self) -> bytes:
        return f"{self.required('webhook-id')}.{self.required('webhook-timestamp')}.{self.body}".encode()

    def signatures(self, version: str) -> list[bytes]:
        mark, found = f"{version},", []
        for each in self.required("webhook-signature").split(" "):
            if each.startswith(mark):
                try:
                    found.append(base64.b64decode(each.removeprefix(mark), validate=True))
                except binascii.Error:
                    continue
        return found


def verify_event(
    message: Message, *, secrets: Secret | Sequence[Secret], org_id: str | None = None, tolerance: float = TOLERANCE,
    private_key: PrivateKey | None = None, clock: Clock | None = None,
) -> Event:
    """The event in a message, if it was signed with one of `secrets`; more than one while they are rotated.

    `tolerance` says how far the time of sending may be from now, in seconds; `private_key` opens what is encrypted to
    it (JWE). Raises EventNotTrusted. Without a secret: `verify_event` of a client.
    """
    signed = read_message(message)
    insist_on_secret(signed, secrets)
    return event_in(signed, org_id, tolerance, private_key, clock or Clock())


def verify_message(
    message: Message, *, secrets: Secret | Sequence[Secret], tolerance: float = TOLERANCE, clock: Clock | None = None
) -> VerifiedMessage:
    """As `verify_event`, for bodies that this package does not read, such as OpenPGP messages."""
    signed = read_message(message)
    insist_on_secret(signed, secrets)
    return sent_lately(signed, tolerance, clock or Clock())


def event_in(
    signed: Signed, org_id: str | None, tolerance: float, private_key: PrivateKey | None, clock: Clock
) -> Event:
    """The event of a message whose signature is good."""
    read = _read(sent_lately(signed, tolerance, clock).body, private_key)
    if org_id is not None and read.get("org_id", read.get("orgid")) != org_id.lower():
        raise EventNotTrusted("the message is another organisation's")
    known = BY_TYPE.get(str(read.get("type"))) if "specversion" not in read else None
    try:
        return (known or OtherEvent).model_validate(read)
    except ValidationError:
        raise EventNotTrusted("the signed body is no event") from None


def sent_lately(signed: Signed, tolerance: float, clock: Clock) -> VerifiedMessage:
    timestamp = signed.required("webhook-timestamp")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 11):
        raise EventNotTrusted("the message's time cannot be read")
    if abs(clock.now() - int(timestamp)) > tolerance:
        raise EventNotTrusted("the message is too old, or of the future")
    return VerifiedMessage(signed.required("webhook-id"), datetime.fromtimestamp(int(timestamp), timezone.utc), signed.body)


def insist_on_secret(signed: Signed, secrets: Secret | Sequence[Secret]) -> None:
    trusted = [secrets] if isinstance(secrets, (str, SecretStr)) else secrets
    candidates, matches = signed.signatures("v1"), False
    for secret in trusted:
        expected = hmac.digest(_secret_bytes(revealed(secret)), signed.text, hashlib.sha256)
        for each in candidates:
            matches |= hmac.compare_digest(each, expected)
    if not matches:
        raise EventNotTrusted("the message was not signed with this secret, or was changed")


def insist_on_key(signed: Signed, key: Ed25519PublicKey) -> None:
    for each in signed.signatures("v1a"):
        try:
            return key.verify(each, signed.text)
        except InvalidSignature:
            continue
    raise EventNotTrusted("the message was not signed with this key, or was changed")


def read_message(message: Message) -> Signed:
    headers: Any
    body: str | bytes
    if isinstance(message, Envelope):
        headers, body = message.headers.model_dump(by_alias=True), message.body
    elif isinstance(message, Webhook):
        headers, body = message.headers, message.body
    else:
        headers, body = _parts(message)
    try:
        text = body if isinstance(body, str) else body.decode()
    except UnicodeDecodeError:
        raise EventNotTrusted("the message is not UTF-8") from None
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return Signed({str(name).lower(): value for name, value in pairs if isinstance(value, str)}, text)


def _parts(message: str | bytes | Mapping[str, Any]) -> tuple[Any, str | bytes]:
    try:
        read = message if isinstance(message, Mapping) else json.loads(message)
    except ValueError:
        raise EventNotTrusted("the message is not JSON") from None
    match read:
        case {"headers": dict() | list() as headers, "body": str() | bytes() as body}:
            return headers, body
    raise EventNotTrusted("the message has no headers and body")


def _read(body: str, private_key: PrivateKey | None) -> dict[str, Any]:
    def opened(text: str) -> str:
        if private_key is None:
            raise EventNotTrusted("the event is encrypted: give its private_key, or use verify_message")
        return decrypt_jwe(text, private_key)

    try:
        read = json.loads(body if body.startswith("{") else opened(body))
        if isinstance(read, dict) and read.get("datacontenttype") == "application/jose":
            read["data"] = json.loads(opened(read["data"]))
    except (ValueError, KeyError, AttributeError):
        raise EventNotTrusted("the signed body is no event") from None
    if not isinstance(read, dict):
        raise EventNotTrusted("the signed body is no event")
    return read


def _secret_bytes(secret: str) -> bytes:
    """As the service reads a secret: 64 or more, evenly many, hex digits are hex; all else is base64, of either kind."""
    bare = secret.strip().removeprefix("whsec_")
    try:
        if len(bare) >= 64 and len(bare) % 2 == 0:
            return bytes.fromhex(bare)
    except ValueError:
        pass
    text = bare.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        decoded = b""
    if len(decoded) < 16:
        raise ValueError("a signing secret is too short to be one")
    return decoded
