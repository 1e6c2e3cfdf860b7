"""An org with its queues, as its own engineers see it."""

import time
import uuid


class Partner:
    def __init__(self, service, receiver, name):
        self.service, self.receiver, self.name = service, receiver, name
        made = service.create_org(name)
        self.org_id, self.key, self.secret = made["org_id"], made["tenant_api_key"], made["signing_secret"]

    def call(self, method, path, body=None, expect=200, whole=False):
        return self.service.call(method, path, body, key=self.key, expect=expect, whole=whole)

    def path(self, stream):
        return f"/{self.name}/{stream}"

    def register(self, stream, expect=201, method="POST", url=None, **options):
        url = url or self.receiver.url + self.path(stream)
        body = {"type": "webhook", "webhook": {"url": url}, **options}
        return self.call(method, f"/v1/admin/org/queues/{stream}", body, expect=expect, whole=True)

    def queue(self, stream):
        return self.call("GET", f"/v1/admin/org/queues/{stream}")

    def new_user(self):
        user_id = str(uuid.uuid4())
        self.call("POST", "/v1/users", {"user_id": user_id, "first_name": "Ada", "email": "ada@example.com"}, expect=201)
        return user_id

    def about(self, user_id, kind="user.created", timeout=10, after=0):
        """The delivered event about a user, received after the instant `after`."""
        def matches(received):
            event = received.event
            return received.at > after and event["type"] == kind and event["data"].get("user_id") == user_id
        return self.receiver.wait_for(self.path("users"), matches, timeout, f"{kind} of {user_id}")

    def delivered_user(self):
        """A user is created; its event as it arrived."""
        return self.about(self.new_user())

    def register_key(self, kind, usage, text):
        """Registers a public key; its id."""
        body = {"OwnerCode": self.name, "Usage": [usage], "Type": kind, "PublicKey": text,
                "ExpirationUtc": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86400 * 300))}
        return self.call("POST", "/api/v1/key", body, whole=True)["UniqueId"]

    def rotate_secret(self, grace, secret=None):
        """The new secret (None if it is the partner's own) and the reply."""
        body = {"grace_period_seconds": grace, **({"secret": secret} if secret else {})}
        reply = self.call("POST", "/v1/auth/signing-secret/rotate", body)
        return reply.get("new_signing_secret"), reply

    def events(self, query=""):
        return self.pages(f"/v1/admin/org/events?{query}")

    def pages(self, path):
        """A whole list."""
        listed = []
        while True:
            page = self.call("GET", f"{path}&limit=100&offset={len(listed)}", whole=True)
            listed += page["data"]
            if not page["data"] or len(listed) >= page["pagination"]["total"]:
                return listed

    def listed(self, event_id):
        return next(event for event in self.events() if event["event_id"] == event_id)

    def replay(self, **body):
        return self.call("POST", "/v1/admin/org/events/replay", body, expect=202)["replayed"]
