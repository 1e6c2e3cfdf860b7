"""What bench/events measures with: each binary on a Postgres of its own, and the sink that receives."""

import contextlib
import json
import os
import subprocess
import time
import urllib.request
import uuid

from lab import Postgres
from service import Service, free_ports

MASTER = "base64:YmVuY2htYXJrIG1hc3RlciBrZXksIDMyIGJ5dGVzISE="
# A UUIDv7 of now, and a body as the service writes it: one event of each of so many users, or of one of a few.
INSERT = """INSERT INTO events (org_id, id, stream, type, body, created_at, next_attempt_at)
    SELECT o.id, encode(substr(int8send(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint), 3)
                        || set_byte(substr(uuid_send(gen_random_uuid()), 7), 0,
                                    112 + get_byte(uuid_send(gen_random_uuid()), 0) %% 16), 'hex')::uuid,
           'users', 'user.updated',
           '{"type":"user.updated","timestamp":"2026-11-21T08:00:00Z","org_id":"' || o.id || '","data":{"user_id":"'
               || overlay(o.id::text PLACING lpad(to_hex(n %% %(subjects)d), 12, '0') FROM 25)
               || '","occurred_at":"2026-11-21T08:00:00Z","version":' || n || '}}', now(), now()
    FROM orgs o CROSS JOIN generate_series(1, %(each)d) AS n WHERE o.key LIKE '%(orgs)s' ORDER BY n"""


class Sink:
    """bench/sink.rs as a child."""

    def __init__(self, binary, *options):
        self.process = subprocess.Popen([binary, "receive", "--listen", "0.0.0.0:0", *options], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().rsplit(":", 1)[1])

    def url(self, host=1):
        """Many partners do not share one host."""
        return f"http://127.0.0.{host}:{self.port}/events"

    def report(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/report", timeout=10) as reply:
            return json.load(reply)

    def reset(self):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/reset", method="POST")
        urllib.request.urlopen(request, timeout=10).close()

    def wait_for(self, count, patience=300):
        """The report once so many were accepted."""
        deadline = time.monotonic() + patience
        while (report := self.report())["accepted"] < count:
            assert time.monotonic() < deadline, f"only {report['accepted']} of {count} arrived within {patience} s"
            time.sleep(0.05)
        return report

    def stop(self):
        self.process.kill()
        self.process.wait()


class Side:
    """One binary, its Postgres, and an org whose users' events go to the sink."""

    def __init__(self, name, binary, directory, sink):
        self.name, self.sink = name, sink
        self.postgres = Postgres(os.path.join(directory, "pg-" + name))
        self.postgres.start()
        home = os.path.join(directory, name)
        os.makedirs(home)
        self.service = Service(os.path.abspath(binary), home, {
            "DATABASE_URL": self.postgres.url, "MASTER_KEYS": MASTER, "ALLOW_PRIVATE_TARGETS": "true",
            "SQS_ALLOW_DIRECT": "true", "SQS_ENDPOINT": sink.url().removesuffix("/events"), "AWS_ACCESS_KEY_ID": "bench",
            "STS_ENDPOINT": sink.url().removesuffix("/events"), "AWS_SECRET_ACCESS_KEY": "bench",
            **json.loads(os.environ.get("BENCH_ENV", "{}"))}, ports=free_ports(2))
        self.service.wait_until_ready()

    def org(self, body=None):
        """An org with a queue for its users' events."""
        org = self.service.create_org("bench-" + uuid.uuid4().hex[:8])
        body = body or {"type": "webhook", "webhook": {"url": self.sink.url()}}
        self.service.call("POST", "/v1/admin/org/queues/users", body, key=org["tenant_api_key"], expect=201)
        return org

    def insert(self, each, orgs, subjects=1_000):
        """So many events of each of these orgs, in one transaction."""
        self.postgres.sql(INSERT % {"each": each, "orgs": orgs, "subjects": subjects})

    def drain(self, org, count):
        """The sink's report on so many events that waited for the org's paused queue, and then no longer."""
        key, queue = org["tenant_api_key"], "/v1/admin/org/queues/users"
        self.service.call("POST", queue + "/pause", key=key)
        self.insert(count, org["key"])
        self.postgres.sql("ANALYZE events")
        self.sink.reset()
        self.service.call("POST", queue + "/resume", key=key)
        report = self.sink.wait_for(count)
        self.settle(org)
        return report

    def settle(self, org):
        self.postgres.wait_until(f"SELECT count(*) FROM (SELECT FROM events WHERE org_id = '{org['org_id']}' AND"
                                 " stream = 'users' AND state = 'pending' LIMIT 1) AS one", "0")

    @contextlib.contextmanager
    def held_horizon(self):
        """A transaction in the background that sees the database as it is now, and keeps all that dies from then on."""
        psql = subprocess.Popen([self.postgres.program("psql"), "-X", "-q", self.postgres.conninfo], stdin=subprocess.PIPE,
                                stdout=subprocess.DEVNULL, text=True)
        try:
            psql.stdin.write("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM orgs;\n")
            psql.stdin.flush()
            self.postgres.wait_until("SELECT count(*) > 0 FROM pg_stat_activity WHERE state = 'idle in transaction'"
                                     " AND backend_xmin IS NOT NULL", "t")
            yield
        finally:
            psql.kill()
            psql.wait()

    def memory(self):
        with open(f"/proc/{self.service.process.pid}/status") as status:
            peak = next(line.split()[1] for line in status if line.startswith("VmHWM"))
        return f"{self.name} {int(peak) / 1024:.0f} MiB"

    def stop(self):
        self.service.stop()
        self.postgres.stop()


class Lab:
    def __init__(self, directory, options):
        self.directory, self.options, self.sides = directory, options, []

    def __enter__(self):
        self.sink = Sink(self.options.sink, "--check")
        try:
            for name, binary in (("baseline", self.options.baseline), ("now", self.options.binary)):
                if binary:
                    self.sides.append(Side(name, binary, self.directory, self.sink))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for side in self.sides:
            side.stop()
        self.sink.stop()

    def memory(self):
        return "peak RSS: " + ", ".join(side.memory() for side in self.sides)


def remark(report):
    """What a report says beside the rate."""
    said = [f"{report['accepted']} in {report['seconds']:.1f} s"]
    if report["batches"]:
        said.append("batches " + " ".join(f"{size}:{count}" for size, count in report["batches"].items()))
    said += [f"{report[what]} {what}" for what in ("again", "disordered", "refused") if report[what]]
    return ", ".join(said)
