"""Two upstreams that a real service cannot play: one that echoes what reached it, and a verify endpoint on strings."""

import base64
import http.client
import json
import secrets
import socket
import threading
import time
import uuid
import zlib
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import wire

http.client._MAXHEADERS = 1000  # http.server refuses more than 100 headers by default
MAX_HEADERS = 200  # the service's limit
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@dataclass
class Credential:
    key: str
    org: str
    key_id: str
    scopes: str = "*"


def make_key():
    """A tenant key of the published format (contract, section 4)."""
    text = "tk_test_" + "".join(secrets.choice(BASE62) for _ in range(43))
    crc, digits = zlib.crc32(text.encode()), ""
    for _ in range(6):
        crc, digit = divmod(crc, 62)
        digits = BASE62[digit] + digits
    return text + digits


def new_credential(org=None):
    return Credential(make_key(), org or str(uuid.uuid4()), str(uuid.uuid4()))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_one_request(self):
        """Every method alike."""
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline:
            self.close_connection = True
        elif self.parse_request():
            self.server.answer(self)
            self.wfile.flush()

    def read_body(self):
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            return b"".join(wire.read_chunks(self.rfile))
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def reply(self, status, headers=(), body=b""):
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512  # for crowds; 5 by default

    def __init__(self):
        self.connections = []
        super().__init__(("127.0.0.1", 0), Handler)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def process_request(self, request, address):
        self.connections.append(request)
        super().process_request(request, address)

    def stop(self):
        """As a process that ends: idle keepalive connections close too."""
        self.shutdown()
        self.server_close()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def handle_error(self, *_):
        pass  # clients and gateways hang up here on purpose


class Echo(Server):
    """Answers with the request line and the headers as they arrived; for `X-Echo: body` with the body."""

    def answer(self, request):
        body = request.read_body()
        # Not `request.path`, which http.server tidies up.
        seen = {"method": request.command, "path": request.requestline.split()[1], "body_length": len(body),
                "headers": [[name, value] for name, value in request.headers.items()]}
        if request.headers.get("x-echo") == "body":
            self.last = seen
            signed = [("Content-Type", "application/jose"), ("Content-Digest", "sha-256=:c2FtZQ==:"),
                      ("Signature-Input", 'partner-api=("@status" "content-digest");created=1;keyid="k"'),
                      ("Signature", "partner-api=:c2FtZQ==:")]
            return request.reply(200, signed, b"" if request.command == "HEAD" else body)
        request.reply(200, [("Content-Type", "application/json")], json.dumps(seen).encode())


class ScriptedVerify(Server):
    """`/internal/auth/verify` where each key has its answer: (status, headers), "hang" or "drop"."""

    def __init__(self):
        self.answers, self.asked = {}, []
        super().__init__()

    def answer(self, request):
        body = request.read_body()
        keys = request.headers.get_all("taih-tenant-key") or []
        self.asked.append({"method": request.command, "path": request.path, "keys": keys, "body": body,
                           "names": [name.lower() for name in request.headers.keys()]})
        if len(request.headers.keys()) > MAX_HEADERS:
            return request.reply(431)
        script = self.answers.get(keys[0], REFUSED) if len(keys) == 1 else REFUSED
        if callable(script):
            script = script()
        if script in ("hang", "drop"):
            time.sleep(4 if script == "hang" else 0)
            request.close_connection = True
            return request.connection.shutdown(socket.SHUT_RDWR)
        status, headers = script
        request.reply(*(script if status == 200 else with_envelope(status, headers, request.headers.get("x-request-id"))))

    def times_asked(self, key):
        return sum(key in asked["keys"] for asked in self.asked)

    def say_yes(self, credential, max_age=5):
        self.answers[credential.key] = yes(credential, max_age)


def with_envelope(status, headers, request_id):
    request_id = request_id or str(uuid.uuid4())
    code = {401: "unauthorized", 403: "forbidden", 503: "service_unavailable"}.get(status, "internal_error")
    error = {"code": code, "message": "From the stub.", "details": [], "request_id": request_id}
    return (status, [("Content-Type", "application/json"), ("X-Request-Id", request_id), *headers],
            json.dumps({"error": error}).encode())


REFUSED = (401, [("WWW-Authenticate", 'ApiKey realm="partner-api"'), ("Cache-Control", "no-store")])


def yes(credential, max_age):
    keep = f"private, max-age={max_age}" if max_age else "no-store"
    return 200, [("OrgId", credential.org), ("X-Tenant-Key-Id", credential.key_id),
                 ("X-Tenant-Scopes", credential.scopes), ("Cache-Control", keep)]


class StubService:
    """Stands in for the service where there is no binary: keys live in this process."""

    CACHE_SECONDS = 1
    public = None

    def __init__(self):
        self.verify = ScriptedVerify()
        self.internal = self.verify.port
        self.main = self.new_key()

    def new_key(self, org=None, scopes="*"):
        credential = new_credential(org)
        credential.scopes = scopes
        self.verify.say_yes(credential, self.CACHE_SECONDS)
        return credential

    def revoke(self, credential):
        self.verify.answers[credential.key] = REFUSED

    def rotate(self, credential, grace):
        ends = time.time() + grace

        def until_the_end():
            left = int(ends - time.time())
            return yes(credential, min(left, self.CACHE_SECONDS)) if time.time() < ends else REFUSED

        self.verify.answers[credential.key] = until_the_end
        return self.new_key(credential.org)

    def suspended(self):
        credential = new_credential()
        self.verify.answers[credential.key] = (403, [("Cache-Control", "no-store")])
        return credential

    def member_token(self):
        return "header." + base64.urlsafe_b64encode(secrets.token_bytes(24)).decode() + ".signature"

    def stop(self):
        self.verify.stop()
