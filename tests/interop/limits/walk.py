"""Networks, the fields that tell of a limit, and floods. Started by ./run."""

import argparse
import os
import shutil
import signal
import sys
import tempfile

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")]
import checks_flood  # noqa: E402
import checks_headers  # noqa: E402
import networks  # noqa: E402
from checks_headers import BURST, RATE  # noqa: E402
from lib.service import Service  # noqa: E402
from lib.tally import Tally  # noqa: E402

# Requests a second that the flooding org may make; it tries ten times as many.
FLOOD_RATE, CONNECTIONS, FASTEST = 100, 10, 64


def headers(tally, service, arguments):
    key = service.create_org("walking")["tenant_api_key"]
    # The walk itself stays below its own limit.
    told = []
    tally.run("told", "every operation tells of the limit, whatever it answers",
              lambda: told.extend(checks_headers.every_operation(service, key)))
    if arguments.python_library:
        tally.run("told", "http-sfv reads the fields", checks_headers.judge,
                  lambda texts: [checks_headers.read_by_python(text) for text in texts], told)
        other = service.create_org("pacing")["tenant_api_key"]
        tally.run("told", "whoever does as the fields say is not refused", checks_headers.over_time, service, other)
    else:
        tally.skip("told", "http-sfv reads the fields", "pip install http-sfv")
    if arguments.js_library:
        tally.run("told", "structured-headers reads the fields", checks_headers.judge, checks_headers.read_by_js, told)
    else:
        tally.skip("told", "structured-headers reads the fields", "npm install structured-headers")


def floods(tally, service, directory, arguments):
    name = "an org that floods does not keep another one waiting"
    if checks_flood.missing():
        tally.skip("flood", name, checks_flood.missing())
        return
    orgs = {each: service.create_org(each)["tenant_api_key"] for each in ("limited", "unlimited", "working")}
    service.command("org", "limit", "--key", "limited", "--rate", str(FLOOD_RATE))
    for each in ("unlimited", "working"):
        service.command("org", "limit", "--key", each, "--none")
    seconds = 20 if arguments.full else 3

    def limited():
        ratio, flood = checks_flood.beside(
            directory, service, "ten times its limit", orgs["limited"], orgs["working"], checks_flood.PACED, CONNECTIONS, seconds)
        passed = flood.answers - flood.refused
        assert passed <= FLOOD_RATE * (seconds + 3.5), f"{passed} were served"
        # A debug build beside its own load has no steady figures: --full and a release build have.
        assert ratio < (2 if arguments.full else 10), f"{ratio:.1f} times as long"

    def unlimited():
        ratio, _ = checks_flood.beside(
            directory, service, "without a limit", orgs["unlimited"], orgs["working"], checks_flood.AS_FAST, FASTEST, seconds)
        # Both floods and the service share this machine's processors.
        assert ratio < 100, f"{ratio:.1f} times as long"

    tally.run("flood", f"{name}: ten times its limit", limited)
    tally.run("flood", f"{name}: as fast as it can, without a limit", unlimited)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--full", action="store_true", help="longer floods, and the promise of twice the quiet p99")
    parser.add_argument("--keep", action="store_true", help="keep the directory with the logs")
    parser.add_argument("--python-library", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--js-library", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tally, service = Tally(), None
    directory = tempfile.mkdtemp(prefix="limits-walk-")
    os.chmod(directory, 0o755)  # the embedded Postgres runs as another user when we are root
    try:
        if networks.missing():
            tally.skip("from", "networks are judged as Python's ipaddress does", networks.missing())
        else:
            tally.run("from", "networks are judged as Python's ipaddress does", networks.agree, directory)
        service = Service(arguments.bin, directory, {"RATE_LIMIT": f"{RATE};burst={BURST}", "LOG": "warn"})
        service.wait_until_ready()
        headers(tally, service, arguments)
        floods(tally, service, directory, arguments)
    except Exception as error:  # something did not start
        tally.fail("all", "starting", f"{type(error).__name__}: {error}")
    finally:
        if service:
            service.stop()
        if arguments.keep:
            print("kept", directory)
        else:
            shutil.rmtree(directory, ignore_errors=True)
        print(tally)
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
