"""Delivery: at least once whatever happens, to the right org, with the same event_id."""

import threading
import time

from checks_signing import instant, partner

CHECKS = []
#: A claim is a lease: what a killed service was sending comes again when it ends.
LEASE = 20


def check(name):
    return lambda function: CHECKS.append((name, function)) or function


class Retries:
    """Deliveries that fail once, in orgs of their own: begun early, finished a minute later."""

    FAILURES = {
        "r500": (500, {"status 500"}),
        "rbusy": ((503, {"Retry-After": "200"}), {"status 503"}),
        "rredirect": ((302, {"Location": "/elsewhere"}), {"status 302"}),
        "rclose": ("close", {"closed"}),
        "rhalf": ("half", {"closed", "invalid response"}),
        "rhang": ("hang", {"timeout"}),
    }

    def __init__(self, walk):
        self.walk, self.first = walk, {}

    def begin(self):
        for name, (step, _) in self.FAILURES.items():
            org = partner(self.walk, name)
            org.register("users")
            self.walk.receiver.always[org.path("users")] = step
            self.first[name] = org, org.delivered_user()
        for name, (_, errors) in self.FAILURES.items():
            org, first = self.first[name]
            listed = wait_until(lambda: org.listed(first.id), lambda event: event["attempts"] == 1, 15)
            del self.walk.receiver.always[org.path("users")]
            assert listed["status"] == "pending" and listed["last_error"] in errors, (name, listed)
            assert listed["delivered_at"] is None
            wait = instant(listed["next_attempt_at"]).timestamp() - first.at
            if name == "rbusy":  # as the receiver asked, within the next step
                assert 199 <= wait <= 205, (name, wait)
            else:  # a minute, give or take a tenth, after the attempt
                assert 53 <= wait <= 80, (name, wait)
            # A receiver that asks for time gets it for the whole queue; that is no failure of it.
            state, failures = ("paused", 0) if name == "rbusy" else ("failing", 1)
            queue = wait_until(lambda: org.queue("users"), lambda queue: queue["state"] == state, 5)
            assert queue["consecutive_failures"] == failures, (name, queue)
            assert (queue["waiting_events"], queue["failed_events"]) == (1, 0), queue

    def checks(self):
        return [
            ("the next attempt brings the same event_id, freshly signed", self.finish),
            ("a test that arrives ends a receiver's pause, and what waits is sent at once", self.test_wakes),
        ]

    def finish(self):
        for name in self.FAILURES:
            org, first = self.first[name]
            if name == "rbusy":
                continue
            again = self.walk.receiver.wait_for(
                org.path("users"), lambda r: r.id == first.id and r.at > first.at + 1, 90, f"the retry of {name}")
            assert_again(self.walk, org, first, again)
            listed = wait_until(lambda: org.listed(first.id), lambda event: event["status"] == "delivered", 5)
            assert (listed["attempts"], listed["last_error"], listed["next_attempt_at"]) == (2, None, None), listed
            wait_until(lambda: org.queue("users"), lambda queue: queue["consecutive_failures"] == 0, 5)

    def test_wakes(self):
        org, first = self.first["rbusy"]
        assert org.listed(first.id)["status"] == "pending"
        org.call("POST", "/v1/admin/org/queues/users/test", expect=202)
        again = self.walk.receiver.wait_for(org.path("users"), lambda r: r.id == first.id and r.at > first.at + 1)
        assert_again(self.walk, org, first, again)


def assert_again(walk, org, first, again):
    assert (again.id, again.body) == (first.id, first.body), "the event changed between attempts"
    assert int(again.headers["webhook-timestamp"]) > int(first.headers["webhook-timestamp"]), "not signed anew"
    walk.assert_signed(again, by=[org.secret])


def wait_until(ask, condition, timeout):
    end = time.monotonic() + timeout
    while not condition(answer := ask()):
        assert time.monotonic() < end, f"not within {timeout} s: {answer}"
        time.sleep(0.1)
    return answer


@check("a replay, by ids and by range, brings the same event_id, freshly signed")
def replay(walk):
    alpha = walk.alpha
    first = alpha.delivered_user()
    wait_until(lambda: alpha.listed(first.id), lambda event: event["status"] == "delivered", 5)
    time.sleep(1.1)  # timestamps are whole seconds
    assert alpha.replay(event_ids=[first.id, "evt_" + "0" * 32]) == 1
    again = walk.receiver.wait_for("/alpha/users", lambda r: r.id == first.id and r.at > first.at + 1)
    assert_again(walk, alpha, first, again)
    wait_until(lambda: alpha.listed(first.id), lambda event: event["status"] == "delivered", 5)
    time.sleep(1.1)
    created = alpha.listed(first.id)["created_at"]
    to = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 5))
    assert alpha.replay(stream="users", **{"from": created, "to": to}) >= 1
    third = walk.receiver.wait_for("/alpha/users", lambda r: r.id == first.id and r.at > again.at + 1)
    assert_again(walk, alpha, again, third)


@check("events wait while there is no queue, and go to the next one")
def waiting(walk):
    alpha = walk.alpha
    alpha.call("DELETE", "/v1/admin/org/queues/users", expect=204)
    user_id, begun = alpha.new_user(), time.time()
    time.sleep(2.5)
    event = alpha.events("status=pending&stream=users")[-1]
    assert (event["type"], event["attempts"]) == ("user.created", 0), event
    alpha.register("users")
    received = alpha.about(user_id, after=begun)
    assert received.id == event["event_id"]
    walk.assert_signed(received, by=[alpha.secret])


@check("no org sees, receives, verifies or replays another's events")
def isolation(walk):
    alpha, beta = walk.alpha, partner(walk, "neighbour")
    beta.register("users")
    beta.register("credentials")
    mine, theirs = alpha.delivered_user(), beta.delivered_user()
    for org, own, other in ((alpha, mine, theirs), (beta, theirs, mine)):
        walk.assert_signed(own, by=[org.secret])
        walk.assert_signed(other, not_by=[org.secret])
        ids = {event["event_id"] for event in org.events()}
        assert own.id in ids and other.id not in ids
        assert org.replay(event_ids=[other.id]) == 0
        for stream in ("users", "credentials"):
            for received in walk.receiver.inbox(org.path(stream)):
                assert received.event["org_id"] == org.org_id, f"{org.name} received {received.body}"
                test = received.event["type"] == "queue.test"
                assert test or received.id in ids, f"{org.name} received an event that it does not list"
    stranger = partner(walk, "stranger")
    assert stranger.events("stream=users") == []
    stranger.call("GET", "/v1/admin/org/queues/users", expect=404)
    stranger.call("DELETE", "/v1/admin/org/queues/users", expect=404)
    assert alpha.queue("users")["queue_name"] == "users"


@check("a dead target delays neither its org's other stream nor another org")
def no_delay(walk):
    dead = partner(walk, "dead")
    dead.register("users")
    dead.register("credentials")
    walk.receiver.always[dead.path("users")] = "hang"
    for _ in range(30):
        dead.new_user()
    began = time.time()
    dead.call("POST", "/v1/admin/org/tenant-keys", {"name": "another"}, expect=201)
    walk.receiver.wait_for(dead.path("credentials"), lambda r: r.at > began and r.event["type"] == "tenant_key.created", 5)
    walk.alpha.delivered_user()
    assert time.time() - began < 5, "others waited for a dead target"
    dead.call("DELETE", "/v1/admin/org/queues/users", expect=204)


@check("kill -9 in the middle, twice: no event is lost, duplicates carry the same event_id")
def killed(walk):
    org = partner(walk, "killed")
    org.register("users")
    path, gate = org.path("users"), threading.Event()

    def slowly():
        # Some are received, but not acknowledged, when the service dies.
        gate.wait(8)
        return None

    for round_ in range(2):
        received_before = len(walk.receiver.inbox(path))
        walk.receiver.script[path] = [None if n % 3 else slowly for n in range(60)]
        gate.clear()
        stop = threading.Event()
        writers = [threading.Thread(target=create_until, args=(org, stop)) for _ in range(4)]
        for writer in writers:
            writer.start()
        # Four go side by side to begin with, and each third one hangs.
        wait_until(lambda: len(walk.receiver.inbox(path)), lambda seen: seen >= received_before + 8, LEASE + 20)
        walk.service.kill()
        stop.set()
        gate.set()
        for writer in writers:
            writer.join()
        walk.service.start()
        walk.service.wait_until_ready()
        walk.receiver.script[path] = []
    users = created_users(org)
    wait_until(lambda: org.events("status=pending&stream=users"), lambda pending: not pending, LEASE + 20)
    listed = {event["event_id"] for event in org.events("stream=users")}
    received = [r for r in walk.receiver.inbox(path) if r.event["type"] == "user.created"]
    by_user = {}
    for each in received:
        by_user.setdefault(each.event["data"]["user_id"], set()).add(each.id)
        walk.assert_signed(each, by=[org.secret])
    assert set(by_user) == users, f"{len(users - set(by_user))} events lost, {len(set(by_user) - users)} of nobody"
    assert all(len(ids) == 1 for ids in by_user.values()), "an event came under two ids"
    assert {each.id for each in received} == listed
    assert len(received) > len(listed), "nothing was sent twice: the kill came at no interesting moment"


def create_until(org, stop):
    while not stop.is_set():
        try:
            org.new_user()
            # A hold lasts for 20 s after the kill, and a list goes to 10,000 users.
            stop.wait(0.02)
        except (OSError, AssertionError, EOFError):
            return  # killed
        except Exception:
            return


def created_users(org):
    return {user["user_id"] for user in org.pages("/v1/users?")}


def everything_verifies(walk):
    """Each received event with at least one of the secrets its org has had."""
    checked = 0
    for org in walk.partners:
        for stream in ("users", "credentials"):
            for received in walk.receiver.inbox(org.path(stream)):
                assert any(walk.verifies(secret, received) for secret in org.secrets), received.id
                checked += 1
    assert checked > 100, checked


def ends_in_order(walk):
    assert walk.service.stop() == 0


def log_is_clean(walk):
    with open(walk.service.log, errors="replace") as log:
        text = log.read()
    for org in walk.partners:
        for secret in [org.key, *org.secrets]:
            for spelt in ([secret, secret.removeprefix("whsec_")] if isinstance(secret, str) else [secret.hex()]):
                assert spelt not in text, f"a secret of {org.name} is in the log"
    assert "ada@example.com" not in text and "Lovelace" not in text
    assert "panicked" not in text
