"""Responses that the service signs, verified with http-message-signatures of PyPI and of npm (contract 12.2)."""

import base64
import json
import os
import subprocess
import uuid

import requests
from http_message_signatures import InvalidSignature

from lib import signing
from partners import Signing

HERE = os.path.dirname(os.path.abspath(__file__))
ASKED = {"Accept-Signature": 'sig1=("@status" "content-digest");created;keyid;tag="partner-api"'}


class Pair(signing.ServicePair):
    """A pair that the service made to sign its responses; the public half is its own word."""

    def __init__(self, partner, bits=2048):
        super().__init__(*partner.generate("ResponseSignature", bits))
        shown = partner.call("GET", f"/api/v1/key/{self.unique_id}", whole=True)
        assert (shown["PublicKey"], shown["HasPrivateKey"], shown["Usage"]) == (self.pem, True, ["ResponseSignature"]), shown

    def verify(self, response, signed_label=None):
        return super().verify(response, response.content, signed_label)

    def job(self, response, signed_label=None):
        """The same for `verify.mjs`."""
        fields = ["@status", "@method", "@target-uri", *(["signature"] if signed_label else [])]
        if response.status_code != 204:
            fields.append("content-digest")
        request = response.request
        return {"pem": self.pem, "keyid": self.unique_id, "status": response.status_code, "headers": dict(response.headers),
                "content": base64.b64encode(response.content).decode(), "fields": fields,
                "request": {"method": request.method, "url": request.url, "headers": dict(request.headers)}}


def node(jobs):
    done = subprocess.run(["node", os.path.join(HERE, "verify.mjs")], input="\n".join(map(json.dumps, jobs)), text=True,
                          capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr[-600:]
    return [json.loads(line) for line in done.stdout.splitlines()]


class Client(requests.Session):
    """Calls with a tenant key, or signs; takes what comes as it is."""

    def __init__(self, partner, signs, label="sig1", **headers):
        super().__init__()
        self.partner, self.base, self.label = partner, f"http://127.0.0.1:{partner.service.public}", signs and label
        self.headers.update({"Accept-Encoding": "identity", **headers})
        self.auth = self.sign if signs else self.show_key

    def show_key(self, request):
        request.headers["taih-tenant-key"] = self.partner.key
        return request

    def sign(self, request):
        signer = signing.Signer(self.partner.signer.unique_id, self.partner.signer.key, self.base)
        target = request.url.removeprefix(self.base)
        body = request.body.encode() if isinstance(request.body, str) else request.body
        kept = {name: value for name, value in request.headers.items() if name.lower() not in ("signature", "signature-input")}
        for name, value in signer.sign(request.method, target, body, headers=kept, label=self.label):
            request.headers[name] = value
        return request

    def ask(self, method, target, body=None, **more):
        return self.request(method, self.base + target, json=body, timeout=30, **more)


def every_status(client):
    """(response, status that it should have), over all kinds of routes and refusals."""
    user, ask = str(uuid.uuid4()), client.ask
    lines = {"data": b'{"user_id": "%s"}\nnonsense\n' % str(uuid.uuid4()).encode(), "headers": {"Content-Type": "application/x-ndjson"}}
    return [
        (ask("GET", "/v1/users?limit=2&offset=0"), 200), (ask("HEAD", "/v1/users?limit=2"), 200),
        (ask("POST", "/v1/users", {"user_id": user, "first_name": "Zoë"}), 201), (ask("GET", f"/v1/users/{user}"), 200),
        (ask("POST", "/v1/users", {"user_id": user}), 409), (ask("PATCH", f"/v1/users/{user}", {"last_name": "x"}), 204),
        (ask("DELETE", f"/v1/users/{user}"), 204), (ask("GET", f"/v1/users/{user}"), 404), (ask("GET", "/v1/users?limit=x"), 422),
        (ask("POST", "/v1/users", data=b"{", headers={"Content-Type": "text/plain"}), 415),
        (ask("POST", "/v1/users", {"user_id": "x" * 70_000}), 413), (ask("POST", "/v1/users/bulk", **lines), 200),
        (ask("GET", "/v1/nowhere"), 404), (ask("PUT", "/v1/users", {}), 405), (ask("GET", f"/v1/users/{user}/health-profile"), 503),
        (ask("GET", f"/api/v1/key/{user}"), 404), (ask("GET", "/api/v1/key/list/other"), 404), (ask("POST", "/api/v1/key", {}), 400),
    ]


def verified(pair, client, has_node):
    answers = every_status(client)
    for response, status in answers:
        what = f"{response.request.method} {response.request.path_url}: {response.status_code} {response.text[:200]}"
        assert response.status_code == status, what
        try:
            covered = pair.verify(response, client.label)
        except Exception as error:
            raise AssertionError(f"{what}: {error!r} {dict(response.headers)}") from error
        assert ('"content-digest"' in covered) == (status != 204), (what, covered)
        assert ('"signature";req;key="%s"' % client.label in covered) == bool(client.label), (what, covered)
    if has_node:
        told = node([pair.job(response, client.label) for response, _ in answers])
        assert told == [True] * len(answers), [(answer[1], each) for answer, each in zip(answers, told) if each is not True]


def bound(pair, partner, has_node):
    """No answer passes for the answer to another request, nor with another status or body."""
    client = Client(partner, True, **ASKED)
    first, again, other = (client.ask("GET", path) for path in ("/v1/users", "/v1/users", "/v1/users?limit=1"))
    pair.verify(first, "sig1"), pair.verify(again, "sig1"), pair.verify(other, "sig1")

    def with_changes(**changes):
        changed = requests.Response()
        changed.__dict__.update({**first.__dict__, **changes})
        return changed

    digest = requests.structures.CaseInsensitiveDict(first.headers)
    digest["content-digest"] = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"
    forged = {"another URI": with_changes(request=other.request), "another status": with_changes(status_code=404),
              "another body": with_changes(_content=first.content + b" "), "another digest": with_changes(headers=digest)}
    if again.request.headers["Signature"] != first.request.headers["Signature"]:
        forged["another request of the same words"] = with_changes(request=again.request)
    for name, response in forged.items():
        try:
            pair.verify(response, "sig1")
        except InvalidSignature:
            continue
        raise AssertionError(f"{name} passed")
    if has_node:
        told = node([pair.job(response, "sig1") for response in forged.values()])
        assert not [each for each in told if each is True], list(zip(forged, told))


def policy_and_pairs(partner):
    """Who asks for a signature gets one or nothing happens; an org that wants all signed is never locked out."""
    quiet, asking = Client(partner, False), Client(partner, False, **ASKED)
    user = str(uuid.uuid4())
    refused = asking.ask("POST", "/v1/users", {"user_id": user})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "no_response_key"), refused.text
    assert quiet.ask("GET", f"/v1/users/{user}").status_code == 404
    assert quiet.ask("PATCH", "/v1/admin/org", {"sign_responses": True}).status_code == 409

    first = Pair(partner, 3072)
    assert "Signature" not in quiet.ask("GET", "/v1/users").headers
    first.verify(asking.ask("GET", "/v1/users"))
    first.verify(quiet.ask("PATCH", "/v1/admin/org", {"sign_responses": True}) and quiet.ask("GET", "/v1/users"))
    others = Client(partner, False, **{"Accept-Signature": 'x=("@status");tag="somebody-else"'})
    first.verify(others.ask("GET", "/v1/users"))
    second = Pair(partner)
    second.verify(quiet.ask("GET", "/v1/users"))
    assert quiet.ask("DELETE", f"/api/v1/key/{second.unique_id}").status_code == 204
    first.verify(quiet.ask("GET", "/v1/users"))
    quiet.ask("DELETE", f"/api/v1/key/{first.unique_id}")
    unsigned = quiet.ask("GET", "/v1/users")
    assert unsigned.status_code == 200 and "Signature" not in unsigned.headers, unsigned.headers
    quiet.ask("PATCH", "/v1/admin/org", {"sign_responses": False})


def replayed(pair, partner):
    """A kept reply is signed for the request that gets it."""
    client = Client(partner, True, **ASKED, **{"Idempotency-Key": str(uuid.uuid4())})
    body = {"name": "once"}
    first, again = (client.ask("POST", "/v1/admin/org/tenant-keys", body) for _ in range(2))
    assert (first.status_code, again.status_code, again.headers["Idempotent-Replayed"]) == (201, 201, "true")
    assert first.content == again.content and first.headers["Signature"] != again.headers["Signature"]
    pair.verify(first, "sig1"), pair.verify(again, "sig1")


def walk(service, tally, has_node):
    partner = Signing(service, "answered")
    libraries = "PyPI and npm" if has_node else "PyPI"
    run = lambda name, *work: tally.run("answer", name, *work)
    run("asked for without a pair: 409 and nothing done; the last pair signs", policy_and_pairs, Signing(service, "pairs"))
    pair = Pair(partner)
    run(f"every status verifies ({libraries}), asked for by a tenant key", verified, pair, Client(partner, False, **ASKED), has_node)
    run(f"every status verifies ({libraries}), bound to a signed request", verified, pair, Client(partner, True, **ASKED), has_node)
    run("the label of the request's signature is kept", verified, pair, Client(partner, True, "x*-_.1", **ASKED), has_node)
    run("no answer passes for another one", bound, pair, partner, has_node)
    run("a kept reply is signed anew", replayed, pair, partner)
    if not has_node:
        tally.skip("answer", "http-message-signatures (npm)", "node or npm is missing, or its packages")
