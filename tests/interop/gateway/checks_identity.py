"""Who the service is told the caller is, whatever the caller says. Each check takes a Walk (walk.py)."""

import re

from stubs import make_key, new_credential, yes
from support import (EVERY_SPOOF, SECRETS_SENT, SPELLINGS, SPOOF, SPOOF_ORG, arrived, assert_anonymous, assert_refused,
                     assert_tenant, assert_unauthorized, check, with_key, with_token)
from wire import ask


@check("valid key: the right OrgId, key id and proof reach the service")
def valid_key(walk):
    main = walk.service.main
    assert_tenant(walk, ask(walk.echoing, headers=with_key(main.key)), main)
    assert_tenant(walk, ask(walk.echoing, headers=[("TAIH-Tenant-KEY", main.key)]), main)
    assert_tenant(walk, ask(walk.echoing, path="/api/v1/key/list/acme", headers=with_key(main.key)), main)


@check("method, path, query and body arrive unchanged; the body is not sent to verify")
def request_unchanged(walk):
    credential = new_credential()
    walk.script.say_yes(credential)
    path, body = "/v1/users/bulk?a=%2F&b=1", b"x" * 2_000_000
    for framing in ({"body": body}, {"raw_tail": b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)}):
        headers = with_key(credential.key, *([("Transfer-Encoding", "chunked")] if "raw_tail" in framing else []))
        reply = ask(walk.scripted, "POST", path, headers, **framing)
        assert_tenant(walk, reply, credential)
        seen = reply.json()
        assert (seen["method"], seen["path"], seen["body_length"]) == ("POST", path, len(body)), seen
    asked = [each for each in walk.script.asked if credential.key in each["keys"]]
    assert asked and all((each["method"], each["path"], each["body"]) == ("GET", "/internal/auth/verify", b"")
                         for each in asked), asked


@check("spoofed headers, every spelling alone: the key decides")
def spoof_each(walk):
    main = walk.service.main
    for name in SPELLINGS:
        for spoof in ([(name, SPOOF_ORG)], [(name, SPOOF_ORG), (name, main.org)], [(name, "")]):
            assert_tenant(walk, ask(walk.echoing, headers=[*spoof, *with_key(main.key)]), main)


@check("spoofed headers, all at once, before and after the key and behind 150 others")
def spoof_all(walk):
    main, crowd = walk.service.main, [(f"X-Filler-{n}", "x") for n in range(150)]
    for headers in (EVERY_SPOOF + with_key(main.key), with_key(main.key) + EVERY_SPOOF,
                    with_key(main.key) + crowd + EVERY_SPOOF, crowd + with_key(main.key) + EVERY_SPOOF):
        assert_tenant(walk, ask(walk.echoing, headers=headers), main)


@check("spoofed OrgId in odd syntax: refused, or without effect")
def spoof_odd(walk):
    main = walk.service.main
    for line in (f"OrgId : {SPOOF_ORG}", f"OrgId:{SPOOF_ORG}", f"X-A: a\r\n OrgId: {SPOOF_ORG}", f"X-A: a\nOrgId: {SPOOF_ORG}",
                 f" OrgId: {SPOOF_ORG}", f"X-A: a\rOrgId: {SPOOF_ORG}", f"OrgId\x00: {SPOOF_ORG}"):
        reply = ask(walk.echoing, headers=["Accept: */*", line, *with_key(main.key)])
        if reply.status != 400:
            assert_tenant(walk, reply, main)
    trailer = b"1\r\nx\r\n0\r\nOrgId: %s\r\nX-Gateway-Auth: %s\r\n\r\n" % (SPOOF_ORG.encode(), SPOOF.encode())
    chunked = with_key(main.key, ("Transfer-Encoding", "chunked"), ("Trailer", "OrgId"))
    assert_tenant(walk, ask(walk.echoing, "POST", headers=chunked, raw_tail=trailer), main)


@check("Connection: OrgId takes nothing away")
def connection_tricks(walk):
    main = walk.service.main
    for value in ("OrgId", "close, orgid", "keep-alive, X-Tenant-Key-Id", "X-Gateway-Auth", "Org_Id ,taih-tenant-key"):
        reply = ask(walk.echoing, headers=with_key(main.key, ("Connection", value)))
        if walk.kind == "kong":
            assert_refused(reply, 400, "invalid_request")
        else:
            assert_tenant(walk, reply, main)
    several = with_key(main.key, ("Connection", "close"), ("Connection", "OrgId"))
    reply = ask(walk.echoing, headers=several)
    if walk.kind == "kong":
        assert_refused(reply, 400, "invalid_request")
    else:
        assert_tenant(walk, reply, main)
    assert_tenant(walk, ask(walk.echoing, headers=with_key(main.key, ("Connection", "close"))), main)


@check("a narrow key: its scopes go along, whatever the client says of them")
def narrow_key(walk):
    for scopes in ("users:read users:write", "audit:read"):
        narrow = walk.service.new_key(scopes=scopes)
        for headers in ([], EVERY_SPOOF, [("X-Tenant-Scopes", "*")], [("X-Tenant-Scopes", "*"), ("x-tenant-scopes", scopes)]):
            assert_tenant(walk, ask(walk.echoing, headers=[*headers, *with_key(narrow.key)]), narrow)
        walk.service.revoke(narrow)


@check("verify that tells no scopes, or nonsense: none go along", only=("kong",))
def untold_scopes(walk):
    for told in ([], [("X-Tenant-Scopes", "x" * 2000)], [("X-Tenant-Scopes", "a\tb")],
                 [("X-Tenant-Scopes", "users:read"), ("X-Tenant-Scopes", "*")]):
        credential = new_credential()
        status, headers = yes(credential, 5)
        walk.script.answers[credential.key] = (status, [h for h in headers if h[0] != "X-Tenant-Scopes"] + told)
        seen = arrived(ask(walk.scripted, headers=EVERY_SPOOF + with_key(credential.key)))
        assert "x-tenant-scopes" not in seen and seen["orgid"] == [credential.org], seen


@check("no credentials, spoofed headers only: 401 in the envelope")
def no_credentials(walk):
    assert_unauthorized(ask(walk.echoing))
    assert_unauthorized(ask(walk.echoing, headers=EVERY_SPOOF))
    assert_unauthorized(ask(walk.echoing, headers=[("Authorization", "Basic YTpi"), ("OrgId", walk.service.main.org)]))
    assert_unauthorized(ask(walk.echoing, "POST", headers=[("OrgId", walk.service.main.org)], body=b"{}"))


@check("malformed, unknown and duplicate tenant keys: 401")
def bad_keys(walk):
    main, unknown = walk.service.main, make_key()
    typo = main.key[:-1] + ("a" if main.key[-1] != "a" else "b")
    for key in ("", "x", unknown, typo, main.key + "0", main.key[:-1], f"{main.key},{main.key}", "tk_live_" + main.key[8:]):
        assert_unauthorized(ask(walk.echoing, headers=[("taih-tenant-key", key)]))
    SECRETS_SENT.update((unknown, typo))
    for second in (main.key, unknown, ""):
        for pair in ((main.key, second), (second, main.key)):
            assert_unauthorized(ask(walk.echoing, headers=[("taih-tenant-key", key) for key in pair]))
    for name in ("taih_tenant_key", "X-Taih-Tenant-Key"):
        assert_unauthorized(ask(walk.echoing, headers=[(name, main.key)]))


@check("suspended org: 403")
def suspended_org(walk):
    assert_refused(ask(walk.echoing, headers=with_key(walk.service.suspended().key)), 403, "forbidden")


@check("member token: passed through without any OrgId, spoofed or not")
def member_token(walk):
    token = walk.service.member_token()
    for scheme in ("Bearer", "bearer"):
        reply = ask(walk.echoing, headers=[("Authorization", f"{scheme} {token}")])
        assert_anonymous(walk, reply)
        assert arrived(reply)["authorization"] == [f"{scheme} {token}"]
    assert_anonymous(walk, ask(walk.echoing, headers=with_token(token, *EVERY_SPOOF)))
    assert_anonymous(walk, ask(walk.echoing, headers=EVERY_SPOOF + with_token(token)))


@check("member token and tenant key: 400 conflicting_credentials")
def conflict(walk):
    token = walk.service.member_token()
    for key in (walk.service.main.key, "x"):
        assert_refused(ask(walk.echoing, headers=with_key(key) + with_token(token)), 400, "conflicting_credentials")
        assert_refused(ask(walk.echoing, headers=with_token(token) + with_key(key)), 400, "conflicting_credentials")


@check("public pages: no credentials asked, nothing spoofed passes")
def public_pages(walk):
    for path in ("/", "/docs", "/docs/x.js", "/errors", "/portal", "/portal/keys", "/openapi.json", "/.well-known/jwks.json",
                 "/.well-known/webhook-keys.json", "/v1/oauth/token",
                 "/v1/leaks", "/v1/leaks/github", "/v1/claims/claim_x"):
        assert_anonymous(walk, ask(walk.echoing, path=path))
        assert_anonymous(walk, ask(walk.echoing, path=path, headers=EVERY_SPOOF + with_key(walk.service.main.key)))


@check("tricks with the path: never a trusted header without a key")
def path_tricks(walk):
    for path in ("/docs/../v1/users", "/docs/..%2fv1/users", "/docs/%2e%2e/v1/users", "//v1/users", "/%761/users", "/v1//users",
                 "/.well-known/../v1/users", "/V1/users", "/v1;x/users", "/v10/users", "/internal/auth/verify", "/"):
        reply = ask(walk.echoing, path=path, headers=EVERY_SPOOF)
        if reply.status == 200:
            assert_anonymous(walk, reply)
        else:
            assert reply.status in (400, 401, 404), f"{path}: {reply.status}"


@check("more than 200 headers: 431")
def many_headers(walk):
    crowd = [(f"X-Filler-{n}", "x") for n in range(210)]
    reply = ask(walk.echoing, headers=crowd + with_key(walk.service.main.key))
    assert reply.status == 431, reply.status


@check("one request id for client, gateway and service; a bad one is replaced")
def request_ids(walk):
    main = walk.service.main
    for given in ("abc-1.2_3", "x" * 128):
        headers = with_key(main.key, ("X-Request-Id", given))
        assert arrived(ask(walk.echoing, headers=headers))["x-request-id"] == [given]
        refused = ask(walk.echoing, headers=[("X-Request-Id", given)])
        assert_unauthorized(refused)
        assert refused.one("x-request-id") == given
    for given in ('"},{', "x" * 129, "", "a b", "<b>", "caf\xe9"):
        headers = [("X-Request-Id", given)]
        refused = ask(walk.echoing, headers=headers)
        assert_unauthorized(refused)
        assert_unauthorized(ask(walk.echoing, path="/api/v1/key", headers=headers), traced=True)
        passed = ask(walk.echoing, headers=with_key(main.key, *headers))
        [seen] = arrived(passed)["x-request-id"]
        for made in (seen, refused.one("x-request-id"), *passed.all("x-request-id")):
            assert re.fullmatch("[A-Za-z0-9._-]{1,128}", made), made
        assert set(passed.all("x-request-id")) <= {seen}, "the client is told another id than the service"
