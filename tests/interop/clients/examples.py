"""Sends every example of the document to the org that a fresh service has, as "Try it" does: unedited."""

import json
import re
import urllib.parse

# What only the partner has; the example is refused, and harms nobody. See tests/api/sweeps/examples.rs.
PARTNERS_OWN = ("webhook", "aws_sqs", "azure_storage_queue", "azure_event_hubs", "kafka", "PublicKey", "Response", "client_assertion")
# What asks for a key whose private half only the partner has: refused, because the demo org has none. And what GitHub's
# keys must be set up for.
NOT_SET_UP = {"create_report": 409, "report_github_leaks": 503}
FORM = "application/x-www-form-urlencoded"
METHODS = ("get", "put", "post", "patch", "delete")


def operations(document):
    """`(method, path, operation)`, users first, as other examples are about them; the key's own rotation last but for
    the brake, after which nothing else may be changed."""
    found = [(method.upper(), path, operation) for path, item in document["paths"].items()
             for method, operation in item.items() if method in METHODS]
    place = {"create_user": 0, "generate_key_pair": 1, "rotate_tenant_key": 9, "freeze_administration": 10}
    return sorted(found, key=lambda one: place.get(one[2]["operationId"], 5))


def resolve(document, schema):
    for step in schema.get("$ref", "").split("/")[1:]:
        document = document[step]
    return document if "$ref" in schema else schema


def examples(document, operation):
    """`(media type, example)` of a body."""
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        schema = resolve(document, content["schema"])
        if "examples" in content:
            yield from ((media_type, example["value"]) for example in content["examples"].values())
        elif "example" in content or "example" in schema:
            yield media_type, content.get("example", schema.get("example"))
        else:
            fields = {name: field.get("example", resolve(document, field).get("example"))
                      for name, field in schema["properties"].items()}
            yield media_type, {name: example for name, example in fields.items() if example is not None}


class Demo:
    """The org of a fresh service, and what its paths can name."""

    def __init__(self, service, key):
        self.service, self.key, self.ids = service, key, {}

    def send(self, method, path, media_type, body):
        encode = urllib.parse.urlencode if media_type == FORM else json.dumps
        text = body if isinstance(body, str) else encode(body)
        headers = {"taih-tenant-key": self.key, "Content-Type": media_type}
        return self.service.ask(method, path, headers, text)

    def path(self, path, operation):
        """With ids of what is there, else with the examples of the parameters."""
        parameters = {each["name"]: each for each in operation.get("parameters", []) if each["in"] == "path"}
        if "{key_id}" in path:
            self.ids["key_id"] = self.service.call("GET", "/v1/admin/org/tenant-keys", key=self.key)[0]["id"]
        return re.sub(r"{(\w+)}", lambda name: self.ids.get(name[1]) or parameters[name[1]]["example"], path)


def send_all(document, demo):
    """Problems; none if each example is answered as its operation documents a success."""
    problems, sent = [], 0
    for method, path, operation in operations(document):
        if operation["tags"] == ["Not live yet"]:
            continue
        for media_type, example in examples(document, operation):
            sent += 1
            status, text = demo.send(method, demo.path(path, operation), media_type, example)
            if operation["operationId"] == "generate_key_pair":
                demo.ids["UniqueId"] = json.loads(text)["UniqueId"]
            is_own = isinstance(example, dict) and any(field in example for field in PARTNERS_OWN)
            refused = NOT_SET_UP.get(operation["operationId"])
            if operation["operationId"] == "replace_queue" and example.get("type") == "poll":
                # The only example that works for anybody: the demo org has no queue to be replaced yet.
                refused = 404
            good = status in (400, 401, 404, 422) if is_own else status == refused if refused else 200 <= status < 300
            if not good or str(status) not in operation["responses"]:
                problems.append(f"{operation['operationId']}: {status} {text[:200].decode()}")
    assert sent >= 15, f"the document has lost its examples: {sent}"
    return problems
