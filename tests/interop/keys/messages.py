"""Bodies that jose (npm), joserfc and jwcrypto (PyPI) encrypt to the service, and open (contract 12.3)."""

import json
import os
import subprocess
import uuid

import requests
from joserfc import jwe as joserfc_jwe
from joserfc.jwk import RSAKey
from jwcrypto import jwe as jwcrypto_jwe, jwk

from lib import signing
from partners import Signing
from responses import ASKED, Client, Pair

HERE = os.path.dirname(os.path.abspath(__file__))
BOTH = {"Content-Type": "application/jose", "Accept": "application/jose"}
USAGE = ("MessageLevelEncryption",)


def node(job):
    done = subprocess.run(["node", os.path.join(HERE, "jose.mjs")], input=json.dumps(job), text=True, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr[-600:]
    return json.loads(done.stdout)


class Joserfc:
    name = "joserfc"

    def encrypt(self, pem, header, text):
        return joserfc_jwe.encrypt_compact(header, text, RSAKey.import_key(pem), algorithms=[header["alg"], header["enc"]])

    def open(self, key, token):
        opened = joserfc_jwe.decrypt_compact(token, RSAKey.import_key(signing.private_pem(key)), algorithms=["RSA-OAEP-256", "A256GCM"])
        return opened.headers(), opened.plaintext.decode()


class Jwcrypto:
    name = "jwcrypto"

    def encrypt(self, pem, header, text):
        token = jwcrypto_jwe.JWE(text.encode(), json.dumps(header), algs=[header["alg"], header["enc"]])
        token.add_recipient(jwk.JWK.from_pem(pem.encode()))
        return token.serialize(compact=True)

    def open(self, key, token):
        opened = jwcrypto_jwe.JWE(algs=["RSA-OAEP-256", "A256GCM"])
        opened.deserialize(token, jwk.JWK.from_pem(signing.private_pem(key).encode()))
        return opened.jose_header, opened.payload.decode()


class Jose:
    name = "jose (npm)"

    def encrypt(self, pem, header, text):
        return node({"pem": pem, "header": header, "plaintext": text})["jwe"]

    def open(self, key, token):
        opened = node({"pem": signing.private_pem(key), "jwe": token})
        return opened["header"], opened["plaintext"]


class Channel:
    """An org with a pair of the service to encrypt to, and a key of its own that opens replies."""

    def __init__(self, service, name, bits=2048):
        self.partner = Signing(service, name)
        self.service_id, self.service_pem = self.partner.generate(*USAGE, bits)
        self.own = self.partner.another(USAGE, bits)

    def header(self, **more):
        return {"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": self.service_id, **more}

    def seal(self, library, value, **more):
        return library.encrypt(self.service_pem, self.header(**more), value if isinstance(value, str) else json.dumps(value)).encode()

    def opened(self, library, reply, status=200):
        """The JSON of an encrypted reply to our own key."""
        assert reply.status_code == status and reply.headers["Content-Type"] == "application/jose", (reply.status_code, reply.text[:300])
        header, text = library.open(self.own.key, reply.text)
        assert header == {"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": self.own.unique_id, "cty": "json"}, header
        return json.loads(text)


def routes(channel, library, client, **header):
    """Users, keys, tokens, the org: whatever takes JSON takes it encrypted, and answers so."""
    user, sealed = str(uuid.uuid4()), lambda value: channel.seal(library, value, **header)

    def ask(method, target, value=None, **more):
        return client.ask(method, target, data=None if value is None else sealed(value), **more)

    made = channel.opened(library, ask("POST", "/v1/users", {"user_id": user, "first_name": "Zoë", "email": "z@example.com"}), 201)
    assert made == {"data": {"user_id": user}}, made
    assert ask("PATCH", f"/v1/users/{user}", {"last_name": "O'Neil"}).status_code == 204
    shown = channel.opened(library, client.ask("GET", f"/v1/users/{user}"))["data"]
    assert shown["profile"] == {"first_name": "Zoë", "last_name": "O'Neil", "email": "z@example.com"}, shown
    listed = channel.opened(library, client.ask("GET", "/v1/users?limit=1"))
    assert listed["pagination"]["limit"] == 1, listed
    token = channel.opened(library, ask("POST", "/v1/auth/token", {"user_id": user}))
    assert token["data"]["access_token"].count(".") == 2
    minted = channel.opened(library, ask("POST", "/v1/admin/org/tenant-keys", {"name": f"by {library.name}"}), 201)["data"]
    channel.partner.service.call("GET", "/v1/users", key=minted["secret"])
    assert client.ask("DELETE", f"/v1/admin/org/tenant-keys/{minted['id']}").status_code == 204
    registered = channel.opened(library, ask("POST", "/api/v1/key", signing.registration(
        channel.partner.name, signing.new_key(), ("CredentialsDownload",))))
    assert set(registered) == {"UniqueId"}, registered
    end = {"ExpirationUtc": signing.registration("", channel.own.key)["ExpirationUtc"]}
    moved = ask("PUT", f"/api/v1/key/{registered['UniqueId']}/set-expiration", end)
    assert channel.opened(library, moved)["UniqueId"] == registered["UniqueId"]
    renamed = channel.opened(library, ask("PATCH", "/v1/admin/org", {"name": f"Of {library.name}"}))
    assert renamed["data"]["name"] == f"Of {library.name}", renamed
    # Errors stay readable.
    for value, status in (({"user_id": user}, 409), ({"user_id": "x"}, 422), ("{", 422)):
        refused = ask("POST", "/v1/users", value)
        assert refused.status_code == status and refused.headers["Content-Type"].startswith("application/json"), refused.text


def library_works(channel, library):
    unsigned = Client(channel.partner, False, **BOTH)
    routes(channel, library, unsigned)
    for more in ({"enc": "A128CBC-HS256"}, {"cty": "json", "typ": "JOSE"}):
        body = channel.seal(library, {"user_id": str(uuid.uuid4())}, **more)
        channel.opened(library, unsigned.ask("POST", "/v1/users", data=body), 201)


def with_signatures(channel, library):
    """The digest and both signatures are over the JWE as it is sent."""
    pair = Pair(channel.partner)
    client = Client(channel.partner, True, **BOTH, **ASKED)
    routes(channel, library, client)
    body = channel.seal(library, {"user_id": str(uuid.uuid4())})
    reply = client.ask("POST", "/v1/users", data=body)
    covered = pair.verify(reply, "sig1")
    assert '"content-digest"' in covered and reply.text.count(".") == 4
    channel.opened(library, reply, 201)
    # The JWE of another request under this signature.
    sealed = channel.seal(library, {"user_id": str(uuid.uuid4())})
    taken = client.prepare_request(requests.Request("POST", client.base + "/v1/users", data=sealed))
    taken.body = channel.seal(library, {"user_id": str(uuid.uuid4())})
    taken.headers["Content-Length"] = str(len(taken.body))
    assert client.send(taken).status_code == 401


def replayed(channel, library):
    """A retry is known by its plain text: encrypted anew or in clear, it gets the kept reply, encrypted anew or in clear."""
    again = {"Idempotency-Key": str(uuid.uuid4())}
    sealed, clear = (Client(channel.partner, False, **more, **again) for more in (BOTH, {}))
    value = {"user_id": str(uuid.uuid4())}
    first, second = (sealed.ask("POST", "/v1/users", data=channel.seal(library, value)) for _ in range(2))
    third = clear.ask("POST", "/v1/users", value)
    assert second.headers["Idempotent-Replayed"] == third.headers["Idempotent-Replayed"] == "true"
    assert channel.opened(library, first, 201) == channel.opened(library, second, 201) == third.json()
    assert first.text != second.text and first.request.body != second.request.body
    other = sealed.ask("POST", "/v1/users", data=channel.seal(library, {"user_id": str(uuid.uuid4())}))
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_key_reused"), other.text


def recipients(channel, library):
    """The key registered last, or the one that is named; none means that nothing is done."""
    client, before = Client(channel.partner, False, **BOTH), channel.own
    channel.own = channel.partner.another(USAGE)
    channel.opened(library, client.ask("GET", "/v1/users"))
    after, channel.own = channel.own, before
    named = {"Accept": f'application/json;q=0.5, application/jose; kid="{before.unique_id}"'}
    channel.opened(library, client.ask("GET", "/v1/users", headers=named))
    channel.partner.call("DELETE", f"/api/v1/key/{after.unique_id}", expect=204)
    channel.opened(library, client.ask("GET", "/v1/users"))
    user = str(uuid.uuid4())
    for kid in (after.unique_id, channel.service_id, channel.partner.signer.unique_id, str(uuid.uuid4()), "x"):
        refused = client.ask("POST", "/v1/users", data=channel.seal(library, {"user_id": user}),
                             headers={"Accept": f'application/jose; kid="{kid}"'})
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "no_encryption_key"), (kid, refused.text)
    assert Client(channel.partner, False).ask("GET", f"/v1/users/{user}").status_code == 404


def pairs_side_by_side(channel, library):
    """An old pair opens what was encrypted to it until it is ended."""
    client = Client(channel.partner, False, **BOTH)
    old = channel.service_id, channel.service_pem
    channel.service_id, channel.service_pem = channel.partner.generate(*USAGE, 3072)
    ask = lambda: client.ask("POST", "/v1/users", data=channel.seal(library, {"user_id": str(uuid.uuid4())}))
    channel.opened(library, ask(), 201)
    channel.service_id, channel.service_pem = old
    channel.opened(library, ask(), 201)


def walk(service, tally, has_node):
    run = lambda name, *work: tally.run("jose", name, *work)
    libraries = [Joserfc(), Jwcrypto(), *([Jose()] if has_node else [])]
    for at, (library, bits) in enumerate(zip(libraries, (2048, 3072, 2048))):
        run(f"{library.name} encrypts and opens, on many routes", library_works, Channel(service, f"jose-{at}", bits), library)
    run("signatures over what is encrypted", with_signatures, Channel(service, "jose-signed"), Joserfc())
    run("a retry is known by its plain text", replayed, Channel(service, "jose-replay"), libraries[-1])
    run("to whom replies are encrypted", recipients, Channel(service, "jose-recipients"), Joserfc())
    run("pairs of the service live side by side", pairs_side_by_side, Channel(service, "jose-pairs"), Jwcrypto())
    if not has_node:
        tally.skip("jose", "jose (npm)", "node or npm is missing, or its packages")
