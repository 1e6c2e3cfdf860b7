"""What is measured of the outbox: each scenario prepares itself and gives its sides."""

import concurrent.futures
import http.client
import json
import os
import statistics
import subprocess
import threading
import time
import uuid

from graphile import Graphile
from outbox import INSERT, remark

HOSTS = 100


def one_queue(lab):
    """Events that wait for one webhook on kept connections."""
    return {side.name: draining(side, side.org(), lab.options.events) for side in lab.sides}


def draining(side, org, count):
    def measure():
        report = side.drain(org, count)
        return report["rate"], remark(report)
    return measure


def one_queue_live(lab):
    """Events that are written at a steady rate, twenty transactions a second, while they are delivered."""
    def live(side):
        org = side.org()

        def measure():
            options, side_sink = lab.options, side.sink
            each = options.feed // 20
            statement = INSERT % {"each": each, "orgs": org["key"], "subjects": 1_000}
            statement = " ".join(statement.split()) + ";\n"
            side_sink.reset()
            psql = subprocess.Popen([side.postgres.program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", side.postgres.conninfo],
                                    stdin=subprocess.PIPE, text=True)
            begin = time.monotonic()
            for turn in range(20 * options.seconds):
                time.sleep(max(0.0, begin + turn / 20 - time.monotonic()))
                psql.stdin.write(statement)
                psql.stdin.flush()
            psql.stdin.close()
            assert psql.wait() == 0
            fed = time.monotonic()
            report = side_sink.wait_for(20 * options.seconds * each)
            behind = time.monotonic() - fed
            side.settle(org)
            return report["rate"], f"{remark(report)}, fed for {fed - begin:.1f} s, the last {behind:.1f} s later"
        return measure
    return {side.name: live(side) for side in lab.sides}


def many_queues(lab):
    """Ten events in each of 10,000 queues, on a hundred hosts; all are committed at once."""
    def many(side):
        prefix = "q" + uuid.uuid4().hex[:8]
        queues = lab.options.queues
        side.postgres.sql(f"INSERT INTO orgs (id, key, name, created_at) SELECT gen_random_uuid(), '{prefix}-' || i, 'Many',"
                          f" now() FROM generate_series(1, {queues}) i")
        orgs = side.postgres.sql(f"SELECT id FROM orgs WHERE key LIKE '{prefix}-%'").split()
        rotate_secrets(side, orgs)
        side.postgres.sql(f"""INSERT INTO event_queues (org_id, stream, type, settings, created_at, updated_at)
            SELECT id, 'users', 'webhook', jsonb_build_object('url', replace('{side.sink.url()}', '127.0.0.1',
                   '127.0.0.' || 1 + row_number() OVER () % {HOSTS})), now(), now()
            FROM orgs WHERE key LIKE '{prefix}-%'; ANALYZE orgs; ANALYZE event_queues""")

        def measure():
            side.sink.reset()
            side.insert(10, prefix + "-%", subjects=10)
            report = side.sink.wait_for(10 * queues)
            side.postgres.wait_until("SELECT count(*) FROM (SELECT FROM events WHERE stream = 'users' AND state = 'pending'"
                                     " LIMIT 1) AS one", "0")
            return report["rate"], remark(report)
        return measure
    return {side.name: many(side) for side in lab.sides}


def rotate_secrets(side, orgs):
    """A signing secret for each org, over kept connections."""
    local = threading.local()

    def rotate(org):
        if not hasattr(local, "connection"):
            local.connection = http.client.HTTPConnection("127.0.0.1", side.service.public)
        local.connection.request("POST", "/v1/auth/signing-secret/rotate", "{}", {"OrgId": org, "Content-Type": "application/json"})
        reply = local.connection.getresponse()
        text = reply.read()
        assert reply.status == 200, text
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(rotate, orgs))


def sqs(lab):
    """The same to an SQS queue, as the sink plays it."""
    body = {"type": "aws_sqs", "aws_sqs": {"queue_url": "https://sqs.eu-central-1.amazonaws.com/123456789012/bench",
                                           "region": "eu-central-1"}}
    return {side.name: draining(side, side.org(body), lab.options.events) for side in lab.sides}


def horizon(lab):
    """Rounds of one queue, without and with a transaction that holds the horizon of all that is dead, for minutes."""
    def held(side):
        org = side.org()

        def measure():
            count = lab.options.events
            without = [side.drain(org, count)["rate"] for _ in range(3)]
            with_it, begin = [], time.monotonic()
            with side.held_horizon():
                while len(with_it) < 3 or time.monotonic() - begin < lab.options.minutes * 60:
                    with_it.append(side.drain(org, count)["rate"])
                lasted = time.monotonic() - begin
            last, before = statistics.median(with_it[-3:]), statistics.median(without)
            return last, f"{last / before:.2f} of {before:.0f} without, after {lasted / 60:.1f} min and {len(with_it) * count} events"
        return measure
    return {side.name: held(side) for side in lab.sides}


def latency(lab):
    """From a request that creates a user to the arrival of its event, idle and at 1,000 a second: µs, p50."""
    def paced(side, rate):
        def measure():
            org = side.service.create_org("bench-" + uuid.uuid4().hex[:8])
            key = org["tenant_api_key"]
            child = subprocess.Popen([lab.options.sink, "paced", "--api", f"127.0.0.1:{side.service.public}", "--key", key,
                                      "--rate", str(rate), "--seconds", str(lab.options.seconds)],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            try:
                address = child.stdout.readline().strip()
                body = {"type": "webhook", "webhook": {"url": f"http://{address}/events"}}
                side.service.call("POST", "/v1/admin/org/queues/users", body, key=key, expect=201)
                out, _ = child.communicate("go\n", timeout=lab.options.seconds + 60)
            finally:
                child.kill()
                child.wait()
            found = json.loads(out)
            show = lambda times: " / ".join(f"{times[at]:.1f}" for at in ("p50", "p99", "max"))
            return found["from_request_ms"]["p50"] * 1000, (
                f"p50 / p99 / max ms: {show(found['from_request_ms'])} from the request, {show(found['from_answer_ms'])} from its"
                f" answer; {found['arrived']} of {found['created']} arrived")
        return measure
    return {f"{side.name}, {rate}/s": paced(side, rate) for rate in (5, 1_000) for side in lab.sides}


def graphile(lab):
    """graphile-worker and the service, each with the same number waiting and the same receiver."""
    worker = Graphile(lab.sides[-1].postgres, lab.sink)
    return {"graphile-worker": lambda: worker.drain(lab.options.events), **one_queue(lab)}


SCENARIOS = {each.__name__: each for each in (one_queue, one_queue_live, many_queues, sqs, horizon, latency, graphile)}
