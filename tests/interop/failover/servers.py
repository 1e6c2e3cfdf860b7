"""etcd, Patroni and HAProxy as child processes."""

import csv
import http.client
import json
import os
import signal
import socket
import string
import subprocess

from postgres import binaries, freeze, postmaster_of, thaw, unprivileged
from service import free_ports

HERE = os.path.dirname(os.path.abspath(__file__))
PASSWORD = "of-this-run"


def filled(template, **values):
    with open(os.path.join(HERE, template)) as file:
        return string.Template(file.read()).substitute(values)


class Server:
    """A child with a directory and a log."""

    def __init__(self, directory):
        self.directory, self.process = directory, None
        os.makedirs(directory)
        self.log = os.path.join(directory, "log")

    def launch(self, command, environment=None):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, cwd=self.directory, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                            env={**os.environ, **(environment or {})})

    def said(self):
        with open(self.log, errors="replace") as log:
            return log.read()[-1500:]

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Etcd(Server):
    def __init__(self, directory, address):
        super().__init__(directory)
        client, peer = free_ports(2)
        self.address = f"{address}:{client}"
        self.launch(["etcd", "--name", "one", "--data-dir", os.path.join(directory, "data"), "--log-outputs", "stderr", "--enable-v2",
                     "--listen-client-urls", f"http://{self.address}", "--advertise-client-urls", f"http://{self.address}",
                     "--listen-peer-urls", f"http://127.0.0.1:{peer}", "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}",
                     "--initial-cluster", f"one=http://127.0.0.1:{peer}"])


class Node(Server):
    """Patroni and its Postgres on a machine; Patroni is started again when it ends, as systemd would."""

    def __init__(self, directory, name, machine, network, etcd, times):
        super().__init__(directory)
        self.name, self.machine, self.account, self.frozen = name, machine, unprivileged(), []
        if self.account:
            os.chown(directory, self.account["user"], self.account["group"])
        self.data, self.config = os.path.join(directory, "data"), os.path.join(directory, "patroni.yml")
        with open(self.config, "w") as file:
            file.write(filled("patroni.yml", name=name, address=machine.address, port=machine.port, rest=machine.rest,
                              etcd=etcd.address, directory=directory, binaries=binaries(), network=network, password=PASSWORD, **times))
        self.start()

    def start(self):
        self.launch(self.machine.command(self.account, ["patroni", self.config]), {"HOME": self.directory})

    def halt(self):
        """Stops Patroni, the postmaster and its children where they are, a machine's worth; gives them."""
        self.process.send_signal(signal.SIGSTOP)
        found = [self.process.pid]
        try:
            postmaster = postmaster_of(self.data)
            os.kill(postmaster, 0)
        except (OSError, ValueError):
            return found
        return found + freeze(postmaster)

    def kill(self):
        """As if the power went: nobody says goodbye, and the kernel closes what was open."""
        for pid in self.halt():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()

    def kill_postgres(self):
        """Postgres alone, with all its children; Patroni lives and sees it."""
        for pid in freeze(postmaster_of(self.data)):
            os.kill(pid, signal.SIGKILL)

    def freeze(self):
        """The whole machine stands still; its connections stay open."""
        self.frozen = self.halt()

    def thaw(self):
        """Postgres goes on first, and has as long as Patroni needs to see that it is no primary any more."""
        frozen, self.frozen = self.frozen, []
        thaw(frozen[1:])
        thaw(frozen[:1])

    def ask(self, path, timeout=0.5, method="GET", body=None):
        """Status and reply of Patroni's REST API; none if it does not answer."""
        connection = http.client.HTTPConnection(self.machine.address, self.machine.rest, timeout=timeout)
        try:
            connection.request(method, path, body and json.dumps(body))
            reply = connection.getresponse()
            return reply.status, reply.read().decode()
        except (OSError, http.client.HTTPException):
            return None, ""
        finally:
            connection.close()

    def sql(self, statement, database="partner"):
        """Rows as lists of strings, by the address that others see."""
        done = subprocess.run([os.path.join(binaries(), "psql"), "-XAtq", "-F", "|", "-v", "ON_ERROR_STOP=1", "-h", self.machine.address,
                               "-p", str(self.machine.port), "-U", "admin", "-d", database, "-c", statement],
                              env={**os.environ, "PGPASSWORD": PASSWORD, "PGCONNECT_TIMEOUT": "3"}, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr.decode()[-400:]
        return [line.split("|") for line in done.stdout.decode().splitlines()]

    def stop(self):
        self.thaw()
        self.machine.mend()
        if self.process.poll() is None:
            self.kill()
        self.machine.stop()


class HAProxy(Server):
    def __init__(self, directory, nodes):
        super().__init__(directory)
        (self.port,) = free_ports(1)
        self.socket, config = os.path.join(directory, "haproxy.sock"), os.path.join(directory, "haproxy.cfg")
        with open(config, "w") as file:
            file.write(filled("haproxy.cfg", front=self.port, directory=directory))
            for node in nodes:
                file.write(f"    server {node.name} {node.machine.address}:{node.machine.port} check port {node.machine.rest}\n")
        self.launch(["haproxy", "-db", "-f", config])

    def leads_to(self):
        """The names of the nodes that it sends new connections to."""
        asked = socket.socket(socket.AF_UNIX)
        asked.settimeout(2)
        try:
            asked.connect(self.socket)
            asked.sendall(b"show stat\n")
            text = b""
            while more := asked.recv(65536):
                text += more
        except OSError:
            return []
        finally:
            asked.close()
        rows = csv.DictReader(text.decode().removeprefix("# ").splitlines())
        return [row["svname"] for row in rows if row["svname"].startswith("node") and row["status"].startswith("UP")]
