"""Signed requests: without a key they are the service's to judge, and reach it as they were signed. Takes a Walk."""

import uuid
from types import SimpleNamespace

from checks_neighbours import log_rows
from support import (EVERY_SPOOF, SECRETS_SENT, SPOOF, SPOOF_ORG, arrived, assert_anonymous, assert_refused, assert_tenant,
                     assert_unauthorized, by_name, check, with_key, with_token)
from wire import ask

INPUT = ("Signature-Input", 'sig1=("@method" "@target-uri");created=1;keyid="k"')
SIGNATURE = ("Signature", "sig1=:c2lnbmF0dXJlLXRoYXQtbm8tbG9nLW1heS1ob2xk:")
SIGNED = [INPUT, SIGNATURE]
SECRETS_SENT.add(SIGNATURE[1])

TARGETS = ["/v1/users/%2F", "/v1/users/%2f", "/v1/users/a%2Fb%2fc%C3%a9", "/v1/users/%61%7E~", "/v1//users", "/v1/users//", "/v1/./users",
           "/v1/users/../users", "/v1/users/%2e%2E", "/v1/users/a;b=c,d:e@f!$&'()*+", "/v1/users/", "/v1/users?", "/v1/users?limit",
           "/v1/users?limit=&x", "/v1/users?a=%2f%2F&b=%c3%A9&c=+%20", "/v1/users?a=/../b//c?d", "/v1/users?b=2&a=1&b=1;c",
           "/api/v1/key/list/%41cme?next=%3D"]


@check("a signature and no key: passed on without any OrgId, spoofed or not")
def signed_alone(walk):
    for signature in (SIGNED, [INPUT], [SIGNATURE], [SIGNATURE, INPUT, SIGNATURE], [("signature", "x"), ("SIGNATURE-INPUT", "")]):
        for headers in (signature, EVERY_SPOOF + signature, signature + EVERY_SPOOF):
            reply = ask(walk.echoing, headers=headers)
            assert_anonymous(walk, reply)
            for name in ("signature", "signature-input"):
                sent = [value for key, value in signature if key.lower() == name]
                assert arrived(reply).get(name, []) == sent, (name, arrived(reply))
    crowd = [(f"X-Filler-{n}", "x") for n in range(150)]
    assert_anonymous(walk, ask(walk.echoing, headers=crowd + SIGNED + EVERY_SPOOF))


@check("a signature and a key: the key decides, and the signature goes with it")
def signed_with_key(walk):
    main = walk.service.main
    for headers in (with_key(main.key) + SIGNED, SIGNED + EVERY_SPOOF + with_key(main.key)):
        reply = ask(walk.echoing, headers=headers)
        assert_tenant(walk, reply, main)
        assert [arrived(reply)[name] for name in ("signature-input", "signature")] == [[INPUT[1]], [SIGNATURE[1]]]
    for key in ("x", main.key[:-1]):
        assert_unauthorized(ask(walk.echoing, headers=SIGNED + with_key(key)))
    assert_unauthorized(ask(walk.echoing, headers=SIGNED + with_key(main.key) + with_key(main.key)))


@check("a signature and a token: the service refuses; with a key the gateway does")
def signed_with_token(walk):
    token = walk.service.member_token()
    assert_anonymous(walk, ask(walk.echoing, headers=SIGNED + with_token(token, *EVERY_SPOOF)))
    both = SIGNED + with_token(token) + with_key(walk.service.main.key)
    assert_refused(ask(walk.echoing, headers=both), 400, "conflicting_credentials")


@check("what only looks like a signature is none: 401")
def unsigned(walk):
    for name in ("Signature_Input", "X-Signature", "Accept-Signature", "Content-Digest", "Signatures"):
        assert_unauthorized(ask(walk.echoing, headers=[(name, "sig1=:AAAA:"), *EVERY_SPOOF]))


@check("beside a signature nothing is smuggled in: trailers, folded lines, Connection")
def smuggled(walk):
    for line in (f"OrgId : {SPOOF_ORG}", f"X-A: a\r\n OrgId: {SPOOF_ORG}", f"X-A: a\nOrgId: {SPOOF_ORG}", f"X-A: a\rOrgId: {SPOOF_ORG}",
                 f"OrgId\x00: {SPOOF_ORG}", f"X-Gateway-Auth : {SPOOF}"):
        reply = ask(walk.echoing, headers=["Accept: */*", line, *SIGNED])
        if reply.status != 400:
            assert_anonymous(walk, reply)
    trailer = b"1\r\nx\r\n0\r\nOrgId: %s\r\nX-Gateway-Auth: %s\r\n\r\n" % (SPOOF_ORG.encode(), SPOOF.encode())
    chunked = [*SIGNED, ("Transfer-Encoding", "chunked"), ("Trailer", "OrgId")]
    assert_anonymous(walk, ask(walk.echoing, "POST", headers=chunked, raw_tail=trailer))
    for listed in ("OrgId", "Signature, Signature-Input", "taih-tenant-key"):
        reply = ask(walk.echoing, headers=[*SIGNED, ("Connection", listed), *EVERY_SPOOF])
        if reply.status != 400:
            assert_anonymous(walk, reply)


@check("path, query and host arrive as they were signed, with a key and without")
def target_unchanged(walk):
    for target in TARGETS:
        for headers in (SIGNED, SIGNED + with_key(walk.service.main.key)):
            reply = ask(walk.echoing, path=target, headers=headers)
            assert arrived(reply)["host"] == [f"127.0.0.1:{walk.echoing}"], arrived(reply)["host"]
            assert reply.json()["path"] == target, (target, reply.json()["path"])
    # Where a gateway does not know the path it says so, as the service would.
    for target in ("//v1/users", "/%761/users"):
        reply = ask(walk.echoing, path=target, headers=SIGNED)
        assert reply.status == 404 or reply.json()["path"] == target, reply.body


@check("encrypted bodies and what a signature covers arrive byte for byte, in both directions")
def bodies_unchanged(walk):
    body = b"eyJhbGciOiJSU0EtT0FFUC0yNTYifQ." * 3000
    headers = [*SIGNED, ("Content-Type", "application/jose"), ("Accept", 'application/jose; kid="k"'), ("X-Echo", "body"),
               ("Accept-Signature", 'sig1=("@status");tag="partner-api"'), ("Content-Digest", "sha-256=:AAAA:"),
               ("X-Two", "1"), ("X-Two", " 2")]
    for more in ([], [("Accept-Encoding", "gzip, br")], with_key(walk.service.main.key)):
        reply = ask(walk.echoing, "PATCH", "/v1/users/x", [*headers, *more], body)
        assert reply.body == body and not reply.all("content-encoding"), (len(reply.body), reply.headers)
        assert reply.one("content-type") == "application/jose" and reply.one("content-digest") == "sha-256=:c2FtZQ==:"
        assert reply.one("signature") == "partner-api=:c2FtZQ==:" and reply.one("signature-input").startswith("partner-api=(")
        seen = by_name(walk.echo.last["headers"])
        for name, value in headers:
            assert value.strip() in seen[name.lower()], (name, seen)
        assert seen["x-two"] == ["1", "2"], seen["x-two"]
        assert (walk.echo.last["method"], walk.echo.last["body_length"]) == ("PATCH", len(body))
        assert seen.get("accept-encoding", []) == [value for name, value in more if name == "Accept-Encoding"], seen


@check("signatures are in no log and tell nobody's answers apart by chance", only=("kong",))
def signatures_in_neighbours(walk):
    ask(walk.echoing, headers=SIGNED)
    rows = [row for row in log_rows(walk) if "signature-input" in row["headers"]]
    assert rows and not [row for row in rows if "signature" in row["headers"]], rows
    assert not [row for row in rows if row.get("credential") and "x-tenant-key-id" not in row["headers"]], rows
    cached = ("X-Stub-Neighbours", "proxy-cache")
    for signature in ("sig1=:YQ==:", "sig1=:Yg==:"):
        reply = ask(walk.echoing, path="/v1/users?signed=1", headers=[INPUT, ("Signature", signature), cached])
        assert arrived(reply)["signature"] == [signature]


@check("a cache that ignores no-store keeps nothing of what a signature opened", only=("nginx",))
def signatures_in_a_cache(walk):
    for signature in ("sig1=:YQ==:", "sig1=:Yg==:"):
        reply = ask(walk.caching, path="/v1/cached/signed", headers=[INPUT, ("Signature", signature)])
        assert arrived(reply)["signature"] == [signature]
    ask(walk.caching, "HEAD", "/v1/cached/head", [*SIGNED, ("X-Echo", "body")])
    assert walk.echo.last["method"] == "HEAD"


def send(walk, signer, method, target, body=None, more=(), **how):
    headers = signer.sign(method, target, body, **how)
    SECRETS_SENT.update(value for name, value in headers if name == "Signature")
    return ask(walk.whole, method, target, [*headers, *more], body)


@check("signed requests of http-message-signatures pass the whole way, and name their org", end_to_end=True, signs=True)
def whole_way(walk):
    signer, main = walk.service.signer(), walk.service.main
    assert send(walk, signer, "GET", "/v1/users?limit=1").status == 200
    user = str(uuid.uuid4())
    body = b'{"user_id": "%s"}' % user.encode()
    assert send(walk, signer, "POST", "/v1/users", body, EVERY_SPOOF).status == 201
    assert send(walk, signer, "PATCH", f"/v1/users/{user}", b'{"first_name": "Ada"}').status == 204
    bulk = b'{"user_id": "%s"}\n' % str(uuid.uuid4()).encode() * 2
    reply = send(walk, signer, "POST", "/v1/users/bulk", bulk, headers=[("Content-Type", "application/x-ndjson")])
    assert reply.status == 200 and b'"created"' in reply.body, reply.body
    assert send(walk, signer, "DELETE", f"/v1/users/{user}").status == 204
    beside = send(walk, signer, "GET", "/v1/users", more=with_key(main.key))
    assert beside.status == 200
    name = b'{"name": "Acme behind %s"}' % walk.kind.encode()
    assert send(walk, signer, "PATCH", "/v1/admin/org", name, EVERY_SPOOF).status == 200
    last = walk.service.call("GET", "/v1/admin/org/audit?limit=100")[-1]
    assert (last["action"], last["actor"], last["key_id"]) == ("org.renamed", "public_key", signer.unique_id), last


@check("signed targets of every spelling verify behind the gateway", end_to_end=True, signs=True)
def whole_targets(walk):
    signer = walk.service.signer()
    for target in TARGETS:
        reply = send(walk, signer, "GET", target)
        assert reply.status in (200, 400, 404, 422), (target, reply.status)
        parts = ("@method", "@authority", "@path", "@query", "@scheme")
        assert send(walk, signer, "GET", target, covered=parts).status == reply.status, target


@check("signed responses verify behind the gateway, with a body and without", end_to_end=True, signs=True)
def whole_answers(walk):
    signer, pair, user = walk.service.signer(), walk.service.pair(), str(uuid.uuid4())
    asked = [("Accept-Signature", 'sig=("@status");tag="partner-api"'), ("Accept-Encoding", "gzip, br")]
    requests = [("GET", "/v1/users?limit=100", None, 200), ("POST", "/v1/users", b'{"user_id": "%s"}' % user.encode(), 201),
                ("DELETE", f"/v1/users/{user}", None, 204), ("GET", f"/v1/users/{user}", None, 404),
                ("GET", "/v1/users?limit=x", None, 422),
                ("GET", f"/v1/users/{user}/devices", None, 503)]
    for method, target, body, status in requests:
        headers = signer.sign(method, target, body)
        reply = ask(walk.whole, method, target, [*headers, *asked], body)
        assert reply.status == status and not reply.all("content-encoding"), (target, reply.status, reply.body[:200])
        request = SimpleNamespace(method=method, url=walk.service.PUBLIC_URL + target, headers=dict(headers))
        response = SimpleNamespace(status_code=status, headers=dict(reply.headers), request=request)
        pair.verify(response, reply.body, "sig1")


@check("a registered key fetches a token without a key, and calls with it", end_to_end=True, signs=True)
def whole_tokens(walk):
    signer = walk.service.signer()
    form = signer.token_request("acme", "/v1/oauth/token")
    headers = [("Content-Type", "application/x-www-form-urlencoded"), *EVERY_SPOOF]
    reply = ask(walk.whole, "POST", "/v1/oauth/token", headers, form)
    assert reply.status == 200 and reply.one("cache-control") == "no-store", reply.body
    token = reply.json()["access_token"]
    assert ask(walk.whole, headers=with_token(token, *EVERY_SPOOF)).status == 200
    for more in ([], with_key(walk.service.main.key)):
        again = ask(walk.whole, "POST", "/v1/oauth/token", [*headers, *more], form)
        assert (again.status, again.json()["error"]) == (401, "invalid_client") and not again.all("www-authenticate"), again.body
    beside = ask(walk.whole, "POST", "/v1/oauth/token", [*headers, *with_token(token), *with_key(walk.service.main.key)], form)
    assert (beside.status, beside.json()["error"]) == (400, "invalid_request"), beside.body
    assert ask(walk.whole, "GET", "/v1/oauth/token").status == 405


@check("what was changed, seen before or stripped does not pass the whole way: 401", end_to_end=True, signs=True)
def whole_hostile(walk):
    signer, main = walk.service.signer(), walk.service.main
    body = b'{"user_id": "%s"}' % str(uuid.uuid4()).encode()
    # A covered header of ours is gone when the service looks.
    for name in ("OrgId", "X-Gateway-Auth", "X-Tenant-Key-Id"):
        reply = send(walk, signer, "GET", "/v1/users", headers=[(name, main.org)],
                     covered=("@method", "@target-uri", name.lower()))
        assert_unauthorized(reply)
    headers = signer.sign("POST", "/v1/users", body)
    assert_unauthorized(ask(walk.whole, "POST", "/v1/users", headers, body + b" "))
    assert_unauthorized(ask(walk.whole, "POST", "/v1/users?x", headers, body))
    assert ask(walk.whole, "POST", "/v1/users", headers, body).status == 201
    assert_unauthorized(ask(walk.whole, "POST", "/v1/users", headers, body))
    assert_unauthorized(ask(walk.whole, headers=SIGNED + EVERY_SPOOF))
    assert_unauthorized(ask(walk.whole, headers=SIGNED + with_key(main.key)))
    assert_unauthorized(ask(walk.whole, headers=[*EVERY_SPOOF, ("OrgId", main.org)]))
    token = walk.service.member()[1]
    assert_refused(send(walk, signer, "GET", "/v1/users", more=with_token(token)), 400, "conflicting_credentials")
