"""The master key leaked together with the database, or is lost. That nobody has it any more is in the guide's part."""

import secrets
import time
from base64 import b64encode

from scene import MASTER, Owner, Sheet, Traffic, Watch, with_bearer

SETTINGS = {}


def new_master():
    return f"base64:{b64encode(secrets.token_bytes(32)).decode()}"


def restart_one_by_one(scene, master):
    scene.environment["MASTER_KEYS"] = master
    for replica in scene.replicas:
        assert replica.stop() == 0, "a replica did not end well"
        replica.environment["MASTER_KEYS"] = master
        replica.start()
        replica.wait_until_ready()


def leaked_with_the_database(scene, full):
    """Rolled and renewed while the owner's traffic goes on; what the thief could make ends with the renewal."""
    owner = Owner(scene, "master-leaked")
    user_id = owner.new_user()
    before = owner.call("POST", "/v1/auth/token", {"user_id": user_id})["access_token"]
    sheet, fresh, traffic = Sheet("a master key that leaked with the database"), new_master(), Traffic(owner)
    began = time.monotonic()
    restart_one_by_one(scene, f"{MASTER},{fresh}")
    restart_one_by_one(scene, f"{fresh},{MASTER}")
    sheet.took("two rounds of restarts, two replicas", time.monotonic() - began)
    resealed, entered, ended = scene.operate("reseal")
    sheet.took("reseal", ended - entered)
    watch = Watch(scene, {"a token made with the old token key": with_bearer(before, f"/v1/users/{user_id}")})
    watch.all_good()
    renewed, entered, ended = scene.operate("keys", "renew")
    sheet.took("keys renew", ended - entered)
    # It waits 5 s before it hands the audit logs over; tokens end as soon as replicas hear of the renewal.
    sheet.took("last use of a token made with the old token key, from the command's first moment",
               max(watch.dead(ended).values()) + ended - entered, 3)
    restart_one_by_one(scene, fresh)
    sheet.took("all of it", time.monotonic() - began)
    time.sleep(0.3)
    traffic.stop()
    made = len(traffic.acknowledged)
    sheet.counted("the owner's writes meanwhile, lost", f"{made}, {len(set(traffic.acknowledged) - set(owner.users()))}")
    sheet.took("the owner's longest time without an acknowledged write, no retries", traffic.outage())
    left, _, _ = scene.operate("reseal", "--check")
    assert resealed["resealed"] > 0 and left["left"] == 0 and renewed["generation"] == 1, (resealed, left, renewed)
    assert set(traffic.acknowledged) <= set(owner.users()), "an acknowledged user is missing"
    # Only a replica that was just being restarted turned anybody away.
    assert not {status for status in traffic.refused if isinstance(status, int)} - {503}, traffic.refused
    scene.operate("audit", "verify")
    sheet.close()


def lost_but_running(scene, full):
    """The secret store is empty, and the replicas still run: what they were started with is in their environment."""
    began = time.monotonic()
    with open(f"/proc/{scene.replicas[1].process.pid}/environ") as file:
        environment = dict(line.split("=", 1) for line in file.read().split("\0") if line)
    found = environment["MASTER_KEYS"]
    scene.operate("org", "list", environment={"MASTER_KEYS": found})
    sheet = Sheet("a master key that is lost, and a replica still runs")
    sheet.took("found in its environment, and tried on the database", time.monotonic() - began)
    wrong = scene.replicas[0].command("org", "list", environment={"MASTER_KEYS": new_master()}, expect=1, errors=True)
    assert "does not open what this database holds, and nothing was changed" in wrong, wrong
    sheet.close()


def walk(scene, tally, full):
    scene.play(tally, "master", "leaked with the database: rolled and renewed, nobody's write is lost", leaked_with_the_database,
               full)
    scene.play(tally, "master", "lost, with a replica still running: it has it", lost_but_running, full)
