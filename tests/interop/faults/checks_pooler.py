"""PgBouncer in session mode between the service and Postgres."""

import os
import shutil
import subprocess
import time

from checks_database import under_load
from checks_listen import remembered_key, refused_in_time
from postgres import DATABASE, ROLE, unprivileged, until

PORT = 6432


class PgBouncer:
    def __init__(self, directory, postgres):
        os.makedirs(directory)
        account = unprivileged()
        if account:
            os.chown(directory, account["user"], account["group"])
        self.directory, self.account = directory, account
        self.config = os.path.join(directory, "pgbouncer.ini")
        with open(os.path.join(directory, "users.txt"), "w") as users:
            users.write(f'"{ROLE}" ""\n')
        with open(self.config, "w") as config:
            config.write(f"""[databases]
{DATABASE} = host={postgres.directory} dbname={DATABASE}
[pgbouncer]
listen_addr =
listen_port = {PORT}
unix_socket_dir = {directory}
auth_type = trust
auth_file = {directory}/users.txt
pool_mode = session
default_pool_size = 30
; sqlx sets it for every connection, and so do most drivers.
ignore_startup_parameters = extra_float_digits
logfile = {directory}/log
pidfile = {directory}/pid
""")
        self.process = None
        self.start()

    @staticmethod
    def version():
        if not shutil.which("pgbouncer"):
            return None
        return subprocess.run(["pgbouncer", "--version"], capture_output=True, text=True).stdout.splitlines()[0]

    def start(self):
        self.process = subprocess.Popen(["pgbouncer", "-q", self.config], cwd=self.directory, **self.account,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until("PgBouncer listens", 10, lambda: os.path.exists(os.path.join(self.directory, f".s.PGSQL.{PORT}")))

    def kill(self):
        self.process.kill()
        self.process.wait()
        for left in (f".s.PGSQL.{PORT}", "pid"):
            if os.path.exists(os.path.join(self.directory, left)):
                os.remove(os.path.join(self.directory, left))


def restarted(service, postgres, pooler):
    def fault():
        began = time.monotonic()
        pooler.kill()
        time.sleep(2)
        pooler.start()
        return began, time.monotonic()
    under_load(service, postgres, "pooled", fault)


def revocation(service, rounds=3):
    org = service.create_org("pooled-revocations")
    good = [refused_in_time(service, org, remembered_key(service, org)) for _ in range(rounds)]
    print(f"         revoked keys were good for {max(good):.3f} s at most")
