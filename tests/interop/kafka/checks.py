"""What must hold of a queue of type `kafka`, whatever the cluster."""

import json
import subprocess
import uuid

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

USERS = "/v1/admin/org/queues/users"


class Partner:
    """An org of the real service and what its partner does with it."""

    def __init__(self, service, name):
        self.service = service
        made = service.create_org(name)
        self.org_id, self.key, self.secret = made["org_id"], made["tenant_api_key"], made["signing_secret"]

    def call(self, method, path, body=None, expect=200, **more):
        return self.service.call(method, path, body, key=self.key, expect=expect, **more)

    def register(self, brokers, topic, method="POST", expect=201, options=None, **settings):
        settings = {"bootstrap_servers": brokers, "topic": topic, "tls": False, **settings}
        body = {"type": "kafka", "kafka": settings, **(options or {})}
        return self.call(method, USERS, body, expect=expect, whole=expect >= 400)

    def create_user(self):
        user_id = str(uuid.uuid4())
        self.call("POST", "/v1/users", {"user_id": user_id}, expect=201)
        return user_id

    def opened(self, record):
        """The event of a record, verified with its headers; a changed value must not verify."""
        headers = {name: value.decode() for name, value in record.headers()}
        assert len(headers) == len(record.headers()), record.headers()
        event = Webhook(self.secret).verify(record.value(), headers)
        forged = record.value().replace(b'"type"', b'"tYpe"')
        try:
            Webhook(self.secret).verify(forged, headers)
        except WebhookVerificationError:
            return event, headers
        raise AssertionError("a changed value verifies")


def arrives_and_verifies(partner, cluster):
    topic = cluster.make_topic()
    partner.register(cluster.brokers, topic)
    user_id = partner.create_user()
    records = cluster.take(topic, 2)
    events = {event["type"]: (event, headers) for event, headers in map(partner.opened, records)}
    event, headers = events["user.created"]
    assert set(events) == {"queue.test", "user.created"} and event["data"]["user_id"] == user_id, events
    assert event["org_id"] == partner.org_id and headers["content-type"] == "application/json", headers
    assert {record.key().decode() for record in records} == {partner.org_id}
    shown = partner.call("GET", "/v1/admin/org/events?stream=users")
    assert [one["status"] for one in shown] == ["delivered"], shown


def what_waited_comes_once_in_its_order(partner, cluster, count=500):
    """Without a key of its own, each has the org's: one partition, in the order in which it happened."""
    users = [partner.create_user() for _ in range(count)]
    topic = cluster.make_topic()
    partner.register(cluster.brokers, topic)
    events = [partner.opened(record)[0] for record in cluster.take(topic, count + 1, seconds=60)]
    told = [event["data"]["user_id"] for event in events if event["type"] == "user.created"]
    assert sorted(told) == sorted(users), f"{len(told)} of {count}, or one twice"


def subjects_keep_their_order(partner, cluster):
    topic = cluster.make_topic()
    partner.register(cluster.brokers, topic, options={"ordering": "per_subject"})
    users = [partner.create_user() for _ in range(12)]
    for version in range(3):
        for user_id in users:
            partner.call("PATCH", f"/v1/users/{user_id}", {"first_name": f"Ada {version}"}, expect=204)
    records = [record for record in cluster.take(topic, 1 + 4 * len(users), seconds=60)]
    seen = {}
    for record in records:
        event, _ = partner.opened(record)
        if event["type"] != "queue.test":
            assert record.key().decode() == event["data"]["user_id"], record.key()
            seen.setdefault(record.key().decode(), []).append((record.partition(), record.offset(), event["data"]["version"]))
    assert set(seen) == set(users)
    for user_id, of_user in seen.items():
        assert len({partition for partition, _, _ in of_user}) == 1, of_user
        versions = [version for _, _, version in sorted(of_user)]
        assert versions == sorted(versions) and len(versions) == 4, (user_id, of_user)
    assert len({of_user[0][0] for of_user in seen.values()}) > 1, "they are spread"
    return seen


def partitions_are_those_of_other_clients(partner, cluster):
    for user_id, of_user in subjects_keep_their_order(partner, cluster).items():
        assert cluster.partition_of(user_id) == of_user[0][0], user_id


def cloudevents(partner, cluster):
    topic = cluster.make_topic()
    partner.register(cluster.brokers, topic, options={"format": "cloudevents"})
    event, headers = partner.opened(cluster.take(topic, 1)[0])
    assert headers["content-type"] == "application/cloudevents+json", headers
    assert (event["specversion"], event["id"]) == ("1.0", headers["webhook-id"]), event


def kafkajs_reads_and_verifies(partner, cluster, here):
    topic = cluster.make_topic()
    partner.register(cluster.brokers, topic, options={"ordering": "per_subject"})
    users = {partner.create_user() for _ in range(20)}
    cluster.take(topic, 21)
    done = subprocess.run(["node", f"{here}/consume.mjs", ",".join(cluster.brokers), topic, partner.secret, "21"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"exit {done.returncode}: {done.stdout[-300:]} {done.stderr[-300:]}"
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert {one["key"] for one in told if one["type"] == "user.created"} == users, told


def refusals(partner, cluster):
    def refused(expect, brokers, topic="nothing-here", **settings):
        text = json.dumps(partner.register(brokers, topic, expect=expect, **settings))
        partner.call("GET", USERS, expect=404)
        return text

    assert "UNKNOWN_TOPIC_OR_PARTITION" in refused(400, cluster.brokers)
    assert "refused" in refused(400, ["127.0.0.1:1"])
    assert "dns" in refused(400, ["no-such-host.invalid:9092"])
    assert "topic" in refused(422, cluster.brokers, topic="a b")


def log_in(partner, cluster, front, mechanism):
    """Through the front, inside TLS by an authority of its own: every broker that is named is the front's."""
    topic = cluster.make_topic()
    sasl = {"mechanism": mechanism, "username": front.username, "password": front.password}
    settings = {"tls": True, "ca_certificate": front.authority, "sasl": sasl}
    partner.register(front.brokers, topic, options={"ordering": "per_subject"}, **settings)
    users = {partner.create_user() for _ in range(20)}
    events = [partner.opened(record)[0] for record in cluster.take(topic, 21)]
    assert {event["data"]["user_id"] for event in events if event["type"] == "user.created"} == users
    assert (mechanism, True) in front.logins, front.logins
    shown = json.dumps(partner.call("GET", USERS))
    assert front.password not in shown and front.username in shown, shown


def log_in_refusals(partner, cluster, front):
    topic = cluster.make_topic()
    good = {"mechanism": "SCRAM-SHA-256", "username": front.username, "password": front.password}

    def refused(sasl, **settings):
        settings = {"tls": True, "ca_certificate": front.authority, **settings}
        text = json.dumps(partner.register(front.brokers, topic, expect=400, sasl=sasl, **settings))
        assert front.password not in text and "127.0.0.1" not in text, text
        partner.call("GET", USERS, expect=404)
        return text

    for mechanism in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"):
        before = len(front.logins)
        text = refused({**good, "mechanism": mechanism, "password": "wrong"})
        assert "SASL_AUTHENTICATION_FAILED" in text, text
        assert len(front.logins) == before + 1, "a wrong password is tried once, not at every broker"
    assert "SASL_AUTHENTICATION_FAILED" in refused({**good, "username": "somebody"})
    assert ": tls." in refused(good, ca_certificate=None), "no public authority vouches for it"
    assert ": closed." in refused(None), "it wants a log-in"


def nothing_is_lost_when_the_service_is_killed(partner, cluster, service, kills=5, count=300):
    """At least once: what was on its way may come twice, and nothing is missing."""
    topic = cluster.make_topic()
    partner.register(cluster.brokers, topic)
    users = set()
    for _ in range(kills):
        users |= {partner.create_user() for _ in range(count // kills)}
        service.kill()
        service.start()
        service.wait_until_ready()
    told = set()
    for record in cluster.take(topic, count + 1, seconds=90):
        event, _ = partner.opened(record)
        told.add(event["data"].get("user_id"))
    assert users <= told, f"{len(users - told)} of {len(users)} are missing"
