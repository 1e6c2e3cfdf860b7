"""Signs requests as a partner does, with Python's http-message-signatures, which must be installed."""

import base64
import datetime
import json
import secrets
import time
import urllib.parse
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from http_message_signatures import HTTPMessageSigner, HTTPMessageVerifier, HTTPSignatureKeyResolver, algorithms

PSS, V1_5 = algorithms.RSA_PSS_SHA512, algorithms.RSA_V1_5_SHA256


@dataclass
class Request:
    """What the library signs: `url` is the one that the partner asked for."""

    method: str
    url: str
    headers: dict = field(default_factory=dict)


def new_key(bits=2048):
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def public_pem(key):
    public = key.public_key()
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def private_pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption()).decode()


def in_a_year():
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=365)).isoformat()


def registration(owner, key, usage=("Authentication",)):
    """The body of POST /api/v1/key for the public half, for a year."""
    return {"OwnerCode": owner, "Usage": list(usage), "Type": "RSA", "PublicKey": public_pem(key),
            "ExpirationUtc": in_a_year()}


class Signer(HTTPSignatureKeyResolver):
    """A partner's key, registered under `unique_id`; `base` is the service's address, as the partner knows it."""

    def __init__(self, unique_id, key, base):
        self.unique_id, self.key, self.base = unique_id, key, base

    def resolve_private_key(self, key_id):
        return self.key

    def resolve_public_key(self, key_id):
        return self.key.public_key()

    def sign(self, method, target, body=None, headers=(), covered=("@method", "@target-uri"), algorithm=PSS, **more):
        """The header lines of a signed request. `body` is bytes, or something to be sent as JSON."""
        request = Request(method, self.base + target, dict(headers))
        if body is not None:
            request.headers.setdefault("Content-Type", "application/json")
        more = {"label": "sig1", "key_id": self.unique_id, **more}
        if method not in ("GET", "HEAD"):
            more.setdefault("nonce", secrets.token_urlsafe(18))
        signer = HTTPMessageSigner(signature_algorithm=algorithm, key_resolver=self)
        signer.sign(request, body=as_bytes(body), covered_component_ids=covered, **more)
        return list(request.headers.items())

    def token_request(self, client, target):
        """A form for the token endpoint: private_key_jwt, made by hand with RS384."""
        header = {"alg": "RS384", "kid": self.unique_id}
        claims = {"iss": client, "sub": client, "aud": self.base + target, "exp": int(time.time()) + 60,
                  "jti": secrets.token_urlsafe(18)}
        signed = ".".join(b64(json.dumps(part).encode()) for part in (header, claims))
        assertion = f"{signed}.{b64(self.key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA384()))}"
        return urllib.parse.urlencode({
            "grant_type": "client_credentials", "client_assertion": assertion,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}).encode()


class ServicePair(HTTPSignatureKeyResolver):
    """The public half of a pair with which the service signs its responses."""

    BOUND = ("@status", '"@method";req', '"@target-uri";req')

    def __init__(self, unique_id, pem):
        self.unique_id, self.pem = unique_id, pem

    def resolve_public_key(self, key_id):
        assert key_id == self.unique_id, f"signed by {key_id}"
        return self.pem.encode()

    def resolve_private_key(self, key_id):
        raise KeyError(key_id)

    def verify(self, response, content, signed_label=None):
        """What is covered, of a response (`status_code`, `headers`, `request`) that answers this request."""
        covered = self.BOUND + ((f'"signature";req;key="{signed_label}"',) if signed_label else ())
        verifier = HTTPMessageVerifier(signature_algorithm=PSS, key_resolver=self)
        [verdict] = verifier.verify(response, expect_tag="partner-api", expect_label="partner-api", require_components=covered,
                                    body=content, max_age=datetime.timedelta(minutes=1))
        return set(verdict.covered_components)


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def as_bytes(body):
    return body if body is None or isinstance(body, bytes) else json.dumps(body).encode()


def ago(seconds):
    return datetime.datetime.now() - datetime.timedelta(seconds=seconds)
