"""Verifies an event as it arrives at a webhook. Nothing but Python's own library."""

import base64
import hashlib
import hmac
import json
import time


def verify(secret: str, headers: dict[str, str], body: bytes) -> dict:
    """The event, if it was signed with this secret within five minutes. `body` is what arrived, byte for byte."""
    headers = {name.lower(): value for name, value in headers.items()}
    sent_at, signatures = headers["webhook-timestamp"], headers["webhook-signature"]
    if abs(time.time() - int(sent_at)) > 300:
        raise ValueError("too old")
    signed = f"{headers['webhook-id']}.{sent_at}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    wanted = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    # While a secret is rotated there are several: one that is right will do.
    if not any(hmac.compare_digest(wanted, sent) for sent in signatures.split(" ")):
        raise ValueError("not signed with this secret")
    return json.loads(body)
