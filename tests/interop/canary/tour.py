"""A run through every feature, with marks wherever a secret can stand, and where none belongs."""

import base64
import json
import os
import secrets
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURES = "../../../crates/public-keys/tests/fixtures"
END = "2028-11-21T08:00:00Z"


class Partner(ThreadingHTTPServer):
    """A webhook and a storage queue. `/refuses` answers with an error that repeats what it was sent."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Inbox)
        self.url, self.received = f"http://127.0.0.1:{self.server_address[1]}", []
        self.refuses = False
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()


class Inbox(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        # Not the path, which is the partner's own: its token, or what it named its endpoint.
        self.server.received.append(str(self.headers).encode() + body)
        if self.server.refuses:
            answer = f"<Error><Code>Nope</Code><Message>{self.path} {body.decode()}</Message></Error>".encode()
            self.send_response(403, "Refused")
        else:
            answer = b""
            self.send_response(201)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


class Tour:
    def __init__(self, service, marks, partner, fixture, gateway_secret):
        self.service, self.marks, self.partner, self.fixture = service, marks, partner, fixture
        self.gateway_secret, self.errors, self.statuses = gateway_secret, [], []

    def ask(self, method, path, body=None, expect=None, raw=None, **headers):
        """One call; error bodies are kept, and with them the headers that came along."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
            raw = json.dumps(body)
        status, text = self.service.ask(method, path, headers, raw)
        self.statuses.append(status)
        if status >= 400:
            self.errors.append(text)
        assert expect is None or status == expect, f"{method} {path.split('?')[0]}: {status}, not {expect}: {text[:300]}"
        return json.loads(text) if text.startswith(b"{") and b"\n{" not in text else None

    def walk(self):
        made = self.service.create_org("acme")
        self.org, self.key = made["org_id"], self.marks.credential("tenant-key", made["tenant_api_key"])
        self.note_signing_secret(made["signing_secret"])
        for part in (self.users, self.keys, self.signing_secrets, self.public_keys, self.queues, self.members,
                     self.oauth, self.gateway, self.malformed, self.stray_headers, self.not_http, self.operator):
            part()
        assert 500 not in self.statuses and {200, 201, 204, 400, 401, 403, 404, 409, 415, 422, 503} <= set(self.statuses), \
            sorted(set(self.statuses))

    def call(self, method, path, body=None, expect=200, **headers):
        return self.ask(method, path, body, expect, taih_tenant_key=self.key, **headers)

    def note_signing_secret(self, text):
        self.marks.credential("signing-secret", text)
        self.marks.credential("signing-secret", base64.b64decode(text.removeprefix("whsec_")))

    def profile(self):
        return {"first_name": self.marks.person("first-name"), "last_name": self.marks.person("last-name"),
                "email": self.marks.person("email") + "@example.com"}

    def users(self):
        self.user = str(uuid.uuid4())
        for_replay = self.marks.credential("idempotency-key")
        self.call("POST", "/v1/users", {"user_id": self.user, **self.profile()}, 201, Idempotency_Key=for_replay)
        self.call("POST", "/v1/users", {"user_id": self.user, **self.profile()}, None, Idempotency_Key=for_replay)
        self.call("POST", "/v1/users", {"user_id": self.user, **self.profile()}, 409)
        self.call("PATCH", f"/v1/users/{self.user}", self.profile(), 204)
        self.call("GET", f"/v1/users/{self.user}")
        lines = [json.dumps({"user_id": str(uuid.uuid4()), **self.profile()}) for _ in range(3)]
        lines += [json.dumps({"user_id": "x", "email": self.marks.person("bulk-email")}), self.marks.person("bulk-line")]
        status, text = self.service.ask("POST", "/v1/users/bulk", {"taih-tenant-key": self.key,
                                        "Content-Type": "application/x-ndjson"}, "\n".join(lines))
        assert status == 200 and text.count(b'"invalid"') == 2, text
        self.errors.append(text)

    def keys(self):
        at = "/v1/admin/org/tenant-keys"
        one = self.call("POST", at, {"name": "one"}, 201, Idempotency_Key=self.marks.credential("idempotency-key"))["data"]
        self.marks.credential("tenant-key", one["secret"])
        self.call("DELETE", f"{at}/{one['id']}", expect=204)
        self.ask("GET", "/v1/users", expect=401, taih_tenant_key=one["secret"])
        rotated = self.call("POST", "/v1/auth/tenant-key/rotate", {"grace_period_seconds": 60})["data"]
        self.call("POST", at, {"name": "no longer"}, 403)
        self.key = self.marks.credential("tenant-key", rotated["new_tenant_api_key"])
        self.call("GET", at + "?include_revoked=true")

    def signing_secrets(self):
        rotate = "/v1/auth/signing-secret/rotate"
        self.note_signing_secret(self.call("POST", rotate)["data"]["new_signing_secret"])
        own = self.marks.credential("own-signing-secret", secrets.token_bytes(40))
        self.call("POST", rotate, {"secret": base64.b64encode(own).decode()})
        self.call("POST", rotate, {"secret": "whsec_" + base64.b64encode(own).decode()}, 409)
        short = self.marks.credential("short-signing-secret")[:24]
        self.call("POST", rotate, {"secret": base64.b64encode(short.encode()).decode()}, 422)
        self.call("POST", rotate, {"secret": self.marks.credential("odd-signing-secret") + "!"}, 422)
        self.call("GET", "/v1/auth/signing-secret")

    def public_keys(self):
        register = lambda kind, text, expect: self.call("POST", "/api/v1/key", {
            "OwnerCode": "acme", "Usage": ["CredentialsDownload"], "Type": kind, "PublicKey": text, "ExpirationUtc": END}, expect)
        for kind, file in (("RSA", "rsa2048.key.pem"), ("RSA", "rsa3072.traditional.key.pem"), ("PGP", "pgp-curve.key.asc"),
                           ("PGP", "pgp-rsa.key.asc"), ("RSA", "ec.key.pem")):
            text = self.fixture(file)
            body = [line for line in text.splitlines() if line and not line.startswith("-") and ":" not in line]
            # From the middle on, where no public half stands any more; the last line is too short to be sure.
            for line in body[len(body) // 2:-2] or body[:1]:
                self.marks.credential(f"private-key-{file}", line)
            register(kind, text, 400)
        register("RSA", self.marks.credential("no-key"), 400)
        registered = register("RSA", self.fixture("rsa3072.spki.pem"), 200)["UniqueId"]
        self.call("POST", "/v1/auth/signing-secret/rotate", {"deliver_to": registered})
        self.call("POST", "/v1/admin/org/tenant-keys", {"name": "delivered", "deliver_to": registered}, 201)
        self.call("POST", "/api/v1/key/generate", {"OwnerCode": "acme", "Usage": ["MessageLevelEncryption"], "Type": "RSA",
                                                   "Length": 2048, "ExpirationUtc": END})
        self.call("DELETE", f"/api/v1/key/{registered}", expect=204)

    def queues(self):
        at = "/v1/admin/org/queues"
        sas = f"sv=2021-12-02&sp=a&se=2028-01-01T00:00:00Z&sig={self.marks.credential('sas-token')}"
        storage = {"type": "azure_storage_queue", "azure_storage_queue": {
            "account_name": "canaryaccount", "queue_name": "events", "sas_token": sas}}
        self.call("POST", f"{at}/users", storage, 201)
        self.call("GET", f"{at}/users")
        hook = f"{self.partner.url}/{self.marks.credential('webhook-query')}"
        # A webhook's URL is the partner's own to show, so only its refused neighbour is marked.
        self.call("POST", f"{at}/credentials", {"type": "webhook", "webhook": {"url": self.partner.url + "/hook"}}, 201)
        self.partner.refuses = True
        self.call("PUT", f"{at}/credentials", {"type": "webhook", "webhook": {"url": hook}}, 400)
        self.call("PUT", f"{at}/users", storage, 400)
        storage["azure_storage_queue"]["sas_token"] = self.marks.credential("wrong-sas-token")
        self.call("PUT", f"{at}/users", storage, 422)
        # These fail, and the answer repeats the token: it must not come to rest in last_error.
        self.call("POST", "/v1/users", {"user_id": str(uuid.uuid4()), **self.profile()}, 201)
        self.wait(lambda: any(event["last_error"] for event in self.call("GET", "/v1/admin/org/events?limit=100")["data"]))
        self.partner.refuses = False
        self.call("POST", f"{at}/users/test", expect=202)

    def members(self):
        token = self.call("POST", "/v1/auth/token", {"user_id": self.user})["data"]["access_token"]
        self.marks.credential("member-token", token)
        self.marks.credential("member-token", token.rsplit(".", 1)[1])
        self.ask("GET", f"/v1/users/{self.user}", expect=200, Authorization=f"Bearer {token}")
        self.ask("GET", "/v1/users", expect=401, Authorization=f"Bearer {token}")
        self.ask("GET", f"/v1/users/{self.user}", expect=401, Authorization=f"Bearer {token[:-6]}AAAAAA")
        self.ask("GET", f"/v1/users/{self.user}", expect=400, Authorization=f"Bearer {token}", taih_tenant_key=self.key)

    def oauth(self):
        """A partner token. Of the assertion not even the id comes to rest."""
        if not shutil.which("openssl"):
            return
        registered = self.call("POST", "/api/v1/key", {"OwnerCode": "acme", "Usage": ["Authentication"], "Type": "RSA", "PublicKey":
                                                       self.fixture("rsa2048.spki.pem"), "ExpirationUtc": END})["UniqueId"]
        now, encode = int(time.time()), lambda part: base64.urlsafe_b64encode(part).rstrip(b"=").decode()
        claims = {"iss": "acme", "sub": "acme", "aud": f"http://127.0.0.1:{self.service.public}", "exp": now + 60,
                  "jti": self.marks.credential("assertion-id")}
        signed = ".".join(encode(json.dumps(part).encode()) for part in ({"alg": "PS256", "kid": registered}, claims))
        pss = ("-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32")
        command = ["openssl", "dgst", "-sha256", "-sign", os.path.join(HERE, FIXTURES, "rsa2048.key.pem"), *pss]
        signature = subprocess.run(command, input=signed.encode(), capture_output=True, check=True).stdout
        assertion = f"{signed}.{self.marks.credential('assertion', encode(signature))}"
        form = {"grant_type": "client_credentials", "client_assertion": assertion,
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}
        ask = lambda form, expect: self.ask("POST", "/v1/oauth/token", expect=expect, raw=urllib.parse.urlencode(form),
                                            Content_Type="application/x-www-form-urlencoded")
        token = ask(form, 200)["access_token"]
        self.marks.credential("partner-token", token)
        self.marks.credential("partner-token", token.rsplit(".", 1)[1])
        self.ask("GET", "/v1/users", expect=200, Authorization=f"Bearer {token}")
        self.ask("GET", "/v1/users", expect=401, Authorization=f"Bearer {token[:-6]}AAAAAA")
        ask(form, 401)
        for name in (*form, "scope", "client_secret"):
            ask({**form, name: self.marks.credential("in-a-bad-form")}, None)
        self.call("DELETE", f"/api/v1/key/{registered}", expect=204)

    def gateway(self):
        good = {"OrgId": self.org, "X_Gateway_Auth": self.gateway_secret}
        self.ask("GET", "/v1/users", expect=200, **good)
        self.ask("GET", "/v1/users", expect=401, OrgId=self.org, X_Gateway_Auth=self.marks.credential("wrong-gateway-secret"))
        self.ask("GET", "/v1/users", expect=400, **{**good, "OrgId": self.marks.credential("org-id")})
        self.ask("GET", "/v1/users", expect=401, **good, X_Tenant_Key_Id=self.marks.credential("key-id"))
        for key in (self.key, "tk_test_" + self.marks.credential("unknown-key")):
            self.service.verify(key)

    def malformed(self):
        """Bodies that are wrong, with secrets in them: parsers like to quote what they cannot read."""
        # As long as a key, and made of what a field's name may hold: in a name's place, too, it is not repeated.
        hidden = lambda: self.marks.credential("in-a-bad-body", "tk_test_" + secrets.token_hex(24) + "0")
        for path in ("/v1/users", "/v1/auth/tenant-key/rotate", "/v1/auth/signing-secret/rotate", "/v1/auth/token",
                     "/v1/admin/org/tenant-keys", "/v1/admin/org/queues/users", "/v1/admin/org/events/replay",
                     "/api/v1/key", "/api/v1/key/generate"):
            for body in (f'{{"secret": "{hidden()}', f'{{"{hidden()}": "{hidden()}"}}', f'["{hidden()}"]', f'"{hidden()}"',
                         f'{{"secret": "{hidden()}", "secret": "{hidden()}"}}', hidden(), f"\x00{hidden()}",
                         f'{{"user_id": "{hidden()}", "name": {{"a": "{hidden()}"}}, "type": "{hidden()}"}}'):
                self.ask("POST", path, raw=body, taih_tenant_key=self.key, Content_Type="application/json")
            self.ask("POST", path, raw=hidden(), expect=415, taih_tenant_key=self.key, Content_Type=f"text/{hidden()}")
        for path in (f"/v1/{hidden()}", f"/v1/users/{hidden()}", f"/v1/users?limit={hidden()}&{hidden()}=1",
                     f"/v1/users?cursor={hidden()}", f"/api/v1/key/{hidden()}", f"/api/v1/key/list/{hidden()}",
                     f"/v1/admin/org/queues/{hidden()}", f"/v1/admin/org/events?stream={hidden()}"):
            self.ask("GET", path, taih_tenant_key=self.key)
            self.ask("GET", path)
        self.ask("GET", "/v1/users/3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13/health-profile", expect=503, taih_tenant_key=self.key)

    def stray_headers(self):
        hidden = lambda: self.marks.credential("in-a-stray-header")
        for name in ("Authorization", "Cookie", "X-Api-Key", "x-request-id", "traceparent", "tracestate", "User-Agent",
                     "Referer", "Idempotency-Key", "X-Forwarded-For", "OrgId", "org-id", "Accept", "Content-Encoding"):
            # A request id is repeated if it is well-formed: this one is not.
            value = f"Basic {hidden()} \"{hidden()}\""
            self.service.ask("GET", "/v1/users", {name: value, "taih-tenant-key": self.key})
            self.service.ask("GET", "/v1/users", {name: value})
        self.ask("GET", "/v1/users", expect=401, taih_tenant_key=self.key[:-1] + "!")

    def not_http(self):
        for text in (f"{self.marks.credential('garbage')}\r\n\r\n", f"GET /{self.marks.credential('garbage')} HTTP/7\r\n\r\n",
                     f"{self.marks.credential('method')} /v1/users HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
                     f"POST /v1/users HTTP/1.1\r\nhost: a\r\ntaih-tenant-key: {self.key}\r\ncontent-type: application/json\r\n"
                     f"content-length: 500\r\n\r\n{{\"email\": \"{self.marks.person('broken-off')}"):
            with socket.create_connection(("127.0.0.1", self.service.public), timeout=5) as connection:
                connection.sendall(text.encode())
                connection.shutdown(socket.SHUT_WR)
                self.errors.append(connection.makefile("rb").read())

    def operator(self):
        made = self.service.command("key", "create", "--org", "acme", "--name", "by hand", "--json")
        self.marks.credential("tenant-key", next(value for value in json.loads(made).values() if str(value).startswith("tk_")))
        rotated = json.loads(self.service.command("secret", "rotate", "--org", "acme", "--json"))
        self.note_signing_secret(next(value for value in rotated.values() if str(value).startswith("whsec_")))

    @staticmethod
    def wait(condition, seconds=15):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it did not happen in time"
            time.sleep(0.1)
