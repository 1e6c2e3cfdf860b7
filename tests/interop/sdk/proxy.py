"""A proxy that loses requests and replies, and is busy, in turn: what a client has to live with."""

import http.client
import http.server
import socket
import threading

# What happens to one request after the other. `lost reply`: it was carried out, and nobody hears of it.
TURNS = ("lost reply", "passes", "busy", "lost request", "passes")
NOT_PASSED_ON = {"host", "connection", "content-length", "transfer-encoding"}


class BrokenProxy:
    """Listens from when it is made, in front of `127.0.0.1:<upstream>`."""

    def __init__(self, upstream):
        self.upstream, self.lock, self.count = upstream, threading.Lock(), 0
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                proxy.handle(self)

            do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def turn(self):
        with self.lock:
            self.count += 1
            return TURNS[(self.count - 1) % len(TURNS)]

    def handle(self, request):
        body = request.rfile.read(int(request.headers.get("content-length") or 0))
        turn = self.turn()
        if turn == "lost request":
            return self.cut(request)
        if turn == "busy":
            return self.answer(request, 503, {"retry-after": "1"}, b"")
        connection = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=20)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in NOT_PASSED_ON}
        connection.request(request.command, request.path, body or None, {**headers, "Host": f"127.0.0.1:{self.upstream}"})
        reply = connection.getresponse()
        content = reply.read()
        connection.close()
        if turn == "lost reply":
            return self.cut(request)
        return self.answer(request, reply.status, dict(reply.getheaders()), content)

    @staticmethod
    def answer(request, status, headers, content):
        request.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in NOT_PASSED_ON:
                request.send_header(name, value)
        if status != 204:
            request.send_header("content-length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    @staticmethod
    def cut(request):
        request.close_connection = True
        request.connection.shutdown(socket.SHUT_RDWR)

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
