"""The forms of a message, read by others' libraries: the signature without a shared secret, CloudEvents, encryption."""

import base64
import json
import os
import shutil
import subprocess
import tempfile

from checks_signing import partner

CHECKS = []
HERE = os.path.dirname(os.path.abspath(__file__))


def check(name, *needs):
    return lambda function: CHECKS.append((name, function, needs)) or function


def missing(needs, has_python, has_js):
    """Why a check cannot run; None if it can."""
    there = {"python": has_python, "js": has_js, "gpg": shutil.which("gpg")}
    what = {"python": "the libraries of PyPI", "js": "the libraries of npm", "gpg": "gpg"}
    return next((f"{what[need]} could not be had" for need in needs if not there[need]), None)


def node(**question):
    done = subprocess.run(["node", "forms.mjs"], cwd=HERE, input=json.dumps(question), capture_output=True, text=True,
                          timeout=30)
    assert done.returncode == 0, done.stderr[-500:]
    return json.loads(done.stdout)


def delta(walk):
    """A partner whose queue is replaced by one in another form for each check."""
    if not hasattr(walk, "delta"):
        walk.delta = partner(walk, "delta")
        walk.delta.register("users")
        walk.delta.register("credentials")
    return walk.delta


def received(walk, **options):
    """A user's creation as it arrives at a queue with these options, and the user."""
    owner = delta(walk)
    # An address of its own: the last one is told, in its own form, that it was replaced.
    owner.queues = getattr(owner, "queues", 0) + 1
    path = f"/delta/users-{owner.queues}"
    owner.register("users", method="PUT", expect=200, url=walk.receiver.url + path, **options)
    [test] = walk.receiver.inbox(path)
    user_id = owner.new_user()
    arrived = walk.receiver.wait_for(path, lambda each: each is not test)
    for message in (test, arrived):
        walk.assert_signed(message, by=[owner.secret])
    return arrived, user_id


def rsa_pair():
    """A private key in PKCS#8 and its public half in SPKI, both as PEM."""
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
    key = rsa.generate_private_key(65537, 2048)
    return (key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
            key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def opened(token, pem):
    """What jwcrypto and jose read; they must agree."""
    from jwcrypto import jwe, jwk
    message = jwe.JWE()
    message.deserialize(token, jwk.JWK.from_pem(pem.encode()))
    text = message.payload.decode()
    by_jose = node(what="jwe", pem=pem, body=token)
    assert by_jose == {"kid": json.loads(message.objects["protected"])["kid"], "text": text}, by_jose
    return text, by_jose["kid"]


@check("the signature v1a verifies with the published keys alone, in Python and in node", "python", "js")
def asymmetric(walk):
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    arrived, _ = received(walk)
    keys = walk.published_keys()
    [jwk] = [key for key in keys["keys"] if key["kid"] == arrived.headers["webhook-signature-key-id"]]
    key = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(jwk["x"] + "="))
    [sent] = [each for each in arrived.headers["webhook-signature"].split(" ") if each.startswith("v1a,")]
    for body, is_good in ((arrived.body, True), (arrived.body + " ", False)):
        signed = f"{arrived.id}.{arrived.headers['webhook-timestamp']}.{body}".encode()
        try:
            key.verify(base64.b64decode(sent[4:]), signed)
            said = True
        except InvalidSignature:
            said = False
        assert said == is_good == node(what="v1a", headers=arrived.headers, body=body, keys=keys), (body, said)


@check("a CloudEvent is one to both SDKs", "python", "js")
def cloudevent(walk):
    from cloudevents.core.bindings.http import HTTPMessage, from_http_event
    arrived, user_id = received(walk, format="cloudevents")
    assert arrived.content_type == "application/cloudevents+json"
    event = from_http_event(HTTPMessage({"content-type": arrived.content_type}, arrived.body.encode()))
    owner = walk.delta
    attributes = event.get_attributes()
    assert (attributes["id"], attributes["type"], attributes["source"]) == (
        arrived.id, "user.created", f"urn:uuid:{owner.org_id}"), attributes
    assert (attributes["orgid"], attributes["stream"]) == (owner.org_id, "users"), attributes
    assert event.get_data()["user_id"] == user_id, event.get_data()
    by_node = node(what="cloudevent", contentType=arrived.content_type, body=arrived.body)
    assert by_node["valid"] and by_node["data"]["user_id"] == user_id and by_node["orgid"] == owner.org_id, by_node


@check("a CloudEvent on a queue that carries text alone has its headers beside it", "python")
def cloudevent_on_a_queue(walk):
    owner = delta(walk)
    queue = {"account_name": "delta", "queue_name": "events", "sas_token": "sv=2024-11-04&sp=a&se=2099-01-01&sig=none"}
    owner.call("PUT", "/v1/admin/org/queues/users",
               {"type": "azure_storage_queue", "azure_storage_queue": queue, "format": "cloudevents"})
    message = json.loads(walk.receiver.envelopes[-1])
    assert sorted(message) == ["body", "content_type", "headers"], message
    assert message["content_type"] == "application/cloudevents+json"
    assert json.loads(message["body"])["type"] == "queue.test"
    for library in walk.libraries:
        assert library.verifies(owner.secret, message["headers"], message["body"])


@check("a body encrypted to an RSA key opens with jwcrypto and jose, and nothing of it is in clear", "python", "js")
def encrypted_rsa(walk):
    owner = delta(walk)
    walk.pem, public = rsa_pair()
    key_id = owner.register_key("RSA", "MessageLevelEncryption", public)
    arrived, user_id = received(walk, encrypt_to="MessageLevelEncryption")
    assert arrived.content_type == "application/jose" and user_id not in arrived.body
    text, kid = opened(arrived.body, walk.pem)
    event = json.loads(text)
    assert kid == key_id and event["type"] == "user.created" and event["data"]["user_id"] == user_id, event


@check("of a CloudEvent the data opens with the same key", "python", "js")
def encrypted_cloudevent(walk):
    arrived, user_id = received(walk, encrypt_to="MessageLevelEncryption", format="cloudevents")
    event = node(what="cloudevent", contentType=arrived.content_type, body=arrived.body)
    assert event["datacontenttype"] == "application/jose" and user_id not in arrived.body, event
    text, _ = opened(event["data"], walk.pem)
    assert json.loads(text)["user_id"] == user_id, text


@check("a body encrypted to a certificate opens with gpg", "gpg")
def encrypted_pgp(walk):
    owner = delta(walk)
    home = tempfile.mkdtemp(prefix="events-gpg-")
    try:
        gpg = lambda *arguments, stdin=None: subprocess.run(
            ["gpg", "--homedir", home, "--batch", "--quiet", "--passphrase", "", *arguments], input=stdin,
            capture_output=True, text=True, check=True, timeout=60).stdout
        gpg("--quick-generate-key", "Delta <delta@example.com>", "future-default", "default", "2y")
        key_id = owner.register_key("PGP", "Reports", gpg("--armor", "--export", "delta@example.com"))
        arrived, user_id = received(walk, encrypt_to=key_id)
        assert arrived.content_type == "application/pgp-encrypted"
        assert arrived.body.startswith("-----BEGIN PGP MESSAGE-----") and user_id not in arrived.body
        assert json.loads(gpg("--decrypt", stdin=arrived.body))["data"]["user_id"] == user_id
    finally:
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], capture_output=True, timeout=20)
        shutil.rmtree(home, ignore_errors=True)
