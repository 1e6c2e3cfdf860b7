"""Azure Event Hubs as a stand-in of our own: the emulator is a container image, which cannot be had here. It checks each
signature as Microsoft documents it (base64 of HMAC-SHA-256 over the encoded URI, a line feed and the expiry), takes single
events and batches, and remembers them by partition key."""

import base64
import hashlib
import hmac
import json
import re
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAMESPACE, HUB, POLICY = "acme-events", "partner.events", "send-only"
KEY = base64.b64encode(b"the key of the policy for tests!").decode()


class EventHubs:
    """`endpoint` stands for every namespace's host."""

    def __init__(self):
        self.events, self.requests, self.lock, self.answer = [], 0, threading.Lock(), 201
        hubs = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, detail = hubs.take(self.path, self.headers, body)
                text = f"<Error><Code>{status}</Code><Detail>{detail} TrackingId:1_G0, Timestamp:1</Detail></Error>"
                text = text.encode() if detail else b""
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                if status == 503:
                    self.send_header("Retry-After", "1")
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, path, headers, body):
        """Status, and the detail of a refusal."""
        url = urllib.parse.urlsplit(path)
        if url.path != f"/{NAMESPACE}/{HUB}/messages" or urllib.parse.parse_qs(url.query) != {"api-version": ["2014-01"]}:
            return 404, "No such event hub."
        if refusal := self.refusal(headers["Authorization"]):
            return 401, refusal
        with self.lock:
            self.requests += 1
            if self.answer != 201:
                return self.answer, "Told to."
            key = json.loads(headers["BrokerProperties"])["PartitionKey"]
            if headers["Content-Type"] == "application/vnd.microsoft.servicebus.json":
                for entry in json.loads(body):
                    assert entry["BrokerProperties"]["PartitionKey"] == key, entry
                    self.events.append((key, entry["Body"]))
            else:
                assert headers["Content-Type"] == "application/atom+xml;type=entry;charset=utf-8", headers
                self.events.append((key, body.decode()))
        return 201, ""

    def refusal(self, authorization):
        scheme, _, fields = authorization.partition(" ")
        fields = dict(field.split("=", 1) for field in fields.split("&"))
        resource = urllib.parse.quote_plus(f"https://{NAMESPACE}.servicebus.windows.net/{HUB}")
        signed = f"{resource}\n{fields['se']}".encode()
        expected = base64.b64encode(hmac.new(KEY.encode(), signed, hashlib.sha256).digest()).decode()
        if (scheme, fields["sr"], fields["skn"]) != ("SharedAccessSignature", resource, POLICY):
            return "InvalidAudience: Wrong resource or policy."
        if not hmac.compare_digest(urllib.parse.unquote_plus(fields["sig"]), expected):
            return "InvalidSignature: The token has an invalid signature."
        if not time.time() < int(fields["se"]) < time.time() + 3600:
            return "ExpiredToken: The token is expired."
        return None

    def make_queue(self, key=KEY, hub=HUB):
        return {"namespace": NAMESPACE, "event_hub_name": hub, "sas_policy_name": POLICY, "sas_key": key}

    def take_events(self, count=1, seconds=15):
        """Waits for so many events; all that came, with their partition keys."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with self.lock:
                if len(self.events) >= count:
                    taken, self.events = self.events, []
                    return taken
            time.sleep(0.05)
        raise AssertionError(f"{len(self.events)} of {count} events came")

    def stop(self):
        self.server.shutdown()


CONNECTION = re.sub(r"\s", "", f"""Endpoint=sb://{NAMESPACE}.servicebus.windows.net/;SharedAccessKeyName={POLICY};
    SharedAccessKey={KEY};EntityPath={HUB}""")
