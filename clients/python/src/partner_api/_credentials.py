"""What says whose a request is."""

import base64
import json
import urllib.parse
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from cryptography.hazmat.primitives import hashes
from pydantic import SecretStr

from ._clock import Clock
from ._flow import Flow, Invoke
from ._keys import PrivateKey, private_key_of, revealed
from .signing import PSS

Key = str | SecretStr
# A tenant key, or where to get it from: asked for each request, so that it may change.
KeySource = Key | Callable[[], Key | Awaitable[Key]]


class Oauth:
    """Tokens by a registered key of the usage `Authentication` (RFC 7523, private_key_jwt), in place of a tenant key.

    `client_id` is the `OwnerCode`, or the key's `RelatedClientId`; `scope` names scopes by spaces, None is all.
    """

    def __init__(self, *, client_id: str, key_id: str, private_key: PrivateKey, scope: str | None = None) -> None:
        self.client_id, self.key_id, self.scope = client_id, key_id, scope
        self._key = private_key_of(private_key)

    def __repr__(self) -> str:
        return f"Oauth(client_id={self.client_id!r}, key_id={self.key_id!r})"

    def form(self, audience: str, now: float) -> bytes:
        """A request for a token. Its assertion is good once."""
        header = {"alg": "PS512", "typ": "JWT", "kid": self.key_id}
        claims = {"iss": self.client_id, "sub": self.client_id, "aud": audience, "iat": int(now), "exp": int(now) + 60,
                  "jti": str(uuid.uuid4())}
        signed = f"{_encoded(json.dumps(header))}.{_encoded(json.dumps(claims))}"
        signature = _encoded(self._key.sign(signed.encode(), PSS, hashes.SHA512()))
        fields = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": f"{signed}.{signature}",
        }
        if self.scope is not None:
            fields["scope"] = self.scope
        return urllib.parse.urlencode(fields).encode()


class Credentials(Protocol):
    def headers(self) -> Flow[dict[str, str]]: ...

    def renew(self) -> bool:
        """Whether it is worth another try after a 401."""


class TenantKey:
    def __init__(self, source: KeySource) -> None:
        self.source = SecretStr(source) if isinstance(source, str) else source

    @property
    def is_fixed(self) -> bool:
        return isinstance(self.source, SecretStr)

    def headers(self) -> Flow[dict[str, str]]:
        key = self.source if isinstance(self.source, SecretStr) else (yield Invoke(self.source, ()))
        return {"taih-tenant-key": revealed(key)}

    def renew(self) -> bool:
        return False


class Fixed:
    """Header fields that stay as they are; none for a request that its signature alone identifies."""

    def __init__(self, **fields: str) -> None:
        self._fields = fields

    def headers(self) -> Flow[dict[str, str]]:
        return dict(self._fields)
        yield

    def renew(self) -> bool:
        return False


class OauthToken:
    """Fetched when the first request needs it, and again before it ends."""

    def __init__(self, clock: Clock, fetch: Callable[[], Flow[dict[str, Any]]]) -> None:
        self._clock, self._fetch = clock, fetch
        self._token: tuple[SecretStr, float] | None = None

    def headers(self) -> Flow[dict[str, str]]:
        if self._token is None or self._clock.now() >= self._token[1]:
            reply = yield from self._fetch()
            # Until nine tenths of its time are over.
            self._token = SecretStr(reply["access_token"]), self._clock.now() + 0.9 * reply["expires_in"]
        return {"authorization": f"Bearer {self._token[0].get_secret_value()}"}

    def renew(self) -> bool:
        had, self._token = self._token is not None, None
        return had


def _encoded(data: str | bytes) -> str:
    given = data.encode() if isinstance(data, str) else data
    return base64.urlsafe_b64encode(given).rstrip(b"=").decode()
