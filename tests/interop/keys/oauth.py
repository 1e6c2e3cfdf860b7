"""Tokens for a registered key: found out about, had and used by the OAuth clients of PyPI and npm; ended on two replicas."""

import json
import os
import subprocess
import time
import urllib.parse
import uuid

import jwt
import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata, get_well_known_url

from lib import signing
from lib.service import another_replica
from partners import Signing

HERE = os.path.dirname(os.path.abspath(__file__))
ALGORITHMS = ("RS384", "PS256", "PS384", "PS512")
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# RFC 8414 2 requires it of a server that has none; Authlib takes an empty list for none.
EMPTY = "response_types_supported"


def base(service):
    """The issuer of a service that has no PUBLIC_URL."""
    return f"http://127.0.0.1:{service.public}"


def metadata_of(service):
    found = requests.get(get_well_known_url(base(service), external=True), timeout=15)
    assert found.status_code == 200, found.text
    return AuthorizationServerMetadata(found.json())


def assertion(partner, service, algorithm="PS256", **claims):
    now = int(time.time())
    claims = {"iss": partner.name, "sub": partner.name, "aud": f"{base(service)}/v1/oauth/token", "iat": now, "exp": now + 60,
              "jti": str(uuid.uuid4()), **claims}
    return jwt.encode(claims, partner.signer.key, algorithm, headers={"kid": partner.signer.unique_id})


def ask(service, text, **more):
    form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE, "client_assertion": text, **more}
    return requests.post(f"{base(service)}/v1/oauth/token", data=form, timeout=15)


def token_of(reply):
    assert reply.status_code == 200, (reply.status_code, reply.text)
    assert (reply.headers["Cache-Control"], reply.headers["Pragma"]) == ("no-store", "no-cache"), reply.headers
    body = reply.json()
    assert set(body) == {"access_token", "token_type", "expires_in", "scope"}, body.keys()
    return body["access_token"]


def users(service, token):
    return requests.get(f"{base(service)}/v1/users", headers={"Authorization": f"Bearer {token}"}, timeout=15)


def refused(reply):
    body = {"error": "invalid_client", "error_description": "The client could not be authenticated."}
    assert (reply.status_code, reply.json()) == (401, body), (reply.status_code, reply.text)


def metadata_is_good(service):
    metadata = metadata_of(service)
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
    for key in metadata.REGISTRY_KEYS:
        if key != EMPTY:
            getattr(metadata, f"validate_{key}")()
    assert metadata["issuer"] == base(service) and metadata[EMPTY] == [], metadata
    assert tuple(metadata["token_endpoint_auth_signing_alg_values_supported"]) == ALGORITHMS


def authlib(partner, algorithm):
    """Authlib's assertions live for an hour unless told otherwise; five minutes is the most that is taken."""
    service, metadata = partner.service, metadata_of(partner.service)

    def session(**claims):
        method = PrivateKeyJWT(metadata["token_endpoint"], claims=claims, headers={"kid": partner.signer.unique_id}, alg=algorithm)
        return OAuth2Session(partner.name, signing.private_pem(partner.signer.key), scope="partner",
                             token_endpoint_auth_method=method)

    client = session(exp=int(time.time()) + 120)
    token = client.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
    assert (token["token_type"], token["scope"], token["expires_in"]) == ("Bearer", "partner", 900), token.keys()
    reply = client.post(f"{base(service)}/v1/users", json={"user_id": str(uuid.uuid4())})
    assert reply.status_code == 201, (reply.status_code, reply.text)
    try:
        session().fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
    except Exception as error:
        assert "invalid_client" in str(error), error
    else:
        raise AssertionError("an hour was taken")


def scopes(partner):
    """Every scope of the metadata is had, by Authlib; a token does what it was got for, and nothing else."""
    service, metadata = partner.service, metadata_of(partner.service)

    def client(scope):
        claims = {"exp": int(time.time()) + 120}
        method = PrivateKeyJWT(metadata["token_endpoint"], claims=claims, headers={"kid": partner.signer.unique_id}, alg="PS256")
        made = OAuth2Session(partner.name, signing.private_pem(partner.signer.key), scope=scope, token_endpoint_auth_method=method)
        token = made.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
        return made, set(token["scope"].split(" "))

    every = set(metadata["scopes_supported"])
    assert len(every) == 20 and "partner" in every, every
    for scope in every - {"partner"}:
        caller, granted = client(scope)
        assert granted == {"partner", scope}, granted
        reply = caller.get(f"{base(service)}/v1/users")
        assert reply.status_code == (200 if scope == "users:read" else 403), (scope, reply.text)
    _, granted = client(" ".join(every))
    assert granted == every, granted


def pyjwt(partner):
    service = partner.service
    keys = jwt.PyJWKClient(metadata_of(service)["jwks_uri"])
    for algorithm in ALGORITHMS:
        token = token_of(ask(service, assertion(partner, service, algorithm), scope="partner"))
        claims = jwt.decode(token, keys.get_signing_key_from_jwt(token).key, ["EdDSA"], audience=base(service),
                            issuer=base(service), options={"require": ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"]})
        assert (claims["org_id"], claims["key"]) == (partner.org, partner.signer.unique_id), claims
        assert users(service, token).status_code == 200
    for algorithm in ("RS256", "RS512"):
        refused(ask(service, assertion(partner, service, algorithm)))
    unsigned = jwt.encode({"iss": partner.name}, None, "none", headers={"kid": partner.signer.unique_id})
    refused(ask(service, unsigned))
    public = signing.public_pem(partner.signer.key).encode()
    head, claims, _ = assertion(partner, service).split(".")
    hmac_head = jwt.utils.base64url_encode(json.dumps({"alg": "HS256", "kid": partner.signer.unique_id}).encode()).decode()
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(f"{hmac_head}.{claims}".encode(), public)
    refused(ask(service, f"{hmac_head}.{claims}.{jwt.utils.base64url_encode(signature).decode()}"))


def npm(partner, library):
    job = {"library": library, "issuer": base(partner.service), "client_id": partner.name,
           "kid": partner.signer.unique_id, "pem": signing.private_pem(partner.signer.key)}
    done = subprocess.run(["node", os.path.join(HERE, "oauth.mjs")], input=json.dumps(job), text=True, capture_output=True,
                          timeout=60)
    assert done.returncode == 0, done.stderr[-800:]


def two_replicas(partner):
    """An assertion passes at one of them, once; a token ends at both with its key."""
    service = partner.service
    directory = os.path.join(service.directory, "oauth-replica")
    os.makedirs(directory, exist_ok=True)
    other = another_replica(service, directory)
    try:
        other.wait_until_ready()
        text = assertion(partner, service, aud=[base(service), base(other)])
        token = token_of(ask(other, text))
        refused(ask(service, text))
        # Each is the issuer of its own tokens here, as they have no PUBLIC_URL in common.
        tokens = {other: token, service: token_of(ask(service, assertion(partner, service)))}
        for replica, token in tokens.items():
            assert users(replica, token).status_code == 200
        partner.call("DELETE", f"/api/v1/key/{partner.signer.unique_id}", expect=204)
        ended = time.monotonic()
        for replica, token in tokens.items():
            while users(replica, token).status_code != 401:
                assert time.monotonic() - ended < 1, f"alive after a second at {base(replica)}"
    finally:
        other.stop()


def oddities(partner):
    service = partner.service
    url, good = f"{base(service)}/v1/oauth/token", assertion(partner, service)
    form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE, "client_assertion": good}
    for reply, status, error in [
        (requests.post(url, json=form, timeout=15), 400, "invalid_request"),
        (requests.post(url, data=[*form.items(), ("scope", "partner"), ("scope", "partner")], timeout=15), 400, "invalid_request"),
        (requests.post(url, data={**form, "grant_type": "password"}, timeout=15), 400, "unsupported_grant_type"),
        (requests.post(url, data={**form, "scope": "users:reads"}, timeout=15), 400, "invalid_scope"),
        (requests.post(url, data=form, auth=("a", "b"), timeout=15), 400, "invalid_request"),
        (requests.post(f"{url}?{urllib.parse.urlencode(form)}", timeout=15), 400, "invalid_request"),
        (requests.post(url, data=b"x" * 20_000, headers={"Content-Type": "application/x-www-form-urlencoded"}, timeout=15),
         413, "invalid_request"),
        (requests.get(url, timeout=15), 405, "invalid_request"),
    ]:
        assert (reply.status_code, reply.json()["error"]) == (status, error), (reply.status_code, reply.text)
        assert reply.headers["Cache-Control"] == "no-store"
    token_of(requests.post(url, data={**form, "resource": "x"}, timeout=15))


def walk(service, tally, has_node):
    partner = Signing(service, "oauth")
    tally.run("oauth", "the metadata is RFC 8414's, by Authlib", metadata_is_good, service)
    for algorithm in ALGORITHMS:
        tally.run("oauth", f"Authlib gets a token and calls, {algorithm}", authlib, partner, algorithm)
    tally.run("oauth", "a token does what its scopes say, by Authlib", scopes, partner)
    tally.run("oauth", "PyJWT signs assertions and verifies tokens; confused algorithms", pyjwt, partner)
    tally.run("oauth", "what is no such request is told in RFC 6749's words", oddities, partner)
    tally.run("oauth", "two replicas: an assertion once, a token as long as its key", two_replicas, Signing(service, "oauth-ends"))
    for library in ("oauth4webapi", "openid-client", "jose"):
        if has_node:
            tally.run("oauth", f"{library} finds out, gets tokens and calls", npm, partner, library)
        else:
            tally.skip("oauth", library, "node or npm is missing, or its packages")
