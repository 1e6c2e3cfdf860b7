"""Checks of what is on disk: the logs that a walk left, and kong.yml."""

import os
import re

try:
    import yaml
except ImportError:
    yaml = None

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


def kong_file():
    with open(os.path.join(KIT, "kong", "kong.yml")) as file:
        return file.read()


def kong_paths():
    """kong.yml's regular expressions against paths that must and must not match (anchored at the start, as in Kong)."""
    text = kong_file()
    lists = [re.findall(r"""["']~([^"']+)["']""", line) for line in text.splitlines() if line.strip().startswith("paths:")]
    assert len(lists) == 5 and text.count("strip_path: false") == 5
    keyless = ("/v1/leaks", "/v1/leaks/github", "/v1/claims/claim_x")
    wanted = (("/v1", "/v1/users", "/v1/users/bulk", "/v1/oauth/token", *keyless, "/api/v1/key",
               "/api/v1/key/list/acme"),
              ("/v1/users/bulk",),
              ("/v1/oauth/token",),
              keyless,
              ("/", "/docs", "/docs/x", "/errors", "/portal", "/portal/keys", "/openapi.json", "/.well-known/jwks.json",
               "/.well-known/webhook-keys.json"))
    unwanted = ("/portals", "/v10", "/v1x/users", "/api/v1/keys", "/api/v1", "/internal/auth/verify", "/docsx", "/errorsx", "/openapixjson",
                "/well-known/", "/readyz", "/metrics")
    for patterns, paths in zip(lists, wanted):
        for path in {each for some in wanted for each in some} | set(unwanted):
            assert any(re.match(pattern, path) for pattern in patterns) == (path in paths), path


# What Kong 3.9's schemas have, of what the file uses; `kong config parse` is the real check.
KNOWN = {
    "file": {"_format_version", "upstreams", "services", "plugins"},
    "upstreams": {"name", "targets", "healthchecks"},
    "services": {"name", "protocol", "host", "connect_timeout", "read_timeout", "write_timeout", "retries", "routes", "plugins"},
    "routes": {"name", "paths", "strip_path", "preserve_host", "request_buffering", "regex_priority", "plugins"},
    "plugins": {"name", "config"},
}


def plugin_settings():
    """The names of the plugin's settings, read from its schema."""
    with open(os.path.join(KIT, "kong", "kong", "plugins", "partner-api-auth", "schema.lua")) as file:
        return set(re.findall(r"^          \{ (\w+) = ", file.read(), re.MULTILINE))


def kong_settings():
    read = yaml.safe_load(kong_file())

    def known(kind, entity):
        assert set(entity) <= KNOWN[kind], (kind, set(entity) - KNOWN[kind])

    known("file", read)
    [upstream], [service] = read["upstreams"], read["services"]
    known("upstreams", upstream), known("services", service)
    assert read["_format_version"] == "3.0" and service["host"] == upstream["name"]
    assert ":" not in upstream["name"] and all(re.fullmatch(r"[\w.-]+:\d+", each["target"]) for each in upstream["targets"])
    assert upstream["healthchecks"]["active"]["healthy"]["interval"] > 0, "a target that fell out would never come back"
    for route in service["routes"]:
        known("routes", route)
        # What a signature covers goes on as it came.
        assert route["strip_path"] is False and route["preserve_host"] is True and "path" not in service, route["name"]
        assert "partner-api-auth" in [each["name"] for each in route["plugins"]], f"{route['name']} is not guarded"
    for plugin in (*read["plugins"], *service["plugins"], *(each for route in service["routes"] for each in route["plugins"])):
        known("plugins", plugin)
        if plugin["name"] == "partner-api-auth":
            config = plugin["config"]
            assert set(config) <= plugin_settings(), set(config) - plugin_settings()
            assert config["mode"] == "strip" or {"verify_url", "gateway_secret"} <= set(config), config
            assert config.get("gateway_secret", "{vault://").startswith("{vault://"), "a secret in clear"
    buffering = {route["name"]: route.get("request_buffering", True) for route in service["routes"]}
    assert buffering == {"partner-api-authenticated": True, "partner-api-bulk": False, "partner-api-tokens": True,
                         "partner-api-keyless": True, "partner-api-public": True}
    names = {each["name"] for each in (*read["plugins"], *service["plugins"])}
    assert names == {"partner-api-auth", "rate-limiting", "file-log"}, names
