"""What befalls Postgres, under load: death, sleep, want."""

import os
import subprocess
import time

from load import REQUEST_WITHIN, Load
from postgres import Hog, thaw

REFUSED_WHILE_WRITES_FAIL = ("create", "bulk", "rotate")


def under_load(service, postgres, name, fault, after=4, **allowed):
    """Runs the service under load through a fault, which gives when it began and ended."""
    load = Load(service, name).start()
    try:
        time.sleep(1.5)
        began, ended = fault()
        time.sleep(after)
    finally:
        load.stop()
    figures = load.judge(began, ended, **allowed)
    acknowledged = load.missing(postgres.sql)
    print(f"         {figures}\n         {acknowledged}, none lost")
    return load


def restarted(service, postgres, mode, rounds):
    def fault():
        began = time.monotonic()
        postgres.stop(mode)
        time.sleep(1)
        postgres.start()
        return began, time.monotonic()
    for n in range(rounds):
        under_load(service, postgres, f"{mode}-{n}", fault)


def frozen(service, postgres, seconds):
    def fault():
        began = time.monotonic()
        stopped = postgres.freeze()
        before = set(stopped)
        try:
            time.sleep(seconds)
        finally:
            ended = time.monotonic()
            thaw(stopped)
        time.sleep(4)
        kept = before & set(postgres.processes())
        closed = len(before - kept)
        assert closed, "no connection with a statement in it was closed"
        print(f"         {len(stopped)} processes frozen for {seconds} s; {closed} connections closed since")
        return began, ended
    under_load(service, postgres, f"frozen-{seconds}", fault, after=1)


def out_of_connections(service, postgres, seconds):
    hog = Hog(postgres)

    def fault():
        began = time.monotonic()
        try:
            until_time = began + seconds
            while time.monotonic() < until_time:
                hog.eat()
                postgres.sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'partner-api'")
                time.sleep(0.1)
            held = len(hog.held)
        finally:
            hog.release()
        print(f"         {held} connections taken away for {seconds} s")
        return began, time.monotonic()
    under_load(service, postgres, "starved", fault)


def read_only(service, postgres, seconds):
    def switch(to):
        postgres.sql(f"ALTER SYSTEM SET default_transaction_read_only = {to}")
        postgres.sql("SELECT pg_reload_conf()")

    def fault():
        began = time.monotonic()
        switch("on")
        try:
            time.sleep(seconds)
        finally:
            switch("off")
        return began, time.monotonic()
    load = under_load(service, postgres, "read-only", fault, refused=REFUSED_WHILE_WRITES_FAIL)
    assert any(answer.status == 503 for answer in load.answers), "the fault had no effect"


def disk_full(service, postgres, disk, seconds):
    """The tablespace's file system has no room left; the log of transactions has."""
    ballast = os.path.join(disk, "ballast")

    def fault():
        began = time.monotonic()
        with open(ballast, "wb") as file:
            try:
                while True:
                    file.write(bytes(65536))
                    file.flush()
            except OSError:
                pass
        try:
            time.sleep(seconds)
        finally:
            os.remove(ballast)
        return began, time.monotonic()
    load = under_load(service, postgres, "full", fault, refused=REFUSED_WHILE_WRITES_FAIL)
    assert any(answer.status == 503 for answer in load.answers), "the fault had no effect"


def swallowed(service, postgres, network):
    """What hangs costs each connection one request at most; nobody waits for the network to give up, which takes minutes."""
    def fault():
        began = time.monotonic()
        lines = network.swallow()
        # As long as a request may take, for those that were under way.
        time.sleep(REQUEST_WITHIN)
        print(f"         {lines} connections hang for good; {network.still_open()} of them still in the service {REQUEST_WITHIN:.0f} s later")
        return began, time.monotonic()
    load = under_load(service, postgres, "swallowed", fault)
    refused = [answer for answer in load.answers if answer.kind == "verify" and answer.status != 200]
    print(f"         verify was refused {len(refused)} times, the last "
          f"{max((answer.answered for answer in refused), default=0) - min((answer.asked for answer in refused), default=0):.1f} s after the first")
    # One that nobody uses is noticed when somebody does.
    assert network.still_open() <= 4, f"{network.still_open()} dead connections are still in the service"


class SmallDisk:
    """A file system of a few megabytes; None where this process may not mount one."""

    @staticmethod
    def mount(directory, megabytes, account):
        os.makedirs(directory)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", directory], capture_output=True)
        if done.returncode != 0:
            return False
        space = os.path.join(directory, "space")
        os.makedirs(space)
        if account:
            os.chown(space, account["user"], account["group"])
        return True

    @staticmethod
    def unmount(directory):
        subprocess.run(["umount", "-l", directory], capture_output=True)
