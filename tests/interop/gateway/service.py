"""The real service, spoken to as a partner and an operator would."""

import time
import uuid

import wire
from lib.service import Service
from stubs import Credential

try:
    from lib import signing
except ImportError:
    signing = None


class RealService(Service):
    CACHE_SECONDS = 1
    # Where partners find it, behind whichever gateway; what signatures are made and judged for.
    PUBLIC_URL = "https://api.example.test"

    def __init__(self, binary, directory, ports, secret, children):
        super().__init__(binary, directory, ports=ports, environment={
            "GATEWAY_SECRETS": secret,
            "GATEWAY_CACHE_SECONDS": str(self.CACHE_SECONDS),
            "PUBLIC_URL": self.PUBLIC_URL,
        })
        children.append(self)
        self.wait_until_ready()
        self.main = self.make_org("acme")
        self.of_suspended_org = self.signers_key = self.own_pair = None

    def call(self, method, path, body=None, key=None, expect=200):
        return super().call(method, path, body, key=key or self.main.key, expect=expect)

    def make_org(self, name):
        made = self.create_org(name)
        answer = wire.ask(self.internal, path="/internal/auth/verify",
                          headers=[("taih-tenant-key", made["tenant_api_key"])])
        assert answer.one("OrgId") == made["org_id"], answer.headers
        return Credential(made["tenant_api_key"], made["org_id"], answer.one("X-Tenant-Key-Id"))

    def new_key(self, scopes="*"):
        body = {"name": "walk", "scopes": scopes.split(" ")}
        made = self.call("POST", "/v1/admin/org/tenant-keys", body, expect=201)
        return Credential(made["secret"], self.main.org, made["id"], scopes)

    def revoke(self, credential):
        self.call("DELETE", f"/v1/admin/org/tenant-keys/{credential.key_id}", expect=204)

    def rotate(self, credential, grace):
        made = self.call("POST", "/v1/auth/tenant-key/rotate", {"grace_period_seconds": grace}, key=credential.key)
        return Credential(made["new_tenant_api_key"], credential.org, made["key_id"])

    def suspended(self):
        if self.of_suspended_org is None:
            self.of_suspended_org = self.make_org("beta")
            self.command("org", "suspend", "--key", "beta")
            time.sleep(1.1)
        return self.of_suspended_org

    def member(self):
        """A new user of the main org and a token for them."""
        user = str(uuid.uuid4())
        self.call("POST", "/v1/users", {"user_id": user}, expect=201)
        return user, self.call("POST", "/v1/auth/token", {"user_id": user})["access_token"]

    def signer(self):
        """Whoever holds a key of the main org that was registered to sign requests."""
        if self.signers_key is None:
            key = signing.new_key()
            body = signing.registration("acme", key)
            made = super().call("POST", "/api/v1/key", body, key=self.main.key, whole=True)
            self.signers_key = signing.Signer(made["UniqueId"], key, self.PUBLIC_URL)
        return self.signers_key

    def pair(self):
        """With which the service signs what it answers to the main org."""
        if self.own_pair is None:
            body = {"OwnerCode": "acme", "Usage": ["ResponseSignature"], "Type": "RSA", "Length": 2048,
                    "ExpirationUtc": signing.in_a_year()}
            made = super().call("POST", "/api/v1/key/generate", body, key=self.main.key, whole=True)
            self.own_pair = signing.ServicePair(made["UniqueId"], made["Key"])
        return self.own_pair

    def member_token(self):
        """For gateways, which pass any token on; the service is another matter."""
        return "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiJub2JvZHkifQ.c2lnbmF0dXJl"

    def is_live(self, feature):
        return {"feature": feature, "status": "live"} in self.call("GET", "/v1/features")
