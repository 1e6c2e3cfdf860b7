"""Two replicas on one database, asked by many clients at once."""

import http.client
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import behind_nginx  # noqa: E402
from lib.service import Service, another_replica  # noqa: E402
from lib.tally import Tally  # noqa: E402

ROUNDS, CALLS = 5, 100
ROTATE = "/v1/auth/tenant-key/rotate"
KEYS = "/v1/admin/org/tenant-keys"


def one_successor_per_key(replicas, key):
    """100 rotations of the same key at each of two processes, five times over."""
    for _ in range(ROUNDS):
        with ThreadPoolExecutor(2 * CALLS) as pool:
            ask = lambda n: replicas[n % 2].ask("POST", ROTATE, {"taih-tenant-key": key}, timeout=30)
            replies = list(pool.map(ask, range(2 * CALLS)))
        outcomes = Counter((status, json.loads(body).get("error", {}).get("code")) for status, body in replies)
        expected = {(200, None): 1, (409, "key_already_rotated"): 2 * CALLS - 1}
        assert outcomes == expected, outcomes
        key = next(json.loads(body)["data"]["new_tenant_api_key"] for status, body in replies if status == 200)
    keys = replicas[0].call("GET", KEYS + "?include_revoked=true", key=key)
    successors = [entry["rotated_to"] for entry in keys]
    assert len(keys) == ROUNDS + 1 and len(set(successors)) == ROUNDS + 1, successors


def limit_holds(replicas, key):
    """Many mints at once, at both: never more than ten live keys."""
    with ThreadPoolExecutor(60) as pool:
        mint = lambda n: replicas[n % 2].ask("POST", KEYS, {"taih-tenant-key": key, "Content-Type": "application/json"},
                                            json.dumps({"name": f"key {n}"}), timeout=30)[0]
        outcomes = Counter(pool.map(mint, range(60)))
    live = replicas[1].call("GET", KEYS, key=key)
    assert outcomes == {201: 9, 409: 51} and len(live) == 10, (outcomes, len(live))


def revocation_is_noticed(replicas, key):
    """A key revoked at one replica is refused by the other within a second."""
    a, b = replicas
    for _ in range(3):
        made = a.call("POST", KEYS, {"name": "short-lived"}, key=key, expect=201)
        assert b.ask("GET", "/v1/features", {"taih-tenant-key": made["secret"]})[0] == 200
        a.call("DELETE", f"{KEYS}/{made['id']}", key=key, expect=204)
        revoked = time.monotonic()
        while b.ask("GET", "/v1/features", {"taih-tenant-key": made["secret"]})[0] == 200:
            assert time.monotonic() - revoked < 1, "still good a second later"
        assert b.ask("GET", "/v1/features", {"taih-tenant-key": made["secret"]})[0] == 401


def suspension_is_noticed(replicas):
    a, b = replicas
    made = a.create_org("suspended")
    assert b.ask("GET", "/v1/features", {"OrgId": made["org_id"]})[0] == 200
    a.command("org", "suspend", "--key", "suspended")
    suspended = time.monotonic()
    while b.ask("GET", "/v1/features", {"OrgId": made["org_id"]})[0] == 200:
        assert time.monotonic() - suspended < 1, "still served a second later"
    assert b.ask("GET", "/v1/features", {"taih-tenant-key": made["tenant_api_key"]})[0] == 403


class Fleet:
    """Clients with one key at a steady pace; remembers when each answer came."""

    CLIENTS, PACE = 8, 0.02

    def __init__(self, replicas, key):
        self.answers, self.stopped = [], threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(replicas[n % 2], key)) for n in range(self.CLIENTS)]
        for thread in self.threads:
            thread.start()

    def work(self, replica, key):
        connection = http.client.HTTPConnection("127.0.0.1", replica.internal, timeout=10)
        while not self.stopped.is_set():
            asked = time.time()
            connection.request("GET", "/internal/auth/verify", headers={"taih-tenant-key": key})
            reply = connection.getresponse()
            reply.read()
            self.answers.append((asked, time.time(), reply.status))
            time.sleep(self.PACE)

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join()


def no_false_refusal(replicas, key, grace=4):
    """An old and a new fleet through a rotation: none refused in the window, all old ones after it."""
    old = Fleet(replicas, key)
    time.sleep(1)
    made = replicas[0].call("POST", ROTATE, {"grace_period_seconds": grace}, key=key)
    new = Fleet(replicas, made["new_tenant_api_key"])
    deadline = datetime.fromisoformat(made["previous_key_expires_at"].replace("Z", "+00:00")).timestamp()
    time.sleep(grace + 2.5)
    old.stop(), new.stop()
    early = [answer for answer in old.answers if answer[1] < deadline and answer[2] != 200]
    late = [answer for answer in old.answers if answer[0] > deadline and answer[2] != 401]
    refused = [answer for answer in new.answers if answer[2] != 200]
    assert not early and not refused, f"{len(early)} old and {len(refused)} new refused in the window"
    assert not late, f"{len(late)} good after the end, the last {max(a[0] for a in late) - deadline:.3f} s after it"
    print(f"         {len(old.answers)} answers for the old key, {len(new.answers)} for the new one")


def behind(tally, binary, directory, replicas):
    """The first one owns the Postgres and stays; the others are ended under load."""
    replicas.append(another_replica(replicas[0], os.path.join(directory, "c")))
    replicas[2].wait_until_ready()
    tally.run("three", "the end of a key is told once", behind_nginx.jobs_run_once, replicas,
              replicas[0].create_org("jobs")["tenant_api_key"], 25)
    name = "behind nginx, one drained and one killed: no error with one retry"
    if not behind_nginx.program():
        tally.skip("nginx", name, "apt-get install nginx")
        return
    nginx = behind_nginx.Nginx(os.path.join(directory, "nginx"), replicas[1:])
    try:
        tally.run("nginx", name, behind_nginx.one_drained_one_killed, replicas[1:], nginx,
                  replicas[0].create_org("behind")["org_id"])
    finally:
        nginx.stop()


def main(binary):
    tally, directory = Tally(), tempfile.mkdtemp(prefix="replicas-")
    os.chmod(directory, 0o711)  # as root the cluster runs as another user, who must get through
    replicas = []
    try:
        replicas.append(Service(binary, os.path.join(directory, "a")))
        replicas[0].wait_until_ready()
        replicas.append(another_replica(replicas[0], os.path.join(directory, "b")))
        replicas[1].wait_until_ready()
        key = lambda name: replicas[0].create_org(name)["tenant_api_key"]
        tally.run("both", "rotations of one key at once: one successor each, five rounds",
                  one_successor_per_key, replicas, key("rotated"))
        tally.run("both", "mints at once: the limit of ten holds", limit_holds, replicas, key("minted"))
        tally.run("both", "a revocation is noticed within a second", revocation_is_noticed, replicas, key("revoked"))
        tally.run("both", "a suspension is noticed within a second", suspension_is_noticed, replicas)
        tally.run("both", "two fleets through a rotation: no false 401, then all 401",
                  no_false_refusal, replicas, key("fleets"))
        behind(tally, binary, directory, replicas)
    finally:
        for replica in reversed(replicas):
            replica.stop()
        shutil.rmtree(directory, ignore_errors=True)
    print(tally)
    sys.exit(1 if tally.failed or not tally.passed else 0)


main(sys.argv[1])
