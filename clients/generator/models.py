"""Python's `models.py`: the schemas, made ready for datamodel-code-generator; and the events, which are models too."""

import copy
import re

from calls import HEADER, JSON, LINES, class_name

OPTIONS = [
    "--input-file-type", "openapi", "--openapi-scopes", "schemas", "--output-model-type", "pydantic_v2.BaseModel",
    "--target-python-version", "3.10", "--use-standard-collections", "--use-union-operator", "--enum-field-as-literal",
    "all", "--collapse-root-models", "--use-schema-description", "--use-field-description", "--disable-timestamp",
    "--use-double-quotes", "--formatters", "black", "isort", "--base-class", "partner_api._model.Model",
]
# The service judges these, and may come to judge them otherwise.
JUDGED = {"pattern", "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems", "uniqueItems", "default",
          "example", "examples", "contentMediaType", "contentSchema", "writeOnly", "readOnly", "propertyNames",
          "minProperties", "maxProperties", "title"}
KEPT_FORMATS = {"uuid", "date-time", "password"}
REFERENCE = "#/components/schemas/"


def prepare(document, operations):
    """What the generator gets: the schemas that `operations` and events use."""
    schemas = copy.deepcopy(document["components"]["schemas"])
    read = reachable(schemas, [each.reply for each in operations])
    sent = reachable(schemas, [each.body for each in operations])
    for name in read:
        open_enums(schemas[name])
    kept = {name: plain(schemas[name]) for name in sorted(read | sent) if not is_lines(schemas[name])}
    kept["Envelope"] = plain(schemas["Envelope"])
    for name, schema in event_schemas(document).items():
        kept[name] = plain(schema)
    return {"openapi": "3.1.0", "info": {"title": "partner-api", "version": "1"}, "paths": {},
            "components": {"schemas": kept}}


def is_lines(schema):
    return schema.get("type") == "string" and ("contentSchema" in schema or schema.get("format") == "binary")


def reachable(schemas, roots):
    found, waiting = set(), list(references(roots))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += references(schemas[name])
    return found


def references(value):
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str) and value["$ref"].startswith(REFERENCE):
            yield value["$ref"].removeprefix(REFERENCE)
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from references(each)


def open_enums(schema):
    """A newer service may answer with values that this version does not know: that is no error."""
    if isinstance(schema, list):
        for each in schema:
            open_enums(each)
    if not isinstance(schema, dict):
        return
    if isinstance(schema.get("enum"), list) and len(schema["enum"]) > 1 and schema.get("type") == "string":
        values = schema.pop("enum")
        del schema["type"]
        schema["anyOf"] = [{"type": "string", "enum": values}, {"type": "string"}]
    else:
        for each in schema.values():
            open_enums(each)


def plain(schema):
    if isinstance(schema, list):
        return [plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if all("items" in each for each in schema.get("oneOf", [{}])):
        # Of one type, which type checkers infer; what goes together is for the service to judge.
        kept = {name: value for name, value in schema.items() if name != "oneOf"}
        schema = {**kept, "type": "array", "items": {"anyOf": [each["items"] for each in schema["oneOf"]]}}
    made = {}
    for name, value in schema.items():
        if name == "properties":
            made[name] = {key: plain(each) for key, each in value.items()}
        elif name in JUDGED or (name == "format" and value not in KEPT_FORMATS):
            continue
        elif name in ("enum", "required"):
            made[name] = value
        else:
            made[name] = plain(value)
    return made


def event_schemas(document):
    """Of each event two schemas: itself, and its `data`."""
    made = {}
    for kind, item in document["webhooks"].items():
        schema = copy.deepcopy(item["post"]["requestBody"]["content"][JSON]["schema"])
        name = event_name(kind)
        data = schema["properties"]["data"]
        schema["description"] = item["post"]["summary"]
        schema["properties"]["data"] = {"$ref": f"{REFERENCE}{name}Data"}
        made[f"{name}Data"], made[f"{name}Event"] = data, schema
    return made


def event_name(kind):
    return class_name(kind.replace(".", "_"))


def events(document):
    kinds = list(document["webhooks"])
    text = HEADER.format(title="The service's own events, by their types.")
    text += "\nfrom pydantic import BaseModel\n\nfrom . import models\n\n"
    union = "\n".join(f"    | models.{event_name(kind)}Event" for kind in kinds).replace("    | ", "    ", 1)
    pairs = "".join(f'    "{kind}": models.{event_name(kind)}Event,\n' for kind in kinds)
    return f"{text}PartnerEvent = (\n{union}\n)\n\nBY_TYPE: dict[str, type[PartnerEvent]] = {{\n{pairs}}}\n"


def finish(text):
    """An alias that type checkers take for the name of an argument is none that Python takes, such as `from`."""
    text = re.sub(r"\balias=(\"[^\"]*\")", r"validation_alias=\1, serialization_alias=\1", text)
    # A default is seen as one only by its name.
    text = text.replace("Field(None, ", "Field(default=None, ")
    body = re.sub(r"\A(#[^\n]*\n)+", "", text).lstrip("\n")
    return HEADER.format(title="The shapes of requests, replies and events.") + "\n" + body
