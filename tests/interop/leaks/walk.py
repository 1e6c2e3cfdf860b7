"""Leaked keys, reported as GitHub reports them, by strangers and by an operator, to the real service."""

import argparse
import base64
import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, ".."))  # for lib/

from lib.service import Service
from lib.tally import Tally

GITHUB = "/v1/leaks/github"
NOBODYS = "tk_test_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg2O0zBE"


def pem(key):
    form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(*form).decode()


class Github:
    """Three pairs: the one that signs, one that is retired, and one that nobody published."""

    def __init__(self, path):
        self.current, self.retired, self.strangers = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
        self.path = path
        self.publish()

    def publish(self):
        keys = [{"key_identifier": "now", "key": pem(self.current), "is_current": True},
                {"key_identifier": "then", "key": pem(self.retired), "is_current": False}]
        with open(self.path + ".new", "w") as file:
            json.dump({"public_keys": keys}, file)
        os.chmod(self.path + ".new", 0o644)
        os.replace(self.path + ".new", self.path)


def found(token):
    return {"token": token, "type": "partner_api_tenant_key", "url": "https://github.com/a/b", "source": "content"}


class Walk:
    def __init__(self, service, github):
        self.service, self.github = service, github
        self.acme = service.create_org("acme")
        self.key = self.acme["tenant_api_key"]

    def mint(self):
        made = self.service.call("POST", "/v1/admin/org/tenant-keys", {"name": "x"}, key=self.key, expect=201)
        return made["id"], made["secret"]

    def shown(self, key_id):
        return self.service.call("GET", f"/v1/admin/org/tenant-keys/{key_id}", key=self.key)

    def leaked(self, key_id):
        for _ in range(100):
            if self.shown(key_id)["leaked_at"]:
                return self.shown(key_id)
            time.sleep(0.1)
        raise AssertionError("it was not looked at within 10 s")

    def send(self, body, pair=None, identifier="now", signed=None, **headers):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        signature = (pair or self.github.current).sign(signed or body, ec.ECDSA(hashes.SHA256()))
        sent = {"Content-Type": "application/json", "Github-Public-Key-Identifier": identifier,
                "Github-Public-Key-Signature": base64.b64encode(signature).decode(), **headers}
        status, text = self.service.ask("POST", GITHUB, {k: v for k, v in sent.items() if v is not None}, body)
        return status, text

    def good(self):
        key_id, key = self.mint()
        status, text = self.send([found(key), found(NOBODYS)])
        assert status == 200, (status, text)
        labels = json.loads(text)
        assert [label["label"] for label in labels] == ["true_positive", "false_positive"], labels
        assert labels[0]["token_hash"] == hashlib.sha256(key.encode()).hexdigest()
        seen = self.leaked(key_id)
        assert seen["leak"]["source"] == "github" and seen["expires_at"], seen

    def replayed(self):
        key_id, key = self.mint()
        body = json.dumps([found(key)]).encode()
        assert self.send(body)[0] == 200
        before = self.leaked(key_id)
        assert self.send(body)[0] == 200
        time.sleep(0.5)
        after = self.shown(key_id)
        assert (after["leaked_at"], after["expires_at"]) == (before["leaked_at"], before["expires_at"])

    def bad(self):
        body = json.dumps([found(NOBODYS)]).encode()
        for what, reply in {
            "altered": self.send(body + b" ", signed=body),
            "a stranger's key": self.send(body, pair=self.github.strangers),
            "an unknown identifier": self.send(body, identifier="nobody"),
            "a retired key": self.send(body, pair=self.github.retired, identifier="then"),
            "no identifier": self.send(body, identifier=None),
            "no signature": self.send(body, **{"Github-Public-Key-Signature": None}),
            "not base64": self.send(body, **{"Github-Public-Key-Signature": "?"}),
        }.items():
            assert reply[0] == 401, (what, reply)

    def renewed(self):
        self.github.current = ec.generate_private_key(ec.SECP256R1())
        assert self.send([])[0] == 401
        self.github.publish()
        assert self.send([])[0] == 200

    def many(self):
        keys = [self.mint() for _ in range(3)]
        matches = [found(key) for _, key in keys] + [found(NOBODYS)] * 997
        status, text = self.send(matches)
        assert status == 200 and len(json.loads(text)) == 1_000, status
        for key_id, _ in keys:
            self.leaked(key_id)

    def hostile(self):
        for body in (b"", b"null", b"{}", b"[1]", b"[{}]", b"[[[[", b"\xff\xfe", b"[" * 50_000,
                     b'[{"token":"\\ud800","type":"x"}]', b'[{"token":"x","type":null}]'):
            status, text = self.send(body)
            assert status in (400, 415, 422), (body[:40], status, text[:200])
        assert self.send([found("x" * 2_000)] * 1_000)[0] == 413

    def anybody(self):
        key_id, key = self.mint()
        replies = set()
        for text in (key, NOBODYS, NOBODYS[:-1] + "F"):
            body = json.dumps({"key": text, "url": f"https://example.com/?k={key}"})
            replies.add(self.service.ask("POST", "/v1/leaks", {"Content-Type": "application/json"}, body))
        assert replies == {(202, b'{"data":{"status":"received"}}')}, replies
        assert key not in json.dumps(self.leaked(key_id))
        with open(self.service.log, errors="replace") as log:
            assert key not in log.read(), "the log holds the key"

    def listed(self):
        (_, live), (dead_id, dead) = self.mint(), self.mint()
        self.service.call("DELETE", f"/v1/admin/org/tenant-keys/{dead_id}", key=self.key, expect=204)
        lines = "\n".join([live, "", dead, NOBODYS, "nonsense", live]).encode()
        out = self.service.command("leak", "report", "--source", "list", "--json", stdin=lines)
        expected = {"again": 1, "dead": 1, "leaked": 1, "malformed": 1, "unknown": 1}
        assert json.loads(out) == expected, out


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--bin", required=True)
    arguments.add_argument("--keep", action="store_true")
    options = arguments.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    directory, tally, service = tempfile.mkdtemp(prefix="leaks."), Tally(), None
    # As root the embedded Postgres runs as another user, which has to get there.
    os.chmod(directory, 0o755)
    github = Github(os.path.join(directory, "github.json"))
    try:
        service = Service(options.bin, directory, {"GITHUB_LEAK_KEYS_FILE": github.path})
        service.wait_until_ready()
        walk = Walk(service, github)
        for part, name, check in (
            ("github", "what GitHub signs is labelled, and leaks", walk.good),
            ("github", "the same again changes nothing", walk.replayed),
            ("github", "what is not signed by a current key is refused", walk.bad),
            ("github", "a renewed key is read without a restart", walk.renewed),
            ("github", "a thousand matches in one body", walk.many),
            ("github", "hostile bodies are refused", walk.hostile),
            ("anyone", "every key is answered alike, and is in no log", walk.anybody),
            ("list", "an operator's list, and what became of it", walk.listed),
        ):
            tally.run(part, name, check)
    finally:
        if service:
            service.stop()
        if not options.keep:
            shutil.rmtree(directory, ignore_errors=True)
    print(tally)
    sys.exit(1 if tally.failed else 0)


main()
