"""What is measured with: a Postgres, the service, the bare server, wrk and pgbench."""

import glob
import json
import os
import pwd
import re
import subprocess
import time
import uuid

from service import Service, free_ports

CONNECTIONS = 64


class Lab:
    def __init__(self, directory, options, settings="", statement=""):
        """`statement` is what the bare server runs at `/statement`."""
        self.directory, self.options, self.statement = directory, options, statement
        self.postgres = Postgres(os.path.join(directory, "pg"), settings)
        self.bare_port = free_ports(1)[0]
        self.bare = None

    def __enter__(self):
        self.postgres.start()
        if self.options.bare:
            self.bare = self.start_bare()
        home = os.path.join(self.directory, "service")
        os.makedirs(home)
        self.service = Service(os.path.abspath(self.options.binary), home, {
            "DATABASE_URL": self.postgres.url, "MASTER_KEYS": "base64:YmVuY2htYXJrIG1hc3RlciBrZXksIDMyIGJ5dGVzISE=",
            "ALLOW_PRIVATE_TARGETS": "true", "LOG_FORMAT": "json", **json.loads(os.environ.get("BENCH_ENV", "{}"))})
        self.service.wait_until_ready()
        self.org = self.service.create_org("bench-" + uuid.uuid4().hex[:8])
        return self

    def __exit__(self, *_):
        self.service.stop()
        if self.bare:
            self.bare.kill()
            self.bare.wait()
        self.postgres.stop()

    def start_bare(self):
        with open(os.path.join(self.directory, "bare.log"), "wb") as log:
            return subprocess.Popen([self.options.bare], stdout=log, stderr=log, env={
                "LISTEN_ADDR": f"127.0.0.1:{self.bare_port}", "DATABASE_URL": self.postgres.url, "STATEMENT": self.statement})

    @property
    def public(self):
        return f"http://127.0.0.1:{self.service.public}"

    @property
    def internal(self):
        return f"http://127.0.0.1:{self.service.internal}"

    def wrk(self, url, script=None, *arguments, connections=CONNECTIONS, headers=()):
        """Requests a second and what the latencies were; says so when an answer was not a 2xx/3xx."""
        command = ["wrk", "-t2", f"-c{connections}", f"-d{self.options.seconds}s", "--latency"]
        if connections == 1:
            command[1] = "-t1"
        for header in headers:
            command += ["-H", header]
        if script:
            command += ["-s", os.path.join(os.path.dirname(__file__), script)]
        out = subprocess.run([*command, url, "--", *arguments], capture_output=True, text=True, check=True).stdout
        rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])
        p50, p99 = (re.search(rf"^\s+{p}%\s+(\S+)", out, re.MULTILINE)[1] for p in (50, 99))
        other = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
        return rate, f"p50 {p50} p99 {p99}" + (f" ({other[1]} not 2xx)" if other else "")

    def signed(self, *arguments, stdin=None):
        """What bench/signed.rs prints."""
        return subprocess.run([self.options.signed, *arguments], input=stdin, capture_output=True, text=True, check=True).stdout

    def pgbench(self, statements, clients=32, setup=None):
        """Transactions a second of a script."""
        if setup:
            self.postgres.sql(setup)
        script = os.path.join(self.directory, "statements.sql")
        with open(script, "w") as file:
            file.write(statements)
        out = subprocess.run([self.postgres.program("pgbench"), "-n", "-M", "prepared", "-f", script, "-c", str(clients),
                              "-j", str(min(clients, 2)), "-T", str(self.options.seconds), self.postgres.conninfo],
                             capture_output=True, text=True)
        assert out.returncode == 0, out.stderr
        return float(re.search(r"tps = ([\d.]+)", out.stdout)[1]), f"p50 {re.search(r'latency average = (.+)', out.stdout)[1]}"

    def cpu(self):
        """Seconds that the service has computed so far."""
        return computed(self.service.process.pid)

    def memory(self):
        with open(f"/proc/{self.service.process.pid}/status") as status:
            text = status.read()
        peak, now = (int(re.search(rf"{name}:\s+(\d+)", text)[1]) / 1024 for name in ("VmHWM", "VmRSS"))
        return f"service RSS {now:.0f} MiB, peak {peak:.0f} MiB"


class Postgres:
    """A cluster on a socket, made by the user `postgres` when this runs as root."""

    def __init__(self, directory, settings=""):
        self.directory, self.settings = directory, settings
        self.user = "postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
        self.url = f"postgres://{self.user}@localhost/postgres?host={directory}"
        self.conninfo = f"host={directory} user={self.user} dbname=postgres"

    def program(self, name):
        return max(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))

    def run(self, *command):
        as_user = ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups"] if os.getuid() == 0 else []
        subprocess.run([*as_user, *command], check=True, stdout=subprocess.DEVNULL, cwd="/tmp")

    def start(self):
        os.makedirs(self.directory)
        if os.getuid() == 0:
            owner = pwd.getpwnam(self.user)
            os.chown(self.directory, owner.pw_uid, owner.pw_gid)
        data = os.path.join(self.directory, "data")
        self.run(self.program("initdb"), "-D", data, "-A", "trust", "-U", self.user, "--no-sync", "-E", "UTF8", "--locale=C")
        self.run(self.program("pg_ctl"), "-D", data, "-w", "-l", os.path.join(self.directory, "log"), "start", "-o",
                 f"-k {self.directory} -c listen_addresses= -c max_connections=200 -c shared_preload_libraries= -c max_wal_size=4GB {self.settings}")

    def stop(self):
        self.run(self.program("pg_ctl"), "-D", os.path.join(self.directory, "data"), "-m", "immediate", "stop")

    def cpu(self):
        """Seconds that its processes have computed so far: those that have ended are the first one's."""
        with open(os.path.join(self.directory, "data", "postmaster.pid")) as file:
            postmaster = int(file.readline())
        with open(f"/proc/{postmaster}/task/{postmaster}/children") as file:
            children = [int(pid) for pid in file.read().split()]
        return computed(postmaster, True) + sum(computed(pid) for pid in children)

    def sql(self, text):
        out = subprocess.run([self.program("psql"), "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", self.conninfo, "-c", text],
                             capture_output=True, text=True)
        assert out.returncode == 0, out.stderr
        return out.stdout.strip()

    def wait_until(self, query, wanted, patience=120):
        for _ in range(patience * 20):
            if self.sql(query) == wanted:
                return
            time.sleep(0.05)
        raise AssertionError(f"{query} was not {wanted} within {patience} s")


def computed(pid, children=False):
    """Seconds that a process has computed so far, with those of its ended children if asked."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return sum(int(field) for field in fields[11:15 if children else 13]) / os.sysconf("SC_CLK_TCK")
