"""Requests that the libraries of PyPI and npm sign, in both algorithms, with all methods."""

import base64
import hashlib
import json
import os
import secrets
import subprocess
import uuid

from lib import signing
from partners import BASE, HOST, Signing, code_of, send

HERE = os.path.dirname(os.path.abspath(__file__))
PARTS = ("@method", "@authority", "@path", "@query")


def all_methods(partner):
    """(method, target, body, status), in an order in which each works."""
    user, key = str(uuid.uuid4()), partner.another(("CredentialsDownload",)).unique_id
    end = signing.registration("x", partner.signer.key)["ExpirationUtc"]
    return [
        ("POST", "/v1/users", {"user_id": user, "first_name": "Zoë"}, 201),
        ("GET", f"/v1/users/{user}", None, 200),
        ("GET", "/v1/users?limit=3&offset=0", None, 200),
        ("HEAD", "/v1/users?limit=3", None, 200),
        ("PATCH", f"/v1/users/{user}", {"last_name": "O'Neil"}, 204),
        ("PUT", f"/api/v1/key/{key}/set-expiration", {"ExpirationUtc": end}, 200),
        ("DELETE", f"/api/v1/key/{key}", None, 204),
        ("DELETE", f"/v1/users/{user}", None, 204),
        ("POST", "/v1/admin/org/queues/users/test", None, 404),
    ]


def passes(partner, expected, method, target, headers, body):
    status, told = send(partner.service, method, target, headers, body)
    assert status == expected, (method, target, status, told[:300])


def python_signs(partner, algorithm):
    for method, target, body, status in all_methods(partner):
        for covered in (("@method", "@target-uri"), PARTS) if method in ("GET", "HEAD") else (("@method", "@target-uri"),):
            headers = partner.signer.sign(method, target, body, covered=covered, algorithm=algorithm)
            passes(partner, status, method, target, headers, body)
    more = {"tag": "partner-api", "include_alg": algorithm is not signing.PSS, "expires": signing.ago(-60)}
    headers = partner.signer.sign("GET", "/v1/users", headers=[("X-Reason", "test"), ("Date", "today")], algorithm=algorithm,
                                  covered=("@method", "@target-uri", "x-reason", "date", "@request-target"), **more)
    passes(partner, 200, "GET", "/v1/users", headers, None)
    told = partner.check("GET", "/v1/users", headers)
    assert told["valid"] and told["problem"] is None and told["keyid"] == partner.signer.unique_id, told


def all_key_lengths(partner):
    for bits in (3072, 4096):
        signer = partner.another(bits=bits)
        for algorithm in (signing.PSS, signing.V1_5):
            passes(partner, 200, "GET", "/v1/users", signer.sign("GET", "/v1/users", algorithm=algorithm), None)


def node(jobs):
    done = subprocess.run(["node", os.path.join(HERE, "sign.mjs")], input="\n".join(map(json.dumps, jobs)), text=True,
                          capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr[-600:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def job(partner, algorithm, method, target, body, **more):
    fields, headers = ["@method", "@target-uri"], {"Host": HOST}
    if body is not None:
        digest = base64.b64encode(hashlib.sha512(signing.as_bytes(body)).digest()).decode()
        headers |= {"Content-Type": "application/json", "Content-Digest": f"sha-512=:{digest}:"}
        fields += ["content-digest", "content-type"]
    if method not in ("GET", "HEAD"):
        more["nonce"] = secrets.token_urlsafe(18)
    return {"pem": signing.private_pem(partner.signer.key), "alg": algorithm, "keyid": partner.signer.unique_id, "method": method,
            "url": BASE + target, "headers": headers, "fields": fields, **more}


def without_host(headers):
    return [(name, value) for name, value in headers if name != "Host"]


def npm_signs(partner, algorithm, more):
    requests = all_methods(partner)
    signed = node([job(partner, algorithm, method, target, body, **more) for method, target, body, _ in requests])
    for (method, target, body, status), headers in zip(requests, signed):
        passes(partner, status, method, target, without_host(headers), body)


def npm_salt(partner):
    """The library's own salt is refused, and the check says what to do."""
    [headers] = map(without_host, node([job(partner, "rsa-pss-sha512", "GET", "/v1/users", None)]))
    status, told = send(partner.service, "GET", "/v1/users", headers)
    assert (status, code_of(told)) == (401, "unauthorized"), told
    problem = partner.check("GET", "/v1/users", headers)["problem"]
    assert "salt" in problem and "64" in problem, problem


def policies(partner):
    """`required` asks everybody to sign, and only who signs may say so."""
    unsigned = partner.call("PATCH", "/v1/admin/org", {"signature_policy": "required"}, expect=403, whole=True)
    assert unsigned["error"]["code"] == "signature_required", unsigned

    def set_to(policy):
        body = {"signature_policy": policy}
        passes(partner, 200, "PATCH", "/v1/admin/org", partner.signer.sign("PATCH", "/v1/admin/org", body), body)

    set_to("required")
    refused = partner.call("GET", "/v1/users", expect=403, whole=True)
    assert refused["error"]["code"] == "signature_required", refused
    passes(partner, 200, "GET", "/v1/users", partner.signer.sign("GET", "/v1/users"), None)
    last = f"/api/v1/key/{partner.signer.unique_id}"
    passes(partner, 400, "DELETE", last, partner.signer.sign("DELETE", last), None)
    set_to("optional")
    partner.call("GET", "/v1/users")


def walk(service, tally, has_node):
    partner = Signing(service, "signer")
    tally.run("signed", "http-message-signatures (PyPI), rsa-pss-sha512", python_signs, partner, signing.PSS)
    tally.run("signed", "http-message-signatures (PyPI), rsa-v1_5-sha256", python_signs, partner, signing.V1_5)
    tally.run("signed", "keys of 3072 and 4096 bits", all_key_lengths, partner)
    tally.run("signed", "an org asks for signatures, and stops", policies, Signing(service, "policies"))
    if not has_node:
        return tally.skip("signed", "http-message-signatures (npm)", "node or npm is missing, or its packages")
    tally.run("signed", "http-message-signatures (npm), rsa-pss-sha512", npm_signs, partner, "rsa-pss-sha512", {"salt": 64})
    tally.run("signed", "http-message-signatures (npm), rsa-v1_5-sha256", npm_signs, partner, "rsa-v1_5-sha256", {})
    tally.run("signed", "npm's longest salt is refused with a reason", npm_salt, partner)
