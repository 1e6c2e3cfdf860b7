"""Walks through what a partner may rely on when events reach it. Started by ./run."""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, ".."))  # for lib/

import checks_delivery as delivery
import checks_forms as forms
import checks_signing as signing
import verifiers
from lib.service import Service
from lib.tally import Tally
from receiver import Receiver


class Walk:
    def __init__(self, service, receiver, libraries):
        self.service, self.receiver, self.libraries = service, receiver, libraries

    def published_keys(self):
        """The service's keys under events, as anybody may have them."""
        status, text = self.service.ask("GET", "/.well-known/webhook-keys.json")
        assert status == 200, text
        return json.loads(text)

    def verifies(self, secret, received, body=None):
        """What every library says of an event; they must agree."""
        body = received.body if body is None else body
        libraries = self.libraries if body.startswith("{") else [verifiers.Plain()]
        said = {library.name: library.verifies(secret, received.headers, body) for library in libraries}
        assert len(set(said.values())) <= 1, said
        return all(said.values())

    def assert_signed(self, received, by=(), not_by=()):
        for secret in by:
            assert self.verifies(secret, received), f"{received.id} does not verify with a secret that lives"
        for secret in not_by:
            assert not self.libraries or not self.verifies(secret, received), f"{received.id} verifies with a dead secret"


def walk_all(arguments, directory, tally, children):
    receiver = Receiver()
    children.append(receiver)
    service = Service(arguments.bin, directory, {
        "ALLOW_PRIVATE_TARGETS": "true",
        "STORAGE_QUEUE_ENDPOINT": receiver.url,
    })
    children.append(service)
    service.wait_until_ready()
    libraries = verifiers.all_there(tally, HERE, arguments.python_library, arguments.js_library)
    children.extend(libraries)
    walk = Walk(service, receiver, libraries)

    # The first retry comes after a minute: fail some deliveries now, look at them in the end.
    retries = delivery.Retries(walk)
    tally.run("retry", "a target that fails is noted, with the reason and the next attempt", retries.begin)
    for name, check, needs_library in signing.CHECKS:
        if needs_library and not libraries:
            tally.skip("sign", name, "neither library is there")
        else:
            tally.run("sign", name, check, walk)
    for name, check, needs in forms.CHECKS:
        missing = forms.missing(needs, arguments.python_library, arguments.js_library)
        if missing:
            tally.skip("form", name, missing)
        else:
            tally.run("form", name, check, walk)
    for name, check in delivery.CHECKS:
        tally.run("send", name, check, walk)
    for name, check in retries.checks():
        tally.run("retry", name, check)
    if libraries:
        tally.run("all", "every event ever received verifies with its org's secrets", delivery.everything_verifies, walk)
    tally.run("all", "the service ends in order", delivery.ends_in_order, walk)
    tally.run("all", "no secret, key or address in the service's log", delivery.log_is_clean, walk)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True, help="the partner-api binary")
    parser.add_argument("--python-library", action="store_true", help="the libraries are there for this Python")
    parser.add_argument("--js-library", action="store_true", help="the libraries are there for node")
    parser.add_argument("--keep", action="store_true", help="keep the directory with the logs")
    arguments = parser.parse_args()

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tally, children = Tally(), []
    directory = tempfile.mkdtemp(prefix="events-walk-")
    os.chmod(directory, 0o755)  # the embedded Postgres runs as another user when we are root
    try:
        walk_all(arguments, directory, tally, children)
    except Exception as error:  # something did not start
        tally.fail("all", "starting", f"{type(error).__name__}: {error}")
    finally:
        for child in reversed(children):
            child.stop()
        if arguments.keep:
            print("kept", directory)
        else:
            shutil.rmtree(directory, ignore_errors=True)
        print(tally)
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
