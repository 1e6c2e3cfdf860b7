"""A fail-over as it is: by way of a standby that only reads, and to one that is promoted."""

import os
import subprocess
import time

from checks_database import under_load
from postgres import Postgres, until

ALL = ("create", "bulk", "rotate", "read", "verify")
# What the service promises after the primary is back; `Load.judge` has the same for its answers.
READY_WITHIN = 5.0


class Standby(Postgres):
    """Streams from another server, and takes no writes until it is promoted."""

    def __init__(self, directory, primary):
        self.directory, self.account = directory, primary.account
        os.makedirs(directory)
        if self.account:
            os.chown(directory, self.account["user"], self.account["group"])
        self.data, self.bin = os.path.join(directory, "data"), primary.bin
        self._tool("pg_basebackup", "-D", self.data, "-R", "-X", "stream", "-c", "fast", "-h", primary.directory, "-U", "admin")
        with open(os.path.join(self.data, "postgresql.conf"), "a") as config:
            config.write(f"unix_socket_directories = '{directory}'\nsynchronous_standby_names = ''\n")
        self.start()

    def promote(self):
        self._tool("pg_ctl", "-D", self.data, "-w", "-t", "30", "promote")


def readiness(service):
    status, body = service.ask("GET", "/readyz", timeout=2)
    return status, body.decode().strip()


def by_way_of_a_standby(service, primary, standby, network, seconds):
    """The address leads to the standby for a while. When it leads back, the standby lives on, and so do connections to it."""
    seen = {}

    def fault():
        began = time.monotonic()
        network.lead_to(standby.directory)
        network.cut()
        seen["unready"] = until("readyz tells", 3, lambda: readiness(service) == (503, "database read-only"))
        time.sleep(seconds)
        assert readiness(service) == (503, "database read-only"), readiness(service)
        network.lead_to(primary.directory)
        ended = time.monotonic()
        seen["ready"] = until("it is ready", READY_WITHIN, lambda: readiness(service)[0] == 200)
        return began, ended
    load = under_load(service, primary, "standby", fault, refused=ALL)
    assert any(answer.status == 503 for answer in load.answers), "the fault had no effect"
    left = standby.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'partner-api'")
    assert left == [["0"]], f"{left} connections still lead to the standby"
    print(f"         readyz told within {seen['unready']:.1f} s, and was ready {seen['ready']:.1f} s after the primary was back")


def promoted(service, primary, standby, network, seconds):
    """The primary dies; the standby, which had everything that was acknowledged, is promoted."""
    seen = {}

    def fault():
        began = time.monotonic()
        primary.stop("immediate")
        network.lead_to(standby.directory)
        network.cut()
        time.sleep(seconds)
        standby.promote()
        ended = time.monotonic()
        seen["ready"] = until("it is ready", READY_WITHIN, lambda: readiness(service)[0] == 200)
        return began, ended
    under_load(service, standby, "promoted", fault, refused=ALL)
    print(f"         ready {seen['ready']:.1f} s after the promotion")


DBA = {
    "default_transaction_isolation": "repeatable read", "default_transaction_read_only": "on", "lock_timeout": "20ms",
    "statement_timeout": "100ms", "idle_in_transaction_session_timeout": "100ms", "idle_session_timeout": "300ms",
    "search_path": "nowhere", "datestyle": "German", "timezone": "Asia/Kathmandu", "row_security": "off",
    "standard_conforming_strings": "off", "exit_on_error": "on",
}


def with_a_dbas_settings(service, postgres, seconds):
    """As if there were none: nothing is refused, though one org's keys are rotated while its users are written."""
    def nothing():
        began = time.monotonic()
        time.sleep(seconds)
        return began, time.monotonic()
    under_load(service, postgres, "dba", nothing, after=2, refused=())


def certificate(directory, account):
    """A self-signed certificate of X.509 version 1, and its key."""
    key, request, made = (os.path.join(directory, name) for name in ("server.key", "server.csr", "server.crt"))
    for command in (["req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout", key, "-out", request],
                    ["x509", "-req", "-in", request, "-signkey", key, "-days", "2", "-out", made]):
        subprocess.run(["openssl", *command], check=True, capture_output=True)
    text = subprocess.run(["openssl", "x509", "-in", made, "-noout", "-text"], capture_output=True, text=True).stdout
    os.chmod(key, 0o600)
    for path in (key, made):
        if account:
            os.chown(path, account["user"], account["group"])
    return key, made, "Version: 1 " in text


def preferred_tls(walk, postgres, port):
    """Who prefers TLS gets on without where the certificate is no good; who requires it is told."""
    service = walk.service("tls", f"postgres://partner@127.0.0.1:{port}/partner")
    try:
        assert readiness(service)[0] == 200
        said = service.command("org", "list", environment={"DATABASE_URL": f"postgres://partner@127.0.0.1:{port}/partner?sslmode=require"},
                               expect=1, errors=True)
        assert f"DATABASE_URL: no TLS with 127.0.0.1:{port} (sslmode=require)" in said, said
    finally:
        service.stop()
    print(f"         sslmode=require: {said.strip()[:160]}")
