"""A key is where it should not be: in a repository, a log, a mail. Whoever finds it reads and writes users."""

import time

from scene import KEYS, ORG, Owner, Sheet, Traffic, Watch, with_bearer, with_key

SETTINGS = {}


def revoked(scene, full):
    """Ended by hand, while the owner's service has another key."""
    owner = Owner(scene, "leaked-revoked")
    leaked = owner.call("POST", KEYS, {"name": "in a repository"}, expect=201)
    user_id = owner.new_user()
    token = owner.call("POST", "/v1/auth/token", {"user_id": user_id}, key=leaked["secret"])["access_token"]
    traffic = Traffic(owner)
    watch = Watch(scene, {"the leaked key": with_key(leaked["secret"]),
                          "a member token that it issued": with_bearer(token, f"/v1/users/{user_id}")})
    watch.all_good()
    wall = time.time()
    _, entered, ended = scene.operate("key", "revoke", "--org", owner.name, "--id", leaked["id"])
    heard = owner.heard("tenant_key.revoked", key_id=leaked["id"]).at
    sheet = Sheet("a leaked key, revoked")
    sheet.took("the command", ended - entered)
    sheet.died(watch.dead(ended))
    sheet.took("tenant_key.revoked in the owner's queue, from the command's first moment", heard - wall, 5)
    time.sleep(0.5)
    traffic.stop()
    sheet.counted("the owner's writes meanwhile, refused", f"{len(traffic.acknowledged)}, {sum(traffic.refused.values())}")
    sheet.close()
    assert not traffic.refused, traffic.refused
    assert set(traffic.acknowledged) <= set(owner.users()), "an acknowledged user is missing"


def replaced(scene, full):
    """The key that everything runs on: a new one first, then the end of the old one, and nobody is turned away."""
    owner = Owner(scene, "leaked-replaced")
    leaked, leaked_id = owner.key, owner.key_id()
    traffic = Traffic(owner)
    watch = Watch(scene, {"the leaked key": with_key(leaked)})
    watch.all_good()
    made, first, _ = scene.operate("key", "create", "--org", owner.name, "--name", "after the leak")
    owner.key = traffic.key = made["tenant_api_key"]
    time.sleep(0.3)  # what the owner's last request with the old key takes
    _, entered, ended = scene.operate("key", "revoke", "--org", owner.name, "--id", leaked_id)
    sheet = Sheet("a leaked key, replaced and then revoked")
    sheet.took("from the first command to the end of the last", ended - first)
    sheet.died(watch.dead(ended))
    traffic.stop()
    sheet.counted("the owner's writes meanwhile, refused", f"{len(traffic.acknowledged)}, {sum(traffic.refused.values())}")
    sheet.close()
    assert not traffic.refused, traffic.refused
    assert set(traffic.acknowledged) <= set(owner.users()), "an acknowledged user is missing"


def reported(scene, full):
    """Found by a stranger: from the report on it administers nothing, and its end is set."""
    owner = Owner(scene, "leaked-reported")
    leaked = owner.call("POST", KEYS, {"name": "in a repository"}, expect=201)
    watch = Watch(scene, {"its traffic": with_key(leaked["secret"])})
    watch.all_good()
    wall = time.time()
    status, _ = owner.ask("POST", "/v1/leaks", {"key": leaked["secret"], "url": "https://example.com/paste"}, headers={})
    assert status == 202, status
    settled = owner.refused("POST", KEYS, {"name": "one more"}, key=leaked["secret"], status=403, code="key_leaked", within=5)
    event = owner.heard("tenant_key.leaked", key_id=leaked["id"])
    sheet = Sheet("a leaked key, reported by a stranger (leak_policy grace)")
    sheet.took("last administration with it, after the report", settled, 2)
    sheet.took("tenant_key.leaked in the owner's queue, from the report", event.at - wall, 5)
    assert event.event["data"]["ends_at"] and leaked["secret"] not in event.body
    watch.all_good()  # traffic goes on until its end
    _, _, ended = scene.operate("key", "revoke", "--org", owner.name, "--id", leaked["id"])
    sheet.died(watch.dead(ended))
    sheet.close()


def ends_by_policy(scene, full):
    """The owner decided beforehand: what leaks ends."""
    owner = Owner(scene, "leaked-policy")
    owner.call("PATCH", ORG, {"leak_policy": "revoke"})
    leaked = owner.call("POST", KEYS, {"name": "in a repository"}, expect=201)
    watch = Watch(scene, {"the leaked key": with_key(leaked["secret"])})
    watch.all_good()
    wall = time.time()
    status, _ = owner.ask("POST", "/v1/leaks", {"key": leaked["secret"]}, headers={})
    reported = time.monotonic()
    assert status == 202, status
    sheet = Sheet("a leaked key, reported by a stranger (leak_policy revoke)")
    sheet.died(watch.dead(reported), at_most=2)
    heard = owner.heard("tenant_key.leaked", key_id=leaked["id"]).at
    sheet.took("tenant_key.leaked in the owner's queue, from the report", heard - wall, 5)
    sheet.close()


def walk(scene, tally, full):
    for name, incident in (("revoked: dead on both replicas, the owner's traffic goes on", revoked),
                           ("replaced without an outage", replaced),
                           ("reported: administers nothing, then ends", reported),
                           ("reported under the policy revoke: ends at once", ends_by_policy)):
        scene.play(tally, "leaked", name, incident, full)
