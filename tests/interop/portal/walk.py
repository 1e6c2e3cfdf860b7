"""Starts the service with an org that has a bit of everything, and has the browser look at it, from both sides."""

import argparse
import glob
import http.client
import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "..", "lib"))
from service import Service, embedded_url, free_ports  # noqa: E402
from tally import Tally  # noqa: E402

SNIPPETS = os.path.join(here, "..", "..", "..", "src", "portal", "snippets")


class Receiver(http.server.BaseHTTPRequestHandler):
    """Takes every tenth event badly, and keeps the last one that it took."""

    taken, count = [], 0

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        Receiver.count += 1
        status = 503 if Receiver.count % 10 == 0 else 204
        if status == 204:
            Receiver.taken.append((dict(self.headers.items()), body))
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_):
        pass


class Scene:
    """An org with keys in every state, secrets, public keys, a queue that has been used, and a report."""

    def __init__(self, service):
        self.service = service
        self.org = service.create_org("acme")
        self.key, self.secret = self.org["tenant_api_key"], self.org["signing_secret"]
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.hook = f"http://127.0.0.1:{server.server_port}/events"
        self.keys()
        self.call("POST", "/v1/auth/signing-secret/rotate", {})
        self.secret = self.call("POST", "/v1/auth/signing-secret/rotate", {})["new_signing_secret"]
        self.public_keys()
        self.events()
        self.past()
        self.call("POST", "/v1/admin/org/reports", {"type": "users"}, expect=202)
        self.platform()

    def call(self, method, path, body=None, expect=200):
        return self.service.call(method, path, body, key=self.key, expect=expect)

    def mint(self, name, **more):
        return self.call("POST", "/v1/admin/org/tenant-keys", {"name": name, **more}, expect=201)

    def rotate(self, key, **how):
        return self.call("POST", "/v1/auth/tenant-key/rotate", {"key_id": key["id"], **how})

    def keys(self):
        ahead = lambda days: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + days * 86_400))  # noqa: E731
        self.billing = self.mint("billing backend", expires_at=ahead(90))
        self.rotate(self.billing, grace_period_seconds=86_400)
        self.rotate(self.mint("mobile gateway"), activation="on_confirm")
        self.mint("nightly import", scopes=["users:read", "users:write"], expires_at=ahead(6))

    def public_keys(self):
        pem = subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"],
                             check=True, capture_output=True).stdout
        public = subprocess.run(["openssl", "pkey", "-pubout"], input=pem, check=True, capture_output=True).stdout
        self.public = public.decode()
        self.more = self.new_public_key()
        registered = self.service.call("POST", "/api/v1/key", {
            "OwnerCode": "acme", "Usage": ["Reports", "CredentialsDownload"], "Type": "RSA", "PublicKey": self.public,
            "ExpirationUtc": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 40 * 86_400)),
        }, key=self.key, whole=True)
        self.unique_id = registered["UniqueId"]

    def platform(self):
        """A second org, a stream, and a token for the console."""
        self.service.create_org("zeta")
        made = self.service.command("token", "create", "--name", "ada (on call)", "--json",
                                    "--scopes", "orgs:read,orgs:write,events:publish")
        self.token = json.loads(made)["platform_token"]
        connection = http.client.HTTPConnection("127.0.0.1", self.service.internal, timeout=15)
        stream = {"description": "What becomes of orders.", "types": [
            {"type": "order.paid", "description": "An order was paid.", "schema": {"type": "object"}}]}
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        connection.request("PUT", "/internal/streams/orders", json.dumps(stream), headers)
        assert connection.getresponse().status == 200
        connection.close()

    def new_public_key(self):
        pem = subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
                             check=True, capture_output=True).stdout
        return subprocess.run(["openssl", "pkey", "-pubout"], input=pem, check=True, capture_output=True).stdout.decode()

    def events(self):
        self.call("POST", "/v1/admin/org/queues/users", {"type": "webhook", "webhook": {"url": self.hook}}, expect=201)
        for number in range(40):
            user = {"user_id": str(uuid.uuid4()), "first_name": f"User {number}"}
            self.call("POST", "/v1/users", user, expect=201)
        deadline = time.time() + 20
        while time.time() < deadline and Receiver.count < 40:
            time.sleep(0.2)
        self.event = self.call("GET", "/v1/admin/org/events?stream=users&limit=1")[0]["event_id"]

    def past(self):
        """An hour of deliveries and two days of requests, which nobody waits for here."""
        psql = next(iter(sorted(glob.glob("/usr/lib/postgresql/*/bin/psql"))), shutil.which("psql"))
        if not psql:
            return
        org, key = self.org["org_id"], self.billing["id"]
        sql = f"""
            INSERT INTO queue_minutes (org_id, stream, minute, attempts, delivered, durations)
            SELECT '{org}', 'users', date_trunc('minute', now()) - n * interval '1 minute', 40 + (n * 7) % 23,
                   40 + (n * 7) % 23 - CASE WHEN n BETWEEN 20 AND 26 THEN 18 ELSE 0 END,
                   array_fill(0, ARRAY[8]) || (40 + (n * 7) % 23) || array_fill(0, ARRAY[19])
            FROM generate_series(1, 59) AS n ON CONFLICT DO NOTHING;
            INSERT INTO tenant_key_hours (org_id, key_id, hour, requests)
            SELECT '{org}', '{key}', date_trunc('hour', now()) - n * interval '1 hour',
                   (400 + 300 * sin(n / 3.8))::int FROM generate_series(1, 47) AS n ON CONFLICT DO NOTHING;"""
        # Only the service's own user may.
        as_user = [] if os.getuid() else ["setpriv", f"--reuid={owner(self.service)}", "--clear-groups"]
        subprocess.run([*as_user, psql, "-q", "-v", "ON_ERROR_STOP=1", embedded_url(self.service.environment["DATA_DIR"]),
                        "-c", sql], check=False, capture_output=True, timeout=20)


def owner(service):
    return os.stat(os.path.join(service.environment["DATA_DIR"], "postgres")).st_uid


def browse(tally, arguments, service, scene):
    command = ["node", os.path.join(here, "browser.mjs")]
    facts = {
        "url": service.environment["PUBLIC_URL"], "key": scene.key, "executablePath": arguments.chromium,
        "screenshots": arguments.screenshots and os.path.abspath(arguments.screenshots), "keyId": scene.billing["id"],
        "uniqueId": scene.unique_id, "event": scene.event, "publicKey": scene.more,
        "internal": f"http://localhost:{service.internal}", "token": scene.token,
    }
    done = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    started.append(done)
    out, _ = done.communicate(json.dumps(facts), timeout=540)
    for line in out.splitlines():
        said = json.loads(line)
        if said.get("note"):
            print(f"         {said['note']}")
        elif said["problem"]:
            tally.fail("portal", said["name"], said["problem"])
        else:
            tally.passed += 1
            tally.say("ok", "portal", said["name"])
    if done.returncode:
        tally.fail("portal", "the browser's walk", f"exit {done.returncode}")


def python_snippet(scene):
    headers, body = Receiver.taken[-1]
    code = (f"import runpy; verify = runpy.run_path({os.path.join(SNIPPETS, 'verify.py')!r})['verify']\n"
            f"headers, body = {headers!r}, {body!r}\n"
            f"assert verify({scene.secret!r}, headers, body)['type']\n"
            "try: verify('whsec_' + 'A' * 44, headers, body)\nexcept ValueError: pass\nelse: raise SystemExit('another secret')\n"
            "try: verify(" + repr(scene.secret) + ", headers, body + b' ')\nexcept ValueError: pass\nelse: raise SystemExit('another body')\n")
    subprocess.run([sys.executable, "-c", code], check=True, timeout=20)


def node_snippet(scene):
    headers, body = Receiver.taken[-1]
    headers = {name.lower(): value for name, value in headers.items()}
    code = (f"import {{ verify }} from {json.dumps(os.path.join(SNIPPETS, 'verify.mjs'))};\n"
            f"const headers = {json.dumps(headers)}, body = {json.dumps(body.decode())};\n"
            f"if (!verify({json.dumps(scene.secret)}, headers, body).type) process.exit(1);\n"
            f"for (const [secret, text] of [['whsec_' + 'A'.repeat(44), body], [{json.dumps(scene.secret)}, body + ' ']])\n"
            "  { let good = true; try { verify(secret, headers, text); } catch { good = false; } if (good) process.exit(2); }\n")
    subprocess.run(["node", "--input-type=module", "-e", code], check=True, timeout=20)


def shell_snippet(service, scene):
    with open(os.path.join(SNIPPETS, "call.sh")) as file:
        code = file.read().replace("PUBLIC_URL", service.environment["PUBLIC_URL"])
    if not shutil.which("uuidgen"):
        code = "uuidgen() { python3 -c 'import uuid; print(uuid.uuid4())'; }\n" + code
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", code], env={**os.environ, "TENANT_KEY": scene.key},
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and '"acme"' in done.stdout and '"user_id"' in done.stdout, done.stdout + done.stderr


started = []


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--chromium", required=True)
    parser.add_argument("--screenshots")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tally, directory, service = Tally(), tempfile.mkdtemp(prefix="portal-"), None
    os.chmod(directory, 0o755)
    try:
        public, internal = free_ports(2)
        service = Service(arguments.bin, directory, {
            "PUBLIC_URL": f"http://localhost:{public}", "ALLOW_PRIVATE_TARGETS": "true",
        }, (public, internal))
        service.wait_until_ready()
        scene = Scene(service)
        browse(tally, arguments, service, scene)
        tally.run("portal", "the snippet for Python verifies what arrived, and nothing else", python_snippet, scene)
        tally.run("portal", "the snippet for Node verifies what arrived, and nothing else", node_snippet, scene)
        tally.run("portal", "the snippet for curl calls the API", shell_snippet, service, scene)
    finally:
        for process in started:
            if process.poll() is None:
                process.terminate()
        if service:
            service.stop()
        shutil.rmtree(directory, ignore_errors=True)
    print(tally)
    sys.exit(1 if tally.failed else 0)


main()
