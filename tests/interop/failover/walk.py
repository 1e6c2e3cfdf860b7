"""Three nodes, two replicas, and one fault after the other. Started by ./run."""

import os
import random
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]

from cluster import SHORT_TIMES, TIMES, Cluster  # noqa: E402
from faults import kinds, under_load  # noqa: E402
from load import TooSlow  # noqa: E402
from part import run_part  # noqa: E402
from partners import Partners  # noqa: E402
from postgres import binaries  # noqa: E402
from service import Service  # noqa: E402
from standbys import cancelled  # noqa: E402
from switchover import in_good_order  # noqa: E402

MASTER = "base64:dGVzdCBtYXN0ZXIga2V5LCAzMiBieXRlcyBsb25nISE="
FAULTS, SWITCHOVERS = 20, 5


def start(arguments, directory, children):
    """The cluster, and two replicas of the service on it."""
    cluster = Cluster(directory, arguments.apart, TIMES if arguments.full else SHORT_TIMES, children)
    cluster.wait_until_whole()
    cluster.create_database()
    replicas = []
    for name in ("first", "second"):
        replica = Service(arguments.bin, os.path.join(directory, name), {
            "DATABASE_URL": cluster.url(), "MASTER_KEYS": MASTER, "ALLOW_PRIVATE_TARGETS": "true",
            "DATABASE_MAX_CONNECTIONS": "8"})
        children.append(replica)
        replica.wait_until_ready()
        replicas.append(replica)
    return cluster, replicas


def one_fault(cluster, replicas, name, fault, is_judged_once):
    """Once more where only time was lost: in .ci/run a compiler is at work beside this, and the host has other guests."""
    try:
        loaded(cluster, replicas, name, fault)
    except TooSlow as slow:
        if is_judged_once:
            raise
        print(f"         {slow}; once more")
        loaded(cluster, replicas, f"{name}-again", fault)


def loaded(cluster, replicas, name, fault):
    load = Partners(replicas, name)
    try:
        under_load(cluster, load, fault)
    finally:
        load.close()


def walk(arguments, directory, tally, children):
    if not binaries():
        return tally.skip("all", "all", "there is no Postgres on this machine")
    cluster, replicas = start(arguments, directory, children)
    possible = [each for each in kinds(cluster) if (arguments.only or "") in each[0]]
    rounds = [possible[n % len(possible)] for n in range(FAULTS)] if arguments.full and possible else possible
    random.Random(1).shuffle(rounds)
    for number, (name, fault) in enumerate(rounds, 1):
        tally.run("fault", f"{number}: the primary: {name}", one_fault, cluster, replicas, f"fault-{number}", fault,
                  arguments.full)
    if not cluster.ground.can_cut:
        tally.skip("fault", "the primary is cut off", "no network namespaces here, or not root")
    if (arguments.only or "") in "cancelled":
        tally.run("standby", "a wait for a standby is cancelled", cancelled, cluster, replicas, replicas[0].create_org("cancelled"))
    if (arguments.only or "") in "switch-over":
        for number in range(1, (SWITCHOVERS if arguments.full else 1) + 1):
            org = replicas[0].create_org(f"switch-{number}")
            tally.run("switch", f"{number}: a hand-over in good order", in_good_order, cluster, replicas, org)


if __name__ == "__main__":
    run_part(walk, flags=["--full", "--apart"], options=["--only"])
