"""One org floods every room; another one works (contract 13.5)."""

import json
import os
import threading
import time
import uuid
from collections import Counter

from checks_clients import connect

SECONDS, BULKS, KEYS, LISTS, USERS = 8, 128, 90, 60, 64
FIXTURE = os.path.join(os.path.dirname(__file__), "..", "..", "..", "crates", "public-keys", "tests", "fixtures", "pgp-curve.asc")


def run_all(tally, service, postgres):
    flooding, working = service.create_org("flooding"), service.create_org("working")
    tally.run("shares", "another org floods requests, bulk bodies, keys to judge and connections", beside, service, flooding, working)


class Flood:
    """Many threads that ask the same again and again; what they are answered."""

    def __init__(self):
        self.stopped, self.statuses, self.threads = threading.Event(), Counter(), []

    def add(self, many, name, ask):
        for _ in range(many):
            self.threads.append(threading.Thread(target=self.work, args=(name, ask), daemon=True))

    def work(self, name, ask):
        while not self.stopped.is_set():
            try:
                status = ask()
            except OSError:
                status = 0
            self.statuses[name, status] += 1
            if status in (429, 503):
                time.sleep(0.05)

    def start(self):
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join(20)


def asking(service, org):
    headers = {"taih-tenant-key": org["tenant_api_key"]}
    with open(FIXTURE) as file:
        key = file.read()

    def ask(method, path, body=None, content_type="application/json"):
        more = {"Content-Type": content_type} if body is not None else {}
        return service.ask(method, path, {**headers, **more}, body, timeout=30)[0]

    def register():
        # Judged, and refused as a duplicate from the second time on.
        body = {"OwnerCode": org["key"], "Usage": ["CredentialsDownload"], "Type": "PGP", "PublicKey": key,
                "ExpirationUtc": "2028-01-01T00:00:00Z"}
        return ask("POST", "/api/v1/key", json.dumps(body))

    return ask, register


def beside(service, flooding, working):
    ask, register = asking(service, working)
    user = str(uuid.uuid4())
    assert ask("POST", "/v1/users", json.dumps({"user_id": user})) == 201
    alone = measure(ask, register, user, 2)
    flood_ask, flood_register = asking(service, flooding)
    slow = [connect(service) for _ in range(BULKS)]
    for each in slow:
        each.sendall((f"POST /v1/users/bulk HTTP/1.1\r\nhost: localhost\r\ntaih-tenant-key: {flooding['tenant_api_key']}\r\n"
                      "content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n").encode())
    flood = Flood()
    flood.add(KEYS, "key", flood_register)
    flood.add(LISTS, "list", lambda: flood_ask("GET", "/v1/admin/org/events?status=delivered"))
    flood.add(USERS, "user", lambda: flood_ask("POST", "/v1/users", json.dumps({"user_id": str(uuid.uuid4())})))
    flood.start()
    try:
        flooded = measure(ask, register, user, SECONDS)
    finally:
        flood.stop()
        for each in slow:
            each.close()
    refused = {name: count for name, count in flood.statuses.items() if name[1] >= 400 and name[0] != "key"}
    for name, (statuses, _) in flooded.items():
        assert set(statuses) <= {200, 201, 400}, f"{name}: {statuses}"
    assert set(flooded["key"][0]) <= {200, 400}, flooded["key"][0]
    slowest = max(times[-1] for _, times in flooded.values())
    assert slowest < 5, f"{slowest:.1f} s"
    print("         " + "; ".join(
        f"{name}: {len(times)} answered, p50 {1000 * times[len(times) // 2]:.0f} ms, slowest {1000 * times[-1]:.0f} ms "
        f"(alone {1000 * alone[name][1][len(alone[name][1]) // 2]:.0f} ms)" for name, (_, times) in flooded.items()))
    print(f"         the flood: {sum(flood.statuses.values())} answers, refused {refused}, keys {dict((s, c) for (n, s), c in flood.statuses.items() if n == 'key')}")


def measure(ask, register, user, seconds):
    """Statuses and sorted times of what a partner does, for some seconds."""
    jobs = {
        "get user": lambda: ask("GET", f"/v1/users/{user}"),
        "create user": lambda: ask("POST", "/v1/users", json.dumps({"user_id": str(uuid.uuid4())})),
        "list": lambda: ask("GET", "/v1/users?limit=1"),
        "bulk": lambda: ask("POST", "/v1/users/bulk", json.dumps({"user_id": str(uuid.uuid4())}) + "\n", "application/x-ndjson"),
        "key": register,
    }
    outcomes, until = {name: (Counter(), []) for name in jobs}, time.monotonic() + seconds
    while time.monotonic() < until:
        for name, job in jobs.items():
            asked = time.monotonic()
            outcomes[name][0][job()] += 1
            outcomes[name][1].append(time.monotonic() - asked)
    return {name: (statuses, sorted(times)) for name, (statuses, times) in outcomes.items()}
