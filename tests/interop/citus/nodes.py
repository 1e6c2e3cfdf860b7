"""A coordinator and two workers, each a Postgres of its own with the extension loaded."""

import glob
import os
import subprocess

from postgres import Postgres, binaries
from service import free_ports

SETTINGS = {
    "shared_preload_libraries": "citus",
    "wal_level": "logical",
    # What a statement changes on several nodes is committed in two phases.
    "max_prepared_transactions": 200,
    # A daemon for each database that is open.
    "max_worker_processes": 64,
    "max_connections": 300,
    "citus.node_conninfo": "sslmode=disable",
    # Few shards: each test copies them all.
    "citus.shard_count": 4,
    "listen_addresses": "127.0.0.1",
    # Nothing here outlives the run.
    "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off",
}


def missing():
    """Why this machine cannot do it; none if it can."""
    where = binaries()
    if where is None:
        return "there is no Postgres on this machine"
    config = os.path.join(where, "pg_config")
    if not os.path.exists(config):
        config = "pg_config"
    try:
        shared = subprocess.run([config, "--sharedir"], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        shared = f"/usr/share/postgresql/{os.path.basename(os.path.dirname(where))}"
    if not glob.glob(os.path.join(shared, "extension", "citus.control")):
        return f"the extension citus is not among those of {where}"
    return None


class Node(Postgres):
    """Reached by TCP: nodes know each other by address and port."""

    def __init__(self, directory):
        [self.port] = free_ports(1)
        super().__init__(directory, {**SETTINGS, "port": self.port})

    def sql(self, statement, database="postgres"):
        psql = [os.path.join(self.bin, "psql"), "-XAtq", "-F", "|", "-v", "ON_ERROR_STOP=1"]
        done = subprocess.run([*psql, "-h", "127.0.0.1", "-p", str(self.port), "-U", "admin", "-d", database, "-c",
                               statement], capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr.decode()[-400:]
        return [line.split("|") for line in done.stdout.decode().splitlines()]

    def url(self, database="postgres"):
        return f"postgres://admin@127.0.0.1:{self.port}/{database}"


class Cluster:
    """The first node is the coordinator."""

    def __init__(self, directory, children):
        os.makedirs(directory)
        os.chmod(directory, 0o711)
        self.nodes = []
        for name in ("coordinator", "worker-1", "worker-2"):
            self.nodes.append(Node(os.path.join(directory, name)))
            children.append(Stopped(self.nodes[-1]))

    @property
    def coordinator(self):
        return self.nodes[0]

    def create_database(self, name):
        """On every node."""
        for node in self.nodes:
            node.sql(f"CREATE DATABASE {name}")

    def join(self, name):
        """Makes databases of this name one cluster."""
        for node in self.nodes[1:] + self.nodes[:1]:
            node.sql("CREATE EXTENSION citus", name)
        self.coordinator.sql(f"SELECT citus_set_coordinator_host('127.0.0.1', {self.coordinator.port})", name)
        for worker in self.nodes[1:]:
            self.coordinator.sql(f"SELECT citus_add_node('127.0.0.1', {worker.port})", name)


class Stopped:
    """A node, as what a part ends."""

    def __init__(self, node):
        self.node = node

    def stop(self):
        self.node.close()
