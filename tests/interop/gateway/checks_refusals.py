"""What a client is told when the gateway itself refuses: what the service would have said. Each check takes a Walk."""

import json
import threading
import time

from stubs import REFUSED, make_key, new_credential, yes
from support import (assert_refused, assert_unauthorized, assert_unavailable, check, service_text, with_key, with_token)
from wire import ask

PATHS = (("/v1/users", False), ("/api/v1/key/list/acme", True), ("/api/v1/key", True), ("/api/v1/key?x=/v1", True))
HEADERS = ("content-type", "cache-control", "www-authenticate", "retry-after", "x-request-id")


@check("refusals are the service's own, byte for byte, on either kind of path", end_to_end=True)
def as_the_service(walk):
    key, dead = walk.service.main.key, make_key()
    cases = {
        "no credentials": [], "not a key": with_key("x"), "unknown": with_key(dead), "twice": [*with_key(key), *with_key(key)],
        "both": with_key(key) + with_token("a.b.c"), "suspended": with_key(walk.service.suspended().key),
    }
    for path, _ in PATHS:
        method = "POST" if path.startswith("/api/v1/key") and "list" not in path else "GET"
        for name, headers in cases.items():
            headers = [*headers, ("X-Request-Id", "the-same-1")]
            ours, theirs = (ask(port, method, path, headers) for port in (walk.whole, walk.service.public))
            told = [(each.status, each.body, [each.all(header) for header in HEADERS]) for each in (ours, theirs)]
            assert told[0] == told[1], f"{name} {path}: {told}"


@check("unknown paths: 404 in the service's words", end_to_end=True)
def unknown_paths(walk):
    for path in ("/v10", "/api/v1/keys", "/internal/auth/verify", "/partner-api-verify", "/partner-api-conflict"):
        ours = ask(walk.whole, path=path, headers=[("X-Request-Id", "the-same-2")])
        theirs = ask(walk.service.public, path=path, headers=[("X-Request-Id", "the-same-2")])
        assert (ours.status, ours.body) == (theirs.status, theirs.body), (path, ours.body)
        assert ours.one("x-request-id") == "the-same-2" and ours.one("content-type") == "application/json"
    odd = ask(walk.whole, path="/v10", headers=[("X-Request-Id", "a b")])
    assert odd.json()["error"]["request_id"] == odd.one("x-request-id") != "a b"


@check("public listener away, verify alive: 503 with Retry-After, in the shape of the path")
def public_listener_down(walk):
    for path, traced in PATHS:
        assert_unavailable(ask(walk.no_service, path=path, headers=with_key(walk.service.main.key)), traced)
        assert_unavailable(ask(walk.no_service, path=path, headers=with_token("a.b.c")), traced)
    assert_unavailable(ask(walk.no_service, path="/docs"))
    tokens = ask(walk.no_service, "POST", "/v1/oauth/token", body=b"grant_type=client_credentials")
    assert (tokens.status, tokens.one("retry-after"), tokens.one("cache-control")) == (503, "1", "no-store"), tokens.headers
    assert tokens.json() == {"error": "temporarily_unavailable", "error_description": service_text("service_unavailable")}
    bulk = ask(walk.no_service, "POST", "/v1/users/bulk", with_key(walk.service.main.key), body=b"{}\n")
    assert_unavailable(bulk)


@check("verify away or confused: 503 with Retry-After, in the shape of the path")
def verify_down(walk):
    for answer in ("drop", (500, []), (503, [("Retry-After", "9")])):
        for path, traced in PATHS:
            key = make_key()
            walk.script.answers[key] = answer
            assert_unavailable(ask(walk.scripted, path=path, headers=with_key(key)), traced)


@check("a body above 11 MiB: 413 in the shape of the path", only=("nginx", "kong"))
def too_large(walk):
    for path, traced in PATHS:
        headers = with_key(walk.service.main.key, ("Content-Length", str(12 << 20)))
        assert_refused(ask(walk.echoing, "POST", path, headers, raw_tail=b""), 413, "payload_too_large", traced)


@check("Kong's own 429 has the service's shape and keeps its Retry-After", only=("kong",))
def rate_limited(walk):
    for path, traced in PATHS:
        headers = with_key(walk.service.main.key, ("X-Stub-Neighbours", "rate-limiting"))
        assert_refused(ask(walk.echoing, path=path, headers=headers), 429, "rate_limited", traced, retry_after="37")


@check("a stranger who tries keys is told to wait; keys known to be good go on", only=("kong",))
def failed_keys(walk):
    known, late = new_credential(), new_credential()
    walk.script.say_yes(known, max_age=60)
    walk.script.say_yes(late, max_age=60)
    path = "/counting/"
    left = 60 - time.time() % 60
    time.sleep(left + 0.1 if left < 8 else 0)  # all within one window
    assert ask(walk.scripted, path=path, headers=with_key(known.key)).status == 200
    for _ in range(5):
        assert_unauthorized(ask(walk.scripted, path=path, headers=with_key(make_key())))
    before = len(walk.script.asked)
    for key in (make_key(), late.key):
        reply = ask(walk.scripted, path=path, headers=with_key(key))
        assert_refused(reply, 429, "rate_limited")
        assert 1 <= int(reply.one("retry-after")) <= 60, reply.headers
    assert len(walk.script.asked) == before
    assert ask(walk.scripted, path=path, headers=with_key(known.key)).status == 200
    assert_unauthorized(ask(walk.scripted, headers=with_key(make_key())))  # elsewhere nobody counts


@check("an org that has a limit is held to it, and another is not", only=("kong",))
def limited(walk):
    bounded, free, path = new_credential(), new_credential(), "/limiting/"
    status, headers = yes(bounded, 60)
    walk.script.answers[bounded.key] = status, [*headers, ("RateLimit-Policy", '"org";q=5;w=2')]
    walk.script.say_yes(free, max_age=60)
    spend = lambda: ask(walk.scripted, path=path, headers=with_key(bounded.key))
    flowed_in = lambda since: int((time.monotonic() - since) / 0.4)  # one every 0.4 s, also while a slow machine asks
    spent, began = [], time.monotonic()
    while (reply := spend()).status == 200 and len(spent) < 20:
        spent.append(reply)
    assert 5 <= len(spent) <= 5 + flowed_in(began), f"{len(spent)} served"
    assert_refused(reply, 429, "rate_limited", retry_after="1")
    assert reply.one("ratelimit-policy") == '"org";q=5;w=2' and reply.one("ratelimit") == '"org";r=0;t=1', reply.headers
    for _ in range(10):
        assert ask(walk.scripted, path=path, headers=with_key(free.key)).status == 200
        assert ask(walk.scripted, headers=with_key(bounded.key)).status == 200  # elsewhere nobody counts
    time.sleep(0.45)
    assert spend().status == 200
    time.sleep(2.1)
    began = time.monotonic()
    served = [spend().status for _ in range(7)].count(200)
    assert 5 <= served <= 6 + flowed_in(began), f"{served} served"


def crowd(port, headers, n):
    """(status, when it was there) of `n` requests at once."""
    told, ready = [], threading.Barrier(n)

    def one():
        ready.wait()
        reply = ask(port, headers=headers, timeout=20)
        told.append((reply.status, time.time()))

    threads = [threading.Thread(target=one) for _ in range(n)]
    [each.start() for each in threads], [each.join() for each in threads]
    assert len(told) == n, f"{n - len(told)} got no answer"
    return told


@check("a hundred requests in a key's last second share one answer", only=("kong",))
def last_second_scripted(walk):
    credential, started = new_credential(), []

    def dies_soon():
        started.append(time.time())
        time.sleep(0.05)
        return yes(credential, 0) if time.time() < started[0] + 0.4 else REFUSED

    walk.script.answers[credential.key] = dies_soon
    statuses = [status for status, _ in crowd(walk.scripted, with_key(credential.key), 100)]
    assert statuses == [200] * 100, {each: statuses.count(each) for each in set(statuses)}
    assert len(started) <= 4, f"asked {len(started)} times"


@check("a hundred requests in the last second of a real grace window: 200 while it lasts", end_to_end=True)
def last_second(walk):
    old = walk.service.new_key()
    new = walk.service.rotate(old, 3)
    ends = time.time() + 3 - 0.05
    time.sleep(2.15)
    told = crowd(walk.echoing, with_key(old.key), 100)
    in_time = [status for status, at in told if at < ends]
    assert len(in_time) >= 30 and set(in_time) == {200}, (len(in_time), {each: in_time.count(each) for each in set(in_time)})
    assert {status for status, _ in told} <= {200, 401}, told
    walk.service.revoke(new)


@check("refusals are JSON with the id that the log has", only=("kong",))
def ids(walk):
    reply = ask(walk.echoing, path="/api/v1/key/x")
    assert json.loads(reply.body)["TraceId"] == reply.one("x-request-id")
