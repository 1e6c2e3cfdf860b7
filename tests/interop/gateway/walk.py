"""Walks through what every gateway of the kit must do. Started by ./run; see gateway/README.md."""

import argparse
import os
import shutil
import signal
import sys
import tempfile

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))  # for lib/

import checks_identity  # noqa: F401 (lists its checks)
import checks_neighbours  # noqa: F401
import checks_refusals  # noqa: F401
import checks_signatures  # noqa: F401
import checks_verdicts  # noqa: F401
import support
from checks_files import kong_paths, kong_settings, logs_hold_no_secret, yaml
from gateways import Gateway, PACKAGES, missing
from lib.service import free_ports
from lib.tally import Tally
from service import RealService, signing
from stubs import Echo, ScriptedVerify, StubService

SECRET = "walk-gateway-secret-0123456789abcdef-ABCDEF"


class Walk:
    """One gateway kind in front of its upstreams, and what the checks need to know."""

    def __init__(self, kind, directory, service, echo, script, children):
        self.kind, self.service, self.script, self.echo, self.secret = kind, service, script, echo, SECRET
        self.gateways = []

        def start(public, internal, **more):
            self.gateways.append(Gateway(kind, directory, public, internal, SECRET, children, script.port, **more))
            return self.gateways[-1].port

        # What reached the service; what does it do when verify misbehaves; the whole way.
        self.echoing = start(echo.port, service.internal)
        self.scripted = start(echo.port, script.port)
        self.whole = start(service.public, service.internal) if service.public else None
        self.no_service = start(free_ports(1)[0], service.internal)
        self.caching = start(echo.port, script.port, caching=True) if kind == "nginx" else self.scripted


def run_checks(tally, walk, stage):
    for check in (each for each in support.ALL if each.stage == stage):
        if check.only and walk.kind not in check.only:
            continue
        if check.end_to_end and not walk.whole:
            tally.skip(walk.kind, check.name, "needs the real service (PARTNER_API_BIN)")
        elif check.signs and not signing:
            tally.skip(walk.kind, check.name, "pip install http-message-signatures")
        else:
            tally.run(walk.kind, check.name, check.function, walk)


def start_service(arguments, directory, children):
    if arguments.service == "stub":
        return StubService()
    return RealService(arguments.bin, directory, free_ports(2), SECRET, children)


def walk_all(arguments, directory, tally, children):
    service = start_service(arguments, directory, children)
    echo, script = Echo(), ScriptedVerify()
    walks = []
    for kind in arguments.gateways.split(","):
        if missing(kind):
            tally.skip(kind, "all", missing(kind))
            continue
        walks.append(Walk(kind, directory, service, echo, script, children))

    for walk in walks:
        run_checks(tally, walk, "running")
    service.stop()
    for walk in walks:
        run_checks(tally, walk, "service down")
    for child in children:
        child.stop()
    if not walks:
        return
    secrets = {*support.SECRETS_SENT, SECRET}
    tally.run("all", "no key, token or gateway secret in any log", logs_hold_no_secret, directory, secrets)
    if "kong" in arguments.gateways:
        tally.run("kong", "the paths of kong.yml match what they should", kong_paths)
        name = "kong.yml names what Kong 3.9 knows, and the plugin's own settings"
        tally.run("kong", name, kong_settings) if yaml else tally.skip("kong", name, "pip install pyyaml")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--service", choices=("real", "stub"), required=True)
    parser.add_argument("--bin", help="the partner-api binary, for --service real")
    parser.add_argument("--gateways", default=",".join(PACKAGES))
    parser.add_argument("--keep", action="store_true", help="keep the directory with the logs")
    arguments = parser.parse_args()

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tally, children = Tally(), []
    directory = tempfile.mkdtemp(prefix="gateway-walk-")
    os.chmod(directory, 0o755)  # the embedded Postgres runs as another user when we are root
    os.makedirs(os.path.join(directory, "logs"))
    try:
        walk_all(arguments, directory, tally, children)
    except Exception as error:  # something did not start
        tally.fail("all", "starting", f"{type(error).__name__}: {error}")
    finally:
        for child in children:
            child.stop()
        if arguments.keep:
            print("kept", directory)
        else:
            shutil.rmtree(directory, ignore_errors=True)
        print(tally)
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
