"""What must hold of every queue, and what of one kind. Each check registers queues of its own making."""

import json
import uuid
from datetime import datetime, timedelta, timezone

from event_hubs import CONNECTION
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

    def register(self, kind, settings, method="POST", expect=201, **options):
        body = {"type": kind, kind: settings, **options}
        return self.call(method, USERS, body, expect=expect, whole=expect >= 400)

    def refusal(self, kind, settings, status):
        """The text of a refused registration: 422 for the settings, 400 for the test publish. Nothing is stored."""
        answer = self.register(kind, settings, expect=status)
        self.call("GET", USERS, expect=404)
        return json.dumps(answer)

    def create_user(self):
        user_id = str(uuid.uuid4())
        self.call("POST", "/v1/users", {"user_id": user_id}, expect=201)
        return user_id

    def opened(self, text, kind):
        """The event in an envelope, verified; a changed body must not verify."""
        envelope = json.loads(text)
        headers, body = envelope["headers"], envelope["body"]
        event = Webhook(self.secret).verify(body, headers)
        assert (envelope["type"], event["type"]) == (kind, kind), envelope
        assert (envelope["event_id"], envelope["org_id"]) == (headers["webhook-id"], self.org_id), envelope
        assert (envelope["stream"], event["org_id"]) == ("users", self.org_id), envelope
        try:
            Webhook(self.secret).verify(body.replace(kind, "user.forged"), headers)
        except WebhookVerificationError:
            return event
        raise AssertionError("a changed body verifies")


def arrives(partner, queues, kind, settings):
    """The test event first, then the event of a change; both read back and verified."""
    partner.register(kind, settings)
    [(text, _)] = queues.take(settings)
    partner.opened(text, "queue.test")
    user_id = partner.create_user()
    [(text, message)] = queues.take(settings, seconds=15)
    event = partner.opened(text, "user.created")
    assert event["data"]["user_id"] == user_id, event
    return json.loads(text), message


def sqs_standard(partner, moto):
    settings = {**moto.make_queue("standard"), "role_arn": moto.make_role("writer", partner.org_id)}
    arrives(partner, moto, "aws_sqs", settings)
    shown = partner.call("GET", USERS)
    assert shown["aws_sqs"]["external_id"] == partner.org_id, shown
    roles = [role for role in moto.assumed_roles() if role["external_id"] == partner.org_id]
    assert len(roles) == 1, f"assumed {len(roles)} times"
    assert roles[0]["role_arn"] == settings["role_arn"] and partner.org_id in roles[0]["session_name"], roles


def sqs_fifo(partner, moto):
    settings = {**moto.make_queue("ordered.fifo"), "role_arn": moto.make_role("ordered-writer", partner.org_id)}
    envelope, attributes = arrives(partner, moto, "aws_sqs", settings)
    assert attributes["MessageDeduplicationId"] == envelope["event_id"], attributes
    assert attributes["MessageGroupId"] == f"users:{partner.org_id}", attributes


def sqs_cloudevents(partner, moto):
    """A CloudEvent is the message, and its headers are attributes."""
    settings = {**moto.make_queue("cloudevents"), "role_arn": moto.make_role("cloudevents-writer", partner.org_id)}
    partner.register("aws_sqs", settings, format="cloudevents")
    [(text, attributes)] = moto.take(settings)
    names = ("webhook-id", "webhook-timestamp", "webhook-signature", "webhook-signature-key-id")
    event = Webhook(partner.secret).verify(text, {name: attributes[name] for name in names})
    assert attributes["content-type"] == "application/cloudevents+json", attributes
    assert (event["specversion"], event["type"], event["id"]) == ("1.0", "queue.test", attributes["webhook-id"]), event


def sqs_refusals(partner, moto):
    settings = {**moto.make_queue("refusing"), "role_arn": moto.make_role("refused-writer", partner.org_id)}
    missing = {**settings, "queue_url": settings["queue_url"] + "-not"}
    assert "NonExistentQueue" in partner.refusal("aws_sqs", missing, 400)
    assert "role_arn" in partner.refusal("aws_sqs", {**settings, "role_arn": None}, 422)
    assert "queue_url" in partner.refusal("aws_sqs", {**settings, "region": "eu-west-1"}, 422)
    assert not moto.take(settings, seconds=0)


def sqs_batches(partner, moto):
    """What waited for the queue comes in batches: fewer requests than messages, each message once."""
    users = [partner.create_user() for _ in range(45)]
    settings = {**moto.make_queue("batched"), "role_arn": moto.make_role("batch-writer", partner.org_id)}
    partner.register("aws_sqs", settings)
    bodies = []
    while len(bodies) < len(users) + 1:
        taken = moto.take(settings, seconds=15)
        assert taken, f"{len(bodies)} messages came"
        bodies += [text for text, _ in taken]
    opened = [partner.opened(text, json.loads(text)["type"]) for text in bodies]
    told = sorted(event["data"]["user_id"] for event in opened if event["type"] == "user.created")
    assert told == sorted(users), f"{len(told)} of {len(users)} came, or one twice"


def event_hub(partner, hubs):
    settings = hubs.make_queue()
    partner.register("azure_event_hubs", settings)
    [(key, text)] = hubs.take_events()
    assert key == partner.org_id, key
    partner.opened(text, "queue.test")
    user_id = partner.create_user()
    [(_, text)] = hubs.take_events()
    event = partner.opened(text, "user.created")
    assert event["data"]["user_id"] == user_id, event
    shown = partner.call("GET", USERS)
    assert settings["sas_key"] not in json.dumps(shown), shown
    assert shown["azure_event_hubs"] == {name: settings[name] for name in settings if name != "sas_key"}, shown
    partner.register("azure_event_hubs", hubs.make_queue(key=CONNECTION), method="PUT", expect=200)
    hubs.take_events()


def event_hub_refusals(partner, hubs):
    text = partner.refusal("azure_event_hubs", hubs.make_queue(key="bm90IHRoZSBrZXk="), 400)
    assert "Unauthorized: InvalidSignature" in text and "bm90" not in text, text
    assert "NotFound: No such event hub." in partner.refusal("azure_event_hubs", hubs.make_queue(hub="nothing"), 400)
    elsewhere = {**hubs.make_queue(), "namespace": "evil.example/x"}
    assert "namespace" in partner.refusal("azure_event_hubs", elsewhere, 422)


def storage_queue(partner, azurite):
    settings = azurite.make_queue("events")
    envelope, message = arrives(partner, azurite, "azure_storage_queue", settings)
    assert message.expires_on - message.inserted_on == timedelta(days=14), message
    shown = partner.call("GET", USERS)
    assert settings["sas_token"] not in json.dumps(shown) and "sig=" not in json.dumps(shown), shown
    expires_at = datetime.fromisoformat(shown["azure_storage_queue"]["sas_token_expires_at"].replace("Z", "+00:00"))
    assert timedelta(minutes=50) < expires_at - datetime.now(timezone.utc) <= timedelta(hours=1), shown


def storage_queue_refusals(partner, azurite):
    expired = azurite.make_queue("expired", lifetime=timedelta(hours=-1))
    read_only = azurite.make_queue("read-only", rights="r")
    for settings, status, reason in ((expired, 422, "has expired"), (read_only, 422, "sas_token")):
        text = partner.refusal("azure_storage_queue", settings, status)
        assert reason in text and "sig=" not in text and "http" not in text, text
