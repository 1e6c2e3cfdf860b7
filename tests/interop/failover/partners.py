"""Partners and the platform at work on two replicas, and the ledger of what they were told."""

import json
import time
import uuid
from collections import Counter

from load import GOOD, WELL_WITHIN, Client, Load, TooSlow
from postgres import until
from receivers import HttpServer, disordered

STREAM = {"description": "What becomes of orders.", "types": [{"type": "order.noted", "description": "Somebody noted something."}]}
SUBJECTS = 5
SECRETS_MADE = 20  # the length that a key needs whose reply holds a secret
ARRIVED_WITHIN = 60


class Partners(Load):
    """Writes with and without `Idempotency-Key`, bulk bodies, rotations, the platform's events; a receiver counts.

    Whoever has a key of its own tries again until it knows: nothing that it wanted may be there twice."""

    CLIENTS = {"create": 2, "create_once": 2, "bulk": 1, "rotate": 1, "publish": 1, "read": 1, "verify": 1}

    def __init__(self, replicas, name):
        super().__init__(replicas[0], name)
        self.replicas, self.rotations_wanted, self.published = replicas, 0, {}
        made = self.service.command("token", "create", "--name", name, "--scopes", "events:publish", "--json")
        self.platform, self.versions = json.loads(made), Counter()
        self.receiver = HttpServer(threads=True, backlog=128)
        client = Client(self.service, [])
        assert client.ask("", "PUT", "/internal/streams/orders", self.platform, STREAM)[0] in GOOD
        for stream in ("users", "orders"):
            body = {"type": "webhook", "webhook": {"url": self.receiver.url}, "ordering": "per_subject"}
            status, text = client.ask("", "POST", f"/v1/admin/org/queues/{stream}", self.writing, body)
            assert status == 201, text

    def client(self, number):
        return Client(self.replicas[number % len(self.replicas)], self.answers)

    def is_refusal(self, answer):
        # The first try may still wait for its standby when the second one comes.
        return super().is_refusal(answer) or (answer.status == 409 and "idempotency_in_progress" in answer.detail)

    def until_answered(self, client, kind, path, org, body, more=None):
        """Tries again until it is done; gives the reply."""
        while True:
            status, text = client.ask(kind, "POST", path, org, body, more=more)
            if status in GOOD:
                return json.loads(text)["data"]
            time.sleep(0.2)

    def create(self, client):
        super().create(client)
        time.sleep(0.02)

    def create_once(self, client):
        user_id = str(uuid.uuid4())
        self.until_answered(client, "create_once", "/v1/users", self.writing, {"user_id": user_id}, {"Idempotency-Key": user_id})
        self.users.add(user_id)
        time.sleep(0.02)

    def bulk(self, client):
        super().bulk(client)
        time.sleep(0.1)

    def rotate(self, client):
        key = uuid.uuid4().hex
        assert len(key) >= SECRETS_MADE
        self.rotations_wanted += 1
        org = {"org_id": self.rotating["org_id"]}  # as behind the gateway: the key that is rotated is the only one
        self.rotations.append(self.until_answered(client, "rotate", "/v1/auth/tenant-key/rotate", org, {"grace_period_seconds": 0},
                                                  {"Idempotency-Key": key}))
        time.sleep(0.1)

    def publish(self, client):
        subject = f"order-{len(self.published) % SUBJECTS}"
        version = self.versions[subject] = self.versions[subject] + 1
        event = {"org": self.writing["org_id"], "stream": "orders", "type": "order.noted", "subject": subject,
                 "event_id": f"{subject}-{version}-{self.writing['org_id']}", "data": {"order_id": subject, "version": version}}
        told = self.until_answered(client, "publish", "/internal/events", self.platform, event)
        self.published[told["event_id"]] = (subject, version)
        time.sleep(0.02)

    def judge(self, began, ended, **allowed):
        figures = super().judge(began, ended, **allowed)
        failed = [at for at in self.failed_lines if at >= began]
        if failed and failed[-1] - ended >= WELL_WITHIN:
            raise TooSlow(f"lines of a bulk body failed {failed[-1] - ended:.1f} s after the end")
        return figures

    def settle(self, sql):
        """Compares what was told with what there is now; gives a line of figures."""
        kept = self.missing(sql)
        rows = int(sql(f"SELECT count(*) FROM tenant_keys WHERE org_id = '{self.rotating['org_id']}'")[0][0])
        assert rows == 1 + self.rotations_wanted, f"{rows} keys after {self.rotations_wanted} rotations that were wanted once each"
        assert len({made["key_id"] for made in self.rotations}) == len(self.rotations) == self.rotations_wanted
        self.ask_for_each()
        return f"{kept}, {len(self.published)} events published: none lost, none twice; {self.arrive()}"

    def ask_for_each(self):
        """Every acknowledged user, over HTTP."""
        client = Client(self.replicas[-1], [])
        for user_id in self.users:
            status, text = client.ask("", "GET", f"/v1/users/{user_id}", self.writing)
            assert status == 200, f"an acknowledged user: {status} {text}"

    def arrive(self):
        """Waits for what was told of at the receiver."""
        users, seen = self.users | self.bulk_users, self.receiver.seen
        missing = lambda: ((users - {each.subject for each in seen() if each.kind == "user.created"})
                           | (set(self.published) - {each.id for each in seen()}))
        try:
            took = until("all events arrive", ARRIVED_WITHIN, lambda: not missing())
        except AssertionError as error:
            raise AssertionError(f"{len(missing())} events never arrived, such as {list(missing())[:3]}") from error
        overtaken = disordered([each for each in seen() if each.kind == "order.noted"])
        assert not overtaken, f"events overtook earlier ones of their subject: {overtaken[:3]}"
        again = sum(count - 1 for count in self.receiver.again().values())
        return f"{len(users) + len(self.published)} events arrived {took:.1f} s later, {again} of them came again"

    def stop(self):
        super().stop()
        still = [thread for thread in self.threads if thread.is_alive()]
        assert not still, f"{len(still)} clients are not answered 30 s after the end"
        return self

    def close(self):
        self.stopped.set()
        self.receiver.stop()
