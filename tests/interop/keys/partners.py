"""Partners who sign: an org with a registered key, and requests sent line by line as they were signed."""

import base64
import http.client
import json
import time

from lib import signing
from lib.signing import as_bytes

# What the signatures are made for: the service has no PUBLIC_URL here and goes by `Host`, so both replicas have one name.
HOST = "api.example.test"
BASE = f"http://{HOST}"
CHECK = "/v1/auth/signature/check"


def send(service, method, target, headers=(), body=None, host=HOST):
    """Status and body of a request with just these header lines."""
    connection = http.client.HTTPConnection("127.0.0.1", service.public, timeout=30)
    try:
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", host)
        for name, value in headers:
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(as_bytes(body))))
        connection.endheaders(as_bytes(body))
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


class Signing:
    """An org of the service whose key `signer` is registered to sign."""

    def __init__(self, service, name):
        made = service.create_org(name)
        self.service, self.name, self.key, self.org = service, name, made["tenant_api_key"], made["org_id"]
        self.signer = self.another()

    def call(self, method, path, body=None, **more):
        return self.service.call(method, path, body, key=self.key, **more)

    def another(self, usage=("Authentication",), bits=2048):
        """One more key of this org."""
        key = signing.new_key(bits)
        made = self.call("POST", "/api/v1/key", signing.registration(self.name, key, usage), whole=True)
        return signing.Signer(made["UniqueId"], key, BASE)

    def generate(self, usage, bits=2048):
        """A pair of the service's: its id and its public half. A busy machine is given time."""
        body = {"OwnerCode": self.name, "Usage": [usage], "Type": "RSA", "Length": bits, "ExpirationUtc": signing.in_a_year()}
        for _ in range(10):
            status, text = self.service.ask("POST", "/api/v1/key/generate", {
                "taih-tenant-key": self.key, "Content-Type": "application/json"}, json.dumps(body), timeout=60)
            if status != 429:
                break
            time.sleep(2)
        assert status == 200, (status, text)
        made = json.loads(text)
        return made["UniqueId"], made["Key"]

    def check(self, method, target, headers, body=None, host=HOST):
        """What the service says of a request to the engineer who signed it."""
        question = {"method": method, "target_uri": f"http://{host}{target}",
                    "headers": [["Host", host], *([name, value] for name, value in headers)]}
        if body:
            question["body_base64"] = base64.b64encode(as_bytes(body)).decode()
        return self.call("POST", CHECK, question)


def code_of(body):
    return json.loads(body)["error"]["code"]
