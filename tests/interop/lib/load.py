"""Partners at work: writes that remember what was acknowledged, reads, and the gateway's question."""

import http.client
import json
import threading
import time
import uuid
from collections import Counter, namedtuple

Answer = namedtuple("Answer", "kind asked answered status has_retry_after detail")

GOOD = (200, 201, 202)
BULK_LINES = 50
PAUSE = 0.005
# What the service promises, and what a busy machine may add to it between two Python threads.
VERIFY_WITHIN, REQUEST_WITHIN, WELL_WITHIN, SLACK = 1.0, 10.0, 5.0, 0.5


class TooSlow(AssertionError):
    """All that was promised was kept, but later than that: which a machine that is held up does as well."""


class Load:
    """Runs from `start` to `stop`, on two orgs of its own. A kind of work is a method, and has so many clients."""

    CLIENTS = {"create": 4, "verify": 2, "read": 1, "bulk": 1, "rotate": 1}

    def __init__(self, service, name):
        self.service = service
        self.writing, self.rotating = service.create_org(f"{name}-writes"), service.create_org(f"{name}-rotates")
        self.answers, self.users, self.bulk_users, self.failed_lines, self.rotations = [], set(), set(), [], []
        self.stopped, self.threads = threading.Event(), []

    def start(self):
        jobs = [kind for kind, clients in self.CLIENTS.items() for _ in range(clients)]
        self.threads = [threading.Thread(target=self.work, args=(getattr(self, kind), self.client(number)), daemon=True)
                        for number, kind in enumerate(jobs)]
        for thread in self.threads:
            thread.start()
        return self

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join(30)
        return self

    def client(self, _):
        return Client(self.service, self.answers)

    def work(self, job, client):
        while not self.stopped.is_set():
            job(client)
            time.sleep(PAUSE)

    def create(self, client):
        user_id = str(uuid.uuid4())
        status, _ = client.ask("create", "POST", "/v1/users", self.writing, {"user_id": user_id})
        if status == 201:
            self.users.add(user_id)

    def bulk(self, client):
        lines = "".join(json.dumps({"user_id": str(uuid.uuid4())}) + "\n" for _ in range(BULK_LINES))
        status, text = client.ask("bulk", "POST", "/v1/users/bulk", self.writing, lines, "application/x-ndjson")
        for line in text.splitlines() if status == 200 else []:
            try:
                outcome = json.loads(line)
            except ValueError:
                break  # cut off in the middle of a line: not acknowledged
            if outcome["status"] == "created":
                self.bulk_users.add(outcome["user_id"])
            elif outcome["status"] == "failed":
                self.failed_lines.append(time.monotonic())
        time.sleep(0.1)

    def rotate(self, client):
        # By OrgId, as behind the gateway: it goes on although a reply, and the key in it, was lost.
        body = {"grace_period_seconds": 0}
        headers = {"org_id": self.rotating["org_id"]}
        status, text = client.ask("rotate", "POST", "/v1/auth/tenant-key/rotate", headers, body)
        if status == 200:
            self.rotations.append(json.loads(text)["data"])
        time.sleep(0.05)

    def read(self, client):
        client.ask("read", "GET", "/v1/users?limit=1", self.writing)

    def verify(self, client):
        client.ask("verify", "GET", "/internal/auth/verify", self.writing)

    def missing(self, sql):
        """How many acknowledged writes are not in the database, and a line about how many there were."""
        ids = {row[0] for row in sql("SELECT user_id FROM users")}
        told = {row[0] for row in sql("SELECT body::jsonb -> 'data' ->> 'user_id' FROM events WHERE type = 'user.created'")}
        keys = {row[0] for row in sql("SELECT id FROM tenant_keys")}
        lost = [kind for kind, made, there in (
            ("user", self.users, ids), ("bulk line", self.bulk_users, ids), ("event", self.users | self.bulk_users, told),
            ("rotation", {made["key_id"] for made in self.rotations}, keys)) for one in made - there]
        acknowledged = f"{len(self.users)} users, {len(self.bulk_users)} bulk lines, {len(self.rotations)} rotations acknowledged"
        live = sql(f"SELECT count(*) FROM tenant_keys WHERE org_id = '{self.rotating['org_id']}' AND revoked_at IS NULL")
        assert live == [["1"]], f"{live} live keys after rotations without grace"
        assert not lost, f"lost: {Counter(lost)} of {acknowledged}"
        return acknowledged

    def is_refusal(self, answer):
        return answer.status == 503 and answer.has_retry_after

    def judge(self, began, ended, refused=None, broken=False):
        """Holds what was answered from the fault's begin on against the promises; gives a line of figures.

        `refused` names the kinds that may be refused meanwhile, all if it is none; `broken` allows for connections that end.
        """
        refused = self.CLIENTS if refused is None else refused
        answers = [answer for answer in list(self.answers) if answer.answered >= began]
        for answer in answers:
            fine = answer.status in GOOD or (self.is_refusal(answer) and answer.kind in refused)
            assert fine or (broken and answer.status == 0), (
                f"{answer.kind}, {answer.answered - began:.2f} s into the fault: {answer.status} {answer.detail}")
            limit = VERIFY_WITHIN if answer.kind == "verify" else REQUEST_WITHIN
            took = answer.answered - answer.asked
            assert took < limit + SLACK, f"{answer.kind} took {took:.2f} s"
        bad = [answer for answer in answers if answer.status not in GOOD]
        last_bad = max((answer.answered for answer in bad), default=ended)
        well_after = max(0.0, last_bad - ended)
        if well_after >= WELL_WITHIN:
            raise TooSlow(f"not well {well_after:.1f} s after the end of the fault")
        kinds = {answer.kind for answer in answers if answer.asked > max(last_bad, ended) and answer.status in GOOD}
        if kinds != set(self.CLIENTS):
            raise TooSlow(f"only these work again: {kinds}")
        slowest = lambda kinds: max((a.answered - a.asked for a in answers if a.kind in kinds), default=0)
        return (f"{len(answers)} requests, {len(bad)} refused ({dict(Counter(a.kind for a in bad))}); slowest verify "
                f"{slowest(['verify']):.2f} s, slowest other {slowest(set(self.CLIENTS) - {'verify'}):.2f} s; "
                f"well {well_after:.1f} s after the end")


class Client:
    """Keeps a connection for each listener, and makes new ones."""

    def __init__(self, service, answers):
        self.service, self.answers, self.connections, self.retry_after = service, answers, {}, 0

    def ask(self, kind, method, path, org, body=None, media="application/json", more=None):
        port = self.service.internal if path.startswith("/internal") else self.service.public
        headers = {**credentials(org), **(more or {})}
        if body is not None:
            headers["Content-Type"] = media
            body = body if isinstance(body, str) else json.dumps(body)
        asked, text = time.monotonic(), ""
        try:
            connection = self.connections.setdefault(port, http.client.HTTPConnection("127.0.0.1", port, timeout=20))
            connection.request(method, path, body, headers)
            reply = connection.getresponse()
            text = reply.read().decode()
            told = reply.headers.get("retry-after")
            self.retry_after = int(told or 0)
            status, retry, detail = reply.status, told is not None, text[:200]
        except (OSError, http.client.HTTPException) as error:
            self.connections.pop(port, None)
            status, retry, detail = 0, False, repr(error)
            time.sleep(0.05)
        self.answers.append(Answer(kind, asked, time.monotonic(), status, retry, detail))
        return status, text


def credentials(org):
    """Of whatever is known of an org, or of the platform, the header that it comes with."""
    if "platform_token" in org:
        return {"Authorization": f"Bearer {org['platform_token']}"}
    return {"taih-tenant-key": org["tenant_api_key"]} if "tenant_api_key" in org else {"OrgId": org["org_id"]}
