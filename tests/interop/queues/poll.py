"""A partner that fetches its events: many threads side by side, while the service is killed in the middle."""

import json
import threading
import time
import uuid
from http.client import HTTPException

MESSAGES, ACK = "/v1/admin/org/queues/users/messages", "/v1/admin/org/queues/users/ack"
THREADS, USERS = 8, 2_000
HELD = 60


class Fetchers:
    """Threads that fetch and acknowledge until they are stopped; when each message was handed out, by id."""

    def __init__(self, partner):
        self.partner, self.lock, self.stopped = partner, threading.Lock(), threading.Event()
        self.handed, self.acknowledged, self.refused = {}, set(), []
        self.threads = [threading.Thread(target=self.run, args=(n,), daemon=True) for n in range(THREADS)]
        for thread in self.threads:
            thread.start()

    def run(self, number):
        fetched = 0
        while not self.stopped.is_set():
            try:
                began = time.monotonic()
                reply = self.partner.call("GET", f"{MESSAGES}?limit=50&wait_seconds=2", whole=True)
            except (OSError, HTTPException):
                time.sleep(0.2)
                continue
            except AssertionError as error:
                # Not ready again yet; anything else is told at the end.
                if ": 503" not in str(error):
                    self.refused.append(str(error))
                time.sleep(0.2)
                continue
            ids = [message["event_id"] for message in reply["data"]]
            with self.lock:
                for event_id in ids:
                    self.handed.setdefault(event_id, []).append((began, time.monotonic(), number))
            fetched += 1
            if not ids or (number == 0 and fetched % 5 == 0):
                continue  # now and then a worker dies with its messages
            what = {"ack_token": reply["ack_token"]} if fetched % 2 else {"event_ids": ids}
            try:
                self.partner.call("POST", ACK, what)
            except (OSError, HTTPException, AssertionError):
                continue
            with self.lock:
                self.acknowledged.update(ids)

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join()


def nothing_is_lost(partner):
    """Every event is handed out and acknowledged; none comes twice within a minute, whatever happens to the service."""
    service = partner.service
    partner.call("POST", "/v1/admin/org/queues/users", {"type": "poll", "poll": {}}, expect=201)
    lines = "".join(json.dumps({"user_id": str(uuid.uuid4())}) + "\n" for _ in range(USERS))
    headers = {"taih-tenant-key": partner.key, "Content-Type": "application/x-ndjson"}
    status, _ = service.ask("POST", "/v1/users/bulk", headers, lines, timeout=60)
    assert status == 200, status
    fetchers = Fetchers(partner)
    time.sleep(0.7)
    service.kill()
    killed = time.monotonic()
    service.start()
    service.wait_until_ready()
    waiting = lambda: partner.call("GET", "/v1/admin/org/queues/users")["waiting_events"]  # noqa: E731
    deadline = time.monotonic() + 150
    while (left := waiting()) and time.monotonic() < deadline:
        time.sleep(1)
    fetchers.stop()
    assert left == 0, f"{left} events are left"
    assert not fetchers.refused, fetchers.refused[:3]
    assert len(fetchers.handed) == USERS, f"{len(fetchers.handed)} of {USERS} events were handed out"
    again = {event_id: times for event_id, times in fetchers.handed.items() if len(times) > 1}
    for event_id, times in again.items():
        for (_, first, _), (_, second, _) in zip(times, times[1:]):
            assert second - first > HELD - 3, f"{event_id} came again after {second - first:.1f} s"
    print(f"         poll   {USERS} events, {THREADS} threads, killed after 0.7 s: {len(again)} came again, each after a "
          f"minute; back {time.monotonic() - killed:.0f} s later", flush=True)


def a_new_event_comes_at_once(partner):
    partner.call("POST", "/v1/admin/org/queues/users", {"type": "poll", "poll": {}}, expect=201)
    replies = []

    def fetch():
        replies.append((partner.call("GET", f"{MESSAGES}?wait_seconds=10", whole=True), time.monotonic()))

    waiting = threading.Thread(target=fetch)
    waiting.start()
    time.sleep(1)
    began = time.monotonic()
    user_id = partner.create_user()
    waiting.join()
    [(reply, ended)] = replies
    [message] = reply["data"]
    event = partner.opened(json.dumps(message), "user.created")
    assert event["data"]["user_id"] == user_id, event
    assert ended - began < 0.7, f"it took {ended - began:.2f} s"
    assert partner.call("POST", ACK, {"ack_token": reply["ack_token"]}) == {"acknowledged": 1}
