"""Receivers that can take little: nothing fails that they would have taken, nothing comes twice, nothing stands still for long."""

import json
import threading
import time
import uuid

from receivers import Asyncio, HttpServer, PerSecond

QUEUE = "/v1/admin/org/queues/users"


class Partner:
    def __init__(self, walk, receiver):
        self.service, self.receiver = walk.service, receiver
        self.key = walk.service.create_org("p" + uuid.uuid4().hex[:8])["tenant_api_key"]
        self.call("POST", QUEUE, {"type": "webhook", "webhook": {"url": receiver.url}}, expect=201)

    def call(self, method, path, body=None, expect=200, whole=False):
        return self.service.call(method, path, body, key=self.key, expect=expect, whole=whole)

    def create(self, count=1):
        """So many users at once: their events are written in few transactions."""
        lines = "".join(json.dumps({"user_id": str(uuid.uuid4())}) + "\n" for _ in range(count))
        status, text = self.service.ask("POST", "/v1/users/bulk",
                                        {"taih-tenant-key": self.key, "Content-Type": "application/x-ndjson"}, lines, timeout=60)
        assert status == 200 and text.count(b'"created"') == count, text[:300]

    def queue(self):
        return self.call("GET", QUEUE)

    def events(self, query=""):
        listed, cursor = [], ""
        while cursor is not None:
            page = self.call("GET", f"/v1/admin/org/events?stream=users&limit=100&cursor={cursor}{query}", whole=True)
            listed += page["data"]
            cursor = page["pagination"]["next_cursor"]
        return listed

    def wait_until(self, holds, seconds, what):
        deadline = time.monotonic() + seconds
        while not holds(found := self.queue()):
            assert time.monotonic() < deadline, f"{what} did not come within {seconds} s: {found}"
            time.sleep(0.05)
        return found

    def assert_all_arrived_once(self, count, seconds, attempts=1):
        """Every event within so many seconds, none of them twice; with `attempts`, none was tried more often."""
        begin = time.monotonic()
        found = self.receiver.wait_for(count, seconds)
        lasted = time.monotonic() - begin
        if found == count:
            # What its sender gave up although the receiver took it comes again after a minute: that is to be seen.
            self.wait_until(lambda queue: queue["waiting_events"] == 0, 10 if attempts else 90, "the end of the waiting events")
        tried = [event["attempts"] for event in self.events()]
        again = self.receiver.again()
        print(f"         {found} of {count} in {lasted:.1f} s, {sum(tried) - count} further attempts, {len(again)} came twice", flush=True)
        assert found == count and not again, (found, len(again))
        assert attempts is None or max(tried) <= attempts, f"tried {max(tried)} times"


def small_backlog(make, events):
    """A listen backlog of five, one worker, 20 ms: all in one attempt each."""
    def check(walk):
        receiver = make(seconds=0.02, backlog=5)
        try:
            partner = Partner(walk, receiver)
            partner.create(events)
            partner.assert_all_arrived_once(events, events * 0.02 * 4 + 20)
        finally:
            receiver.stop()
    return check


def one_worker(make, events):
    """One worker at 100 ms: none twice."""
    def check(walk):
        receiver = make(seconds=0.1, backlog=5)
        try:
            partner = Partner(walk, receiver)
            partner.create(events)
            # An attempt that had to give up is tried again after a minute.
            partner.assert_all_arrived_once(events, events * 0.1 * 2 + 90, attempts=None)
        finally:
            receiver.stop()
    return check


def one_kept_connection(walk):
    """A thread that serves one connection until that ends, and then takes what a sender gave up on long ago: whatever
    comes beside the first connection cannot be known to have arrived. All arrive; how many came twice is said."""
    receiver = HttpServer(seconds=0.1, backlog=5)
    try:
        partner = Partner(walk, receiver)
        partner.create(60)
        found = receiver.wait_for(60, 400)
        print(f"         {found} of 60, {len(receiver.again())} came twice", flush=True)
        assert found == 60, found
    finally:
        receiver.stop()


def limited(seconds, least):
    """Five a second, four ways to say so, side by side: at least that share of it, and nothing fails."""
    ways = {"window, Retry-After": (False, 1), "tokens, Retry-After": (True, 1), "window": (False, None), "tokens": (True, None)}

    def check(walk):
        found, threads = {}, []
        for name, (tokens, retry_after) in ways.items():
            thread = threading.Thread(target=lambda *a: found.update({a[0]: limited_one(walk, seconds, *a[1:])}),
                                      args=(name, tokens, retry_after))
            thread.start()
            threads.append(thread)
        for thread in threads:
            thread.join()
        assert len(found) == len(ways), f"only {list(found)} came to an end"
        for name, (share, failed, refused) in found.items():
            print(f"         {name}: {share:.0%} of its rate, {refused} refused, {failed} failed", flush=True)
        assert all(share >= least and failed == 0 for share, failed, _ in found.values()), found
    return check


def limited_one(walk, seconds, tokens, retry_after, rate=5):
    receiver = Asyncio(PerSecond(rate, tokens, retry_after), workers=100)
    try:
        partner = Partner(walk, receiver)
        partner.create(rate * seconds * 2)
        begin = time.monotonic()
        time.sleep(seconds)
        taken = sum(1 for each in receiver.seen() if each.at >= begin)
        failed = len(partner.events("&status=failed"))
        partner.call("DELETE", QUEUE, expect=204)
        return taken / (rate * seconds), failed, len(receiver.refused())
    finally:
        receiver.stop()


def poison(walk):
    """Thirty events that the receiver cannot read, then a good one: within two seconds, and the queue is well."""
    left = [30]

    def judge(event):
        if event["type"] != "queue.test" and left[0] > 0:
            left[0] -= 1
            return (400, 422)[left[0] % 2], {}
        return 204, {}
    receiver = HttpServer(judge, threads=True)
    try:
        partner = Partner(walk, receiver)
        partner.create(30)
        deadline = time.monotonic() + 20
        while left[0] and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not left[0], f"{left[0]} of the bad events were not tried within 20 s"
        begin = time.monotonic()
        partner.create(1)
        assert receiver.wait_for(1, 10) == 1, "the good one did not arrive within 10 s"
        took = time.monotonic() - begin
        queue = partner.queue()
        print(f"         the good one took {took:.2f} s; the queue is {queue['state']}", flush=True)
        assert took < 2, took
        assert queue["state"] == "active", queue
    finally:
        receiver.stop()


def gone(walk):
    """410: the queue stands still until it is resumed; then all arrive."""
    answers = {"status": 204}
    receiver = Asyncio(lambda event: (204 if event["type"] == "queue.test" else answers["status"], {}), workers=10)
    try:
        partner = Partner(walk, receiver)
        answers["status"] = 410
        partner.create(20)
        queue = partner.wait_until(lambda queue: queue["state"] == "paused", 10, "the pause")
        assert queue["pause_reason"] == "gone", queue
        time.sleep(0.5)
        before = len(receiver.refused())
        time.sleep(2)
        assert len(receiver.refused()) == before, "a queue that is gone still hears of events"
        answers["status"] = 204
        partner.call("POST", QUEUE + "/resume")
        assert receiver.wait_for(20, 20) == 20, "not all arrived once it was resumed"
    finally:
        receiver.stop()


def asks_for_time(walk):
    """503 with Retry-After: nothing for so long, and then all of it, without anybody's help."""
    until = [0.0]

    def judge(event):
        if event["type"] == "queue.test":
            return 204, {}
        if not until[0]:
            until[0] = time.monotonic() + 4
        return (204, {}) if time.monotonic() >= until[0] else (503, {"retry-after": "4"})
    receiver = HttpServer(judge, threads=True)
    try:
        partner = Partner(walk, receiver)
        partner.create(40)
        queue = partner.wait_until(lambda queue: queue["paused_until"] is not None, 4, "the pause")
        assert (queue["state"], queue["pause_reason"]) == ("paused", None), queue
        time.sleep(1)
        before = len(receiver.refused())
        time.sleep(1.5)
        assert len(receiver.refused()) == before, "events came although it had asked for time"
        assert receiver.wait_for(40, 20) == 40, f"{len(receiver.seen())} of 40 arrived"
        assert not receiver.again() and not partner.events("&status=failed")
        print(f"         {before} were refused before it stood still", flush=True)
    finally:
        receiver.stop()


def checks(is_full):
    # In 20 s most of what is lost is what it takes to learn the rate; other work on the machine costs as much.
    events, rate_seconds, least = (200, 60, 0.8) if is_full else (200, 20, 0.7)
    threads = lambda **how: HttpServer(threads=True, **how)
    closing = lambda **how: HttpServer(keeps=False, **how)
    # Minutes: what is given up comes again after one.
    minutes = [("one thread that is one kept connection's, at 100 ms: all arrive", one_kept_connection)] if is_full else []
    return [
        *minutes,
        ("a backlog of 5 and 20 ms, one thread, a request a connection", small_backlog(closing, events)),
        ("a backlog of 5 and 20 ms, an event loop with one worker", small_backlog(Asyncio, events)),
        ("a backlog of 5 and 20 ms, a thread for each kept connection", small_backlog(threads, events)),
        ("one worker at 100 ms, a request a connection: none twice", one_worker(closing, 60)),
        ("one worker at 100 ms, an event loop: none twice", one_worker(Asyncio, 60)),
        (f"five a second, 429 beyond: {least:.0%} of it at least, and none fails", limited(rate_seconds, least)),
        ("thirty events that cannot be read delay no good one", poison),
        ("a receiver that is gone is left alone until its queue is resumed", gone),
        ("a receiver that asks for time has it", asks_for_time),
    ]
