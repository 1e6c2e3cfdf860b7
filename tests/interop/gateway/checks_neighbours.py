"""What else may stand in the same gateway: other services, caches, a secret that is rolled. Each check takes a Walk."""

import json
import os
import time

from stubs import REFUSED, new_credential
from support import arrived, assert_tenant, assert_unauthorized, check, with_key, with_token
from wire import ask


def log_rows(walk):
    paths = [gateway.log + ".access" for gateway in walk.gateways]
    return [json.loads(line) for path in paths if os.path.exists(path) for line in open(path)]


@check("two routes that ask two services never share a verdict, in either direction", only=("kong",))
def two_services(walk):
    credential = new_credential()
    walk.script.say_yes(credential, max_age=60)
    # `echoing` asks the service, and under /staging/ the script: only the latter knows the key.
    assert_tenant(walk, ask(walk.echoing, path="/staging/x", headers=with_key(credential.key)), credential)
    assert_unauthorized(ask(walk.echoing, headers=with_key(credential.key)))
    main = walk.service.main
    assert_tenant(walk, ask(walk.echoing, headers=with_key(main.key)), main)
    assert_unauthorized(ask(walk.echoing, path="/staging/x", headers=with_key(main.key)))


@check("proxy-cache behind the plugin: no org gets another's answer, no member another's", only=("kong",))
def proxy_cache(walk):
    first, second = new_credential(), new_credential()
    walk.script.say_yes(first, max_age=60), walk.script.say_yes(second, max_age=60)
    cached, path = ("X-Stub-Neighbours", "proxy-cache"), "/v1/users?cached=1"
    for credential in (first, second, first):
        assert_tenant(walk, ask(walk.scripted, path=path, headers=with_key(credential.key, cached)), credential)
    again = ask(walk.scripted, path=path, headers=with_key(first.key, cached))
    assert again.one("x-cache-status") == "Hit", "the cache did not work, so nothing was shown"
    for token in ("a.b.c", "d.e.f", "a.b.c"):
        reply = ask(walk.scripted, path=path, headers=with_token(token, cached))
        assert arrived(reply)["authorization"] == [f"Bearer {token}"]
    assert_unauthorized(ask(walk.scripted, path=path, headers=[cached]))


@check("a cache that ignores no-store: no org gets another's answer, no member another's", only=("nginx",))
def careless_cache(walk):
    first, second = new_credential(), new_credential()
    walk.script.say_yes(first), walk.script.say_yes(second)
    for credential in (first, second, first):
        reply = ask(walk.caching, path="/v1/cached", headers=with_key(credential.key))
        assert_tenant(walk, reply, credential)
    assert reply.one("x-cache-status") == "HIT", "the cache did not work, so nothing was shown"
    for token in ("a.b.c", "d.e.f"):
        reply = ask(walk.caching, path="/v1/cached", headers=with_token(token))
        assert arrived(reply)["authorization"] == [f"Bearer {token}"]
    # And no verdict is kept.
    walk.script.answers[first.key] = REFUSED
    assert_unauthorized(ask(walk.caching, path="/v1/cached", headers=with_key(first.key)))


@check("rate limiting is told the org, and of a member nothing to count by", only=("kong",))
def credential_is_the_org(walk):
    main = walk.service.main
    ask(walk.echoing, headers=with_key(main.key))
    ask(walk.echoing, headers=with_token("m.m.m"))
    rows = log_rows(walk)
    assert (main.org, main.org) in {(row.get("credential"), row.get("consumer")) for row in rows}
    members = [row for row in rows if row.get("consumer") and not row.get("credential")]
    assert members and all(len(row["consumer"]) == 36 for row in members)


@check("the proof is read from its file again, and outlives a moment without it", only=("kong",))
def secret_file(walk):
    credential = new_credential()
    walk.script.say_yes(credential, max_age=60)
    [gateway] = [each for each in walk.gateways if each.port == walk.scripted]

    def sent():
        reply = ask(walk.scripted, path="/filed/x", headers=with_key(credential.key))
        return arrived(reply)["x-gateway-auth"]

    assert sent() == [walk.secret]
    time.sleep(1.1)
    os.remove(gateway.secret_file)
    assert sent() == [walk.secret]
    rolled = "rolled-gateway-secret-0123456789abcdef-ABCDEF"
    with open(gateway.secret_file, "w") as file:
        file.write(rolled)
    time.sleep(1.1)
    assert sent() == [rolled]


@check("the client's address is added to X-Forwarded-For at its right end", only=("nginx", "caddy"))
def forwarded_for(walk):
    main = walk.service.main
    for claimed in ("203.0.113.9", "203.0.113.9, 198.51.100.7"):
        headers = with_key(main.key, ("X-Forwarded-For", claimed))
        [seen] = arrived(ask(walk.echoing, headers=headers))["x-forwarded-for"]
        assert seen.split(", ")[-1] == "127.0.0.1", seen
