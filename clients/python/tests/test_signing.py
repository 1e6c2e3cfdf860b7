import base64
import hashlib
import json
import os
import re
import urllib.parse
import uuid

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from partner_api import Oauth, Signing, api, decrypt_jwe, errors, models
from partner_api._options import Options
from partner_api.jwe import OAEP
from partner_api.signing import PSS

from .support import KEY, PRIVATE, PUBLIC, START, Service, data, failure, reply

KEY_ID = "01a200a5-5c6a-7656-85fa-1a564b3b33d2"
URL = "https://api.example.com/v1/features"


def test_a_request_is_signed_as_rfc_9421_has_it() -> None:
    request = httpx.Request("POST", "https://api.example.com/v1/users?limit=1", content=b"{}")
    Signing(key_id=KEY_ID, private_key=PRIVATE).sign(request, START, nonce="0123456789abcdef")
    assert request.headers["content-digest"] == "sha-256=:RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=:"
    parameters = (
        f'("@method" "@target-uri" "content-digest");created=1795248000;keyid="{KEY_ID}";alg="rsa-pss-sha512"'
        ';nonce="0123456789abcdef";tag="partner-api"')
    assert request.headers["signature-input"] == f"sig1={parameters}"
    base = "\n".join([
        '"@method": POST', '"@target-uri": https://api.example.com/v1/users?limit=1',
        '"content-digest": sha-256=:RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=:', f'"@signature-params": {parameters}'])
    signature = base64.b64decode(request.headers["signature"].removeprefix("sig1=:").rstrip(":"))
    KEY.public_key().verify(signature, base.encode(), PSS, hashes.SHA512())


def test_each_try_is_signed_anew_with_the_same_idempotency_key() -> None:
    user = uuid.uuid4()
    made = data({"user_id": str(user)}, 201)
    service = Service(lambda _, count: failure("service_unavailable", 503) if count < 3 else made)
    with service.without_waiting():
        client = service.client(signing=Signing(key_id=KEY_ID, private_key=PRIVATE))
        client.send(api.create_user(models.CreateUser(user_id=user)))
    nonces = [re.findall(r'nonce="([^"]+)"', each or "") for each in service.headers("signature-input")]
    assert len(nonces) == 3 and len({nonce for [nonce] in nonces}) == 3
    assert len({*service.headers("idempotency-key")}) == 1
    assert service.headers("taih-tenant-key") == [None, None, None]


def signed(
    request_signature: str | None = None, url: str = URL, *, created: float = START, body: bytes | None = None, status: int = 200
) -> httpx.Response:
    """An answer as the service signs it."""
    content = b'{"data":[]}'
    digest = f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"
    of = "" if request_signature is None else ' "signature";req;key="sig1"'
    parameters = (
        f'("@status" "content-digest" "@method";req "@target-uri";req{of});created={int(created)};keyid="pair"'
        ';alg="rsa-pss-sha512";tag="partner-api"')
    lines = ['"@status": 200', f'"content-digest": {digest}', '"@method";req: GET', f'"@target-uri";req: {url}']
    if request_signature is not None:
        lines.append(f'"signature";req;key="sig1": {request_signature}')
    base = "\n".join([*lines, f'"@signature-params": {parameters}'])
    signature = base64.b64encode(KEY.sign(base.encode(), PSS, hashes.SHA512())).decode()
    headers = {"content-digest": digest, "signature-input": f'other=("@status"), partner-api={parameters}',
               "signature": f"partner-api=:{signature}:"}
    return httpx.Response(status, content=body if body is not None else content, headers=headers)


def test_a_response_is_taken_only_as_the_services_answer_to_this_request() -> None:
    keys, signing = {"pair": PUBLIC}, Signing(key_id=KEY_ID, private_key=PRIVATE)
    good = Service(lambda *_: signed())
    assert good.client(response_keys=keys).send(api.list_features()) == []
    assert good.headers("accept-signature") == ['partner-api=("@status" "content-digest");tag="partner-api"']
    both = Service(lambda request, _: signed(request.headers["signature"].removeprefix("sig1=")))
    assert both.client(response_keys=keys, signing=signing).send(api.list_features()) == []
    bad: dict[str, tuple[httpx.Response, Options]] = {
        "not signed": (data([]), {}),
        "of another request": (signed(url=f"{URL}?x=1"), {}),
        "another body": (signed(body=b'{"data":[1]}'), {}),
        "another status": (signed(status=201), {}),
        "old": (signed(created=START - 301), {}),
        "without the request's signature": (signed(), {"signing": signing}),
        "by another key": (signed(), {"response_keys": {"another": PUBLIC}}),
    }
    for why, (answer, options) in bad.items():
        given: Options = {"key": "k", "response_keys": keys, **options}
        with pytest.raises(errors.ResponseNotTrusted):
            Service(lambda *_: answer).client(**given).send(api.list_features())
            pytest.fail(why)
    with pytest.raises(errors.Unauthorized):
        Service(lambda *_: failure("unauthorized", 401)).client(response_keys=keys).send(api.list_features())


def test_a_token_is_fetched_once_renewed_before_its_end_and_once_more_when_it_is_refused() -> None:
    tokens = []

    def answer(request: httpx.Request, _: int) -> httpx.Response:
        if request.url.path != "/v1/oauth/token":
            refused = request.headers["authorization"] == "Bearer token-2"
            return failure("unauthorized", 401) if refused else data([])
        form = dict(urllib.parse.parse_qsl(request.content.decode()))
        signed, dot, signature = form["client_assertion"].rpartition(".")
        assert dot
        KEY.public_key().verify(base64.urlsafe_b64decode(signature + "=="), signed.encode(), PSS, hashes.SHA512())
        claims = json.loads(base64.urlsafe_b64decode(signed.split(".")[1] + "=="))
        assert (claims["aud"], claims["iss"]) == ("https://api.example.com/v1/oauth/token", "acme")
        assert form["scope"] == "users:read"
        tokens.append(claims["jti"])
        return reply({"access_token": f"token-{len(tokens)}", "token_type": "Bearer", "expires_in": 900, "scope": "x"})

    service = Service(answer)
    client = service.client(oauth=Oauth(client_id="acme", key_id=KEY_ID, private_key=PRIVATE, scope="users:read"))
    client.send(api.list_features())
    client.send(api.list_features())
    assert len(tokens) == 1
    service.time.seconds += 899
    client.send(api.list_features())
    assert len({*tokens}) == 3


def test_a_jwe_of_the_services_is_opened_and_no_other() -> None:
    def b64(part: bytes) -> str:
        return base64.urlsafe_b64encode(part).rstrip(b"=").decode()

    header, key, iv = b64(b'{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"k"}'), os.urandom(32), os.urandom(12)
    sealed = AESGCM(key).encrypt(iv, b"whsec_text", header.encode())
    parts = [header, b64(KEY.public_key().encrypt(key, OAEP)), b64(iv), b64(sealed[:-16]), b64(sealed[-16:])]
    assert decrypt_jwe(".".join(parts), PRIVATE) == "whsec_text"
    for place, text in ((3, b64(b"whsec_tEXt")), (4, b64(sealed[-16:-12])), (0, b64(b"{}")), (2, "")):
        changed = [*parts]
        changed[place] = text
        with pytest.raises(errors.PartnerApiError, match="no JWE that this key opens"):
            decrypt_jwe(".".join(changed), PRIVATE)
    with pytest.raises(errors.PartnerApiError):
        decrypt_jwe("text", PRIVATE)
