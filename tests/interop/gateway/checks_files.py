"""Checks of what is on disk: the logs that a walk left, and kong.yml."""

import os
import re

from gateways import KIT


def logs_hold_no_secret(directory, secrets):
    """All logs of the walk, read as bytes; a check of its own, after everything has ended."""
    folder = os.path.join(directory, "logs")
    read = 0
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as file:
            content = file.read()
        read += len(content)
        leaked = [secret[:12] for secret in secrets if len(secret) > 20 and secret.encode() in content]
        assert not leaked, f"{name} holds {leaked}"
    assert read, "there were no logs to read"


def kong_paths():
    """The regular expressions of kong.yml against paths that must and must not match (anchored at the start, as in Kong)."""
    with open(os.path.join(KIT, "kong", "kong.yml")) as file:
        text = file.read()
    lists = [re.findall(r"""["']~([^"']+)["']""", line) for line in text.splitlines() if line.strip().startswith("paths:")]
    assert len(lists) == 2 and text.count("strip_path: false") == 2
    wanted = (("/v1", "/v1/users", "/api/v1/key", "/api/v1/key/list/acme"),
              ("/docs", "/docs/x", "/openapi.json", "/.well-known/jwks.json"))
    unwanted = ("/v10", "/v1x/users", "/api/v1/keys", "/api/v1", "/internal/auth/verify", "/docsx", "/openapixjson", "/well-known/", "/")
    for patterns, paths in zip(lists, wanted):
        for path in paths + unwanted:
            assert any(re.match(pattern, path) for pattern in patterns) == (path in paths), path
