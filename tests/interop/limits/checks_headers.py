"""`RateLimit` and `RateLimit-Policy`, as others read them."""

import http.client
import json
import os
import subprocess
import time

RATE, BURST = 50, 300
HERE = os.path.dirname(os.path.abspath(__file__))


class Client:
    """One connection; status and headers of each answer."""

    def __init__(self, port, key):
        self.connection, self.key = http.client.HTTPConnection("127.0.0.1", port, timeout=20), key

    def ask(self, method, path, body=None):
        headers = {"taih-tenant-key": self.key}
        if body is not None:
            headers["Content-Type"] = "application/json"
        self.connection.request(method, path, body, headers)
        reply = self.connection.getresponse()
        reply.read()
        return reply.status, reply.headers


def read_by_python(text):
    import http_sfv

    field = http_sfv.List()
    field.parse(text.encode())
    return [[item.value, dict(item.params)] for item in field]


def read_by_js(texts):
    done = subprocess.run(["node", os.path.join(HERE, "parse.mjs")], input="\n".join(texts) + "\n", capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def operations(service):
    document = json.loads(service.ask("GET", "/openapi.json")[1])
    for path, item in sorted(document["paths"].items()):
        for method, operation in item.items():
            if any("TenantKey" in scheme for scheme in operation.get("security", [])):
                for name in ("user_id", "key_id", "secret_id", "UniqueId", "event_id", "report_id"):
                    path = path.replace("{" + name + "}", "01a200a5-d8f3-7353-aa32-69b185bb7831")
                yield method.upper(), path.replace("{queue_name}", "users").replace("{OwnerCode}", "acme")


def every_operation(service, key):
    """The two fields of an answer of each operation, whatever its status."""
    client, told, statuses = Client(service.public, key), [], {}
    for method, path in operations(service):
        status, headers = client.ask(method, path, None if method in ("GET", "DELETE") else "{}")
        assert headers.get_all("ratelimit") and len(headers.get_all("ratelimit")) == 1, f"{method} {path}: {status}"
        assert len(headers.get_all("ratelimit-policy")) == 1, f"{method} {path}: {status}"
        statuses[status] = statuses.get(status, 0) + 1
        told.append((headers["ratelimit-policy"], headers["ratelimit"]))
    assert len(told) > 40 and len(statuses) > 4, statuses
    print(f"         {len(told)} operations, by status {dict(sorted(statuses.items()))}")
    return told


def judge(read, told):
    """`read` gives the items of many fields."""
    policies, lefts = read([policy for policy, _ in told]), read([left for _, left in told])
    for policy, left in zip(policies, lefts):
        assert policy == [["org", {"q": BURST, "w": BURST // RATE}]], policy
        [[name, parameters]] = left
        assert name == "org" and set(parameters) == {"r", "t"}, left
        assert type(parameters["r"]) is int and 0 <= parameters["r"] < BURST and parameters["t"] == 1, left


def over_time(service, key):
    """A client that does as the fields say is never refused; one that does not is, and hears for how long."""
    client, began, served = Client(service.public, key), time.monotonic(), 0
    while time.monotonic() - began < 6:
        status, headers = client.ask("GET", "/v1/features")
        assert status == 200, f"{status} although something was left"
        served += 1
        [[_, left]] = read_by_python(headers["ratelimit"])
        elapsed = time.monotonic() - began
        expected = BURST - served + RATE * elapsed
        assert abs(left["r"] - min(expected, BURST - 1)) <= RATE * 0.2 + 2, (left, expected)
        if left["r"] == 0:
            time.sleep(left["t"])
    refused = None
    for _ in range(BURST * 3):
        status, headers = client.ask("GET", "/v1/features")
        if status == 429:
            refused = headers
            break
    assert refused is not None and refused["retry-after"] == "1", "never refused"
    [[_, left]] = read_by_python(refused["ratelimit"])
    assert left == {"r": 0, "t": 1}, left
    time.sleep(int(refused["retry-after"]))
    assert client.ask("GET", "/v1/features")[0] == 200
