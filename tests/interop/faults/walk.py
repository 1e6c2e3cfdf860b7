"""The parts, one after the other; those that mostly wait beside them."""

import argparse
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, ".."), os.path.join(HERE, "..", "lib")]
import checks_clients  # noqa: E402
import checks_crash  # noqa: E402
import checks_database  # noqa: E402
import checks_failover  # noqa: E402
import checks_listen  # noqa: E402
import checks_pooler  # noqa: E402
import checks_shares  # noqa: E402
import checks_unread  # noqa: E402
from lib.service import Service, free_ports  # noqa: E402
from lib.tally import Tally  # noqa: E402
from network import Network  # noqa: E402
from postgres import ROLE, Postgres, binaries  # noqa: E402

MASTER = "base64:dGVzdCBtYXN0ZXIga2V5LCAzMiBieXRlcyBsb25nISE="
DISK_MB, ROUNDS = 64, 10


class Walk:
    def __init__(self, binary, directory, repeat):
        self.binary, self.directory, self.repeat, self.tally = binary, directory, repeat, Tally()

    def at(self, *names):
        return os.path.join(self.directory, *names)

    def service(self, name, url, **variables):
        service = Service(self.binary, self.at(name), environment={"DATABASE_URL": url, "MASTER_KEYS": MASTER, **variables})
        service.wait_until_ready()
        return service

    def crash(self):
        self.tally.run("crash", "kill -9 under load", checks_crash.killed_under_load,
                       self.binary, self.at("killed"), ROUNDS * self.repeat)
        self.tally.run("crash", "kill -9 that leaves a frozen Postgres behind", checks_crash.killed_with_an_orphan,
                       self.binary, self.at("orphan"))

    def database(self):
        postgres, run = Postgres(self.at("pg")), self.tally.run
        disk, service = self.at("disk"), None
        has_disk = checks_database.SmallDisk.mount(disk, DISK_MB, postgres.account)
        try:
            if has_disk:
                postgres.sql(f"CREATE TABLESPACE small LOCATION '{disk}/space'", "postgres")
            postgres.create_database("small" if has_disk else "pg_default")
            service = self.service("database", postgres.url())
            for mode in ("fast", "immediate"):
                run("pg", f"Postgres restarted ({mode})", checks_database.restarted, service, postgres, mode, self.repeat)
            run("pg", "Postgres frozen", checks_database.frozen, service, postgres, 15 * self.repeat)
            run("pg", "no connection left", checks_database.out_of_connections, service, postgres, 4 * self.repeat)
            run("pg", "read-only", checks_database.read_only, service, postgres, 4 * self.repeat)
            if has_disk:
                run("pg", "disk full", checks_database.disk_full, service, postgres, disk, 4 * self.repeat)
            else:
                self.tally.skip("pg", "disk full", "may not mount a small file system here")
        finally:
            if service:
                service.stop()
            postgres.close()
            checks_database.SmallDisk.unmount(disk)

    def network(self):
        """Old connections vanish, as in a failover."""
        postgres, service = Postgres(self.at("far-pg")), None
        try:
            postgres.create_database()
            between = Network(self.at("net"), postgres)
            service = self.service("far", postgres.url(between.directory))
            self.tally.run("net", "every connection to Postgres swallowed", checks_database.swallowed, service, postgres, between)
            between.close()
        finally:
            if service:
                service.stop()
            postgres.close()

    def failover(self):
        primary, standby, service = Postgres(self.at("primary")), None, None
        try:
            primary.create_database()
            standby = checks_failover.Standby(self.at("standby"), primary)
            # What is acknowledged is on both.
            primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
            primary.sql("SELECT pg_reload_conf()")
            between = Network(self.at("address"), primary)
            service = self.service("failover", primary.url(between.directory))
            self.tally.run("standby", "by way of a standby, and back", checks_failover.by_way_of_a_standby,
                           service, primary, standby, between, 4 * self.repeat)
            self.tally.run("standby", "to a standby that is promoted", checks_failover.promoted,
                           service, primary, standby, between, 2 * self.repeat)
            between.close()
        finally:
            if service:
                service.stop()
            primary.close()
            if standby:
                standby.close()

    def dba(self):
        postgres, service = Postgres(self.at("dba-pg")), None
        try:
            postgres.create_database()
            for name, value in checks_failover.DBA.items():
                postgres.sql(f"ALTER ROLE {ROLE} SET {name} = '{value}'", "postgres")
            service = self.service("dba", postgres.url())
            self.tally.run("dba", "a role with a DBA's settings", checks_failover.with_a_dbas_settings,
                           service, postgres, 4 * self.repeat)
        finally:
            if service:
                service.stop()
            postgres.close()

    def tls(self):
        if not shutil.which("openssl"):
            return self.tally.skip("tls", "all", "openssl is not installed")
        (port,) = free_ports(1)
        postgres = Postgres(self.at("tls-pg"))
        try:
            postgres.create_database()
            key, made, is_version_1 = checks_failover.certificate(postgres.directory, postgres.account)
            if not is_version_1:
                return self.tally.skip("tls", "all", "this openssl makes no X.509 version 1 certificates")
            postgres.stop()
            with open(os.path.join(postgres.data, "postgresql.conf"), "a") as config:
                config.write(f"ssl = on\nssl_cert_file = '{made}'\nssl_key_file = '{key}'\nlisten_addresses = '127.0.0.1'\nport = {port}\n")
            with open(os.path.join(postgres.data, "pg_hba.conf"), "a") as rules:
                rules.write("host all all 127.0.0.1/32 trust\n")
            postgres.start()
            self.tally.run("tls", "a certificate of X.509 version 1", checks_failover.preferred_tls, self, postgres, port)
        finally:
            postgres.close()

    def listen(self):
        self.with_postgres("listen", lambda service, postgres: (
            self.tally.run("listen", "cut", checks_listen.cut, service, postgres, 5 * self.repeat),
            self.tally.run("listen", "frozen", checks_listen.frozen, service, postgres, 2 * self.repeat)))

    def slow(self):
        self.with_postgres("slow", lambda service, _: checks_clients.run_slow(self.tally, service))

    def clients(self):
        # Half of a machine's memory is nobody's promise: MAX_CONNECTIONS is the default.
        self.with_postgres("clients", lambda service, postgres: checks_clients.run_all(self.tally, service, postgres, self.repeat))

    def pooler(self):
        version = checks_pooler.PgBouncer.version()
        if not version:
            return self.tally.skip("pooler", "PgBouncer in session mode", "pgbouncer is not installed")
        postgres, pooler, service = Postgres(self.at("pooled-pg")), None, None
        try:
            postgres.create_database()
            pooler = checks_pooler.PgBouncer(self.at("bouncer"), postgres)
            service = self.service("pooled", postgres.url(pooler.directory, checks_pooler.PORT), DATABASE_DIRECT_URL=postgres.url())
            self.tally.run("pooler", f"{version} in session mode, killed under load", checks_pooler.restarted, service, postgres, pooler)
            self.tally.run("pooler", "revocations are heard past it", checks_pooler.revocation, service)
        finally:
            if service:
                service.stop()
            if pooler:
                pooler.kill()
            postgres.close()

    def unread(self):
        # One org has all the places, and all are few.
        self.with_postgres("unread", lambda service, postgres: checks_unread.run_all(self.tally, service, postgres),
                           MAX_IN_FLIGHT=str(checks_unread.PLACES), ORG_SHARE="1")

    def shares(self):
        self.with_postgres("shares", lambda service, postgres: checks_shares.run_all(self.tally, service, postgres))

    def with_postgres(self, name, checks, **variables):
        postgres, service = Postgres(self.at(f"{name}-pg")), None
        try:
            postgres.create_database()
            service = self.service(name, postgres.url(), **variables)
            checks(service, postgres)
        finally:
            if service:
                service.stop()
            postgres.close()


# Half a minute each until the service has lost patience with a client, and nothing to do meanwhile.
WAITING = ("slow", "unread")
PARTS = ("crash", "database", "network", "failover", "dba", "tls", "listen", "clients", "shares", "pooler", *WAITING)


class Beside:
    """Some parts in a process of their own; what it says is shown when it is through."""

    def __init__(self, binary, parts):
        command = [sys.executable, os.path.abspath(__file__), binary, *parts]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def tell(self, tally):
        *said, counts = self.process.communicate()[0].splitlines()
        print(*said, sep="\n", flush=True)
        counted = re.fullmatch("(\\d+) passed, (\\d+) failed, (\\d+) skipped", counts)
        if not counted:
            return tally.fail("beside", "the parts that wait", counts)
        passed, failed, skipped = map(int, counted.groups())
        tally.passed, tally.failed, tally.skipped = tally.passed + passed, tally.failed + failed, tally.skipped + skipped

    def stop(self):
        self.process.terminate()
        self.process.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []])
    parser.add_argument("--repeat", type=int, default=1)
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    directory = tempfile.mkdtemp(prefix="faults-")
    os.chmod(directory, 0o711)  # as root the clusters run as another user, who must get through
    walk = Walk(given.binary, directory, given.repeat)
    beside = None if given.parts else Beside(given.binary, WAITING)
    try:
        for part in given.parts or [part for part in PARTS if part not in WAITING]:
            if part != "crash" and not binaries():
                walk.tally.skip(part, "all", "no Postgres on this machine")
            else:
                walk.tally.run(part, "the whole part", getattr(walk, part))
        if beside:
            beside.tell(walk.tally)
    finally:
        if beside:
            beside.stop()
        if not os.environ.get("KEEP"):
            shutil.rmtree(directory, ignore_errors=True)
        else:
            print(directory)
    print(walk.tally)
    sys.exit(1 if walk.tally.failed or not walk.tally.passed else 0)


main()
