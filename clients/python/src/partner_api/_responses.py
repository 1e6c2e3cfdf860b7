"""Verifies that responses are the service's answers to our requests (contract, 12.2)."""

import base64
import re
from collections.abc import Mapping

import httpx
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from ._errors import ResponseNotTrusted
from ._flow import Answer
from .signing import LABEL, PSS, content_digest

OURS = "partner-api"
OLDEST = 300
BOUND = ('"@status"', '"@method";req', '"@target-uri";req')
OF_REQUEST = f'"signature";req;key="{LABEL}"'


class ResponseVerifier:
    """`keys` are public halves of the service's pairs of the usage `ResponseSignature`, by `UniqueId`, in PEM."""

    # What asks for a signature. It is over the bytes as they are sent.
    headers = {"accept-signature": f'{OURS}=("@status" "content-digest");tag="{OURS}"', "accept-encoding": "identity"}

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._keys: dict[str, RSAPublicKey] = {}
        for unique_id, pem in keys.items():
            key = load_pem_public_key(pem.encode())
            if not isinstance(key, RSAPublicKey):
                raise ValueError("response_keys are RSA keys")
            self._keys[unique_id] = key

    def verify(self, request: httpx.Request, answer: Answer, now: float) -> None:
        """Raises ResponseNotTrusted unless it is. A 401 is not signed: the service does not know whose it is."""
        if answer.status == 401:
            return
        given = _member(answer.headers.get("signature-input"))
        signature = _member(answer.headers.get("signature"))
        components, parameters = _parts(given)
        key = self._keys.get(parameters.get("keyid", ""))
        if key is None:
            raise ResponseNotTrusted("the response is signed by a key that is not expected")
        _insist(request, answer, components, parameters, now)
        lines = [f"{name}: {_value(name, request, answer)}" for name in components]
        base = "\n".join([*lines, f'"@signature-params": {given}'])
        try:
            key.verify(base64.b64decode(signature.strip(":")), base.encode(), PSS, hashes.SHA512())
        except (InvalidSignature, ValueError):
            raise ResponseNotTrusted("the response was changed, or answers another request") from None


def _insist(
    request: httpx.Request, answer: Answer, components: list[str], parameters: Mapping[str, str], now: float
) -> None:
    bound = {*BOUND}
    if answer.status != 204:
        bound.add('"content-digest"')
    if "signature" in request.headers:
        bound.add(OF_REQUEST)
    if not bound <= {*components} or parameters.get("tag") != OURS:
        raise ResponseNotTrusted("the response's signature does not cover what it must")
    if abs(now - int(parameters.get("created", "0"))) > OLDEST:
        raise ResponseNotTrusted("the response's signature is too old, or of the future")


def _value(name: str, request: httpx.Request, answer: Answer) -> str:
    if name == '"@status"':
        return str(answer.status)
    if name == '"@method";req':
        return request.method
    if name == '"@target-uri";req':
        return str(request.url)
    if name == OF_REQUEST:
        return str(request.headers.get("signature", "")).removeprefix(f"{LABEL}=")
    if name == '"content-digest"':
        digest = str(answer.headers.get("content-digest", ""))
        if digest != content_digest(answer.body):
            raise ResponseNotTrusted("the response's body was changed")
        return digest
    raise ResponseNotTrusted("the response's signature covers what is not expected")


def _member(header: str | None) -> str:
    """Our member of a dictionary (RFC 8941)."""
    for member in re.findall(r'(?:"[^"]*"|[^",])+', header or ""):
        if member.strip().startswith(f"{OURS}="):
            return str(member).strip().removeprefix(f"{OURS}=")
    raise ResponseNotTrusted("the response is not signed")


def _parts(given: str) -> tuple[list[str], dict[str, str]]:
    read = re.fullmatch(r"\(([^)]*)\)(.*)", given)
    if read is None:
        raise ResponseNotTrusted("the response's signature cannot be read")
    components = re.findall(r'"[^"]*"(?:;[a-z]+(?:="[^"]*")?)*', read[1])
    found = re.findall(r';([a-z]+)=(?:"([^"]*)"|(\d+))', read[2])
    return components, {name: text or digits for name, text, digits in found}
