"""Python's `api.py`: a function for each operation that gives the call as a value. And a class for each code."""

import textwrap
from dataclasses import dataclass, field

# What partners' backends do not call, or what the client does by itself.
LEFT_OUT = {"report_github_leaks", "issue_partner_token"}
# What the service does not know again.
ONCE = {"open_claim"}
LINES, JSON = "application/x-ndjson", "application/json"
METHODS = ("get", "post", "put", "patch", "delete")

HEADER = '"""{title} Made by clients/generate from openapi/openapi.json."""\n'


@dataclass
class Operation:
    name: str
    method: str
    path: str
    says: dict
    reply: dict | None = None
    parameters: list = field(default_factory=list)

    @property
    def body(self):
        return self.says.get("requestBody", {}).get("content", {})


def operations(document):
    """Those that are live, in the order of the document."""
    found = []
    for path, item in document["paths"].items():
        for method in METHODS:
            says = item.get(method)
            if says is None or says["operationId"] in LEFT_OUT:
                continue
            good = [reply for status, reply in says["responses"].items() if status in ("200", "201", "202", "204")]
            if good:
                parameters = [each for each in says.get("parameters", []) if each["in"] in ("path", "query")]
                found.append(Operation(says["operationId"], method.upper(), path, says, good[0], parameters))
    return found


def class_name(schema):
    """As the generator of the models spells it."""
    return "".join(part[:1].upper() + part[1:] for part in schema.split("_"))


class Types:
    def __init__(self, document):
        self.schemas = document["components"]["schemas"]

    def of(self, schema, is_sent):
        if "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[1]
            target = self.schemas[name]
            is_model = target.get("type") == "object" or "allOf" in target
            return f"models.{class_name(name)}" if is_model else self.of(target, is_sent)
        if "oneOf" in schema:
            return " | ".join(self.of(each, is_sent) for each in schema["oneOf"])
        kinds = schema.get("type")
        if isinstance(kinds, list):
            rest = [kind for kind in kinds if kind != "null"]
            return f"{self.of({**schema, 'type': rest[0]}, is_sent)} | None"
        if kinds == "null":
            return "None"
        if kinds == "array":
            return f"{'Sequence' if is_sent else 'list'}[{self.of(schema['items'], is_sent)}]"
        if "enum" in schema:
            literal = f"Literal[{', '.join(map(repr_of, schema['enum']))}]"
            return literal if is_sent else f"{literal} | str"
        if kinds == "string":
            sent = {"uuid": "UUID | str", "date-time": "datetime"}
            got = {"uuid": "UUID", "date-time": "datetime", "password": "SecretStr"}
            return (sent if is_sent else got).get(schema.get("format"), "str")
        return {"integer": "int", "boolean": "bool", "number": "float"}[kinds]


def repr_of(text):
    return f'"{text}"'


def module(document, found):
    types = Types(document)
    text = HEADER.format(title="One function for each operation: what it gives is sent by a client.")
    text += """
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from . import models
from .calls import Call, Listing, nothing

"""
    return text + "\n".join(function(types, each) for each in found)


def function(types, operation):
    arguments, given = signature(types, operation)
    reads, gives = reading(types, operation)
    lines = [f'"{operation.method}"', f'"{operation.path}"', reads, *given]
    kind = f"Call[{gives}]"
    paging = listing(types, operation)
    if paging:
        item, extra = paging
        kind, lines = f"Listing[{gives}, {item}]", [*lines, *extra]
    if operation.name in ONCE:
        lines.append("is_repeatable=False")
    body = ",\n        ".join(lines)
    head = f"def {operation.name}({', '.join(arguments)}) -> {kind}:"
    if len(head) > 120:
        head = "def {}(\n    {},\n) -> {}:".format(operation.name, ",\n    ".join(arguments), kind)
    return f"\n{head}\n{documented(operation)}    return {kind.split('[')[0]}(\n        {body},\n    )\n"


def documented(operation):
    text = operation.says["summary"].strip()
    scope = operation.says.get("x-required-scope")
    more = f"Takes the scope `{scope}`." if scope else ""
    description = operation.says.get("description", "").strip()
    paragraphs = [text, *(part for part in description.split("\n\n") if part), *([more] if more else [])]
    # What a Markdown list or a line of code would become when it is wrapped anew is not worth having.
    wrapped = ["\n".join(textwrap.wrap(" ".join(part.split()), 112)) for part in paragraphs]
    joined = "\n\n".join(wrapped).replace("\\", "\\\\").replace('"""', "'''")
    end = "\n" if "\n" in joined else ""
    return textwrap.indent(f'"""{joined}{end}"""\n', "    ")


def signature(types, operation):
    """Its arguments, and what the call is made with."""
    arguments, given = [], []
    paths = [each for each in operation.parameters if each["in"] == "path"]
    arguments += [f"{each['name']}: {types.of(each['schema'], True)}" for each in paths]
    if paths:
        given.append("path_parameters={{{}}}".format(", ".join(f'"{each["name"]}": {each["name"]}' for each in paths)))
    body = operation.body
    if JSON in body:
        kind = types.of(body[JSON]["schema"], True)
        if operation.says["requestBody"].get("required", False):
            arguments.append(f"body: {kind}")
        else:
            arguments.append(f"body: {kind} | None = None")
        given.append("body=body")
    elif LINES in body:
        arguments.append("lines: bytes")
        given += ["content=lines", f'content_type="{LINES}"']
    queries = [each for each in operation.parameters if each["in"] == "query"]
    if queries:
        arguments.append("*")
        for each in queries:
            kind = types.of(each["schema"], True).removesuffix(" | None")
            arguments.append(f"{each['name']}: {kind}" + ("" if each.get("required") else " | None = None"))
        given.append("query={{{}}}".format(", ".join(f'"{each["name"]}": {each["name"]}' for each in queries)))
    return arguments, given


def reading(types, operation):
    """How the reply is read, and what that gives."""
    content = operation.reply.get("content", {})
    if not content:
        return "nothing", "None"
    if LINES in content:
        return "lambda body: [models.BulkResult.model_validate_json(line) for line in body.splitlines() if line]", \
            "list[models.BulkResult]"
    if JSON not in content:
        return "bytes", "bytes"
    schema = content[JSON]["schema"]
    name = schema["$ref"].rsplit("/", 1)[1]
    model, fields = f"models.{class_name(name)}", types.schemas[name].get("properties", {})
    if list(fields) == ["data"]:
        return f"lambda body: {model}.model_validate_json(body).data", types.of(fields["data"], False)
    return f"{model}.model_validate_json", model


def listing(types, operation):
    """The type of its items, and how it is gone through, if it is read in pages."""
    names = {each["name"] for each in operation.parameters}
    content = operation.reply.get("content", {})
    if JSON not in content or not names & {"cursor", "next"}:
        return None
    fields = types.schemas[content[JSON]["schema"]["$ref"].rsplit("/", 1)[1]]["properties"]
    items, following, extra = (
        ("data", "pagination.next_cursor", []) if "cursor" in names else ("Items", "Next", ['cursor="next"', "start=None"]))
    item = types.of(fields[items]["items"], False)
    return item, [f"items=lambda page: page.{items}", f"following=lambda page: page.{following}", *extra]


def codes(document):
    text = HEADER.format(title="A class for each code of the service's.")
    text += "\nfrom ._errors import ApiError\n"
    names = document["components"]["schemas"]["ErrorCode"]["enum"]
    for code in names:
        text += f'\n\nclass {class_name(code)}(ApiError):\n    """`{code}`"""\n'
    pairs = "".join(f'    "{code}": {class_name(code)},\n' for code in names)
    exported = "".join(f'    "{class_name(code)}",\n' for code in names)
    return f"{text}\n\nBY_CODE: dict[str, type[ApiError]] = {{\n{pairs}}}\n\n__all__ = [\n{exported}]\n"
