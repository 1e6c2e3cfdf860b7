"""The real service as a child process, spoken to as a partner and an operator would."""

import json
import os
import signal
import subprocess
import time
import uuid

import wire
from stubs import Credential


class RealService:
    CACHE_SECONDS = 1

    def __init__(self, binary, directory, ports, secret, children):
        self.binary, (self.public, self.internal) = binary, ports
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PG_BIN") if name in os.environ},
            "DATA_DIR": os.path.join(directory, "data"),
            "LISTEN_ADDR": f"127.0.0.1:{self.public}",
            "INTERNAL_LISTEN_ADDR": f"127.0.0.1:{self.internal}",
            "GATEWAY_SECRETS": secret,
            "GATEWAY_CACHE_SECONDS": str(self.CACHE_SECONDS),
        }
        self.directory = directory
        log = open(os.path.join(directory, "logs", "service.log"), "wb")
        self.process = subprocess.Popen([binary, "serve"], env=self.environment, cwd=directory, stdout=log, stderr=log)
        children.append(self)
        self.wait_until_ready()
        self.main = self.make_org("acme")
        self.of_suspended_org = None

    def wait_until_ready(self):
        for _ in range(600):
            if self.process.poll() is not None:
                with open(os.path.join(self.directory, "logs", "service.log")) as log:
                    raise AssertionError(f"the service ended at start: {log.read()[-800:]}")
            try:
                if wire.ask(self.public, path="/readyz", timeout=1).status == 200:
                    return
            except (OSError, AssertionError):
                pass
            time.sleep(0.1)
        raise AssertionError("the service was not ready within a minute")

    def command(self, *arguments):
        done = subprocess.run([self.binary, *arguments], env=self.environment, cwd=self.directory,
                              capture_output=True, timeout=60)
        assert done.returncode == 0, f"{arguments}: {done.stderr.decode()[-500:]}"
        return done.stdout

    def call(self, method, path, body=None, key=None, expect=200):
        headers = [("taih-tenant-key", key or self.main.key), ("Content-Type", "application/json")]
        payload = None if body is None else json.dumps(body).encode()
        reply = wire.ask(self.public, method, path, headers, payload)
        assert reply.status == expect, f"{method} {path}: {reply.status} {reply.body[:300]}"
        return reply.json()["data"] if reply.body else None

    def make_org(self, name):
        made = json.loads(self.command("org", "create", "--key", name, "--name", name.title(), "--json"))
        answer = wire.ask(self.internal, path="/internal/auth/verify",
                          headers=[("taih-tenant-key", made["tenant_api_key"])])
        assert answer.one("OrgId") == made["org_id"], answer.headers
        return Credential(made["tenant_api_key"], made["org_id"], answer.one("X-Tenant-Key-Id"))

    def new_key(self):
        made = self.call("POST", "/v1/admin/org/tenant-keys", {"name": "walk"}, expect=201)
        return Credential(made["secret"], self.main.org, made["id"])

    def revoke(self, credential):
        self.call("DELETE", f"/v1/admin/org/tenant-keys/{credential.key_id}", expect=204)

    def rotate(self, credential, grace):
        made = self.call("POST", "/v1/auth/tenant-key/rotate", {"grace_period_seconds": grace}, key=credential.key)
        return Credential(made["new_tenant_api_key"], credential.org, made["key_id"])

    def suspended(self):
        if self.of_suspended_org is None:
            self.of_suspended_org = self.make_org("beta")
            self.command("org", "suspend", "--key", "beta")
            time.sleep(1.1)
        return self.of_suspended_org

    def member(self):
        """A new user of the main org and a token for them."""
        user = str(uuid.uuid4())
        self.call("POST", "/v1/users", {"user_id": user}, expect=201)
        return user, self.call("POST", "/v1/auth/token", {"user_id": user})["access_token"]

    def member_token(self):
        """For gateways, which pass any token on; the service is another matter."""
        return "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiJub2JvZHkifQ.c2lnbmF0dXJl"

    def is_live(self, feature):
        return {"feature": feature, "status": "live"} in self.call("GET", "/v1/features")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
