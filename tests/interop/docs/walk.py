"""Opens the pages of a real service in a browser. Started by ./run."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "..", "lib"))

from service import Service  # noqa: E402
from tally import Tally  # noqa: E402


def outcomes(tally, script, environment, *arguments):
    """Counts what a script says, one line of JSON an outcome."""
    done = subprocess.run(["node", script, *arguments], cwd=HERE, env={**os.environ, **environment}, timeout=300,
                          capture_output=True, text=True)
    print(done.stderr, end="")
    for line in map(json.loads, done.stdout.splitlines()):
        part, _, name = line["name"].partition(": ")
        tally.run(part, name, expect_none, line["problem"])
    if done.returncode != 0 or not done.stdout:
        tally.fail(script, "it ends well", f"exit {done.returncode}")


def expect_none(problem):
    assert problem is None, problem


def main():
    parser = argparse.ArgumentParser()
    for name in ("bin", "chromium", "python", "screenshots"):
        parser.add_argument(f"--{name}")
    options, tally = parser.parse_args(), Tally()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    directory = tempfile.mkdtemp(prefix="docs-")
    os.chmod(directory, 0o711)  # as root the cluster runs as another user, who must get through
    service = Service(options.bin, directory)
    try:
        service.wait_until_ready()
        if not options.python:
            tally.skip("docs", "samples in Python", "requests could not be installed")
        for script in ("reference.mjs", "try.mjs"):
            environment = {"URL": f"http://127.0.0.1:{service.public}", "CHROMIUM": options.chromium,
                           "KEY": service.create_org(script.removesuffix(".mjs"))["tenant_api_key"],
                           "PYTHON": options.python or ""}
            outcomes(tally, script, environment, *([options.screenshots] if options.screenshots else []))
    finally:
        service.stop()
        shutil.rmtree(directory, ignore_errors=True)
    print(tally)
    sys.exit(1 if tally.failed else 0)


main()
