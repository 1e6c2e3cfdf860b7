"""Three nodes, one of them the primary; who that is, as Patroni and HAProxy say."""

import json
import os
import threading
import time

from machines import Apart, Together
from postgres import until
from servers import PASSWORD, Etcd, HAProxy, Node

# Of docs/scaling.md, and shorter ones for a run of a minute.
TIMES = {"ttl": 20, "loop_wait": 2, "retry_timeout": 5}
SHORT_TIMES = {"ttl": 6, "loop_wait": 1, "retry_timeout": 2}
WHOLE_WITHIN = 120


class Cluster:
    def __init__(self, directory, is_apart, times, children):
        self.ground, self.times = Apart() if is_apart else Together(), times
        etcd = Etcd(os.path.join(directory, "etcd"), self.ground.shared)
        children.append(etcd)
        self.nodes = []
        for number in (1, 2, 3):
            node = Node(os.path.join(directory, f"node{number}"), f"node{number}", self.ground.machine(number),
                        self.ground.network, etcd, times)
            children.append(node)
            self.nodes.append(node)
        self.haproxy = HAProxy(os.path.join(directory, "haproxy"), self.nodes)
        children.append(self.haproxy)

    def url(self):
        return f"postgres://partner:{PASSWORD}@127.0.0.1:{self.haproxy.port}/partner"

    def create_database(self):
        primary = self.primary()
        primary.sql(f"CREATE ROLE partner LOGIN PASSWORD '{PASSWORD}'", "postgres")
        primary.sql("CREATE DATABASE partner OWNER partner", "postgres")

    def primary(self):
        """The node that says that it is the primary, and that HAProxy leads to; none meanwhile."""
        names = self.haproxy.leads_to()
        found = [node for node in self.nodes if node.name in names and is_primary(node)]
        return found[0] if len(found) == 1 else None

    def wait_until_whole(self):
        """Until two standbys follow the primary, one of them synchronously; gives the primary."""
        try:
            until("a primary and two standbys that follow it, one of them synchronous", WHOLE_WITHIN, self.is_whole)
        except AssertionError as error:
            said = {node.name: node.ask("/patroni")[1][:300] for node in self.nodes}
            raise AssertionError(f"{error}: {said}") from error
        return self.primary()

    def is_whole(self):
        primary = self.primary()
        if not primary:
            return False
        try:
            standbys = json.loads(primary.ask("/patroni")[1]).get("replication", [])
        except ValueError:
            return False
        following = {each["application_name"] for each in standbys if each["state"] == "streaming"}
        has_sync = any(each["sync_state"] == "sync" for each in standbys)
        others = {node.name for node in self.nodes if node is not primary}
        return has_sync and others <= following and primary.ask("/cluster")[1].count('"sync_standby"') == 1


def is_primary(node):
    status, text = node.ask("/primary")
    try:
        return status == 200 and json.loads(text)["state"] == "running"
    except ValueError:
        return False


class Watch(threading.Thread):
    """Notes when the old primary is left, and when there is a new one that HAProxy leads to."""

    def __init__(self, cluster, old):
        super().__init__(daemon=True)
        self.cluster, self.old, self.is_over = cluster, old, threading.Event()
        self.left_at = self.new_at = self.new = None

    def run(self):
        while not self.is_over.is_set() and not self.new:
            names = self.cluster.haproxy.leads_to()
            if self.old.name not in names:
                self.left_at = self.left_at or time.monotonic()
                # HAProxy found out by asking Patroni itself: that it leads there says both.
                for node in self.cluster.nodes:
                    if node.name in names and node is not self.old and is_primary(node):
                        self.new_at, self.new = time.monotonic(), node
            time.sleep(0.02)

    def wait_for_new(self, seconds):
        self.join(seconds)
        self.is_over.set()
        assert self.new, f"no new primary within {seconds} s"
        return self.new
