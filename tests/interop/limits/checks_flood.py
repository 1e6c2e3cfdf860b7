"""One org floods while another works: what the other one waits."""

import http.client
import os
import shutil
import subprocess
import threading
import time

# Every connection asks again after a pause: ten times what the org may.
PACED = """
wrk.headers["taih-tenant-key"] = "{key}"
function delay() return {pause} end
"""
AS_FAST = """
wrk.headers["taih-tenant-key"] = "{key}"
"""


def missing():
    return None if shutil.which("wrk") else "wrk is not installed"


def waits(service, key, seconds, pause=0.005):
    """Sorted times of one client's requests, in milliseconds; none is refused."""
    connection, times = http.client.HTTPConnection("127.0.0.1", service.public, timeout=30), []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        asked = time.monotonic()
        connection.request("GET", "/v1/users?limit=1", headers={"taih-tenant-key": key})
        reply = connection.getresponse()
        reply.read()
        times.append(1000 * (time.monotonic() - asked))
        assert reply.status == 200, reply.status
        time.sleep(pause)
    connection.close()
    return sorted(times)


def at(times, part):
    return times[min(len(times) - 1, int(len(times) * part))]


class Flood(threading.Thread):
    """wrk for some seconds; `answers` and how many of them were refusals."""

    def __init__(self, directory, service, script, connections, seconds):
        super().__init__(daemon=True)
        path = os.path.join(directory, "flood.lua")
        with open(path, "w") as file:
            file.write(script)
        self.command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", path,
                        f"http://127.0.0.1:{service.public}/v1/users?limit=1"]
        self.answers = self.refused = 0

    def run(self):
        said = subprocess.run(self.command, capture_output=True, text=True, check=True).stdout
        for line in said.splitlines():
            if "requests in" in line:
                self.answers = int(line.split()[0])
            if "Non-2xx" in line:
                self.refused = int(line.split()[-1])


def beside(directory, service, name, flooding, working, script, connections, seconds):
    flood = Flood(directory, service, script.format(key=flooding, pause=10), connections, seconds + 2)
    quiet = waits(service, working, seconds)
    flood.start()
    time.sleep(1)
    flooded = waits(service, working, seconds)
    flood.join()
    ratio = at(flooded, 0.99) / at(quiet, 0.99)
    print(f"         {name}: {flood.answers / (seconds + 2):.0f} requests/s, {100 * flood.refused / max(flood.answers, 1):.0f} % refused; "
          f"the other org: p50 {at(quiet, 0.5):.2f} -> {at(flooded, 0.5):.2f} ms, p99 {at(quiet, 0.99):.2f} -> {at(flooded, 0.99):.2f} ms "
          f"({ratio:.1f} times), {len(flooded)} requests", flush=True)
    assert flood.answers > 0
    return ratio, flood
