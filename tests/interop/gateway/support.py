"""What the checks share: how they are listed, what they send, what they assert."""

import os
import re
from dataclasses import dataclass
from typing import Callable

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../src/error/code.rs")) as source:
    CODES = source.read()
SPOOF_ORG = "99999999-9999-4999-8999-999999999999"
SPOOF = "spoofed-0123456789-0123456789-0123456789"
OURS = ("orgid", "x-tenant-key-id", "x-tenant-scopes", "x-gateway-auth")
SPELLINGS = ["OrgId", "orgid", "ORGID", "oRgId", "Org-Id", "org-id", "Org_Id", "ORG_ID", "org_id", "X-Org-Id", "x-orgid",
             "X_Org_Id", "X-Tenant-Key-Id", "x-TENANT-key-id", "X_Tenant_Key_Id", "Tenant-Key-Id", "X-TenantKeyId",
             "X-Tenant-Scopes", "x-tenant-SCOPES", "X_Tenant_Scopes", "Tenant-Scopes", "X-TenantScopes",
             "X-Gateway-Auth", "x-gateway-auth", "X_Gateway_Auth", "Gateway-Auth", "X-GatewayAuth"]
EVERY_SPOOF = [(name, SPOOF_ORG) for name in SPELLINGS] + [("OrgId", SPOOF), ("orgid", ""), ("X-Gateway-Auth", SPOOF)]
SECRETS_SENT = set()
ALL = []


@dataclass
class Check:
    name: str
    function: Callable
    stage: str = "running"
    only: tuple = ()
    end_to_end: bool = False
    signs: bool = False


def check(name, **more):
    return lambda function: ALL.append(Check(name, function, **more)) or function


def with_key(key, *more):
    SECRETS_SENT.add(key)
    return [("taih-tenant-key", key), *more]


def with_token(token, *more):
    SECRETS_SENT.add(token)
    return [("Authorization", f"Bearer {token}"), *more]


def arrived(reply):
    """What the echo saw, by lower-case name."""
    assert reply.status == 200, f"{reply.status} {reply.body[:300]}"
    return by_name(reply.json()["headers"])


def by_name(headers):
    seen = {}
    for name, value in headers:
        seen.setdefault(name.lower(), []).append(value)
    return seen


def assert_tenant(walk, reply, credential):
    seen = arrived(reply)
    got = {name: seen.get(name) for name in OURS}
    assert got == {"orgid": [credential.org], "x-tenant-key-id": [credential.key_id],
                   "x-tenant-scopes": [credential.scopes], "x-gateway-auth": [walk.secret]}, got
    assert "taih-tenant-key" not in seen, "the key went on to the service"
    assert_no_other_spelling(walk, seen)


def assert_anonymous(walk, reply):
    seen = arrived(reply)
    assert not [name for name in (*OURS, "taih-tenant-key") if name in seen], seen
    assert_no_other_spelling(walk, seen)


def assert_no_other_spelling(walk, seen):
    if walk.kind == "kong":  # nginx and Caddy delete by exact name; the service reads exact names only
        spoofed = [name for name, found in seen.items() if {SPOOF, SPOOF_ORG} & set(found)]
        assert not spoofed, spoofed


def assert_refused(reply, status, code, traced=False, **headers):
    """`traced`: in the shape of /api/v1/key."""
    assert reply.status == status, f"{reply.status} {reply.body[:300]}"
    body = reply.json()
    if traced:
        error = {"code": body["Error"]["Code"], "message": body["Error"]["Message"], "request_id": body["TraceId"]}
        assert body == {"TraceId": error["request_id"], "Error": {"Code": code, "Message": error["message"],
                                                                 "AdditionalInfo": "", "ExtraData": {}}}, body
    else:
        error = body["error"]
        assert body == {"error": {**error, "details": []}} and error["code"] == code, body
    assert error["message"] == service_text(code), error
    assert error["request_id"] == reply.one("x-request-id"), (error, reply.headers)
    assert reply.one("content-type") == "application/json", reply.headers
    for name, value in {"cache-control": "no-store", **headers}.items():
        assert reply.one(name.replace("_", "-")) == value, reply.headers


def service_text(code):
    """The service's own words, from its source."""
    [text] = re.findall(rf'= "{code}", \w+, "([^"]+)";', CODES)
    return text


def assert_unauthorized(reply, traced=False):
    assert_refused(reply, 401, "unauthorized", traced, www_authenticate='ApiKey realm="partner-api"')


def assert_unavailable(reply, traced=False):
    assert_refused(reply, 503, "service_unavailable", traced, retry_after="1")
