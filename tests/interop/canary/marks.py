"""Marks: values that occur nowhere else, and every form in which one could turn up."""

import base64
import os
import secrets
import urllib.parse


def mark(name):
    """Text that nothing else in the world contains."""
    return f"canary{name}{secrets.token_hex(10)}"


def forms(value):
    """A value raw, in base64 at any of its three alignments, in hex, and URL-encoded."""
    raw = value if isinstance(value, bytes) else value.encode()
    found = {raw, raw.hex().encode(), raw.hex().upper().encode(), urllib.parse.quote_from_bytes(raw, safe="").encode()}
    for alignment in range(3):
        # What the neighbours on either side take part in is cut off.
        text = base64.b64encode(b"\0" * alignment + raw)[(0, 2, 3)[alignment]:]
        text = text[:len(text) - (0, 4, 4)[(alignment + len(raw)) % 3] or None].rstrip(b"=")
        found |= {text, text.replace(b"+", b"-").replace(b"/", b"_")}
    return {form for form in found if len(form) >= 12}


class Marks:
    """What must not be found. `credentials` may be nowhere, `personal` data only among the users."""

    def __init__(self):
        self.credentials, self.personal = {}, {}

    def credential(self, name, value=None):
        value = value or mark(name)
        self.credentials.setdefault(name, []).append(value)
        return value

    def person(self, name):
        value = mark(name)
        self.personal.setdefault(name, []).append(value)
        return value

    def found_in(self, data, personal=True):
        """Names of the marks that are in `data`."""
        wanted = [self.credentials] + ([self.personal] if personal else [])
        return sorted({name for group in wanted for name, values in group.items()
                       for value in values if any(form in data for form in forms(value))})

    def count(self):
        return sum(len(values) for group in (self.credentials, self.personal) for values in group.values())


def files_below(directory, excluding=()):
    """Path and content of every file."""
    for parent, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(parent, name)
            if os.path.relpath(path, directory) not in excluding and os.path.isfile(path):
                with open(path, "rb") as file:
                    yield path, file.read()
