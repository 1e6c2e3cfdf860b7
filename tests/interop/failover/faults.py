"""What befalls the primary, and what must hold then."""

import time

from cluster import Watch

WARM_UP, AFTER = 1.5, 3.0
# A machine that comes back does so once another one is the primary, and while that one works.
BACK_AFTER = 1.5


def killed(node):
    """The whole machine: Patroni and Postgres. Nobody says goodbye; the lease in etcd has to end."""
    node.kill()
    return node.start


def postgres_killed(node):
    """Postgres alone: its Patroni sees that, and gives the lease away."""
    node.kill_postgres()
    return lambda: None


def frozen(node):
    """The machine stands still, wakes up and believes that it is the primary."""
    node.freeze()
    return node.thaw


def cut_off(node):
    """The machine lives, and so do connections as far as anybody can tell; nothing gets through."""
    node.machine.cut()
    return node.machine.mend


KINDS = {"Postgres is killed": postgres_killed, "its machine is killed": killed, "its machine is frozen": frozen,
         "its machine is cut off": cut_off}


def kinds(cluster):
    """Names and faults that can be made here."""
    return [(name, fault) for name, fault in KINDS.items() if fault is not cut_off or cluster.ground.can_cut]


def strike(cluster, fault):
    """One fault, from beginning to end; gives when it began, and when the new primary was there."""
    old = cluster.primary()
    watch = Watch(cluster, old)
    watch.start()
    began = time.monotonic()
    come_back = fault(old)
    try:
        new = watch.wait_for_new(3 * cluster.times["ttl"] + 20)
        time.sleep(BACK_AFTER)
    finally:
        come_back()
    time.sleep(AFTER)
    print(f"         {old.name} is left after {watch.left_at - began:.1f} s, {new.name} is the primary after {watch.new_at - began:.1f} s")
    return began, watch.new_at


def under_load(cluster, load, fault):
    """The promises, while the primary of the cluster fails."""
    cluster.wait_until_whole()
    load.start()
    try:
        time.sleep(WARM_UP)
        began, ended = strike(cluster, fault)
        cluster.wait_until_whole()
        print(f"         two standbys again {time.monotonic() - ended:.1f} s after that")
    finally:
        load.stop()
    try:
        print(f"         {load.judge(began, ended)}")
    finally:
        print(f"         {load.settle(cluster.primary().sql)}")
