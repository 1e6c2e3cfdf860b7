"""Signatures: which secrets verify what, and when."""

import base64
import json
import os
import re
import subprocess
import time
from datetime import datetime, timedelta, timezone

from partner import Partner

CHECKS = []
DOCUMENT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../docs/events.md"))


def check(name, needs_library=False):
    return lambda function: CHECKS.append((name, function, needs_library)) or function


def partner(walk, name):
    made = Partner(walk.service, walk.receiver, name)
    walk.partners = getattr(walk, "partners", [])
    walk.partners.append(made)
    made.secrets = [made.secret]
    return made


def instant(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


@check("registering sends a signed queue.test; a queue that refuses it is not stored")
def registration(walk):
    walk.alpha = alpha = partner(walk, "alpha")
    walk.receiver.script[alpha.path("users")] = [500]
    refused = alpha.register("users", expect=400)
    assert refused["error"]["code"] == "invalid_request" and "status 500" in refused["error"]["message"], refused
    alpha.call("GET", "/v1/admin/org/queues/users", expect=404)
    alpha.register("users")
    alpha.register("credentials")
    test = walk.receiver.wait_for("/alpha/users", lambda received: received.event["type"] == "queue.test")
    walk.assert_signed(test, by=[alpha.secret])
    assert alpha.register("users", expect=409)["error"]["code"] == "queue_already_configured"
    tested = alpha.call("POST", "/v1/admin/org/queues/users/test", expect=202)
    walk.receiver.wait_for("/alpha/users", lambda received: received.id == tested["event_id"])


@check("an event tells the same in headers, body and list, and no profile data")
def consistent(walk):
    alpha = walk.alpha
    user_id = alpha.new_user()
    alpha.call("PATCH", f"/v1/users/{user_id}", {"last_name": "Lovelace"}, expect=204)
    alpha.call("DELETE", f"/v1/users/{user_id}", expect=204)
    for version, kind in enumerate(("user.created", "user.updated", "user.deleted"), 1):
        received = alpha.about(user_id, kind)
        event = received.event
        assert event == {"type": kind, "timestamp": event["timestamp"], "org_id": alpha.org_id,
                         "data": {"user_id": user_id, "occurred_at": event["timestamp"], "version": version}}, event
        listed = alpha.listed(received.id)
        assert (listed["stream"], listed["type"], listed["created_at"]) == ("users", kind, event["timestamp"]), listed
        assert abs(int(received.headers["webhook-timestamp"]) - received.at) < 3, received.headers
        assert re.fullmatch(r"evt_[0-9a-f]{32}", received.id)
        assert len(received.signatures) == 1
        walk.assert_signed(received, by=[alpha.secret])


@check("a changed type, id, timestamp or signature fails; the event must be verified as it came", needs_library=True)
def tampered(walk):
    received = walk.alpha.delivered_user()
    secret = walk.alpha.secret
    walk.assert_signed(received, by=[secret])
    for changed in (received.body.replace("user.created", "user.deleted"), received.body + " ",
                    json.dumps(received.event)):
        assert changed != received.body
        assert not walk.libraries or not walk.verifies(secret, received, changed), changed
    was = dict(received.headers)
    for name, value in (("webhook-id", "evt_" + "0" * 32), ("webhook-timestamp", str(int(was["webhook-timestamp"]) - 1)),
                        ("webhook-signature", "v1," + base64.b64encode(bytes(32)).decode())):
        received.headers = {**was, name: value}
        walk.assert_signed(received, not_by=[secret])
    received.headers = was


@check("before, during and after a grace window", needs_library=True)
def grace(walk):
    alpha = walk.alpha
    old = alpha.secret
    before = alpha.delivered_user()
    new, reply = alpha.rotate_secret(grace=5)
    alpha.secrets.append(new)
    during = alpha.delivered_user()
    assert len(during.signatures) == 2
    walk.assert_signed(before, by=[old], not_by=[new])
    walk.assert_signed(during, by=[old, new])
    # Newest first.
    newest = during.headers["webhook-signature"].split(" ")[0]
    both, during.headers["webhook-signature"] = during.headers["webhook-signature"], newest
    walk.assert_signed(during, by=[new], not_by=[old])
    during.headers["webhook-signature"] = both
    end = instant(reply["previous_secret_expires_at"])
    assert timedelta(seconds=4) < end - instant(reply["signing_secret_rotated_at"]) <= timedelta(seconds=5), reply
    live = alpha.call("GET", "/v1/auth/signing-secret")
    assert live["current"]["id"] == reply["secret_id"] and len(live["previous"]) == 1, live
    rotated = walk.receiver.wait_for("/alpha/credentials", lambda r: r.event["type"] == "signing_secret.rotated"
                                     and r.event["data"]["secret_id"] == reply["secret_id"])
    walk.assert_signed(rotated, by=[old, new])
    assert new not in rotated.body and old not in rotated.body
    while datetime.now(timezone.utc) <= end:
        time.sleep(0.1)
    after = alpha.delivered_user()
    assert len(after.signatures) == 1
    walk.assert_signed(after, by=[new], not_by=[old])
    alpha.secret = new


@check("a grace window ended early by DELETE", needs_library=True)
def ended_early(walk):
    alpha = walk.alpha
    old = alpha.secret
    new, _ = alpha.rotate_secret(grace=3600)
    alpha.secrets.append(new)
    walk.assert_signed(alpha.delivered_user(), by=[old, new])
    previous = alpha.call("GET", "/v1/auth/signing-secret")["previous"]
    assert len(previous) == 1, previous
    alpha.call("DELETE", f"/v1/auth/signing-secret/{previous[0]['id']}", expect=204)
    walk.assert_signed(alpha.delivered_user(), by=[new], not_by=[old])
    assert alpha.call("GET", "/v1/auth/signing-secret")["previous"] == []
    alpha.secret = new


@check("no grace ends the old secret at once", needs_library=True)
def no_grace(walk):
    alpha = walk.alpha
    old = alpha.secret
    alpha.secret, _ = alpha.rotate_secret(grace=0)
    alpha.secrets.append(alpha.secret)
    walk.assert_signed(alpha.delivered_user(), by=[alpha.secret], not_by=[old])


@check("a partner's own secret as hex, base64 and whsec_, in every spelling", needs_library=True)
def own_secret(walk):
    beta = partner(walk, "beta")
    beta.register("users")
    beta.register("credentials")
    standard = lambda secret: base64.b64encode(secret).decode()
    url_safe = lambda secret: base64.urlsafe_b64encode(secret).decode()
    forms = {
        "hex": bytes.hex, "HEX": lambda secret: secret.hex().upper(), "whsec_hex": lambda secret: "whsec_" + secret.hex(),
        "base64": standard, "unpadded": lambda secret: standard(secret).rstrip("="),
        "whsec_base64": lambda secret: "whsec_" + standard(secret),
        "url-safe": url_safe, "unpadded url-safe": lambda secret: url_safe(secret).rstrip("="),
    }
    last = None
    for form, spelt in forms.items():
        while True:  # one whose two alphabets differ, or the form would prove nothing
            own = os.urandom(40)
            if {"+", "/"} & set(standard(own)):
                break
        made, reply = beta.rotate_secret(grace=0, secret=spelt(own))
        assert made is None and "new_signing_secret" not in reply, f"{form}: a partner's secret came back"
        beta.secrets.append(own)
        received = beta.delivered_user()
        # As bytes, and as text in the one spelling that libraries read.
        walk.assert_signed(received, by=[own, "whsec_" + standard(own)], not_by=[last] if last else [])
        reused = beta.call("POST", "/v1/auth/signing-secret/rotate", {"secret": standard(own)}, expect=409, whole=True)
        assert reused["error"]["code"] == "secret_reused", reused
        last = own
    beta.secret = last
    for weak in ("00" * 32, standard(bytes(range(64))), standard(os.urandom(31)), "not a secret"):
        refused = beta.call("POST", "/v1/auth/signing-secret/rotate", {"secret": weak}, expect=422, whole=True)
        assert weak not in json.dumps(refused), refused


@check("an envelope is consistent, and its outside is not what is signed")
def envelope(walk):
    gamma = walk.gamma = partner(walk, "gamma")
    token = "sv=2024-11-04&sp=a&se=2099-01-01&sig=none"
    queue = {"account_name": "gamma", "queue_name": "events", "sas_token": token}
    gamma.call("POST", "/v1/admin/org/queues/users", {"type": "azure_storage_queue", "azure_storage_queue": queue}, expect=201)
    user_id = gamma.new_user()
    for _ in range(200):
        found = [text for text in walk.receiver.envelopes if user_id in text]
        if found:
            break
        time.sleep(0.05)
    message = found[0]
    outside = json.loads(message)
    headers, body = outside["headers"], outside["body"]
    assert list(outside) == ["event_id", "stream", "type", "org_id", "signed_at", "headers", "content_type", "body"], list(outside)
    inside = json.loads(body)
    assert outside["event_id"] == headers["webhook-id"]
    assert (outside["stream"], outside["type"], outside["org_id"]) == ("users", inside["type"], inside["org_id"])
    assert instant(outside["signed_at"]).timestamp() == int(headers["webhook-timestamp"])
    for library in walk.libraries:
        assert library.verifies(gamma.secret, headers, body)
        assert not library.verifies(gamma.secret, headers, body.replace("user.created", "user.deleted"))
    # The outside is a routing copy: changing it changes nothing that is signed, so nobody may trust it.
    forged = json.dumps({**outside, "type": "user.deleted"})
    for text, secret, status in ((message, gamma.secret, 0), (forged, gamma.secret, 0),
                                 (message, walk.alpha.secret, 1),
                                 (message.replace("user.created", "user.deleted"), gamma.secret, 1)):
        out = walk.service.command("verify-event", stdin=text.encode(), environment={"SIGNING_SECRET": secret}, expect=status)
        assert out.decode().strip() == (body if status == 0 else ""), out
    # The same with the service's published keys, as a set or one of them, and with nobody else's.
    keys = walk.published_keys()
    public = base64.b64encode(base64.urlsafe_b64decode(keys["keys"][0]["x"] + "=")).decode()
    jwks = os.path.join(walk.service.directory, "webhook-keys.json")
    with open(jwks, "w") as file:
        json.dump(keys, file)
    strange = base64.b64encode(b"\x58" + b"\x66" * 31).decode()
    for arguments, text, status in ((("--jwks", jwks), message, 0), (("--public-key", "whpk_" + public), message, 0),
                                    (("--jwks", jwks), message.replace("user.created", "user.deleted"), 1),
                                    (("--public-key", "whpk_" + strange), message, 1)):
        out = walk.service.command("verify-event", *arguments, stdin=text.encode(), expect=status)
        assert out.decode().strip() == (body if status == 0 else ""), out
    walk.envelope = message


@check("the code in docs/events.md does what it says", needs_library=True)
def documented_code(walk):
    with open(DOCUMENT) as document:
        blocks = re.findall(r"^```(python|js)\n(.*?)^```", document.read(), re.S | re.M)
    secret, forged = walk.gamma.secret, walk.envelope.replace("user.created", "user.deleted")
    old, jwks = json.loads(walk.envelope), walk.published_keys()
    by = {library.name for library in walk.libraries}
    for language, code in blocks:
        if ("python" if language == "python" else "js") not in by:
            continue
        functions = re.findall(r"^(?:def|export function) (\w+)", code, re.M)
        outcomes = {}
        for text, wanted in ((walk.envelope, True), (forged, False)):
            run = run_python if language == "python" else run_js
            # What it verifies with, as its second parameter says.
            with_keys = re.search(r"^(?:def|export function) \w+\(\w+, keys, org", code, re.M)
            outcomes[wanted] = run(code, functions[0], text, *((jwks, walk.gamma.org_id) if with_keys else (secret,)))
        assert outcomes[True] == json.loads(old["body"]) and outcomes[False] is None, (language, functions, outcomes)
    assert blocks, f"no code in {DOCUMENT}"


def run_python(code, function, *arguments):
    names = {}
    exec(code, names)
    try:
        return names[function](*arguments)
    except Exception as refused:
        assert type(refused).__name__ in ("WebhookVerificationError", "ValueError", "InvalidSignature"), refused
        return None


def run_js(code, function, *arguments):
    code += f"""
const given = JSON.parse(await new Promise((done) => process.stdin.on("data", done)));
try {{ console.log(JSON.stringify({function}(...given))); }} catch (refused) {{ console.log("null"); console.error(refused.message); }}
"""
    done = subprocess.run(["node", "--input-type=module", "-e", code], cwd=os.path.dirname(os.path.abspath(__file__)),
                          input=json.dumps(arguments), capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr[-500:]
    return json.loads(done.stdout)
