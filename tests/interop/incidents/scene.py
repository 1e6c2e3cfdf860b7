"""What every incident has: two replicas, an owner whose traffic goes on, a thief, and a clock."""

import http.client
import json
import os
import subprocess
import threading
import time
import uuid
from collections import Counter
from urllib.parse import quote

from lib.service import Service
from postgres import Postgres
from receiver import Receiver

MASTER = "base64:dGVzdCBtYXN0ZXIga2V5LCAzMiBieXRlcyBsb25nISE="
# What clients call; requests are signed for it.
PUBLIC_URL = "http://partner-api.test"
# The owner's and the thief's networks, as the gateway in front would name them.
OWNER_AT, THIEF_AT = "198.51.100.7", "203.0.113.66"
# Dead on every replica after the command's end: the contract's bound, in seconds.
DEAD_WITHIN = 1.0

KEYS = "/v1/admin/org/tenant-keys"
ROTATE = "/v1/auth/tenant-key/rotate"
QUEUES = "/v1/admin/org/queues"
ORG = "/v1/admin/org"


class Scene:
    """Two replicas on one Postgres, and the receivers of owner and thief."""

    def __init__(self, binary, directory, **variables):
        self.binary, self.directory = binary, directory
        self.children, self.helpers = [], []
        self.postgres = Postgres(os.path.join(directory, "pg"), {"max_connections": 120})
        self.children.append(self.postgres)
        self.postgres.create_database()
        self.environment = {
            "DATABASE_URL": self.postgres.url(), "MASTER_KEYS": MASTER, "ALLOW_PRIVATE_TARGETS": "true",
            "PUBLIC_URL": PUBLIC_URL, "TRUSTED_PROXIES": "127.0.0.1", **variables,
        }
        self.replicas = []
        for name in ("a", "b"):
            self.replicas.append(self.replica(name))
        self.receiver = Receiver()
        self.children.append(self.receiver)

    def replica(self, name, **variables):
        replica = Service(self.binary, os.path.join(self.directory, name), {**self.environment, **variables})
        self.children.append(replica)
        replica.wait_until_ready()
        return replica

    def operate(self, *arguments, **more):
        """An operator's command: what it says, when it was entered and when it had ended."""
        entered = time.monotonic()
        said = self.replicas[0].command(*arguments, "--json", **more)
        return json.loads(said), entered, time.monotonic()

    def has(self, *command):
        """Whether the binary knows a command."""
        return subprocess.run([self.binary, *command, "--help"], capture_output=True, timeout=30).returncode == 0

    def play(self, tally, part, name, incident, *arguments):
        """One incident; what it set going ends with it, however it ends."""
        tally.run(part, name, incident, self, *arguments)
        for helper in self.helpers:
            helper.stop()
        self.helpers = []

    def close(self):
        for child in reversed(self.children):
            (child.close if isinstance(child, Postgres) else child.stop)()


class Caller:
    """Somebody with a tenant key, at an address of their own."""

    def __init__(self, scene, key, address):
        self.scene, self.key, self.address = scene, key, address
        self.turn = 0

    def replica(self):
        self.turn += 1
        return self.scene.replicas[self.turn % len(self.scene.replicas)]

    def headers(self, key=None):
        return {"taih-tenant-key": key or self.key, "X-Forwarded-For": self.address}

    def ask(self, method, path, body=None, *, key=None, headers=None):
        """Status and JSON of a call at either replica."""
        headers = {**(self.headers(key) if headers is None else headers)}
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body)
        status, text = self.replica().ask(method, path, headers, body)
        return status, json.loads(text) if text else None

    def call(self, method, path, body=None, *, expect=200, **more):
        """`data` of a call that must go well."""
        status, said = self.ask(method, path, body, **more)
        assert status == expect, f"{method} {path}: {status} {json.dumps(said)[:400]}"
        return said.get("data", said) if isinstance(said, dict) else said

    def refused(self, method, path, body=None, *, status, code, within=0.0, **more):
        """Every replica refuses it; seconds until then. What was changed at one holds at all `within` a moment."""
        began, last, times = time.monotonic(), time.monotonic(), 0
        while times < len(self.scene.replicas):
            got, said = self.ask(method, path, body, **more)
            if (got, (said or {}).get("error", {}).get("code")) == (status, code):
                times += 1
            else:
                times, last = 0, time.monotonic()
                assert last - began <= within, f"{method} {path}: {got} {json.dumps(said)[:400]}"
        return last - began


class Owner(Caller):
    """An org with two queues, and traffic that goes on through whatever happens."""

    def __init__(self, scene, name):
        made, _, _ = scene.operate("org", "create", "--key", name, "--name", name.title())
        super().__init__(scene, made["tenant_api_key"], OWNER_AT)
        self.org_id, self.name, self.secret = made["org_id"], name, made["signing_secret"]
        for stream in ("users", "credentials"):
            self.register(stream)

    def inbox(self, stream):
        return f"/{self.name}/{stream}"

    def queue(self, path):
        return {"type": "webhook", "webhook": {"url": self.scene.receiver.url + path}}

    def register(self, stream, method="POST"):
        expect = 201 if method == "POST" else 200
        self.call(method, f"{QUEUES}/{stream}", self.queue(self.inbox(stream)), expect=expect)

    def new_user(self):
        user_id = str(uuid.uuid4())
        self.call("POST", "/v1/users", {"user_id": user_id}, expect=201)
        return user_id

    def key_id(self):
        return next(key["id"] for key in self.call("GET", KEYS) if key["is_current"])

    def heard(self, kind, stream="credentials", since=0.0, timeout=10, **data):
        """The delivered event of this type, at the owner's own receiver."""
        def matches(received):
            event = received.event
            wanted = {name: event["data"].get(name) for name in data}
            return event["type"] == kind and received.at >= since and wanted == data
        return self.scene.receiver.wait_for(self.inbox(stream), matches, timeout, kind)

    def audit(self):
        """All rows, oldest first."""
        return pages(lambda query: self.ask("GET", f"/v1/admin/org/audit?{query}")[1])

    def users(self):
        return [user["user_id"] for user in pages(lambda query: self.ask("GET", f"/v1/users?{query}")[1])]


def pages(ask):
    """A whole list, by cursor."""
    listed, cursor = [], ""
    while cursor is not None:
        page = ask(f"limit=100&cursor={quote(cursor)}")
        assert "data" in page, page
        listed += page["data"]
        cursor = page["pagination"]["next_cursor"]
    return listed


class Traffic:
    """The owner's service: makes users with the key it was given, whatever comes back."""

    PACE = 0.03

    def __init__(self, owner):
        self.owner, self.key = owner, owner.key
        self.acknowledged, self.refused, self.at = [], Counter(), []
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()
        owner.scene.helpers.append(self)

    def work(self):
        while not self.stopped.is_set():
            user_id = str(uuid.uuid4())
            try:
                status, _ = self.owner.ask("POST", "/v1/users", {"user_id": user_id}, key=self.key)
            except (OSError, http.client.HTTPException) as error:
                status = type(error).__name__
            self.at.append((time.monotonic(), status))
            if status == 201:
                self.acknowledged.append(user_id)
            else:
                self.refused[status] += 1
            time.sleep(self.PACE)

    def stop(self):
        self.stopped.set()
        self.thread.join(20)

    def outage(self):
        """Seconds of the longest time without an acknowledged request; 0 where none was refused."""
        if not self.refused:
            return 0.0
        good = [at for at, status in self.at if status == 201]
        return max((later - earlier for earlier, later in zip(good, good[1:])), default=0.0)


class Watch:
    """Tries credentials at each replica, round and round, and keeps the times of the last success of each."""

    def __init__(self, scene, credentials, pause=0.003):
        self.credentials, self.pause = credentials, pause
        self.good, self.refusals, self.statuses = {}, Counter(), {}
        self.stopped, self.lock, self.broken = threading.Event(), threading.Lock(), None
        self.rounds = [0] * len(scene.replicas)
        self.threads = [threading.Thread(target=self.work, args=(index, replica), daemon=True)
                        for index, replica in enumerate(scene.replicas)]
        for thread in self.threads:
            thread.start()
        scene.helpers.append(self)
        self.rest()

    def work(self, index, replica):
        try:
            self.go_round(index, http.client.HTTPConnection("127.0.0.1", replica.public, timeout=10))
        except (OSError, http.client.HTTPException) as error:
            self.broken = error

    def go_round(self, index, connection):
        while not self.stopped.is_set():
            for name, (method, path, headers) in self.credentials.items():
                if callable(headers):
                    headers = headers()
                connection.request(method, path, headers=headers)
                reply = connection.getresponse()
                reply.read()
                answered, place = time.monotonic(), (name, index)
                with self.lock:
                    self.statuses[place] = reply.status
                    if reply.status < 300:
                        self.good[place] = answered
                        self.refusals[place] = 0
                    else:
                        self.refusals[place] += 1
                time.sleep(self.pause)
            self.rounds[index] += 1

    def rest(self, rounds=1):
        """Until each was tried so many times more everywhere."""
        wanted = [done + rounds + 1 for done in self.rounds]
        end = time.monotonic() + 30
        while any(done < least for done, least in zip(self.rounds, wanted)):
            assert not self.broken and time.monotonic() < end, f"the watch has stopped: {self.broken!r}"
            time.sleep(0.01)

    def all_good(self):
        """That all of it works everywhere: what never worked cannot be seen to end."""
        self.rest()
        bad = {place: status for place, status in self.statuses.items() if status >= 300}
        assert not bad, f"these do not work before the command: {bad}"

    def dead(self, ended, patience=5.0):
        """Seconds from `ended` to the last success, by name, over all replicas; below 0: before it."""
        end = ended + patience
        while True:
            with self.lock:
                alive = [place for place in self.statuses if self.refusals[place] < 3]
            if not alive:
                break
            assert time.monotonic() < end, f"still good {patience} s after the command: {sorted({name for name, _ in alive})}"
            time.sleep(0.01)
        self.rest(2)
        self.stop()
        return {name: max(at for (whose, _), at in self.good.items() if whose == name) - ended for name in self.credentials}

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join(20)


def with_key(key, path="/v1/users?limit=1"):
    return "GET", path, {"taih-tenant-key": key, "X-Forwarded-For": THIEF_AT}


def with_bearer(token, path="/v1/users?limit=1"):
    return "GET", path, {"Authorization": f"Bearer {token}", "X-Forwarded-For": THIEF_AT}


class Sheet:
    """An incident's figures, as a table; what is above its bound fails in the end."""

    def __init__(self, title):
        self.title, self.rows, self.over = title, [], []

    def took(self, what, seconds, at_most=None):
        shown = f"{seconds * 1000:.0f} ms" if abs(seconds) < 10 else f"{seconds:.1f} s"
        self.rows.append((what, shown, "" if at_most is None else f"{at_most * 1000:.0f} ms"))
        if at_most is not None and seconds > at_most:
            self.over.append(f"{what}: {seconds * 1000:.0f} ms")

    def died(self, seconds_by_name, at_most=DEAD_WITHIN):
        """What ended, and how long after the command it was used for the last time."""
        for name, seconds in seconds_by_name.items():
            self.took(f"last use of {name}, after the command", max(seconds, 0.0), at_most)

    def counted(self, what, value):
        self.rows.append((what, str(value), ""))

    def close(self):
        widths = [max(len(row[n]) for row in self.rows) for n in range(3)]
        print(f"         {self.title}")
        for what, value, bound in self.rows:
            print(f"           {what:{widths[0]}}  {value:>{widths[1]}}  {'at most ' + bound if bound else ''}".rstrip())
        assert not self.over, "; ".join(self.over)
