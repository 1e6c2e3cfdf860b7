"""A partner that floods, by fault or because somebody stole its key: its neighbours must not feel it for long."""

import http.client
import threading
import time
from collections import Counter

from scene import DEAD_WITHIN, KEYS, THIEF_AT, Caller, Owner, Sheet, Watch, with_bearer, with_key

SETTINGS = {}
FLOODERS, RATE = 12, 5


class Flood:
    """As many requests as the connections carry; with each answer's time."""

    def __init__(self, scene, key):
        self.answers, self.stopped = [], threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(scene.replicas[n % 2], key), daemon=True)
                        for n in range(FLOODERS)]
        scene.helpers.append(self)
        for thread in self.threads:
            thread.start()

    def work(self, replica, key):
        connection = http.client.HTTPConnection("127.0.0.1", replica.public, timeout=20)
        while not self.stopped.is_set():
            try:
                connection.request("GET", "/v1/users?limit=1", headers={"taih-tenant-key": key})
                reply = connection.getresponse()
                reply.read()
            except (OSError, http.client.HTTPException):
                return
            self.answers.append((time.monotonic(), reply.status, replica.public))

    def statuses(self, since=0.0, until=float("inf")):
        return Counter(status for at, status, _ in list(self.answers) if since <= at < until)

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join(30)


def latencies(neighbour, seconds):
    """Milliseconds of the neighbour's reads, sorted, and what was no success."""
    took, refused, end = [], Counter(), time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        status, _ = neighbour.ask("GET", "/v1/users?limit=1")
        took.append((time.monotonic() - began) * 1000)
        if status != 200:
            refused[status] += 1
        time.sleep(0.01)
    return sorted(took), refused


def at(sorted_values, part):
    return sorted_values[min(int(len(sorted_values) * part), len(sorted_values) - 1)]


def shown(took):
    return f"{at(took, 0.5):.1f} ms, {at(took, 0.99):.1f} ms"


def limited_and_suspended(scene, full):
    """First the limit, which takes hold everywhere within a second; then the end of it."""
    neighbour, rogue = Owner(scene, "neighbour"), Owner(scene, "rogue")
    seconds = 6 if full else 2
    quiet, _ = latencies(neighbour, seconds)
    flood = Flood(scene, rogue.key)
    time.sleep(0.5)
    during, refused = latencies(neighbour, seconds)
    before = flood.statuses()
    _, entered, ended = scene.operate("org", "limit", "--key", rogue.name, "--rate", str(RATE), "--burst", str(RATE))
    time.sleep(DEAD_WITHIN)
    begun = time.monotonic()
    limited, refused_later = latencies(neighbour, seconds)
    passed = flood.statuses(begun, begun + seconds)
    sheet = Sheet(f"a partner that floods, {FLOODERS} connections")
    sheet.counted("neighbour's median and p99, quiet", shown(quiet))
    sheet.counted("neighbour's median and p99, flooded", shown(during))
    sheet.counted("neighbour's median and p99, the rogue limited", shown(limited))
    sheet.counted("neighbour's requests refused", sum(refused.values()) + sum(refused_later.values()))
    sheet.took("the command that limits", ended - entered)
    sheet.counted(f"the rogue's requests in {seconds} s, a second after it: passed, 429", f"{passed[200]}, {passed[429]}")
    flood.stop()
    watch = Watch(scene, {"the rogue's key": with_key(rogue.key)}, pause=0.3)
    _, entered, ended = scene.operate("org", "suspend", "--key", rogue.name)
    sheet.took("the command that suspends", ended - entered)
    sheet.died(watch.dead(ended))
    scene.operate("org", "limit", "--key", rogue.name, "--none")
    scene.operate("org", "resume", "--key", rogue.name)
    resumed = time.monotonic()
    while any(replica.ask("GET", "/v1/features", {"taih-tenant-key": rogue.key})[0] != 200 for replica in scene.replicas):
        assert time.monotonic() - resumed < 5, "not served again 5 s after it was resumed"
    sheet.took("served again, after the command that resumes", time.monotonic() - resumed, 2)
    sheet.close()
    assert set(before) <= {200, 429}, before
    assert set(passed) <= {200, 429} and passed[200] <= 2 * RATE * (seconds + 1) + 2 * RATE, passed
    assert not refused and not refused_later, (refused, refused_later)


def frozen(scene, full):
    """Nobody knows yet who holds the keys: administration stands still, and the partner's users notice nothing."""
    owner = Owner(scene, "frozen")
    rogue = Caller(scene, owner.key, THIEF_AT)
    _, entered, ended = scene.operate("org", "freeze", "--key", owner.name, "--reason", "who is this?")
    wall = time.time() - (time.monotonic() - entered)
    settled = rogue.refused("POST", KEYS, {"name": "quick"}, status=403, code="administration_frozen", within=5)
    user_id = owner.new_user()
    token = owner.call("POST", "/v1/auth/token", {"user_id": user_id})["access_token"]
    assert owner.ask("GET", f"/v1/users/{user_id}", headers=with_bearer(token)[2])[0] == 200
    sheet = Sheet("an org that is frozen")
    sheet.took("the command", ended - entered)
    sheet.took("last administration, after the command", settled, DEAD_WITHIN)
    heard = owner.heard("org.administration_frozen").at
    sheet.took("org.administration_frozen in the owner's queue, from the command's first moment", heard - wall, 5)
    scene.operate("org", "thaw", "--key", owner.name)
    time.sleep(DEAD_WITHIN)
    owner.call("POST", KEYS, {"name": "after the thaw"}, expect=201)
    sheet.close()


def walk(scene, tally, full):
    scene.play(tally, "rogue", "limited, suspended, resumed; the neighbour is served throughout", limited_and_suspended, full)
    scene.play(tally, "rogue", "frozen: nothing is administered, everything is served", frozen, full)
