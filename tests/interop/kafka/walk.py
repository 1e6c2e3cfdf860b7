"""Walks through queues of type `kafka` with the real service. Started by ./run."""

import argparse
import os
import shutil
import signal
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "..", "lib"))

import checks  # noqa: E402
from clusters import MockCluster, Tansu  # noqa: E402
from front import MECHANISMS, Front  # noqa: E402
from service import Service  # noqa: E402
from tally import Tally  # noqa: E402

ANY_CLUSTER = (checks.arrives_and_verifies, checks.what_waited_comes_once_in_its_order, checks.subjects_keep_their_order,
               checks.cloudevents, checks.refusals)


def start(tally, children, name, make, *arguments):
    """A cluster, or nothing and why."""
    try:
        cluster = make(*arguments)
    except (ImportError, OSError, AssertionError) as error:
        tally.skip(name, "all", f"it cannot be had here: {error}")
        return None
    children.append(cluster)
    return cluster


def walk(arguments, directory, tally, children):
    service = Service(arguments.bin, directory, {"ALLOW_PRIVATE_TARGETS": "true"})
    children.append(service)
    service.wait_until_ready()

    def check(part, function, *more, label=""):
        name = f"{function.__name__.replace('_', ' ')} {label}".strip()
        partner = checks.Partner(service, f"{part}-{name}".replace(" ", "-").lower()[:60])
        tally.run(part, name, function, partner, *more)

    mock = start(tally, children, "mock", MockCluster)
    tansu = start(tally, children, "tansu", Tansu, directory)
    for cluster in filter(None, (mock, tansu)):
        for function in ANY_CLUSTER:
            check(cluster.name, function, cluster)
        if arguments.kafkajs:
            check(cluster.name, checks.kafkajs_reads_and_verifies, cluster, HERE)
        else:
            tally.skip(cluster.name, "kafkajs reads and verifies", "kafkajs could not be installed from npm")
    if mock:
        check("mock", checks.partitions_are_those_of_other_clients, mock)
        front = Front(mock.brokers, "partner-api", "correct horse, battery=staple")
        children.append(front)
        for mechanism in MECHANISMS:
            check("tls", checks.log_in, mock, front, mechanism, label=mechanism)
        check("tls", checks.log_in_refusals, mock, front)
    cluster = tansu or mock
    if cluster:
        check(cluster.name, checks.nothing_is_lost_when_the_service_is_killed, cluster, service)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--kafkajs", action="store_true")
    parser.add_argument("--keep", action="store_true")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    directory, tally, children = tempfile.mkdtemp(prefix="kafka-"), Tally(), []
    os.chmod(directory, 0o711)  # as root, Postgres runs as another user
    try:
        walk(arguments, directory, tally, children)
    except (AssertionError, OSError) as error:
        tally.fail("all", "start", str(error))
    finally:
        for child in reversed(children):
            child.stop()
        if arguments.keep:
            print(f"logs in {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    print(tally)
    sys.exit(1 if tally.failed else 0)


if __name__ == "__main__":
    main()
