"""Signs requests (RFC 9421, RFC 9530), as section 12.1 of the contract has it."""

import base64
import hashlib
import secrets

import httpx
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from ._keys import PrivateKey, private_key_of

LABEL = "sig1"
PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA512()), salt_length=64)


class Signing:
    """Your registered key of the usage `Authentication`; `key_id` is its `UniqueId`."""

    def __init__(self, *, key_id: str, private_key: PrivateKey) -> None:
        self.key_id = key_id
        self._key = private_key_of(private_key)

    def __repr__(self) -> str:
        return f"Signing(key_id={self.key_id!r})"

    def sign(self, request: httpx.Request, now: float, nonce: str | None = None) -> None:
        """Adds a signature made at `now`, seconds since 1970. Never to be sent twice."""
        components = {"@method": request.method, "@target-uri": str(request.url)}
        if request.content:
            components["content-digest"] = request.headers["content-digest"] = content_digest(request.content)
        names = " ".join(f'"{name}"' for name in components)
        parameters = (
            f'({names});created={int(now)};keyid="{self.key_id}";alg="rsa-pss-sha512"'
            f';nonce="{nonce or secrets.token_urlsafe(24)}";tag="partner-api"'
        )
        lines = [f'"{name}": {value}' for name, value in components.items()]
        base = "\n".join([*lines, f'"@signature-params": {parameters}'])
        signature = base64.b64encode(self._key.sign(base.encode(), PSS, hashes.SHA512())).decode()
        request.headers["signature-input"] = f"{LABEL}={parameters}"
        request.headers["signature"] = f"{LABEL}=:{signature}:"


def content_digest(body: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
