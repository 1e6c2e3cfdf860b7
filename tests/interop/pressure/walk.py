"""The checks, one after the other. Started by ./run."""

import argparse
import os
import shutil
import signal
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, ".."), os.path.join(HERE, "..", "lib")]

import checks_crash  # noqa: E402
import checks_pressure  # noqa: E402
from lib.service import Service  # noqa: E402
from lib.tally import Tally  # noqa: E402
from postgres import binaries  # noqa: E402


class Walk:
    def __init__(self, binary, directory):
        self.binary, self.directory, self.service = binary, directory, None

    def at(self, *names):
        return os.path.join(self.directory, *names)


def walk_all(walk, arguments, tally):
    wanted = lambda checks: [(name, check) for name, check in checks if arguments.only in name]
    if pressure := wanted(checks_pressure.checks(arguments.full)):
        walk.service = Service(walk.binary, walk.at("service"), {"ALLOW_PRIVATE_TARGETS": "true"})
        try:
            walk.service.wait_until_ready()
            for name, check in pressure:
                tally.run("press", name, check, walk)
        finally:
            walk.service.stop()
    for name, check in wanted(checks_crash.checks(arguments.full)):
        if binaries():
            tally.run("crash", name, check, walk)
        else:
            tally.skip("crash", name, "there is no Postgres on this machine")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    directory = tempfile.mkdtemp(prefix="pressure-")
    os.chmod(directory, 0o755)
    tally = Tally()
    try:
        walk_all(Walk(arguments.bin, directory), arguments, tally)
    finally:
        if arguments.keep:
            print(f"kept: {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    print(tally)
    sys.exit(1 if tally.failed else 0)


if __name__ == "__main__":
    main()
