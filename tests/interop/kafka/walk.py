"""Walks through queues of type `kafka` with the real service. Started by ./run."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "..", "lib"))

import checks  # noqa: E402
from clusters import MockCluster, Tansu  # noqa: E402
from front import MECHANISMS, Front  # noqa: E402
from part import run_part  # noqa: E402
from service import Service  # noqa: E402

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


if __name__ == "__main__":
    run_part(walk, flags=["--kafkajs"])
