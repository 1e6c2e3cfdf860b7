"""Replaces one process after the other, the release before by this one and back, while partners work."""

import itertools
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib")]

from load import Load  # noqa: E402
from part import run_part  # noqa: E402
from postgres import Postgres, until  # noqa: E402
from receivers import HttpServer  # noqa: E402
from service import Service  # noqa: E402

MASTER = "base64:" + "cGFydG5lci1hcGkgdXBncmFkZSB0ZXN0IGtleSAzMkI="
KEYS = "/v1/admin/org/tenant-keys"
# What the contract allows from the commit on, and what the script's own round trips may add.
WITHIN, SLACK = 1.0, 0.3


class Fleet:
    """The processes that a load balancer knows, taken in turn; for the load they are one service."""

    def __init__(self, directory, environment):
        self.directory, self.environment = directory, environment
        self.members, self.numbers, self.turns = [], itertools.count(1), itertools.count()

    def add(self, binary, environment=None):
        home = os.path.join(self.directory, f"process-{next(self.numbers)}")
        os.makedirs(home)
        member = Service(binary, home, {**self.environment, **(environment or {})})
        member.wait_until_ready()
        self.members.append(member)
        return member

    def remove(self, member):
        """As a balancer that is told first: nothing new goes there, then it is stopped."""
        self.members.remove(member)
        time.sleep(0.5)
        assert member.stop() == 0, "it did not end in order"

    def replace(self, binary, environment):
        """The oldest process by a new one of this binary."""
        oldest = self.members[0]
        self.add(binary, environment)
        self.remove(oldest)

    def next(self):
        members = self.members
        return members[next(self.turns) % len(members)]

    @property
    def public(self):
        return self.next().public

    @property
    def internal(self):
        return self.next().internal

    def create_org(self, key):
        return self.members[-1].create_org(key)

    def stop(self):
        for member in self.members:
            member.stop()


class Scene:
    """One load over a whole way, and what is asked of each mixture of releases on it."""

    def __init__(self, fleet, postgres, receiver, seconds):
        self.fleet, self.postgres, self.receiver, self.seconds = fleet, postgres, receiver, seconds
        self.load = Load(fleet, "upgrade")
        org = self.load.writing
        fleet.next().call("POST", "/v1/admin/org/queues/users", {"type": "webhook", "webhook": {"url": receiver.url}},
                          key=org["tenant_api_key"], expect=201)
        self.load.start()

    def works(self):
        """The mixture works for a while, and a key that one process ends is no good at any."""
        ends = time.monotonic() + self.seconds
        for member in self.fleet.members:
            self.revoke_at(member)
            self.rotate_at(member)
        time.sleep(max(0.0, ends - time.monotonic()))
        answers = list(self.load.answers)
        bad = [f"{answer.kind}: {answer.status} {answer.detail}" for answer in answers if answer.status not in (200, 201)]
        assert not bad, f"{len(bad)} of {len(answers)} answers: {bad[:3]}"

    def revoke_at(self, member):
        key = self.load.writing["tenant_api_key"]
        made = member.call("POST", KEYS, {"name": "short-lived"}, key=key, expect=201)
        for each in self.fleet.members:
            until("the key is good", 5, lambda: each.verdict(made["secret"]) == 200)
        member.call("DELETE", f"{KEYS}/{made['id']}", key=key, expect=204)
        ended = time.monotonic()
        for each in self.fleet.members:
            while each.verdict(made["secret"]) != 401:
                assert time.monotonic() - ended < WITHIN + SLACK, f"the key is good {time.monotonic() - ended:.2f} s later"

    def rotate_at(self, member):
        """Both keys work everywhere at once."""
        made = member.call("POST", KEYS, {"name": "rotated"}, key=self.load.writing["tenant_api_key"], expect=201)
        rotated = member.call("POST", "/v1/auth/tenant-key/rotate", {"grace_period_seconds": 3600}, key=made["secret"])
        for each in self.fleet.members:
            for secret in (made["secret"], rotated["new_tenant_api_key"]):
                until("the key is good", WITHIN + SLACK, lambda: each.verdict(secret) == 200)
        # An org has ten keys at most.
        for key_id in (made["id"], rotated["key_id"]):
            member.call("DELETE", f"{KEYS}/{key_id}", key=self.load.writing["tenant_api_key"], expect=204)

    def ends(self):
        """Everything that was acknowledged is there, and was told."""
        self.load.stop()
        told = self.load.missing(self.postgres.sql)
        made = len(self.load.users) + len(self.load.bulk_users)
        arrived = self.receiver.wait_for(made, 60)
        assert arrived >= made, f"{arrived} of {made} events arrived"
        print(f"         {told}; {arrived} events arrived, {len(self.receiver.again())} of them more than once")


def walk(arguments, directory, tally, children):
    before, now = os.path.realpath(arguments.previous), os.path.realpath(arguments.bin)
    postgres = Postgres(os.path.join(directory, "pg"))
    children.append(postgres)
    postgres.create_database()
    receiver = HttpServer(threads=True)
    children.append(receiver)
    fleet = Fleet(directory, {"DATABASE_URL": postgres.url(), "MASTER_KEYS": MASTER, "ALLOW_PRIVATE_TARGETS": "true"})
    children.append(fleet)
    fleet.add(before)
    fleet.add(before)
    scene = Scene(fleet, postgres, receiver, float(arguments.seconds or 6))
    # Releases before 27 November 2026 do not start on a newer schema otherwise (docs/operations.md).
    back = {"MIGRATE_ON_START": "false"}
    ways = [("the release before works", None, {}), ("one process of this release joins it", now, {}),
            ("this release works alone", now, {}), ("one of the release before comes back", before, back),
            ("the release before works on the newer schema", before, back)]
    for name, binary, environment in ways:
        def step():
            if binary:
                fleet.replace(binary, environment)
            scene.works()
        tally.run("upgrade", name, step)
    tally.run("upgrade", "nothing that was acknowledged is lost, and all of it was told", scene.ends)


if __name__ == "__main__":
    run_part(walk, options=("--previous", "--seconds"))
