"""The real service as a child process, on an embedded Postgres of its own; shared by all parts of the interop run."""

import http.client
import json
import os
import signal
import socket
import subprocess
import time

PASSED_ON = ("PATH", "HOME", "LANG", "PG_BIN")


def free_ports(n):
    sockets = [socket.socket() for _ in range(n)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def embedded_url(data):
    """Names the embedded Postgres of the service that runs on this `DATA_DIR`, as `DATABASE_URL` would."""
    with open(os.path.join(data, "service.lock")) as lock:
        record = lock.read()
    socket_directory = next(word for word in record.replace('"', " ").replace("=", " ").split() if word.startswith("/"))
    return f"postgres://partner_api@localhost/partner_api?host={socket_directory}"


class Service:
    """Started when made. `directory` gets `data/` and `logs/service.log`; `environment` adds variables."""

    def __init__(self, binary, directory, environment=None, ports=None):
        self.binary, self.directory = binary, directory
        self.public, self.internal = ports or free_ports(2)
        self.log = os.path.join(directory, "logs", "service.log")
        os.makedirs(os.path.dirname(self.log), exist_ok=True)
        self.environment = {
            **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
            "DATA_DIR": os.path.join(directory, "data"),
            "LISTEN_ADDR": f"127.0.0.1:{self.public}",
            "INTERNAL_LISTEN_ADDR": f"127.0.0.1:{self.internal}",
            **(environment or {}),
        }
        self.process = None
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([self.binary, "serve"], env=self.environment, cwd=self.directory,
                                            stdout=log, stderr=log)

    def wait_until_ready(self):
        for _ in range(600):
            if self.process.poll() is not None:
                with open(self.log, errors="replace") as log:
                    raise AssertionError(f"the service ended at start: {log.read()[-800:]}")
            try:
                if self.ask("GET", "/readyz", timeout=1)[0] == 200:
                    return
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.1)
        raise AssertionError("the service was not ready within a minute")

    def ask(self, method, path, headers=None, body=None, timeout=15):
        """Status and body of one request to the public listener."""
        connection = http.client.HTTPConnection("127.0.0.1", self.public, timeout=timeout)
        try:
            connection.request(method, path, body, headers or {})
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()

    def call(self, method, path, body=None, *, key, expect=200, whole=False):
        """A partner's call with its API key; gives `data`, or with `whole` the whole JSON."""
        headers = {"taih-tenant-key": key}
        if body is not None:
            headers["Content-Type"] = "application/json"
        status, text = self.ask(method, path, headers, None if body is None else json.dumps(body))
        assert status == expect, f"{method} {path}: {status} {text[:400]}"
        if not text:
            return None
        return json.loads(text) if whole else json.loads(text).get("data")

    def verdict(self, key):
        """Status of the gateway's question about a key."""
        connection = http.client.HTTPConnection("127.0.0.1", self.internal, timeout=5)
        try:
            connection.request("GET", "/internal/auth/verify", headers={"taih-tenant-key": key})
            return connection.getresponse().status
        finally:
            connection.close()

    def command(self, *arguments, stdin=None, environment=None, expect=0, errors=False):
        """Standard output of one of the binary's commands; with `errors` what it says on standard error."""
        done = subprocess.run([self.binary, *arguments], env={**self.environment, **(environment or {})},
                              cwd=self.directory, capture_output=True, timeout=60, input=stdin)
        assert done.returncode == expect, f"{arguments[0]}: exit {done.returncode}: {done.stderr.decode()[-500:]}"
        return done.stderr.decode() if errors else done.stdout

    def create_org(self, key):
        """`{org_id, key, tenant_api_key, signing_secret}`"""
        return json.loads(self.command("org", "create", "--key", key, "--name", key.title(), "--json"))

    def kill(self):
        """As a crash: nothing is finished, nothing is handed back."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Exit code of an orderly end."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(45)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.process.returncode


def another_replica(first, directory, environment=None):
    """Joins the first one's embedded Postgres, as `DATABASE_URL` would name a shared one."""
    data = first.environment["DATA_DIR"]
    with open(os.path.join(data, "master.key")) as key:
        master = key.read().strip()
    return Service(first.binary, directory, {
        "DATABASE_URL": embedded_url(data), "MASTER_KEYS": master, **(environment or {}),
    })
