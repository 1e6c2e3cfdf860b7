"""A partner's side: webhook endpoints and a storage queue, which can be told to misbehave."""

import json
import socket
import threading
import time
import xml.etree.ElementTree as ElementTree
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HANG = 30


NAMES = ("webhook-id", "webhook-timestamp", "webhook-signature", "webhook-signature-key-id")


class Received:
    def __init__(self, headers, body):
        self.at, self.body, self.content_type = time.time(), body, headers["content-type"]
        self.headers = {name: headers[name] for name in NAMES}

    @property
    def id(self):
        return self.headers["webhook-id"]

    @property
    def event(self):
        return json.loads(self.body)

    @property
    def signatures(self):
        """Those of the org's secrets."""
        return [each for each in self.headers["webhook-signature"].split(" ") if each.startswith("v1,")]


class Receiver(ThreadingHTTPServer):
    """Every path is an inbox of its own. `script` holds what to do with a path's next requests, `always` with all."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.inboxes, self.script, self.always, self.lock = {}, {}, {}, threading.Lock()
        self.envelopes = []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def inbox(self, path):
        with self.lock:
            return list(self.inboxes.get(path, ()))

    def put(self, path, received):
        with self.lock:
            self.inboxes.setdefault(path, []).append(received)
            steps = self.script.get(path)
            return steps.pop(0) if steps else self.always.get(path)

    def wait_for(self, path, condition, timeout=10, what="an event"):
        """The first received event that fulfils `condition`."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            for received in self.inbox(path):
                if condition(received):
                    return received
            time.sleep(0.02)
        raise AssertionError(f"{what} did not arrive at {path} within {timeout} s")

    def stop(self):
        self.shutdown()
        self.server_close()

    def handle_error(self, *_):
        pass  # the service is killed in the middle of things


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        path = self.path.split("?")[0]
        if path.endswith("/messages"):  # Azure's Put Message
            text = ElementTree.fromstring(body).findtext("MessageText")
            with self.server.lock:
                self.server.envelopes.append(text)
            return self.answer(201)
        step = self.server.put(path, Received(self.headers, body))
        if callable(step):
            step = step()
        if step == "hang":
            time.sleep(HANG)
        if step in ("close", "hang"):
            return self.cut(b"")
        if step == "half":
            return self.cut(b"HTTP/1.1 200 OK\r\nContent-Le")
        status, headers = step if isinstance(step, tuple) else (step or 204, {})
        self.answer(status, headers)

    def cut(self, sent):
        self.connection.sendall(sent)
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def answer(self, status, headers=None):
        self.send_response_only(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass
