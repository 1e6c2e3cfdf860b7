"""kill -9 of the service under load, with its embedded Postgres."""

import glob
import os
import signal
import subprocess
import time

from lib.service import Service, embedded_url
from load import Load
from postgres import binaries, children, freeze, postmaster_of, thaw, until


def processes_in(directory):
    """Every process of Postgres works in its cluster's directory."""
    found = []
    for link in glob.glob("/proc/[0-9]*/cwd"):
        try:
            if os.readlink(link).startswith(directory):
                found.append(int(link.split("/")[2]))
        except OSError:
            pass
    return found


def killed_under_load(binary, directory, rounds):
    service = Service(binary, directory)
    cluster = os.path.join(directory, "data", "postgres")
    try:
        service.wait_until_ready()
        load = Load(service, "crash").start()
        gone, ready = [], []
        for _ in range(rounds):
            time.sleep(1)
            service.kill()
            gone.append(until("the embedded Postgres ends with its service", 10, lambda: not processes_in(cluster)))
            began = time.monotonic()
            service.start()
            service.wait_until_ready()
            ready.append(time.monotonic() - began)
        time.sleep(1)
        load.stop()
        wrong = [a for a in load.answers if a.status not in (0, 200, 201, 503)]
        assert not wrong, wrong[:3]
        url = embedded_url(os.path.join(directory, "data"))
        acknowledged = load.missing(lambda statement: query(url, statement))
        print(f"         {rounds} kills: {acknowledged}, none lost; its Postgres was gone {max(gone):.2f} s after the kill at "
              f"most; ready {max(ready):.1f} s after the start at most")
    finally:
        service.stop()
    assert not processes_in(cluster), "the embedded Postgres outlives an orderly stop"


def killed_with_an_orphan(binary, directory):
    """The guard of the embedded Postgres is killed as well, and Postgres stands still: the next start waits for its end."""
    service = Service(binary, directory)
    cluster = os.path.join(directory, "data", "postgres")
    try:
        service.wait_until_ready()
        made = service.create_org("orphan")
        postmaster = postmaster_of(cluster)
        guards = [pid for pid in children(service.process.pid) if pid != postmaster]
        assert guards, "there is no guard"
        stopped = freeze(postmaster)
        for pid in guards:
            os.kill(pid, signal.SIGKILL)
        service.kill()
        time.sleep(1)
        assert postmaster in processes_in(cluster), "there is no orphan"
        service.start()
        time.sleep(2)
        assert service.process.poll() is None, "it does not wait"
        assert postmaster in processes_in(cluster), "it started beside the orphan"
        thaw(stopped)
        thawed = time.monotonic()
        service.wait_until_ready()
        took = time.monotonic() - thawed
        assert not set(stopped) & set(processes_in(cluster)), "the orphan is still there"
        service.call("GET", "/v1/features", key=made["tenant_api_key"])
        print(f"         the start waited for the frozen orphan, and was ready {took:.1f} s after it went on")
    finally:
        service.stop()
        for pid in processes_in(cluster):
            os.kill(pid, signal.SIGKILL)


def query(url, statement):
    psql = os.path.join(binaries(), "psql")
    done = subprocess.run([psql, "-XAtq", "-F", "|", "-c", statement, url], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()[-300:]
    return [line.split("|") for line in done.stdout.decode().splitlines()]
