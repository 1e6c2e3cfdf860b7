"""Foreign code that verifies: the Standard Webhooks libraries of PyPI and npm, each if it is there."""

import base64
import hashlib
import hmac
import json
import subprocess


class Plain:
    """The scheme itself: the libraries parse as JSON what they verified, which a ciphertext is not."""

    name = "plain"

    def verifies(self, secret, headers, body):
        key = base64.b64decode(secret.removeprefix("whsec_")) if isinstance(secret, str) else secret
        signed = f'{headers["webhook-id"]}.{headers["webhook-timestamp"]}.{body}'.encode()
        expected = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        return expected in headers["webhook-signature"].split(" ")


class Python:
    name = "python"

    def __init__(self):
        from standardwebhooks.webhooks import Webhook, WebhookVerificationError
        self.webhook, self.refused = Webhook, WebhookVerificationError

    def verifies(self, secret, headers, body):
        """Whether the library accepts it; `secret` as text (`whsec_...`) or as bytes."""
        try:
            event = self.webhook(secret).verify(body, headers)
        except self.refused:
            return False
        assert event == json.loads(body)
        return True

    def stop(self):
        pass


class JavaScript:
    name = "js"

    def __init__(self, directory):
        self.process = subprocess.Popen(["node", "verify.mjs"], cwd=directory, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, bufsize=1)

    def verifies(self, secret, headers, body):
        how = {"secret": secret} if isinstance(secret, str) else {"raw": base64.b64encode(secret).decode()}
        self.process.stdin.write(json.dumps({**how, "headers": headers, "body": body}) + "\n")
        answer = json.loads(self.process.stdout.readline())
        assert answer["ok"] or answer["error"] in ("No matching signature found", "Message timestamp too old"), answer
        return answer["ok"]

    def stop(self):
        self.process.stdin.close()
        self.process.wait(10)


def all_there(tally, directory, has_python, has_js):
    """The libraries that `run` could install; says which are missing."""
    found = []
    for there, make, name, why in (
        (has_python, Python, "python", "standardwebhooks could not be installed from PyPI"),
        (has_js, lambda: JavaScript(directory), "js", "standardwebhooks could not be installed from npm"),
    ):
        if there:
            found.append(make())
        else:
            tally.skip(name, "every signature", why)
    return found
