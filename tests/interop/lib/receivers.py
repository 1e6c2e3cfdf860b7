"""Receivers as partners build them: Python's own servers, with one worker or many, and as much patience as those have."""

import asyncio
import collections
import http.server
import json
import socket
import socketserver
import threading
import time

Arrived = collections.namedtuple("Arrived", "id kind subject version at taken")


class Receiver:
    """`judge(event)` says how an event is answered: a status, and headers with it."""

    def __init__(self, judge=None, seconds=0.0):
        self.judge, self.seconds = judge or (lambda event: (204, {})), seconds
        self.arrived, self.lock = [], threading.Lock()

    def answer(self, headers, body):
        """The status and the headers for one request; called where the server would do its work."""
        event = json.loads(body)
        status, more = self.judge(event)
        taken = 200 <= status < 300
        data = event["data"]
        subject = data.get("user_id") or data.get("order_id")
        with self.lock:
            self.arrived.append(Arrived(headers["webhook-id"], event["type"], subject, data.get("version"), time.monotonic(), taken))
        return status, more

    def seen(self):
        """What was taken, without test events."""
        with self.lock:
            return [each for each in self.arrived if each.taken and each.kind != "queue.test"]

    def refused(self):
        with self.lock:
            return [each for each in self.arrived if not each.taken]

    def again(self):
        """Events that were taken more than once."""
        counts = collections.Counter(each.id for each in self.seen())
        return {id_: count for id_, count in counts.items() if count > 1}

    def wait_for(self, count, seconds):
        """Until so many different events were taken; how many were."""
        deadline = time.monotonic() + seconds
        while (found := len({each.id for each in self.seen()})) < count and time.monotonic() < deadline:
            time.sleep(0.05)
        return found


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        receiver = self.server.receiver
        time.sleep(receiver.seconds)
        status, headers = receiver.answer(self.headers, body)
        self.send_response(status)
        for name, value in {"content-length": "0", **headers}.items():
            if not (status == 204 and name == "content-length"):
                self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_):
        pass


class _ClosingHandler(_Handler):
    protocol_version = "HTTP/1.0"


class _Threads(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


class HttpServer(Receiver):
    """`http.server`: one thread, which is one connection's until that ends, or a thread for each; HTTP/1.1 keeps connections."""

    def __init__(self, judge=None, seconds=0.0, backlog=5, threads=False, keeps=True):
        super().__init__(judge, seconds)
        server = type("Server", (_Threads if threads else http.server.HTTPServer,), {"request_queue_size": backlog})
        self.server = server(("127.0.0.1", 0), _Handler if keeps else _ClosingHandler)
        self.server.receiver = self
        # A client that hung up while it waited is no news.
        self.server.handle_error = lambda *_: None
        self.url = f"http://127.0.0.1:{self.server.server_port}/events"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Asyncio(Receiver):
    """An event loop with so many workers: connections are kept, requests wait for a worker."""

    def __init__(self, judge=None, seconds=0.0, backlog=100, workers=1):
        super().__init__(judge, seconds)
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/events"
        self.loop = asyncio.new_event_loop()
        started = threading.Event()
        threading.Thread(target=self._run, args=(backlog, workers, started), daemon=True).start()
        started.wait()

    def _run(self, backlog, workers, started):
        asyncio.set_event_loop(self.loop)
        self.workers = asyncio.Semaphore(workers)
        self.server = self.loop.run_until_complete(asyncio.start_server(self._serve, sock=self.socket, backlog=backlog))
        started.set()
        self.loop.run_forever()

    async def _serve(self, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
                body = await reader.readexactly(int(headers["content-length"]))
                async with self.workers:
                    await asyncio.sleep(self.seconds)
                    status, more = self.answer(headers, body)
                lines = [f"HTTP/1.1 {status} Answer", *(f"{name}: {value}" for name, value in more.items())]
                if status != 204:
                    lines.append("content-length: 0")
                writer.write("\r\n".join([*lines, "", ""]).encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def stop(self):
        async def end():
            self.server.close()
            for task in asyncio.all_tasks():
                if task is not asyncio.current_task():
                    task.cancel()
            self.loop.call_soon(self.loop.stop)
        asyncio.run_coroutine_threadsafe(end(), self.loop)


class PerSecond:
    """A judge that takes so many a second, counted anew each second or by tokens that come back evenly; 429 beyond."""

    def __init__(self, rate, tokens=False, retry_after=None):
        self.rate, self.is_bucket, self.retry_after = rate, tokens, retry_after
        self.left, self.at, self.lock = float(rate), 0.0, threading.Lock()

    def __call__(self, event):
        if event["type"] == "queue.test":
            return 204, {}
        with self.lock:
            now = time.monotonic()
            if self.is_bucket:
                self.left = min(self.rate, self.left + self.rate * (now - self.at)) if self.at else self.left
            elif int(now) != int(self.at):
                self.left = self.rate
            self.at = now
            if self.left >= 1:
                self.left -= 1
                return 204, {}
        return 429, {"retry-after": str(self.retry_after)} if self.retry_after else {}


def disordered(seen):
    """First arrivals of events of a subject after the first arrival of a later one."""
    highest, known, found = {}, set(), []
    for each in seen:
        if each.id in known:
            continue
        known.add(each.id)
        if each.version < highest.get(each.subject, 0):
            found.append(each)
        highest[each.subject] = max(each.version, highest.get(each.subject, 0))
    return found
