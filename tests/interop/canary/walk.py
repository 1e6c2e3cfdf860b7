"""Marks, a tour of the service with them, and the search for them."""

import argparse
import base64
import glob
import http.client
import os
import secrets
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
from lib.service import Service  # noqa: E402
from lib.tally import Tally  # noqa: E402

from marks import Marks, files_below, forms, mark  # noqa: E402
from tour import FIXTURES, Partner, Tour  # noqa: E402

# Where the embedded default writes what its owner must have.
OWNERS_FILES = ("demo.env", "master.key")
# An RSA private key in clear, whosever it is: PKCS#8's version and algorithm, and PEM's label.
PRIVATE = (bytes.fromhex("020100300d06092a864886f70d0101010500"), b"PRIVATE KEY")


class Watched(Service):
    def internal_ask(self, path, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.internal, timeout=10)
        connection.request("GET", path, headers=headers or {})
        reply = connection.getresponse()
        return reply.status, reply.read()

    def verify(self, key):
        return self.internal_ask("/internal/auth/verify", {"taih-tenant-key": key})[0]


class Database:
    """The embedded cluster, by its own tools."""

    def __init__(self, service):
        self.bin = os.environ.get("PG_BIN") or max(glob.glob("/usr/lib/postgresql/*/bin"), default="")
        with open(os.path.join(service.directory, "data", "service.lock")) as lock:
            record = lock.read().replace('"', " ").replace("=", " ").split()
        self.socket = next(word for word in record if word.startswith("/"))

    def tool(self, name, *arguments):
        command = [os.path.join(self.bin, name) if self.bin else name, "-h", self.socket, "-U", "partner_api",
                   "-d", "partner_api", *arguments]
        return subprocess.run(command, capture_output=True, timeout=60, check=True).stdout

    def query(self, sql):
        return self.tool("psql", "-qAt", "-c", sql).decode()

    def dump(self, *arguments):
        return self.tool("pg_dump", "--data-only", "--inserts", *arguments)


def found(marks, data, personal=True):
    names = marks.found_in(data, personal)
    assert not names, f"found: {names} in {data[:300]}"


def finds_every_form():
    """The search itself: a mark in each of its forms, between other bytes, is found."""
    planted = Marks()
    value = planted.credential("planted")
    for before in (b"", b"a", b"ab"):
        for after in (b"", b"z", b"yz"):
            whole = before + value.encode() + after
            for text in (whole, whole.hex().encode(), base64.b64encode(whole), base64.urlsafe_b64encode(whole)):
                assert planted.found_in(b"x" * 7 + text + b"x" * 7) == ["planted"], text
    assert planted.found_in("".join(f"%{byte:02X}" for byte in b"a b").encode()) == []
    odd = Marks()
    odd.credential("odd", "a secret+with/odd=characters")
    assert odd.found_in(b"?q=a%20secret%2Bwith%2Fodd%3Dcharacters&") == ["odd"]
    assert len(forms(mark("x"))) >= 6


def tables_hold_no_credential(marks, database):
    tables = database.query("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace").split()
    assert {"users", "events", "audit_log", "tenant_keys", "signing_secrets", "event_queues", "public_keys"} <= set(tables)
    leaks = {}
    for table in tables:
        # Bytes are dumped as hex: the search knows that form.
        names = marks.found_in(database.dump("-t", table), personal=table != "users")
        if names:
            leaks[table] = names
    assert not leaks, leaks


def profiles_are_where_they_belong(marks, database):
    """If the search finds them here, it would find a credential."""
    names = marks.found_in(database.dump("-t", "users"))
    assert {"email", "first-name", "last-name"} <= set(names), names


def files_hold_no_credential(marks, data, tally):
    leaks, size, seen = {}, 0, set()
    for path, content in files_below(data, OWNERS_FILES):
        size += len(content)
        names = marks.found_in(content, personal=False)
        names += [f"a private key ({label!r})" for label in PRIVATE if label in content]
        if names:
            leaks[os.path.relpath(path, data)] = names
        folder = os.path.relpath(path, data).split(os.sep)
        seen |= {part for part in ("base", "pg_wal") if part in folder}
        if any(form in content for form in forms(marks.personal["email"][0])):
            seen.add(f"an e-mail address in {'pg_wal' if 'pg_wal' in folder else 'base'}")
    tally.say("", "files", f"{size / 2**20:.0f} MiB searched for {marks.count()} marks")
    assert seen == {"base", "pg_wal", "an e-mail address in base", "an e-mail address in pg_wal"}, seen
    assert not leaks, leaks


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    tally, marks = Tally(), Marks()
    directory = tempfile.mkdtemp(prefix="canary-")
    os.chmod(directory, 0o711)  # as root the cluster runs as another user, who must get through
    tally.run("search", "a planted mark is found in every form", finds_every_form)
    master = marks.credential("master-key", secrets.token_bytes(32))
    gateway = marks.credential("gateway-secret", mark("gateway"))
    partner, service = Partner(), None
    fixture = lambda name: open(os.path.join(HERE, FIXTURES, name)).read()
    try:
        service = Watched(options.binary, directory, environment={
            "MASTER_KEYS": "base64:" + base64.b64encode(master).decode(), "GATEWAY_SECRETS": gateway,
            "ALLOW_PRIVATE_TARGETS": "true", "STORAGE_QUEUE_ENDPOINT": partner.url, "LOG": "trace,hyper=trace,aws_smithy_runtime=trace,sqlx=trace,rustls=trace",
            "LOG_FORMAT": "json"})
        service.wait_until_ready()
        with open(os.path.join(directory, "data", "demo.env")) as demo:
            for line in demo:
                name, _, value = line.strip().partition("=")
                if value.strip('"').startswith(("tk_", "whsec_")):
                    marks.credential(f"demo-{name}", value.strip('"'))
        tour = Tour(service, marks, partner, fixture, gateway)
        tally.run("tour", "every feature, with marked secrets", tour.walk)
        database = Database(service)
        metrics = service.internal_ask("/metrics")[1]
        database.query("CHECKPOINT")
        tally.run("dump", "profiles are found among the users", profiles_are_where_they_belong, marks, database)
        tally.run("dump", "no table holds a credential, no other table a profile", tables_hold_no_credential, marks, database)
        tally.run("metrics", "none", lambda: found(marks, metrics))
        tally.run("errors", f"none in {len(tour.errors)} bodies", lambda: [found(marks, body) for body in tour.errors])
        tally.run("events", f"none in {len(partner.received)} messages", lambda: found(marks, b"\n".join(partner.received)))
        assert service.stop() == 0
        with open(service.log, "rb") as log:
            logged = log.read()
        assert logged.count(b'"target":"access"') > 100
        tally.run("log", f"none in {len(logged) // 1024} KiB of the service's", lambda: found(marks, logged))
        with open(os.path.join(directory, "data", "postgres", "postgres.log"), "rb") as log:
            postgres = log.read()
        assert b"database system is ready" in postgres
        tally.run("log", f"none in {len(postgres)} bytes of Postgres's", lambda: found(marks, postgres))
        tally.run("files", "none in DATA_DIR, WAL included, but e-mail addresses are", files_hold_no_credential,
                  marks, os.path.join(directory, "data"), tally)
    finally:
        if service:
            service.stop()
        partner.shutdown()
        if options.keep:
            print(f"kept: {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    print(tally)
    sys.exit(1 if tally.failed else 0)


main()
