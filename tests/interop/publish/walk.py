"""Publishing from outside: the guide as its reader types it, SQL as an unprivileged role, crashes in the middle."""

import argparse
import http.client
import http.server
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

from service import Service, embedded_url  # noqa: E402
from tally import Tally  # noqa: E402

GUIDE = os.path.join(HERE, "..", "..", "..", "docs", "publishing.md")


class Receiver:
    """A partner's webhook: takes everything and keeps ids and bodies."""

    def __init__(self):
        self.arrived = []
        keep = self.arrived

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                keep.append((self.headers["webhook-id"], body.decode()))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/events"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def bodies(self, kind):
        return [body for _, body in self.arrived if json.loads(body)["type"] == kind]

    def wait_for(self, count, kind, patience=30):
        for _ in range(patience * 10):
            if len(self.bodies(kind)) >= count:
                return
            time.sleep(0.1)
        raise AssertionError(f"{len(self.bodies(kind))} of {count} {kind} arrived")


class Walk:
    def __init__(self, service, kills):
        self.service, self.kills = service, kills
        self.org = service.create_org("acme")
        made = service.command("token", "create", "--name", "walk", "--scopes", "events:publish", "--json")
        self.token = json.loads(made)["platform_token"]
        self.receiver = Receiver()

    def publish(self, event, path="/internal/events", method="POST", timeout=10):
        connection = http.client.HTTPConnection("127.0.0.1", self.service.internal, timeout=timeout)
        try:
            headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
            connection.request(method, path, json.dumps(event), headers)
            reply = connection.getresponse()
            return reply.status, json.loads(reply.read())
        finally:
            connection.close()

    def psql(self, text, user=None, expect=0):
        url = embedded_url(self.service.environment["DATA_DIR"])
        if user:
            url = url.replace("postgres://partner_api@", f"postgres://{user}@")
        done = subprocess.run(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", url], input=text, capture_output=True, text=True,
                              timeout=60)
        assert done.returncode == expect, f"psql: exit {done.returncode}: {done.stderr[-500:]}"
        return done.stdout.strip() if expect == 0 else done.stderr

    def typed(self):
        """Every shell block of the guide, in one shell, which stops at the first that fails."""
        with open(GUIDE) as guide:
            text = guide.read()
        blocks = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        assert len(blocks) >= 4, f"only {len(blocks)} blocks"
        script = "\n".join(blocks).replace("http://127.0.0.1:8081", f"http://127.0.0.1:{self.service.internal}")
        script = f'partner-api() {{ "{self.service.binary}" "$@"; }}\n{script}'
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], env=self.service.environment,
                              cwd=self.service.directory, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr[-800:]
        assert '"event_id":"evt_' in done.stdout and done.stdout.count('"status":"published"') == 2, done.stdout
        self.service.call("POST", "/v1/admin/org/queues/orders", {"type": "webhook", "webhook": {"url": self.receiver.url}},
                          key=self.org["tenant_api_key"], expect=201)
        self.receiver.wait_for(1, "order.paid")
        body = self.receiver.bodies("order.paid")[0]
        assert body.endswith('"data":{"order_id": "4711", "amount": 12.50}}'), body

    def sql(self):
        """The guide's transaction, by a role with its one grant."""
        with open(GUIDE) as guide:
            transaction = next(block for block in re.findall(r"^```sql\n(.*?)^```", guide.read(), re.DOTALL | re.MULTILINE)
                               if block.startswith("BEGIN"))
        org, before = self.org["org_id"], len(self.receiver.bodies("order.paid"))
        transaction = transaction.replace("6f1c2a9e-0000-4000-8000-000000000001", org).replace("order-4711-paid", "in-sql")
        self.psql("CREATE ROLE orders_app LOGIN; GRANT partner_api_publisher TO orders_app;"
                  "CREATE TABLE public.orders (id int PRIMARY KEY, paid_at timestamptz); INSERT INTO public.orders VALUES (4711);"
                  "GRANT ALL ON public.orders TO orders_app")
        rolled_back = transaction.replace("COMMIT", "ROLLBACK").replace("in-sql", "never")
        self.psql(rolled_back, user="orders_app")
        first, second = (self.psql(transaction, user="orders_app") for _ in range(2))
        assert re.fullmatch("evt_[0-9a-f]{32}", first) and first == second, (first, second)
        self.receiver.wait_for(before + 1, "order.paid")
        time.sleep(1.5)
        assert len(self.receiver.bodies("order.paid")) == before + 1, "one event, not two, and none of the rolled back"
        for refused in ("SELECT * FROM events", "SELECT * FROM orgs", "INSERT INTO events DEFAULT VALUES", "SELECT * FROM platform_tokens"):
            assert "permission denied" in self.psql(refused, user="orders_app", expect=3), refused
        self.psql(f"SET search_path = pg_temp; SELECT partner_api.publish_event('{org}', 'orders', 'order.noted', '{{}}')",
                  user="orders_app")

    def killed(self):
        """Between commit and reply, or anywhere near: the same event_id again is one event."""
        names = []
        for n in range(self.kills):
            name = f"crash-{n}"
            names.append(name)
            event = {"org": "acme", "stream": "orders", "type": "order.noted", "data": {"n": n}, "event_id": name}
            threading.Timer(random.uniform(0, 0.012), self.service.process.kill).start()
            answers = []
            while True:
                try:
                    answers.append(self.publish({**event, "data": {"n": n, "try": len(answers)}}))
                    break
                except (OSError, http.client.HTTPException, ValueError):
                    answers.append(None)
                    self.service.process.wait()
                    self.service.start()
                    self.service.wait_until_ready()
            if self.service.process.poll() is not None or answers == [answers[0]]:
                self.service.process.wait()
                self.service.start()
                self.service.wait_until_ready()
            again = self.publish(event)
            assert again[0] == 200 and again[1] == answers[-1][1], (again, answers)
        stored = self.psql("SELECT external_id, count(*) FROM events WHERE external_id LIKE 'crash-%' GROUP BY 1").split("\n")
        assert sorted(stored) == sorted(f"{name}|1" for name in names), stored
        wanted = set(range(self.kills))
        for _ in range(300):
            found = {json.loads(body)["data"].get("n") for body in self.receiver.bodies("order.noted")
                     if "try" in body}
            if wanted <= found:
                return
            time.sleep(0.1)
        raise AssertionError(f"never delivered: {sorted(wanted - found)}")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--bin", required=True)
    arguments.add_argument("--keep", action="store_true")
    arguments.add_argument("--kills", type=int, default=20)
    options = arguments.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    directory, tally, service = tempfile.mkdtemp(prefix="publish."), Tally(), None
    # As root the embedded Postgres runs as another user, which has to get there.
    os.chmod(directory, 0o755)
    try:
        service = Service(options.bin, directory, {"ALLOW_PRIVATE_TARGETS": "true"})
        service.wait_until_ready()
        walk = Walk(service, options.kills)
        for part, name, check in (
            ("guide", "what docs/publishing.md shows, typed", walk.typed),
            ("sql", "a transaction of the platform's, as a role that may do nothing else", walk.sql),
            ("crash", f"kill -9 around the reply, {options.kills} times: one event each", walk.killed),
        ):
            tally.run(part, name, check)
    finally:
        if service:
            service.stop()
        if not options.keep:
            shutil.rmtree(directory, ignore_errors=True)
    print(tally)
    sys.exit(1 if tally.failed else 0)


main()
