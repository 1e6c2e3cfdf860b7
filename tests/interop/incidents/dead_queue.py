"""A receiver is gone, for minutes or for days; or events go to somebody else."""

import time

from scene import QUEUES, THIEF_AT, Caller, Owner, Sheet, Traffic

SETTINGS = {}
COUNT = 40


def arrived(owner, users, timeout=60):
    """Seconds until `user.created` of all these is at the owner's receiver."""
    began, wanted = time.monotonic(), set(users)
    while missing := wanted - set(told(owner)):
        assert time.monotonic() - began < timeout, f"{len(missing)} of {len(wanted)} events did not arrive"
        time.sleep(0.05)
    return time.monotonic() - began


def told(owner, path=None):
    """The users that `user.created` came for, as often as it came."""
    inbox = owner.scene.receiver.inbox(path or owner.inbox("users"))
    return [each.event["data"]["user_id"] for each in inbox if each.event["type"] == "user.created"]


def queue(owner):
    return owner.call("GET", f"{QUEUES}/users")


def until(what, ask, timeout=20):
    end = time.monotonic() + timeout
    while not (found := ask()):
        assert time.monotonic() < end, f"not within {timeout} s: {what}"
        time.sleep(0.1)
    return found


def receiver_down(scene, full):
    """Answers 503 to everything, then works again: one good test sends all that waits."""
    owner = Owner(scene, "queue-down")
    path = owner.inbox("users")
    scene.receiver.always[path] = 503
    users = [owner.new_user() for _ in range(COUNT)]
    until("the queue is failing", lambda: queue(owner)["state"] == "failing")
    assert queue(owner)["waiting_events"] == COUNT, queue(owner)
    users += [owner.new_user() for _ in range(5)]
    failed = len(told(owner))  # tries that were answered 503
    del scene.receiver.always[path]
    began = time.monotonic()
    owner.call("POST", f"{QUEUES}/users/test", expect=202)
    arrived(owner, users)
    sheet = Sheet(f"a queue that was down, {len(users)} events")
    until("nothing waits", lambda: queue(owner)["waiting_events"] == 0)
    sheet.took("from the test until nothing waits", time.monotonic() - began, 30)
    sheet.counted("events lost, given up", f"{queue(owner)['lost_events']}, {queue(owner)['failed_events']}")
    sheet.counted("attempts while it was down", failed)
    sheet.close()


def gone_for_days(scene, full):
    """After 48 hours an event is given up; `event replay` sends it as if nothing had been."""
    owner = Owner(scene, "queue-days")
    path = owner.inbox("users")
    scene.receiver.always[path] = 503
    users = [owner.new_user() for _ in range(10)]
    pending = lambda: owner.call("GET", "/v1/admin/org/events?stream=users&status=pending&limit=100")
    until("all were tried", lambda: len(pending()) == 10 and all(event["attempts"] for event in pending()))
    # Two days pass.
    scene.postgres.sql(f"""UPDATE events SET first_attempt_at = first_attempt_at - interval '49 hours', next_attempt_at = now()
                           WHERE org_id = '{owner.org_id}' AND stream = 'users' AND state = 'pending'""")
    scene.postgres.sql(f"UPDATE event_queues SET paused_until = NULL WHERE org_id = '{owner.org_id}'")
    until("all are given up", lambda: queue(owner)["failed_events"] == 10, 40)
    del scene.receiver.always[path]
    failed = owner.call("GET", "/v1/admin/org/events?stream=users&status=failed&limit=100")
    scene.receiver.inboxes[path] = []
    # A dead queue is tried once a minute: the good test comes first.
    owner.call("POST", f"{QUEUES}/users/test", expect=202)
    _, entered, _ = scene.operate("event", "replay", "--org", owner.name, *[event["event_id"] for event in failed])
    arrived(owner, users)
    sheet = Sheet("a queue that was gone for two days, 10 events")
    sheet.took("from the replay until all are there", time.monotonic() - entered, 30)
    sheet.counted("lost", queue(owner)["lost_events"])
    sheet.close()


def answered_gone(scene, full):
    """410 pauses the queue, and says so on the other stream; nothing is lost meanwhile."""
    owner = Owner(scene, "queue-410")
    path = owner.inbox("users")
    scene.receiver.always[path] = 410
    wall, users = time.time(), [owner.new_user()]
    event = owner.heard("queue.paused", queue_name="users", reason="gone")
    users += [owner.new_user() for _ in range(10)]
    assert queue(owner)["state"] == "paused", queue(owner)
    del scene.receiver.always[path]
    scene.receiver.inboxes[path] = []
    _, entered, _ = scene.operate("org", "queues", "--key", owner.name, "--resume", "users")
    arrived(owner, users)
    sheet = Sheet("a queue whose receiver answered 410, 11 events")
    sheet.took("queue.paused on the other stream, from the change", event.at - wall, 5)
    sheet.took("from resuming until all are there", time.monotonic() - entered, 30)
    sheet.close()


def replaced_by_a_thief(scene, full):
    """The queue points at somebody else: he gets events until it is paused; the owner sends them to herself again."""
    owner = Owner(scene, "queue-thief")
    thief, other = Caller(scene, owner.key, THIEF_AT), "/somebody-else/users"
    traffic = Traffic(owner)
    time.sleep(0.3)
    wall = time.time()
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(wall - 1))
    thief.call("PUT", f"{QUEUES}/users", owner.queue(other))
    on_old = owner.heard("queue.replaced", stream="users", queue_name="users").at
    on_other = owner.heard("queue.replaced", queue_name="users").at
    time.sleep(0.5)
    _, entered, ended = scene.operate("org", "queues", "--key", owner.name, "--pause", "users")
    paused = time.time() - (time.monotonic() - ended)
    time.sleep(1.5)
    owner.register("users", "PUT")
    traffic.stop()
    until("nothing waits", lambda: queue(owner)["waiting_events"] == 0, 40)
    to_the_thief = [each for each in scene.receiver.inbox(other) if each.event["type"] == "user.created"]
    replayed = owner.call("POST", "/v1/admin/org/events/replay", expect=202, body={
        "stream": "users", "from": since, "to": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1))})["replayed"]
    arrived(owner, traffic.acknowledged)
    sheet = Sheet("a queue that a thief pointed at himself")
    sheet.took("queue.replaced at the old receiver, from the change", on_old - wall, 5)
    sheet.took("queue.replaced on the other stream, from the change", on_other - wall, 5)
    sheet.took("the command that pauses it", ended - entered)
    sheet.took("last event to the thief, after the command", max(max(each.at for each in to_the_thief) - paused, 0.0), 1)
    sheet.counted("events that the thief got: ids, no profiles", len(to_the_thief))
    sheet.counted("events sent again to the owner", replayed)
    sheet.counted("acknowledged writes that the owner was not told of", 0)
    sheet.close()
    assert not traffic.refused, traffic.refused
    assert all(set(each.event["data"]) == {"user_id", "occurred_at", "version"} for each in to_the_thief)


def walk(scene, tally, full):
    for name, incident in (("down: one good test sends all that waited", receiver_down),
                           ("gone for two days: given up, replayed", gone_for_days),
                           ("410: paused, resumed, nothing lost", answered_gone),
                           ("replaced by a thief: noticed, stopped, sent again", replaced_by_a_thief)):
        scene.play(tally, "queue", name, incident, full)
