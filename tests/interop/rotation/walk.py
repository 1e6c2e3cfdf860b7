"""Two fleets through rotations, and the service's counts against nginx's log."""

import os
import shutil
import sys
import tempfile
import time
from datetime import datetime

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from fleet import Fleet  # noqa: E402
from gateway import Gateway  # noqa: E402
from lib.service import Service, another_replica, embedded_url  # noqa: E402
from lib.tally import Tally  # noqa: E402

SECRET = "rotation-0123456789012345678901234567890"
ROTATE, KEYS = "/v1/auth/tenant-key/rotate", "/v1/admin/org/tenant-keys"
# After the end of a key: a second on every replica (contract 4), and the tick of two clocks.
AT_ONCE = 1.2


def instant(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Stage:
    """Two replicas of one service behind nginx, and an org with one key."""

    def __init__(self, binary, directory):
        self.replicas, self.gateway = [], None
        self.directory = directory
        environment = {"GATEWAY_SECRETS": SECRET}
        self.replicas.append(Service(binary, os.path.join(directory, "a"), environment))
        self.replicas[0].wait_until_ready()
        self.replicas.append(another_replica(self.replicas[0], os.path.join(directory, "b"), environment))
        self.replicas[1].wait_until_ready()
        self.gateway = Gateway(os.path.join(directory, "nginx"), self.replicas, SECRET)
        self.key = self.replicas[0].create_org("acme")["tenant_api_key"]
        # Asks for nothing but what it needs to: whoever counts is counted too, past nginx.
        self.watcher = self.mint("watcher")["secret"]

    def mint(self, name):
        return self.replicas[0].call("POST", KEYS, {"name": name}, key=self.key, expect=201)

    def ask(self, method, path, body=None, expect=200):
        return self.replicas[0].call(method, path, body, key=self.watcher, expect=expect)

    def restart(self):
        """Both end as they should, and what they counted is written."""
        assert self.replicas[1].stop() == 0 and self.replicas[0].stop() == 0, "they did not end well"
        self.replicas[0].start()
        self.replicas[0].wait_until_ready()
        # The embedded Postgres has another socket each time.
        first, second = self.replicas
        second.environment["DATABASE_URL"] = embedded_url(first.environment["DATA_DIR"])
        second.start()
        second.wait_until_ready()

    def stop(self):
        if self.gateway:
            self.gateway.stop()
        for replica in reversed(self.replicas):
            replica.stop()


def counted(usage):
    return {source["user_agent"]: source["requests"] for source in usage["sources"]}


def abandoned(stage, seconds, wait_it_out):
    """The new fleet is let in while the rotation waits, and no longer; the old one hears nothing of it."""
    old = stage.mint("abandoned")
    fleet = Fleet(stage.gateway.port, old["secret"], "old")
    time.sleep(seconds)
    # The shortest wait there is: a minute.
    made = stage.ask("POST", ROTATE, {"key_id": old["id"], "activation": "on_confirm", "confirm_within_seconds": 60})
    new = Fleet(stage.gateway.port, made["new_tenant_api_key"], "new")
    if wait_it_out:
        over = instant(made["confirmation_expires_at"])
        time.sleep(max(0, over - time.time()) + 2 * AT_ONCE)
        ended = over
    else:
        time.sleep(seconds)
        over = time.time()
        stage.ask("DELETE", f"{KEYS}/{made['key_id']}", expect=204)
        ended = time.time()
        time.sleep(2 * AT_ONCE)
    time.sleep(seconds)
    fleet.stop(), new.stop()
    assert not fleet.refused(), f"the old fleet was refused: {fleet.refused()[:3]}"
    assert not new.refused(until=over), f"the new fleet was refused while it waited: {new.refused(until=over)[:3]}"
    assert not new.let_in(since=ended + AT_ONCE), "the new fleet was let in after the rotation was abandoned"
    assert new.answers[0][2] in (200, 201) and new.answers[-1][2] == 401, "it was played out"
    print(f"         {len(fleet.answers)} answers for the old key, {len(new.answers)} for the new one")
    return [old["id"], made["key_id"]]


def confirmed(stage, seconds, activation, grace):
    """The old fleet is let in to the end of its grace window, and the new one from the first request on."""
    old = stage.mint("confirmed")
    fleet = Fleet(stage.gateway.port, old["secret"], "old")
    time.sleep(seconds)
    made = stage.ask("POST", ROTATE, {"key_id": old["id"], "activation": activation, "grace_period_seconds": grace})
    new = Fleet(stage.gateway.port, made["new_tenant_api_key"], "new")
    time.sleep(seconds)
    if activation == "on_confirm":
        stage.ask("POST", f"{KEYS}/{made['key_id']}/confirm")
    rotation = {"state": "pending"}
    while rotation["state"] == "pending":
        rotation = stage.ask("GET", f"{KEYS}/{old['id']}")["rotation"]
        time.sleep(0.2)
    end = instant(rotation["ends_at"])
    assert end > time.time(), "the window was over before it could be looked at"
    time.sleep(end - time.time() + 2 * AT_ONCE)
    fleet.stop(), new.stop()
    assert not new.refused(), f"the new fleet was refused: {new.refused()[:3]}"
    assert not fleet.refused(until=end), f"the old fleet was refused in its window: {fleet.refused(until=end)[:3]}"
    assert not fleet.let_in(since=end + AT_ONCE), "the old fleet was let in after its window"
    assert fleet.answers[-1][2] == 401, "it was played out"
    print(f"         {len(fleet.answers)} answers for the old key, {len(new.answers)} for the new one")
    return [old["id"], made["key_id"]]


def counts_equal_the_log(stage, key_ids):
    """Of each key and `User-Agent`, after a graceful stop of both replicas."""
    stage.restart()
    logged = stage.gateway.passed_on()
    total = 0
    for key_id in key_ids:
        usage = stage.ask("GET", f"{KEYS}/{key_id}/usage")
        expected = {agent: requests for (logged_id, agent), requests in logged.items() if logged_id == key_id}
        assert counted(usage) == expected, f"{key_id}: counted {counted(usage)}, logged {expected}"
        by_hour = sum(hour["requests"] for hour in usage["hourly"])
        assert by_hour == usage["requests_last_24h"] == sum(expected.values()), f"{by_hour} by hour"
        assert {source["network"] for source in usage["sources"]} == {"127.0.0.0/24"}, usage["sources"]
        total += by_hour
    assert total > 500, total
    print(f"         {total} requests of {len(key_ids)} keys, counted as logged")


def a_kill_loses_a_minute(stage):
    """One replica is killed under load: of what nginx logged, what is not counted came in the last minute."""
    key = stage.mint("killed")
    fleet = Fleet(stage.gateway.port, key["secret"], "killed")
    time.sleep(75)
    before = sum(count for (key_id, _), count in stage.gateway.passed_on().items() if key_id == key["id"])
    since = time.time()
    time.sleep(60)
    stage.replicas[1].kill()
    time.sleep(1)
    fleet.stop()
    stage.replicas[1].start()
    stage.replicas[1].wait_until_ready()
    stage.restart()
    logged = sum(count for (key_id, _), count in stage.gateway.passed_on().items() if key_id == key["id"])
    found = stage.ask("GET", f"{KEYS}/{key['id']}/usage")["requests_last_24h"]
    late = len([answer for answer in fleet.answers if answer[0] >= since])
    print(f"         {logged} logged, {found} counted; {before} were logged a minute before the kill")
    assert found <= logged + Fleet.CLIENTS, "counted what was not there"
    assert found >= before, f"lost more than the last minute: {logged - found} of {late}"


def main(binary, full):
    tally, directory = Tally(), tempfile.mkdtemp(prefix="rotation-")
    os.chmod(directory, 0o711)  # as root the cluster runs as another user, who must get through
    stage, keys = None, []
    seconds = 10 if full else 1.5
    try:
        stage = Stage(binary, directory)
        play = lambda function, *arguments: keys.extend(function(stage, *arguments))
        tally.run("fleets", "an abandoned rotation: no false 401", play, abandoned, seconds, False)
        tally.run("fleets", "a confirmed rotation: no false 401", play, confirmed, seconds, "on_confirm", 4)
        if full:
            tally.run("fleets", "a rotation that nobody confirms: no false 401", play, abandoned, seconds, True)
            tally.run("fleets", "a rotation by first use: no false 401", play, confirmed, seconds, "on_first_use", 90)
        tally.run("counts", "what is counted is what nginx passed on", counts_equal_the_log, stage, keys)
        if full:
            tally.run("counts", "kill -9 loses at most a minute", a_kill_loses_a_minute, stage)
    finally:
        if stage:
            stage.stop()
        shutil.rmtree(directory, ignore_errors=True)
    print(tally)
    sys.exit(1 if tally.failed or not tally.passed else 0)


main(sys.argv[1], "--full" in sys.argv[2:])
