"""A front for brokers that know neither TLS nor log-ins: one port for each, which asks for a log-in inside TLS, passes the
rest on, and names itself in what the cluster says of its brokers. The broker's half of SCRAM is scramp's."""

import socket
import ssl
import struct
import threading

import trustme
from scramp import ScramException, ScramMechanism

METADATA, HANDSHAKE, AUTHENTICATE = 3, 17, 36
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


class Front:
    """`brokers` are its own; `authority` the PEM of who vouches for them. Without `tls` it asks for a log-in only."""

    def __init__(self, brokers, username, password, tls=True):
        self.username, self.password = username, password
        self.logins, self.not_leader, self.lock = [], 0, threading.Lock()
        authority = trustme.CA()
        self.authority = authority.cert_pem.bytes().decode()
        self.context = None
        if tls:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert("127.0.0.1").configure_cert(self.context)
        self.ports, self.sockets = {}, []
        for broker in brokers:
            host, port = broker.split(":")
            listener = socket.create_server(("127.0.0.1", 0))
            self.ports[int(port)] = listener.getsockname()[1]
            self.sockets.append(listener)
            threading.Thread(target=self.accept, args=(listener, (host, int(port))), daemon=True).start()
        self.brokers = [f"127.0.0.1:{port}" for port in self.ports.values()]

    def accept(self, listener, behind):
        while True:
            try:
                stream, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(stream, behind), daemon=True).start()

    def serve(self, stream, behind):
        try:
            with stream, socket.create_connection(behind) as broker:
                if self.context:
                    stream = self.context.wrap_socket(stream, server_side=True)
                if self.log_in(stream):
                    self.pass_on(stream, broker)
        except (OSError, EOFError):
            pass

    def log_in(self, stream):
        api, number, body = request(frame(stream))
        if api != HANDSHAKE:
            return False
        mechanism = body[2:].decode()
        code = 0 if mechanism in MECHANISMS else 33
        names = b"".join(text(name) for name in MECHANISMS)
        answer(stream, number, struct.pack(">hi", code, len(MECHANISMS)) + names)
        if code:
            return False
        if mechanism == "PLAIN":
            number, message = self.message(stream)
            return self.told(stream, number, mechanism, message == f"\0{self.username}\0{self.password}".encode(), b"")
        return self.scram(stream, mechanism)

    def scram(self, stream, mechanism):
        scram = ScramMechanism(mechanism)
        users = {self.username: scram.make_auth_info(self.password, iteration_count=4096)}
        server = scram.make_server(users.__getitem__)
        number, message = self.message(stream)
        try:
            server.set_client_first(message.decode())
            answer(stream, number, struct.pack(">hh", 0, -1) + sized(server.get_server_first().encode()))
            number, message = self.message(stream)
            server.set_client_final(message.decode())
        except (ScramException, KeyError):
            return self.told(stream, number, mechanism, False, b"")
        return self.told(stream, number, mechanism, True, server.get_server_final().encode())

    def message(self, stream):
        api, number, body = request(frame(stream))
        assert api == AUTHENTICATE, api
        return number, body[4:]

    def told(self, stream, number, mechanism, is_right, message):
        with self.lock:
            self.logins.append((mechanism, is_right))
        said = struct.pack(">hh", 0, -1) if is_right else struct.pack(">h", 58) + text("Authentication failed")
        answer(stream, number, said + sized(message))
        return is_right

    def pass_on(self, stream, broker):
        while True:
            asked = frame(stream)
            api, number, _ = request(asked)
            broker.sendall(sized(asked))
            came = bytearray(frame(broker))
            if api == METADATA:
                self.rename(came)
            stream.sendall(sized(bytes(came)))

    def rename(self, came):
        """Of an answer to Metadata 7, puts the front's ports in place of the brokers'."""
        [count] = struct.unpack_from(">i", came, 8)
        at = 12
        for _ in range(count):
            [length] = struct.unpack_from(">h", came, at + 4)
            at += 6 + length
            [port] = struct.unpack_from(">i", came, at)
            struct.pack_into(">i", came, at, self.ports[port])
            [rack] = struct.unpack_from(">h", came, at + 4)
            at += 6 + max(rack, 0)

    def stop(self):
        for listener in self.sockets:
            listener.close()


def frame(stream):
    [length] = struct.unpack(">i", read(stream, 4))
    return read(stream, length)


def read(stream, length):
    came = b""
    while len(came) < length:
        part = stream.recv(length - len(came))
        if not part:
            raise EOFError
        came += part
    return came


def request(asked):
    """API, number and body."""
    api, _, number, name = struct.unpack_from(">hhih", asked)
    return api, number, asked[10 + max(name, 0):]


def answer(stream, number, body):
    stream.sendall(sized(struct.pack(">i", number) + body))


def sized(body):
    return struct.pack(">i", len(body)) + body


def text(value):
    return struct.pack(">h", len(value)) + value.encode()
