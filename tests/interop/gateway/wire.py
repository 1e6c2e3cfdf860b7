"""Raw HTTP/1.1: sends exactly the header lines it is given, which client libraries would tidy up."""

import json
import socket


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def one(self, name):
        """The value of a header that must be there exactly once."""
        found = self.all(name)
        assert len(found) == 1, f"{name} sent {len(found)} times: {found}"
        return found[0]

    def json(self):
        return json.loads(self.body)


def ask(port, method="GET", path="/v1/users", headers=(), body=None, raw_tail=None, timeout=8):
    """One request on its own connection; `headers` is a list of pairs, or of raw lines."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
    lines += [line if isinstance(line, str) else f"{line[0]}: {line[1]}" for line in headers]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    tail = raw_tail if raw_tail is not None else body or b""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + tail)
        with connection.makefile("rb") as stream:
            return read_reply(stream)


def read_reply(stream):
    first = stream.readline().decode()
    assert first.startswith("HTTP/1.1 "), f"no HTTP answer: {first!r}"
    headers = read_headers(stream)
    reply = Reply(int(first.split()[1]), headers, b"")
    if "chunked" in [value.lower() for value in reply.all("transfer-encoding")]:
        reply.body = b"".join(read_chunks(stream))
    elif reply.all("content-length"):
        reply.body = stream.read(int(reply.one("content-length")))
    elif reply.status not in (204, 304):
        reply.body = stream.read()
    return reply


def read_headers(stream):
    headers = []
    while (line := stream.readline().decode().rstrip("\r\n")):
        name, _, value = line.partition(":")
        headers.append((name, value.strip()))
    return headers


def read_chunks(stream):
    while (size := int(stream.readline().split(b";")[0], 16)):
        yield stream.read(size)
        stream.readline()
    read_headers(stream)  # trailers
