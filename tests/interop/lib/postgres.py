"""A Postgres of the scripts' own, to be stopped, frozen and starved."""

import glob
import os
import pwd
import shutil
import signal
import socket
import struct
import subprocess
import time

ROLE = DATABASE = "partner"


def binaries():
    """Where initdb is; none if there is no Postgres on this machine."""
    found = shutil.which("initdb", path=os.environ.get("PG_BIN")) or shutil.which("initdb")
    found = found or next(iter(sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"), reverse=True)), None)
    return os.path.dirname(os.path.realpath(found)) if found else None


def unprivileged():
    """Arguments for subprocess: Postgres does not run as root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    raise AssertionError("no unprivileged user to run Postgres as")


class Postgres:
    """Runs when made. The service's role is no superuser, so that the last connections are not its own."""

    def __init__(self, directory, settings=None):
        self.directory, self.account = directory, unprivileged()
        os.makedirs(directory)
        if self.account:
            os.chown(directory, self.account["user"], self.account["group"])
        self.data, self.bin = os.path.join(directory, "data"), binaries()
        self._tool("initdb", "-D", self.data, "-U", "admin", "--auth=trust", "--encoding=UTF8", "--no-sync")
        with open(os.path.join(self.data, "postgresql.conf"), "a") as config:
            for name, value in {"listen_addresses": "", "unix_socket_directories": directory, "max_connections": 60,
                                "shared_buffers": "64MB", **(settings or {})}.items():
                config.write(f"{name} = '{value}'\n")
        self.start()
        self.sql(f"CREATE ROLE {ROLE} LOGIN", "postgres")

    def create_database(self, tablespace="pg_default"):
        self.sql(f"CREATE DATABASE {DATABASE} OWNER {ROLE} TABLESPACE {tablespace}", "postgres")

    def _tool(self, name, *arguments):
        done = subprocess.run([os.path.join(self.bin, name), *arguments], cwd=self.directory, **self.account,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
        assert done.returncode == 0, f"{name}: {done.stdout.decode()[-400:]}"

    def start(self):
        self._tool("pg_ctl", "-D", self.data, "-l", os.path.join(self.directory, "log"), "-w", "-t", "60", "start")

    def stop(self, mode="fast"):
        self._tool("pg_ctl", "-D", self.data, "-m", mode, "-w", "-t", "60", "stop")

    def sql(self, statement, database=DATABASE):
        """Rows as lists of strings."""
        done = subprocess.run([os.path.join(self.bin, "psql"), "-XAtq", "-F", "|", "-v", "ON_ERROR_STOP=1", "-h", self.directory,
                               "-U", "admin", "-d", database, "-c", statement], capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr.decode()[-400:]
        return [line.split("|") for line in done.stdout.decode().splitlines()]

    def url(self, directory=None, port=5432):
        return f"postgres://{ROLE}@localhost:{port}/{DATABASE}?host={directory or self.directory}"

    def processes(self):
        """The postmaster and all its children."""
        postmaster = postmaster_of(self.data)
        return [postmaster, *children(postmaster)]

    def freeze(self):
        return freeze(postmaster_of(self.data))

    def close(self):
        try:
            for pid in self.processes():
                os.kill(pid, signal.SIGCONT)
            self.stop("immediate")
        except (OSError, AssertionError):
            pass


def postmaster_of(data):
    with open(os.path.join(data, "postmaster.pid")) as file:
        return int(file.readline())


def freeze(postmaster):
    """Stopping the postmaster alone would freeze nothing. Gives what was stopped."""
    stopped = []
    for _ in range(2):  # a child may be born meanwhile, but of a stopped postmaster no second time
        for pid in (postmaster, *children(postmaster)):
            if pid not in stopped:
                try:
                    os.kill(pid, signal.SIGSTOP)
                    stopped.append(pid)
                except ProcessLookupError:
                    pass  # a child that has just ended
    return stopped


def thaw(stopped):
    for pid in stopped:
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            pass


def children(parent):
    found = []
    for stat in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(stat) as file:
                text = file.read()
        except OSError:
            continue
        if int(text.rsplit(")", 1)[1].split()[1]) == parent:
            found.append(int(text.split(" ", 1)[0]))
    return found


class Hog:
    """Takes every connection that an ordinary role can have, and keeps them."""

    def __init__(self, postgres):
        self.path, self.held = os.path.join(postgres.directory, ".s.PGSQL.5432"), []

    def eat(self):
        """Until there is none left; gives how many it holds."""
        parameters = f"user\0{ROLE}\0database\0{DATABASE}\0\0".encode()
        hello = struct.pack("!ii", 8 + len(parameters), 196608) + parameters
        while True:
            held = socket.socket(socket.AF_UNIX)
            held.settimeout(5)
            held.connect(self.path)
            held.sendall(hello)
            if not is_let_in(held):
                held.close()
                return len(self.held)
            self.held.append(held)

    def release(self):
        for held in self.held:
            held.close()
        self.held = []


def is_let_in(connection):
    """Whether the server gets ready for queries; it says so, or why not, after it knows who asks."""
    arrived = b""
    while more := connection.recv(4096):
        arrived += more
        while len(arrived) >= 5 and len(arrived) > (length := struct.unpack("!i", arrived[1:5])[0]):
            if arrived[:1] in b"ZE":
                return arrived[:1] == b"Z"
            arrived = arrived[1 + length:]
    return False


def until(what, patience, probe):
    """Seconds until `probe` is true."""
    began = time.monotonic()
    while not probe():
        assert time.monotonic() - began < patience, f"not within {patience} s: {what}"
        time.sleep(0.02)
    return time.monotonic() - began
