"""A hand-over in good order, while everybody tries once more what failed."""

import threading
import time
import uuid

from load import GOOD, Client
from cluster import Watch

CLIENTS, AFTER, WITHIN = 6, 3.0, 60


class OnceMore:
    """Clients that do each thing, and if that fails once more, after as long as they are told."""

    def __init__(self, replicas, org):
        self.replicas, self.org, self.stopped = replicas, org, threading.Event()
        self.answers, self.done, self.retried, self.failed = [], 0, [], []
        self.lock, self.users = threading.Lock(), set()

    def run(self, number):
        client = Client(self.replicas[number % len(self.replicas)], self.answers)
        while not self.stopped.is_set():
            user_id = str(uuid.uuid4())
            if number % 3:
                if self.twice(client, "create", "POST", "/v1/users", {"user_id": user_id}, {"Idempotency-Key": user_id}):
                    self.users.add(user_id)
            else:
                self.twice(client, "read", "GET", "/v1/users?limit=1")
            time.sleep(0.02)

    def twice(self, client, kind, method, path, body=None, more=None):
        tries, began = [], time.monotonic()
        for _ in range(2):
            status, text = client.ask(kind, method, path, self.org, body, more=more)
            tries.append((status, text[:160], round(time.monotonic() - began, 2)))
            if status in GOOD:
                break
            time.sleep(max(client.retry_after, 0.2))
        with self.lock:
            self.done += 1
            self.retried += tries[:1] if len(tries) == 2 else []
            self.failed += [tries] if tries[-1][0] not in GOOD else []
        return status in GOOD


def in_good_order(cluster, replicas, org):
    """Patroni is asked to hand over to the synchronous standby; gives a line of figures."""
    old = cluster.wait_until_whole()
    clients = OnceMore(replicas, org)
    threads = [threading.Thread(target=clients.run, args=(number,), daemon=True) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(1)
        watch = Watch(cluster, old)
        watch.start()
        began = time.monotonic()
        asked = threading.Thread(target=old.ask, args=("/switchover", WITHIN, "POST", {"leader": old.name}), daemon=True)
        asked.start()
        new = watch.wait_for_new(WITHIN)
        time.sleep(AFTER)
    finally:
        clients.stopped.set()
        for thread in threads:
            thread.join(30)
    print(f"         {old.name} -> {new.name} within {watch.new_at - began:.1f} s; {clients.done} things done, {len(clients.retried)} of "
          f"them at the second try, {len(clients.failed)} not at all")
    assert not clients.failed, f"{len(clients.failed)} failed twice: {clients.failed[:3]}"
    assert all(status in (0, 409, 503) for status, _, _ in clients.retried), clients.retried[:3]
    primary = cluster.wait_until_whole()
    there = {row[0] for row in primary.sql(f"SELECT user_id FROM users WHERE org_id = '{org['org_id']}'")}
    assert clients.users <= there, f"{len(clients.users - there)} acknowledged users are lost"
