"""Member tokens: verified by strangers' libraries, forged by strangers, refused by the service."""

import argparse
import base64
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, ".."))  # for lib/

from lib.service import Service
from lib.tally import Tally

# What a token must have, and a resource server must ask for (RFC 9068 2.2 and 4).
RFC_9068_CLAIMS = ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"]


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def parts(token):
    header, claims, signature = token.split(".")
    return json.loads(unb64(header)), json.loads(unb64(claims)), signature


def unsigned(header, claims):
    return b64(json.dumps(header).encode()) + "." + b64(json.dumps(claims).encode())


class Walk:
    def __init__(self, service):
        self.service = service
        self.key = service.create_org("acme")["tenant_api_key"]
        self.user, self.token = self.member()

    def member(self):
        user = str(uuid.uuid4())
        self.service.call("POST", "/v1/users", {"user_id": user}, key=self.key, expect=201)
        return user, self.issue(user)

    def issue(self, user):
        return self.service.call("POST", "/v1/auth/token", {"user_id": user}, key=self.key)["access_token"]

    def ask(self, token, user=None, method="GET", body=None):
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "x-request-id": "walk"}
        return self.service.ask(method, f"/v1/users/{user or self.user}", headers, body)

    def jwks(self):
        status, body = self.service.ask("GET", "/.well-known/jwks.json")
        assert status == 200, status
        return json.loads(body)["keys"]

    # What is good.

    def a_member_reads_changes_and_deletes_itself(self):
        user, token = self.member()
        assert self.ask(token, user)[0] == 200
        assert self.ask(token, user, "PATCH", '{"first_name": "Ada"}')[0] == 204
        assert json.loads(self.ask(token, user)[1])["data"]["profile"]["first_name"] == "Ada"
        assert self.ask(token, user, "DELETE")[0] == 204
        assert self.ask(token, user)[0] == 401

    def another_users_path_is_as_none(self):
        other, _ = self.member()
        foreign, missing = self.ask(self.token, other), self.ask(self.token, str(uuid.uuid4()))
        assert foreign == missing and foreign[0] == 404, (foreign, missing)

    def a_user_made_again_is_another(self):
        user, token = self.member()
        self.service.call("DELETE", f"/v1/users/{user}", key=self.key, expect=204)
        self.service.call("POST", "/v1/users", {"user_id": user}, key=self.key, expect=201)
        assert self.ask(token, user)[0] == 401
        assert self.ask(self.issue(user), user)[0] == 200

    def only_the_users_own_routes_take_members(self):
        for method, path in [("GET", "/v1/users"), ("GET", "/v1/features"), ("POST", "/v1/auth/token"),
                             ("GET", "/v1/admin/org"), ("GET", f"/v1/users/{self.user}/devices")]:
            status, _ = self.service.ask(method, path, {"Authorization": f"Bearer {self.token}"})
            assert status == 401, (path, status)

    def pyjwt_verifies_it(self):
        import jwt
        client = jwt.PyJWKClient(f"http://127.0.0.1:{self.service.public}/.well-known/jwks.json")
        key = client.get_signing_key_from_jwt(self.token)
        claims = jwt.decode(self.token, key, algorithms=["EdDSA"], audience=self.audience(), issuer=self.issuer(),
                            options={"require": RFC_9068_CLAIMS})
        assert claims["sub"] == self.user and claims["scope"] == "member", claims
        assert claims["client_id"] == self.audience(), claims
        assert claims["exp"] - claims["iat"] == 3600
        assert jwt.get_unverified_header(self.token)["typ"] == "at+jwt"

    def joserfc_verifies_it(self):
        from joserfc import jwt
        from joserfc.jwk import KeySet
        keys = KeySet.import_key_set({"keys": self.jwks()})
        token = jwt.decode(self.token, keys, algorithms=["EdDSA"])
        essential = {name: {"essential": True} for name in RFC_9068_CLAIMS}
        essential["aud"]["value"] = self.audience()
        essential["iss"]["value"] = self.issuer()
        jwt.JWTClaimsRegistry(**essential).validate(token.claims)
        assert token.header["typ"] == "at+jwt" and token.claims["sub"] == self.user

    def jose_verifies_it(self):
        request = {"jwks_url": f"http://127.0.0.1:{self.service.public}/.well-known/jwks.json",
                   "issuer": self.issuer(), "audience": self.audience(),
                   "tokens": [self.token, self.token[:-2], self.issue(self.user)]}
        done = subprocess.run(["node", os.path.join(HERE, "verify.mjs")], input=json.dumps(request),
                              capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == [self.user, None, self.user], done.stdout

    def issuer(self):
        return f"http://127.0.0.1:{self.service.public}"

    def audience(self):
        return self.service.call("GET", "/v1/admin/org", key=self.key)["id"]

    # What is not.

    def refused(self, *tokens):
        expected = self.ask("nonsense")
        assert expected[0] == 401
        for token in tokens:
            answer = self.ask(token)
            assert answer == expected, (answer, token)

    def without_a_signature(self):
        _, claims, _ = parts(self.token)
        for alg in ["none", "None", "NONE", "nOnE"]:
            self.refused(unsigned({"alg": alg, "typ": "at+jwt"}, claims) + ".")
        header, _, signature = parts(self.token)
        self.refused(unsigned({**header, "alg": "none"}, claims) + "." + signature)

    def signed_with_the_public_key_as_a_secret(self):
        import hashlib
        import hmac
        header, claims, _ = parts(self.token)
        key = next(key for key in self.jwks() if key["kid"] == header["kid"])
        for secret in [unb64(key["x"]), key["x"].encode(), json.dumps(key).encode()]:
            signed = unsigned({**header, "alg": "HS256"}, claims)
            self.refused(signed + "." + b64(hmac.new(secret, signed.encode(), hashlib.sha256).digest()))

    def signed_with_a_strangers_key(self):
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        stranger = Ed25519PrivateKey.generate()
        header, claims, _ = parts(self.token)
        jwk = {"kty": "OKP", "crv": "Ed25519", "x": b64(stranger.public_key().public_bytes_raw())}
        for forged in [header, {**header, "kid": "unknown"}, {**header, "jwk": jwk}, {**header, "kid": "../../etc"},
                       {**header, "jku": "http://127.0.0.1:1/jwks.json"}, {"alg": "EdDSA", "typ": "at+jwt"},
                       {**header, "crit": ["exp"]}, {**header, "typ": "JWT"}, {**header, "x5u": "http://127.0.0.1:1"}]:
            signed = unsigned(forged, claims)
            self.refused(signed + "." + b64(stranger.sign(signed.encode())))

    def a_changed_header_under_our_signature(self):
        header, claims, signature = self.token.split(".")
        plain = json.loads(unb64(header))
        for more in [{"crit": ["exp"]}, {"jku": "http://127.0.0.1:1"}, {"jwk": {}}, {"typ": "JWT"}]:
            self.refused(b64(json.dumps({**plain, **more}).encode()) + f".{claims}.{signature}")

    def cut_and_padded(self):
        header, claims, signature = self.token.split(".")
        self.refused(header, f"{header}.{claims}", f"{header}.{claims}.", self.token[:-1], self.token[1:], "",
                     f"{self.token}.", f"{self.token}=", f"{self.token}A", f"{header}..{signature}", f".{claims}.",
                     "..", "A" * 8000)

    def parts_of_two_tokens(self):
        _, other = self.member()
        mine, theirs = self.token.split("."), other.split(".")
        self.refused(".".join([mine[0], theirs[1], mine[2]]), ".".join([mine[0], mine[1], theirs[2]]))

    def two_headers(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.service.public, timeout=15)
        connection.putrequest("GET", f"/v1/users/{self.user}")
        connection.putheader("Authorization", f"Bearer {self.token}")
        connection.putheader("Authorization", f"Bearer {self.token}")
        connection.endheaders()
        assert connection.getresponse().status == 401

    def a_flood_of_unknown_keys_is_cheap(self):
        header, claims, signature = parts(self.token)
        began = time.monotonic()
        for number in range(300):
            token = unsigned({**header, "kid": str(number)}, claims) + "." + signature
            assert self.ask(token)[0] == 401
        assert self.ask(self.token)[0] == 200
        assert time.monotonic() - began < 30

    def of_a_revoked_key(self):
        made = self.service.call("POST", "/v1/admin/org/tenant-keys", {"name": "thief's"}, key=self.key, expect=201)
        user = str(uuid.uuid4())
        self.service.call("POST", "/v1/users", {"user_id": user}, key=made["secret"], expect=201)
        token = self.service.call("POST", "/v1/auth/token", {"user_id": user}, key=made["secret"])["access_token"]
        assert parts(token)[1]["key_id"] == made["id"]
        assert self.ask(token, user)[0] == 200
        self.service.call("DELETE", f"/v1/admin/org/tenant-keys/{made['id']}", key=self.key, expect=204)
        time.sleep(1)
        assert self.ask(token, user)[0] == 401

    def a_suspended_org_is_forbidden(self):
        self.service.command("org", "suspend", "--key", "acme")
        time.sleep(1.2)
        assert self.ask(self.token)[0] == 403
        self.service.command("org", "resume", "--key", "acme")
        time.sleep(1.2)
        assert self.ask(self.token)[0] == 200


def name_of(check):
    return check.__name__.replace("_", " ")


def walk(tally, it, has_python, has_js):
    for check in [it.a_member_reads_changes_and_deletes_itself, it.another_users_path_is_as_none,
                  it.a_user_made_again_is_another, it.only_the_users_own_routes_take_members,
                  it.without_a_signature, it.signed_with_the_public_key_as_a_secret,
                  it.a_changed_header_under_our_signature, it.cut_and_padded, it.parts_of_two_tokens,
                  it.two_headers, it.of_a_revoked_key, it.a_flood_of_unknown_keys_is_cheap, it.a_suspended_org_is_forbidden]:
        tally.run("token", name_of(check), check)
    for check in [it.pyjwt_verifies_it, it.joserfc_verifies_it, it.signed_with_a_strangers_key]:
        if has_python:
            tally.run("token", name_of(check), check)
        else:
            tally.skip("token", name_of(check), "PyJWT[crypto] and joserfc could not be installed")
    if has_js:
        tally.run("token", name_of(it.jose_verifies_it), it.jose_verifies_it)
    else:
        tally.skip("token", name_of(it.jose_verifies_it), "jose could not be installed")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--bin", required=True)
    arguments.add_argument("--python-library", action="store_true")
    arguments.add_argument("--js-library", action="store_true")
    arguments.add_argument("--keep", action="store_true")
    options = arguments.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    directory, tally, service = tempfile.mkdtemp(prefix="members."), Tally(), None
    # As root the embedded Postgres runs as another user, which has to get there.
    os.chmod(directory, 0o755)
    try:
        service = Service(options.bin, directory)
        service.wait_until_ready()
        walk(tally, Walk(service), options.python_library, options.js_library)
    finally:
        if service:
            service.stop()
        if not options.keep:
            shutil.rmtree(directory, ignore_errors=True)
    print(tally)
    sys.exit(1 if tally.failed else 0)


main()
