"""The service on tables that are distributed over a coordinator and two workers: see `run`."""

import http.client
import json
import os
import re
import subprocess
import time
import uuid

import nodes
from part import run_part
from postgres import until
from receivers import HttpServer
from service import Service

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
MASTER_KEYS = "base64:dGVzdCBtYXN0ZXIga2V5LCAzMiBieXRlcyBsb25nISE="


def variables(cluster, database):
    return {**os.environ, "DATABASE_URL": cluster.coordinator.url(database), "MASTER_KEYS": MASTER_KEYS}


def command(binary, directory, environment, *arguments, expect=0):
    done = subprocess.run([binary, *arguments], env=environment, cwd=directory, capture_output=True, timeout=120)
    assert done.returncode == expect, f"{arguments}: exit {done.returncode}: {done.stderr.decode()[-600:]}"
    return done.stdout.decode() if expect == 0 else done.stderr.decode()


def placed(cluster, database):
    """How many tables the extension keeps in which way."""
    kinds = "SELECT CASE WHEN partmethod = 'h' THEN 'distributed' WHEN repmodel = 't' THEN 'reference' ELSE 'local' END"
    rows = cluster.coordinator.sql(f"{kinds}, count(*) FROM pg_dist_partition GROUP BY 1", database)
    return {kind: int(count) for kind, count in rows}


def refuses_plain_postgres(binary, directory, cluster):
    cluster.create_database("plain")
    said = command(binary, directory, variables(cluster, "plain"), "distribute", expect=1)
    assert "no extension citus" in said, said
    assert cluster.coordinator.sql("SELECT count(*) FROM orgs", "plain") == [["0"]], "it is migrated, and usable"


def refuses_half_a_cluster(binary, directory, cluster):
    cluster.create_database("half")
    for node in cluster.nodes[1:] + cluster.nodes[:1]:
        node.sql("CREATE EXTENSION citus", "half")
    said = command(binary, directory, variables(cluster, "half"), "distribute", expect=1)
    assert "not one of its cluster's nodes" in said, said
    cluster.coordinator.sql(f"SELECT citus_set_coordinator_host('127.0.0.1', {cluster.coordinator.port})", "half")
    said = command(binary, directory, variables(cluster, "half"), "distribute", expect=1)
    assert "has no worker" in said, said


def twice_changes_nothing(binary, directory, cluster):
    cluster.create_database("fresh")
    command(binary, directory, variables(cluster, "fresh"), "migrate")
    cluster.join("fresh")
    first = command(binary, directory, variables(cluster, "fresh"), "distribute")
    counted = placed(cluster, "fresh")
    second = command(binary, directory, variables(cluster, "fresh"), "distribute")
    assert " now " in first and " now " not in second, second
    assert placed(cluster, "fresh") == counted and counted["distributed"] >= 8, counted
    print(f"         {counted}")


def takes_what_is_there(binary, directory, cluster):
    """A database in use, stopped, distributed and started again."""
    cluster.create_database("filled")
    environment = {"DATABASE_URL": cluster.coordinator.url("filled"), "MASTER_KEYS": MASTER_KEYS}
    place = os.path.join(directory, "filled")
    service = Service(binary, place, environment)
    service.wait_until_ready()
    key = service.create_org("before")["tenant_api_key"]
    users = [str(uuid.uuid4()) for _ in range(50)]
    for user_id in users:
        service.call("POST", "/v1/users", {"user_id": user_id}, key=key, expect=201)
    assert service.stop() == 0
    cluster.join("filled")
    command(binary, directory, variables(cluster, "filled"), "distribute")
    service.start()
    try:
        service.wait_until_ready()
        for user_id in users:
            service.call("GET", f"/v1/users/{user_id}", key=key)
        service.call("POST", "/v1/users", {"user_id": users[0]}, key=key, expect=409)
        rotated = service.call("POST", "/v1/auth/tenant-key/rotate", {}, key=key)
        service.call("GET", f"/v1/users/{users[0]}", key=rotated["new_tenant_api_key"])
        left = cluster.coordinator.sql("SELECT pg_relation_size('users') + pg_relation_size('audit_log')", "filled")
        assert left == [["0"]], "what was moved is still on the coordinator"
        workers = sum(int(node.sql("SELECT count(*) FROM users", "filled")[0][0]) > 0 for node in cluster.nodes[1:])
        assert workers, "no worker answers"
        assert json.loads(service.command("audit", "verify", "--json"))["broken"] == []
    finally:
        service.stop()


def a_dead_worker_takes_its_own_orgs_alone(binary, directory, cluster):
    """What needs every node, a change of an org's own, waits for it too; nothing that was acknowledged is lost."""
    cluster.create_database("worn")
    command(binary, directory, variables(cluster, "worn"), "migrate")
    cluster.join("worn")
    command(binary, directory, variables(cluster, "worn"), "distribute")
    environment = {"DATABASE_URL": cluster.coordinator.url("worn"), "MASTER_KEYS": MASTER_KEYS,
                   "ALLOW_PRIVATE_TARGETS": "true"}
    service = Service(binary, os.path.join(directory, "worn"), environment)
    try:
        service.wait_until_ready()
        partners = partners_on_both(service, cluster)
        dead, alive = partners[cluster.nodes[1].port], partners[cluster.nodes[2].port]
        cluster.nodes[1].stop("immediate")
        dead.is_told_to_come_back()
        for _ in range(10):
            alive.lives_a_life()
        alive.hears_of(written_elsewhere(cluster, alive.org_id), ["user.created"])
        dead.is_told_to_come_back()
        service.call("POST", "/v1/auth/tenant-key/rotate", {}, key=alive.key, expect=503)
        cluster.nodes[1].start()
        until("it serves all orgs again", 20, lambda: all(
            partner.ask("GET", f"/v1/users/{partner.user_id}")[0] == 200 for partner in partners.values()))
        for partner in partners.values():
            partner.lives_a_life()
            service.call("POST", "/v1/auth/tenant-key/rotate", {}, key=partner.key)
        assert json.loads(service.command("audit", "verify", "--json"))["broken"] == []
    finally:
        service.stop()


class Partner:
    """An org with a user and a queue."""

    def __init__(self, service, org):
        self.service, self.key, self.org_id = service, org["tenant_api_key"], org["org_id"]
        self.user_id, self.receiver = str(uuid.uuid4()), HttpServer(threads=True)
        service.call("POST", "/v1/admin/org/queues/users", {"type": "webhook", "webhook": {"url": self.receiver.url}},
                     key=self.key, expect=201)
        service.call("POST", "/v1/users", {"user_id": self.user_id}, key=self.key, expect=201)
        self.hears_of(self.user_id, ["user.created"])

    def ask(self, method, path, body=None):
        """Status and headers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.service.public, timeout=15)
        try:
            headers = {"taih-tenant-key": self.key, "content-type": "application/json"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            reply = connection.getresponse()
            reply.read()
            return reply.status, reply.headers
        finally:
            connection.close()

    def lives_a_life(self):
        """A user is created, read, changed and deleted, and the partner is told of it."""
        user_id = str(uuid.uuid4())
        path, call = f"/v1/users/{user_id}", self.service.call
        call("POST", "/v1/users", {"user_id": user_id}, key=self.key, expect=201)
        call("PATCH", path, {"first_name": "Ada"}, key=self.key, expect=204)
        call("PATCH", path, {}, key=self.key, expect=204)
        assert call("GET", path, key=self.key)["profile"]["first_name"] == "Ada"
        call("DELETE", path, key=self.key, expect=204)
        for method, body in (("GET", None), ("PATCH", {"first_name": "Eve"}), ("PATCH", {}), ("DELETE", None)):
            call(method, path, body, key=self.key, expect=404)
        self.hears_of(user_id, ["user.created", "user.deleted", "user.updated"])

    def hears_of(self, user_id, kinds):
        # A publisher that could not give a queue back leaves it to the end of its lease, 20 s.
        until("events arrive", 40, lambda: sorted(
            {each.kind for each in self.receiver.seen() if each.subject == user_id}) == kinds)

    def is_told_to_come_back(self):
        path = f"/v1/users/{self.user_id}"
        for method, at, body in (("GET", path, None), ("POST", "/v1/users", {"user_id": str(uuid.uuid4())}),
                                 ("PATCH", path, {"first_name": "Ada"}), ("DELETE", path, None)):
            for _ in range(5):
                status, headers = self.ask(method, at, body)
                assert status == 503 and int(headers["retry-after"]) > 0, f"{method}: {status} {headers}"


def partners_on_both(service, cluster):
    """A partner on each worker, by the worker's port."""
    orgs = {}
    for number in range(20):
        org = service.create_org(f"org-{number}")
        [[port]] = cluster.coordinator.sql(
            "SELECT nodeport FROM pg_dist_placement JOIN pg_dist_node USING (groupid) WHERE shardid = "
            f"get_shard_id_for_distribution_column('users', '{org['org_id']}'::uuid)", "worn")
        orgs.setdefault(int(port), org)
        if len(orgs) == 2:
            return {port: Partner(service, org) for port, org in orgs.items()}
    raise AssertionError(f"twenty orgs are all on {orgs}")


def written_elsewhere(cluster, org_id):
    """The user of an event that this process was told nothing of, as another replica writes it."""
    user_id = str(uuid.uuid4())
    body = {"type": "user.created", "data": {"user_id": user_id, "version": 1}}
    cluster.coordinator.sql(
        "INSERT INTO events (org_id, id, stream, type, body, created_at, next_attempt_at) VALUES "
        f"('{org_id}', '{uuid.uuid4()}', 'users', 'user.created', '{json.dumps(body)}', now(), now())", "worn")
    return user_id


def api_tests(cluster, chosen):
    """`tests/api`, on databases that are distributed."""
    workers = ",".join(node.url() for node in cluster.nodes[1:])
    arguments = ["cargo", "test", "--quiet", "--test", "api", "--", "--show-output", *chosen]
    began = time.monotonic()
    done = subprocess.run(arguments, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env={**os.environ, "DATABASE_URL": cluster.coordinator.url(), "TEST_DISTRIBUTED": workers})
    summary = re.search(r"test result: (\w+)\. (\d+) passed; (\d+) failed", done.stdout)
    assert summary, done.stdout[-2000:]
    failed = re.findall(r"^    ([a-z_:0-9]+)$", done.stdout, re.MULTILINE)
    skipped = len(re.findall(r"^SKIPPED: ", done.stdout, re.MULTILINE))
    print(f"         {summary[2]} of {int(summary[2]) + int(summary[3])} pass ({skipped} of them say that they mean "
          f"nothing here); {time.monotonic() - began:.0f} s")
    assert done.returncode == 0, f"{summary[3]} failed: {' '.join(sorted(set(failed)))}"


def walk(arguments, directory, tally, children):
    if why := nodes.missing():
        tally.skip("citus", "all", why)
        return
    cluster = nodes.Cluster(os.path.join(directory, "nodes"), children)
    if arguments.only in (None, "walk"):
        for part in (refuses_plain_postgres, refuses_half_a_cluster, twice_changes_nothing, takes_what_is_there):
            tally.run("walk", part.__name__.replace("_", " "), part, arguments.bin, directory, cluster)
    if arguments.only == "worker":
        part = a_dead_worker_takes_its_own_orgs_alone
        tally.run("worker", part.__name__.replace("_", " "), part, arguments.bin, directory, cluster)
    if arguments.only == "api":
        chosen = [arguments.filter] if arguments.filter else []
        tally.run("api", "the tests of the API", api_tests, cluster, chosen)


run_part(walk, options=("--only", "--filter"))
