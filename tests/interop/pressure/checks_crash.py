"""kill -9 at random between the platform's commit and the delivery: nothing is lost, and what has an order keeps it."""

import json
import os
import random
import threading
import time
import uuid

from lib.service import Service
from postgres import Postgres
from receivers import HttpServer, disordered

MASTER = "base64:dGVzdCBtYXN0ZXIga2V5LCAzMiBieXRlcyBsb25nISE="
QUEUE = "/v1/admin/org/queues/users"
USERS = 12
#: A dead publisher's queue is taken over once its lease ends.
LEASE = 20
# What the platform writes in a transaction of its own: the next change of each of so many subjects.
PUBLISH = """INSERT INTO events (org_id, id, stream, type, body, created_at, next_attempt_at{column})
    SELECT '{org}', gen_random_uuid(), 'users', 'user.updated', '{{"type":"user.updated","timestamp":"2026-11-21T08:00:00Z","org_id":'
        || '"{org}","data":{{"user_id":"' || subject || '","occurred_at":"2026-11-21T08:00:00Z","version":{version}}}}}', now(), now(){value}
    FROM (SELECT '00000000-0000-4000-8000-' || lpad(n::text, 12, '0') AS subject FROM generate_series(1, 8) AS n) AS s"""


class Campaign:
    def __init__(self, walk, directory, replicas, pace):
        self.walk, self.random, self.pace = walk, random.Random(replicas), pace
        self.postgres = Postgres(os.path.join(directory, "pg"), {"max_connections": 150})
        self.postgres.create_database()
        self.stopping = threading.Event()
        self.receiver = HttpServer(self.judge, threads=True, backlog=128)
        variables = {"DATABASE_URL": self.postgres.url(), "MASTER_KEYS": MASTER, "ALLOW_PRIVATE_TARGETS": "true"}
        self.services = []
        for number in range(replicas):
            service = Service(walk.binary, os.path.join(directory, f"replica-{number}"), variables)
            service.wait_until_ready()
            self.services.append(service)

    def judge(self, _):
        """Answers at once, or so late that the next kill is likely to come first."""
        time.sleep(self.random.choice((0, 0, 0.005, 0.02, 0.08)))
        return 204, {}

    def register(self):
        """An org whose queue keeps order where the service can; whether it does."""
        made = self.services[0].create_org("c" + uuid.uuid4().hex[:8])
        self.org, self.key = made["org_id"], made["tenant_api_key"]
        body = {"type": "webhook", "webhook": {"url": self.receiver.url}}
        headers = {"taih-tenant-key": self.key, "Content-Type": "application/json"}
        status, _ = self.services[0].ask("POST", QUEUE, headers, json.dumps({**body, "ordering": "per_subject"}))
        if status == 422:
            self.services[0].call("POST", QUEUE, body, key=self.key, expect=201)
        return status == 201

    def ask(self, method, path, body):
        """One request to any replica; the status, 0 where nobody knows what became of it."""
        service = self.random.choice(self.services)
        try:
            return service.ask(method, path, {"taih-tenant-key": self.key, "Content-Type": "application/json"}, json.dumps(body), 5)[0]
        except OSError:
            return 0
        except Exception as error:  # what http.client makes of half an answer
            return 0 if type(error).__module__ == "http.client" else 1

    def write_users(self):
        """Users that are changed again and again: their events have versions."""
        users = [str(uuid.uuid4()) for _ in range(USERS)]
        for user in users:
            while not self.stopping.is_set() and self.ask("POST", "/v1/users", {"user_id": user}) not in (201, 409):
                time.sleep(0.05)
        number = 0
        while not self.stopping.is_set():
            number += 1
            for user in users:
                self.ask("PATCH", f"/v1/users/{user}", {"first_name": f"name {number}"})
            time.sleep(self.pace)

    def publish(self):
        """The platform's own transactions, which no service sees."""
        has_subject = self.postgres.sql("SELECT 1 FROM information_schema.columns WHERE table_name = 'events' AND column_name = 'subject'")
        column, value = (", subject", ", subject") if has_subject else ("", "")
        version = 0
        while not self.stopping.is_set():
            version += 1
            self.postgres.sql(PUBLISH.format(org=self.org, version=version, column=column, value=value))
            time.sleep(self.pace)

    def kill(self, rounds, patience):
        """Each time once something was delivered since the last one, or nothing was for so long."""
        for _ in range(rounds):
            victim = self.random.choice(self.services)
            before, begin = len(self.receiver.arrived), time.monotonic()
            while len(self.receiver.arrived) == before and time.monotonic() < begin + patience:
                time.sleep(0.01)
            time.sleep(self.random.uniform(0, 0.3))
            victim.kill()
            victim.start()
            victim.wait_until_ready()

    def committed(self):
        return {row[0] for row in self.postgres.sql(
            f"SELECT 'evt_' || replace(id::text, '-', '') FROM events WHERE org_id = '{self.org}' AND stream = 'users'")}

    def wait_until_drained(self):
        patience, fewest = 3 * LEASE + 30, None
        deadline = time.monotonic() + patience
        waiting = f"SELECT count(*) FROM events WHERE org_id = '{self.org}' AND stream = 'users' AND state = 'pending'"
        # What failed in a kill's moment may wait for its retry: a test that arrives brings it forward.
        self.services[0].call("POST", QUEUE + "/test", key=self.key, expect=202)
        while left := int(self.postgres.sql(waiting)[0][0]):
            if fewest is None or left < fewest:
                fewest, deadline = left, time.monotonic() + patience
            assert time.monotonic() < deadline, f"{left} events still wait"
            time.sleep(0.25)

    def run(self, rounds, patience):
        is_ordered = self.register()
        threads = [threading.Thread(target=each, daemon=True) for each in (self.write_users, self.publish)]
        for thread in threads:
            thread.start()
        self.kill(rounds, patience)
        self.stopping.set()
        for thread in threads:
            thread.join()
        self.wait_until_drained()
        seen, committed = self.receiver.seen(), self.committed()
        arrived = {each.id for each in seen}
        overtaken = disordered(seen)
        print(f"         {rounds} kills, {len(committed)} events committed, {len(committed - arrived)} lost, {len(seen) - len(arrived)} came "
              f"again, {len(overtaken)} overtook an earlier one{'' if is_ordered else ' (the queue promises no order)'}", flush=True)
        assert committed <= arrived, f"{len(committed - arrived)} of {len(committed)} events were lost"
        assert len(committed) > rounds, "too few events to tell"
        assert not (is_ordered and overtaken), overtaken[:3]

    def close(self):
        self.stopping.set()
        for service in self.services:
            service.stop()
        self.receiver.stop()
        self.postgres.close()


def killed(replicas, rounds, patience, pace):
    def check(walk):
        campaign = Campaign(walk, walk.at(f"crash-{replicas}"), replicas, pace)
        try:
            campaign.run(rounds, patience)
        finally:
            campaign.close()
    return check


def checks(is_full):
    # Whoever is killed leaves its queues held for a lease: the long form writes little enough for what is delivered between.
    rounds, patience, pace = (100, LEASE + 5, 1.0) if is_full else (5, 2, 0.05)
    return [
        (f"{rounds} times kill -9, one replica: nothing is lost, order is kept where it is promised", killed(1, rounds, patience, pace)),
        (f"{rounds} times kill -9 of one of two replicas: the same", killed(2, rounds, patience, pace)),
    ]
