"""docs/incidents.md: its commands, typed as they stand, each section in the incident that it is for."""

import json
import os
import shutil
import time

from dead_queue import arrived, until
from lib.typed import Shell
from master_key import new_master, restart_one_by_one
from scene import DEAD_WITHIN, KEYS, QUEUES, ROTATE, THIEF_AT, Caller, Owner, Sheet

SETTINGS = {}
GUIDE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "docs", "incidents.md")
TOOLS = ("bash", "curl", "jq", "psql", "openssl")


def section(title):
    """The text below a heading, up to the next heading of its own level or above."""
    with open(GUIDE) as file:
        text = file.read()
    mark = next(mark for mark in ("## ", "### ") if f"\n{mark}{title}\n" in text)
    text = text.split(f"\n{mark}{title}\n")[1]
    for end in ("\n## ", "\n### ")[:len(mark) - 2]:
        text = text.split(end)[0]
    return text


def typed(scene, title, **variables):
    """Types a section as an operator who has the service's environment; the seconds that it took, and the directory."""
    directory = os.path.join(scene.directory, "typed-" + title.replace(" ", "-"))
    os.makedirs(os.path.join(directory, "bin"))
    os.symlink(scene.binary, os.path.join(directory, "bin", "partner-api"))
    environment = {"PATH": os.path.join(directory, "bin") + os.pathsep + os.environ["PATH"], "LANG": "C.UTF-8",
                   "INTERNAL": f"http://127.0.0.1:{scene.replicas[0].internal}", **scene.environment, **variables}
    shell, began = Shell(directory, environment), time.monotonic()
    try:
        print(f"         {shell.walk(section(title))} commands answered as shown")
        took = time.monotonic() - began
        return took, directory, dict(line.split("=", 1) for line in shell.type("env") if "=" in line)
    finally:
        shell.close()


def acme(scene):
    """A new org of the name that the page uses."""
    if any(org["key"] == "acme" for org in scene.operate("org", "list")[0]["orgs"]):
        scene.operate("org", "delete", "--key", "acme", "--yes")
    return Owner(scene, "acme")


def a_leaked_key(scene, full):
    owner = acme(scene)
    leaked = owner.call("POST", KEYS, {"name": "in a repository"}, expect=201)["secret"]
    typed(scene, "A leaked key", ORG="acme", LEAKED=leaked)
    owner.refused("GET", "/v1/users", key=leaked, status=401, code="unauthorized", within=DEAD_WITHIN)
    owner.call("GET", "/v1/users")


def a_thief(scene, full):
    owner = acme(scene)
    thief = Caller(scene, owner.key, THIEF_AT)
    thief.key = thief.call("POST", ROTATE, {"grace_period_seconds": 0})["new_tenant_api_key"]
    thief.call("PUT", f"{QUEUES}/credentials", owner.queue("/thief"))
    _, directory, _ = typed(scene, "A thief who administers", ORG="acme")
    with open(os.path.join(directory, "recovered.json")) as file:
        owner.key = json.load(file)["tenant_api_key"]
    thief.refused("GET", "/v1/users", status=401, code="unauthorized", within=DEAD_WITHIN)
    owner.register("credentials", "PUT")
    owner.register("users", "PUT")
    arrived(owner, [owner.new_user()])


def a_leaked_master_key(scene, full):
    owner, fresh = acme(scene), new_master()
    restart_one_by_one(scene, f"{scene.environment['MASTER_KEYS']},{fresh}")
    restart_one_by_one(scene, f"{fresh},{scene.environment['MASTER_KEYS'].split(',')[0]}")
    _, directory, _ = typed(scene, "It leaked", ORG="acme")
    with open(os.path.join(directory, "signing-secrets.jsonl")) as file:
        assert [json.loads(line)["org"] for line in file] == ["acme"]
    restart_one_by_one(scene, fresh)
    owner.call("GET", "/v1/users")


def a_lost_master_key(scene, full):
    typed(scene, "It is lost, and replicas still run", ORG="acme", PID=str(scene.replicas[1].process.pid))


def a_rogue(scene, full):
    owner = acme(scene)
    typed(scene, "A rogue partner", ORG="acme")
    end = time.monotonic() + 5
    while owner.ask("GET", "/v1/users")[0] != 200:
        assert time.monotonic() < end, "not served again"


def a_dead_queue(scene, full):
    owner = acme(scene)
    scene.receiver.always[owner.inbox("users")] = 410
    user_id = owner.new_user()
    until("the queue is paused", lambda: owner.call("GET", f"{QUEUES}/users")["state"] == "paused")
    del scene.receiver.always[owner.inbox("users")]
    typed(scene, "The receiver is gone", ORG="acme")
    arrived(owner, [user_id])


def a_taken_queue(scene, full):
    owner = acme(scene)
    Caller(scene, owner.key, THIEF_AT).call("PUT", f"{QUEUES}/users", owner.queue("/thief"))
    typed(scene, "It was replaced by a thief", ORG="acme")
    owner.register("users", "PUT")
    arrived(owner, [owner.new_user()])


def a_master_key_that_nobody_has(scene, full):
    """The last one: afterwards the replicas are on another database."""
    owner = acme(scene)
    users = {owner.new_user() for _ in range(20)}
    scene.operate("org", "queues", "--key", "acme", "--pause", "users")
    waiting = [owner.new_user() for _ in range(5)]
    old_key, began = owner.key, time.monotonic()
    for replica in scene.replicas:
        replica.stop()
    scene.postgres.sql("CREATE DATABASE fresh OWNER partner", "postgres")
    fresh = scene.postgres.url().replace("/partner?", "/fresh?")
    took, directory, environment = typed(scene, "Nobody has it any more", ORG="acme", OLD=scene.postgres.url(), FRESH=fresh)
    for replica in scene.replicas:
        replica.environment.update(DATABASE_URL=fresh, MASTER_KEYS=environment["MASTER_KEYS"])
        replica.start()
        replica.wait_until_ready()
    with open(os.path.join(directory, "handed-over.jsonl")) as file:
        handed_over = [json.loads(line) for line in file]
    owner.key = next(line["tenant_api_key"] for line in handed_over if line["org"] == "acme" and "tenant_api_key" in line)
    sheet = Sheet("a master key that nobody has, one org")
    sheet.took("the commands, typed", took)
    sheet.took("from the last replica's end until both serve again", time.monotonic() - began)
    owner.refused("GET", "/v1/users", key=old_key, status=401, code="unauthorized")
    there = set(owner.users())
    sheet.counted("users, of them lost", f"{len(users) + 5}, {len((users | set(waiting)) - there)}")
    owner.register("users")
    arrived(owner, waiting)
    sheet.counted("events that waited, of them lost", f"{len(waiting)}, 0")
    sheet.close()
    assert users | set(waiting) == there, "a user is missing"


WALKS = {"A leaked key": a_leaked_key, "A thief who administers": a_thief, "A rogue partner": a_rogue,
         "The receiver is gone": a_dead_queue, "It was replaced by a thief": a_taken_queue, "It leaked": a_leaked_master_key,
         "It is lost, and replicas still run": a_lost_master_key, "Nobody has it any more": a_master_key_that_nobody_has}


def walk(scene, tally, full):
    if missing := [tool for tool in TOOLS if not shutil.which(tool)]:
        tally.skip("guide", "docs/incidents.md", f"{', '.join(missing)} not installed")
        return
    for title, incident in WALKS.items():
        if incident is a_thief and not scene.has("org", "recover"):
            tally.skip("guide", title, "this build has no org recover")
            continue
        scene.play(tally, "guide", f"docs/incidents.md, {title!r}, does what it says", incident, full)
