"""What the publisher does to receivers that can take little, and what a long transaction does to it: figures.

    PARTNER_API_BIN=target/release/partner-api python3 tests/interop/events/pressure.py [--events 200] [--seconds 60]

Loopback ports and a temporary directory only. Rates of a debug build are good for ratios and nothing else.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, ".."))  # for lib/

from lib.service import Service, embedded_url


class Small:
    """A receiver with one worker: `answer(now)` gives a whole reply; every connection carries one request."""

    def __init__(self, answer, backlog=5):
        self.answer, self.seen, self.taken = answer, {}, []
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(backlog)
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            connection, _ = self.socket.accept()
            with connection:
                connection.settimeout(15)
                try:
                    self.handle(connection)
                except OSError:
                    pass

    def handle(self, connection):
        request = b""
        while b"\r\n\r\n" not in request or len(request.split(b"\r\n\r\n", 1)[1]) < self.length(request):
            more = connection.recv(65536)
            if not more:
                return
            request += more
        lines = request.split(b"\r\n\r\n", 1)[0].decode().split("\r\n")
        event_id = next(line.split(": ")[1] for line in lines if line.startswith("webhook-id: "))
        reply = self.answer(time.monotonic())
        if reply.startswith(b"HTTP/1.1 2"):
            self.seen[event_id] = self.seen.get(event_id, 0) + 1
            self.taken.append(time.monotonic())
        connection.sendall(reply)

    @staticmethod
    def length(request):
        for line in request.split(b"\r\n"):
            if line.startswith(b"content-length: "):
                return int(line.split(b": ")[1])
        return 0


OK = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"


def slow(_):
    time.sleep(0.02)
    return OK


class PerSecond:
    """Takes so many a second; the rest are told to come back in a second."""

    def __init__(self, rate):
        self.rate, self.second, self.count = rate, None, 0

    def __call__(self, now):
        if int(now) != self.second:
            self.second, self.count = int(now), 0
        self.count += 1
        if self.count <= self.rate:
            return OK
        return b"HTTP/1.1 429 Too Many\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


def org(service, name, url):
    made = service.create_org(name)
    key = made["tenant_api_key"]
    service.call("POST", "/v1/admin/org/queues/users", {"type": "webhook", "webhook": {"url": url}}, key=key, expect=201)
    return key


def create(service, key, count):
    lines = "".join(json.dumps({"user_id": str(uuid.uuid4())}) + "\n" for _ in range(count))
    headers = {"taih-tenant-key": key, "Content-Type": "application/x-ndjson"}
    status, text = service.ask("POST", "/v1/users/bulk", headers, lines, timeout=120)
    assert status == 200, text[:300]


def total(service, key, query):
    return service.call("GET", f"/v1/admin/org/events?stream=users&limit=1&{query}", key=key, whole=True)["pagination"]["total"]


def attempts(service, key):
    tried, cursor = {}, ""
    while cursor is not None:
        page = service.call("GET", f"/v1/admin/org/events?stream=users&limit=100&cursor={cursor}", key=key, whole=True)
        tried.update({event["event_id"]: event["attempts"] for event in page["data"]})
        cursor = page["pagination"]["next_cursor"]
    return tried


def crowd(service, events):
    """A listen backlog of five, one worker, 20 ms each."""
    receiver = Small(slow)
    key = org(service, "crowd", receiver.url)
    create(service, key, events)
    begin = time.monotonic()
    while len(receiver.seen) < events + 1 and time.monotonic() < begin + 100:
        time.sleep(0.2)
    tried = attempts(service, key)
    queue = service.call("GET", "/v1/admin/org/queues/users", key=key)
    arrived = len(receiver.seen) - 1  # less the test event
    again = sum(count - 1 for count in receiver.seen.values())
    failed = sum(n - (1 if event in receiver.seen else 0) for event, n in tried.items())
    print(f"backlog of 5: {arrived} of {events} arrived in {time.monotonic() - begin:.1f} s, {again} of them again, "
          f"{failed} attempts failed, state {queue['state']}", flush=True)
    return arrived


def rate(service, seconds):
    """Five a second, 429 and Retry-After beyond."""
    receiver = Small(PerSecond(5), backlog=128)
    key = org(service, "rate", receiver.url)
    create(service, key, 5 * seconds * 2)
    begin = time.monotonic()
    time.sleep(seconds)
    taken = sum(1 for at in receiver.taken if at >= begin)
    queue = service.call("GET", "/v1/admin/org/queues/users", key=key)
    share = taken / (5 * seconds)
    print(f"5 a second for {seconds} s: {taken} taken, {share:.0%} of what it takes, {total(service, key, 'status=failed')} failed, "
          f"state {queue['state']}, {queue['consecutive_failures']} failures in a row", flush=True)
    return share


def horizon(service, directory, events, psql):
    """Events a second with and without a transaction that holds the horizon of all that is dead."""
    receiver = Fast()
    key = org(service, "horizon", receiver.url)
    def drain():
        create(service, key, events)
        begin, before = time.monotonic(), receiver.count
        # What the bulk call's own time saw delivered is not counted.
        while total(service, key, "status=pending") > 0:
            time.sleep(0.1)
        return (receiver.count - before) / (time.monotonic() - begin)
    drain()
    without = [drain() for _ in range(3)]
    holder = subprocess.Popen([psql, embedded_url(os.path.join(directory, "data"))], stdin=subprocess.PIPE,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)
    holder.stdin.write("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM orgs;\n")
    holder.stdin.flush()
    time.sleep(1)
    held = [drain() for _ in range(3)]
    holder.kill()
    holder.wait()
    show = lambda rates: " ".join(f"{each:.0f}" for each in rates)
    print(f"events/s without a long transaction: {show(without)}; with one: {show(held)}; "
          f"ratio of the last {held[-1] / without[-1]:.2f}", flush=True)


class Fast:
    """Acknowledges at once, on kept connections."""

    def __init__(self):
        self.count, self.lock = 0, threading.Lock()
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(512)
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.socket.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        bytes_ = b""
        with connection:
            while True:
                while b"\r\n\r\n" in bytes_:
                    head, rest = bytes_.split(b"\r\n\r\n", 1)
                    length = Small.length(head)
                    if len(rest) < length:
                        break
                    bytes_ = rest[length:]
                    with self.lock:
                        self.count += 1
                    connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
                more = connection.recv(65536)
                if not more:
                    return
                bytes_ += more


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--horizon", type=int, default=5000, help="events of a round; 0 leaves it out")
    arguments = parser.parse_args()
    binary = os.environ.get("PARTNER_API_BIN", "")
    if not os.access(binary, os.X_OK):
        print("SKIPPED: PARTNER_API_BIN names no executable")
        return
    directory = tempfile.mkdtemp(prefix="events-pressure-")
    os.chmod(directory, 0o755)
    service = Service(os.path.abspath(binary), directory, {"ALLOW_PRIVATE_TARGETS": "true"})
    try:
        service.wait_until_ready()
        crowd(service, arguments.events)
        rate(service, arguments.seconds)
        psql = os.path.join(os.environ.get("PG_BIN", "/usr/lib/postgresql/15/bin"), "psql")
        if arguments.horizon and os.access(psql, os.X_OK):
            horizon(service, directory, arguments.horizon, psql)
    finally:
        service.stop()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
