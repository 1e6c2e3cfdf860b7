"""What a partner does with the Python client, on the real service. Says outcomes, one line of JSON each."""

import asyncio
import json
import os
import threading
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from partner_api import (
    AsyncClient, Client, NewKey, NewSecret, Oauth, Signing, Webhook, api, decrypt_jwe, errors, models, verify_event,
)

URL, PROXY, KEY, ORG_ID, SECRET = (os.environ[name] for name in ("URL", "PROXY", "KEY", "ORG_ID", "SECRET"))
client = Client(URL, key=KEY)
PAIR = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PRIVATE = PAIR.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC = PAIR.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def users() -> None:
    made = {uuid.uuid4() for _ in range(57)}
    results = list(client.create_users((models.CreateUser(user_id=each) for each in made), batch=20))
    assert [each.status for each in results] == ["created"] * 57, results
    listed = {each.user_id for each in client.each(api.list_users(limit=20))}
    assert made <= listed, f"{len(made - listed)} are in no page"
    user_id = uuid.uuid4()
    client.send(api.create_user(models.CreateUser(user_id=user_id, first_name="Ada", last_name="Byron")))
    client.send(api.update_user(user_id, models.UpdateUser(last_name=None)))
    user = Client(URL, org_id=ORG_ID).send(api.get_user(user_id))
    assert (user.profile.first_name, user.profile.last_name) == ("Ada", None), user
    client.send(api.delete_user(user_id))
    try:
        client.send(api.get_user(user_id))
    except errors.NotFound as error:
        assert error.request_id, error
    else:
        raise AssertionError("it is still there")
    try:
        client.send(api.create_user(models.CreateUser(user_id=uuid.uuid4(), email="nobody")))
    except errors.ValidationFailed as error:
        assert error.problems[0].loc == ("body", "email"), error
    else:
        raise AssertionError("that is no address")


async def awaited() -> None:
    async with AsyncClient(URL, key=KEY) as http:
        made = [uuid.uuid4() for _ in range(10)]
        await asyncio.gather(*(http.send(api.create_user(models.CreateUser(user_id=each))) for each in made))
        listed = {each.user_id async for each in http.each(api.list_users(limit=30))}
        assert {*made} <= listed
        results = [each async for each in http.create_users(models.CreateUser(user_id=each) for each in made)]
        assert [each.status for each in results] == ["exists"] * 10, results


def minted(name: str) -> str:
    secret = client.send(api.create_tenant_key(models.CreateTenantKey(name=name))).secret
    assert secret is not None
    return secret.get_secret_value()


class Traffic:
    """Threads that call with whatever key is in the vault, all the time; what was refused."""

    def __init__(self, vault: dict[str, str]) -> None:
        self.failures: list[str] = []
        self.calls, self.is_over = 0, threading.Event()
        self.client = Client(URL, key=lambda: vault["key"])
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(4)]
        for thread in self.threads:
            thread.start()

    def run(self) -> None:
        while not self.is_over.is_set():
            try:
                self.client.send(api.list_users(limit=1))
                self.calls += 1
            except Exception as error:  # noqa: BLE001
                self.failures.append(str(error))

    def stop(self) -> None:
        self.is_over.set()
        for thread in self.threads:
            thread.join()
        assert not self.failures and self.calls > 20, (self.calls, self.failures[:3])


def rotation_under_use() -> None:
    vault = {"key": minted("fleet")}
    rotator, traffic = Client(URL, key=vault["key"]), Traffic(vault)

    def deploy(new: NewKey) -> None:
        time.sleep(0.3)
        vault["key"] = new.key.get_secret_value()
        time.sleep(0.3)

    proven = []
    for _ in range(3):
        rotated = rotator.rotate_tenant_key_safely(
            deploy, prove=lambda successor: proven.append(successor.send(api.get_org()).id), grace_period_seconds=1)
    time.sleep(2.2)  # the last grace period is over
    traffic.stop()
    assert len(proven) == 3
    entry = client.send(api.get_tenant_key(rotated.previous_key_id))
    assert entry.expires_at and entry.expires_at < datetime.now(timezone.utc), entry
    assert rotator.send(api.get_tenant_key(rotated.key_id)).is_current


def rotation_given_up() -> None:
    key = minted("unlucky")
    rotator = Client(URL, key=key)
    before = {each.id for each in client.each(api.list_tenant_keys())}

    def deploy(_: NewKey) -> None:
        raise OSError("the vault is sealed")

    try:
        rotator.rotate_tenant_key_safely(deploy)
    except errors.RotationFailed as error:
        assert error.state == "abandoned" and isinstance(error.__cause__, OSError), error
    else:
        raise AssertionError("it went through")
    assert {each.id for each in client.each(api.list_tenant_keys())} == before
    assert rotator.rotate_tenant_key_safely(lambda _: None).key_id


class Receiver:
    """A webhook endpoint that trusts `secrets`; the types that it took and how many it refused."""

    def __init__(self, secrets: list[str]) -> None:
        self.secrets = secrets
        self.taken: list[str] = []
        self.refused: list[str] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                self.send_response(receiver.receive(dict(self.headers.items()), body))
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def receive(self, headers: dict[str, str], body: bytes) -> int:
        message = Webhook(headers, body)
        try:
            event = verify_event(message, secrets=self.secrets, org_id=ORG_ID)
            assert event == client.verify_event(message, org_id=ORG_ID)
            self.taken.append(event.type)
        except Exception as error:  # noqa: BLE001
            self.refused.append(str(error))
            return 400
        return 204


def secret_rotation_with_events() -> None:
    receiver = Receiver([SECRET])
    queue = models.RegisterWebhook(type="webhook", webhook=models.WebhookTarget(url=receiver.url))
    client.send(api.create_queue("credentials", queue))

    def deploy(new: NewSecret) -> None:
        # What was sent before the rotation bears the old signature alone.
        receiver.secrets = [new.secret.get_secret_value(), SECRET]

    def prove(http: Client) -> None:
        http.send(api.test_queue("credentials"))

    rotated = client.rotate_signing_secret_safely(deploy, prove=prove, grace_period_seconds=0)
    assert rotated.previous_secret_expires_at is not None
    client.send(api.test_queue("credentials"))
    deadline = time.monotonic() + 30
    while "signing_secret.rotated" not in receiver.taken and time.monotonic() < deadline:
        time.sleep(0.1)
    assert "signing_secret.rotated" in receiver.taken, receiver.taken
    assert not receiver.refused, receiver.refused
    receiver.secrets = receiver.secrets[:1]
    trusted = list(receiver.secrets)

    def unlucky(_: NewSecret) -> None:
        raise OSError("a verifier is away")

    try:
        client.rotate_signing_secret_safely(unlucky)
    except errors.RotationFailed as error:
        assert error.state == "abandoned", error
    assert client.send(api.get_signing_secret()).pending is None
    client.send(api.test_queue("credentials"))
    assert not receiver.refused and receiver.secrets == trusted
    client.send(api.delete_queue("credentials"))
    receiver.server.shutdown()


def registered(*usages: str) -> str:
    org = client.send(api.get_org())
    key = models.RegisterRsaKey.model_validate({
        "OwnerCode": org.key, "Usage": usages, "Type": "RSA", "PublicKey": PUBLIC,
        "ExpirationUtc": datetime.now(timezone.utc) + timedelta(days=30)})
    return str(client.send(api.register_public_key(key)).UniqueId)


def registered_keys() -> None:
    key_id, org = registered("Authentication", "CredentialsDownload", "Reports"), client.send(api.get_org())
    signing = Signing(key_id=key_id, private_key=PRIVATE)
    alone = Client(URL, signing=signing)
    assert alone.send(api.update_org(models.UpdateOrg(name="Signed & Sons"))).name == "Signed & Sons"
    assert {each.user_id for each in alone.each(api.list_users(limit=100))}
    beside = Client(URL, key=KEY, signing=signing)
    beside.send(api.create_user(models.CreateUser(user_id=uuid.uuid4())))
    pair = client.send(api.generate_key_pair(models.GenerateKeyPair.model_validate({
        "OwnerCode": org.key, "Usage": ["ResponseSignature"], "Type": "RSA", "Length": 2048,
        "ExpirationUtc": datetime.now(timezone.utc) + timedelta(days=30)})))
    wary = Client(URL, signing=signing, response_keys={str(pair.UniqueId): pair.Key})
    assert wary.send(api.get_org()).id == org.id
    user_id = uuid.uuid4()
    wary.send(api.create_user(models.CreateUser(user_id=user_id)))
    wary.send(api.delete_user(user_id))
    try:
        wary.send(api.get_user(user_id))
    except errors.NotFound:
        pass
    oauth = Client(URL, oauth=Oauth(client_id=org.key, key_id=key_id, private_key=PRIVATE, scope="users:read"))
    assert next(oauth.each(api.list_users())).user_id
    try:
        oauth.send(api.get_org())
    except errors.InsufficientScope:
        pass
    sealed = client.send(api.create_tenant_key(models.CreateTenantKey(name="sealed", deliver_to="CredentialsDownload")))
    assert sealed.secret is None and sealed.encrypted_secret
    assert Client(URL, key=decrypt_jwe(sealed.encrypted_secret, PRIVATE)).send(api.get_org()).id == org.id


def report() -> None:
    made = client.send(api.create_report(models.CreateReport(type="users")))
    deadline = time.monotonic() + 30
    while client.send(api.get_report(made.report_id)).status != "ready" and time.monotonic() < deadline:
        time.sleep(0.1)
    sealed = client.send(api.get_report_content(made.report_id)).decode().split()
    rows = "".join(decrypt_jwe(line, PRIVATE) for line in sealed).splitlines()
    assert {json.loads(row)["user_id"] for row in rows} == {str(each.user_id) for each in client.each(api.list_users(limit=100))}


def broken_proxy() -> None:
    through = Client(PROXY, key=KEY)
    made = [uuid.uuid4() for _ in range(12)]
    for each in made:
        assert through.send(api.create_user(models.CreateUser(user_id=each))).user_id == each
    name = f"through-{uuid.uuid4()}"
    keys = [through.send(api.create_tenant_key(models.CreateTenantKey(name=f"{name}-{n}"))) for n in range(3)]
    assert all(Client(URL, key=each.secret).send(api.get_org()) for each in keys if each.secret)
    listed = [each.name for each in client.each(api.list_tenant_keys()) if each.name.startswith(name)]
    assert len(listed) == 3, f"made {len(listed)} for 3"
    for key in keys:
        through.send(api.revoke_tenant_key(key.id))
    for user in made:
        through.send(api.delete_user(user))
    assert not {*made} & {each.user_id for each in through.each(api.list_users(limit=50))}
    rotated = Client(PROXY, key=minted("proxied")).rotate_tenant_key_safely(lambda _: None)
    assert rotated.previous_key_expires_at


def polled() -> None:
    client.send(api.create_queue("users", models.RegisterPoll(type="poll", poll=models.PollTarget())))
    options: dict[str, Any] = {"org_id": ORG_ID, "limit": 10}
    for _ in client.poll("users", until_empty=True, **options):
        pass
    made = [uuid.uuid4() for _ in range(5)]
    list(client.create_users(models.CreateUser(user_id=each) for each in made))
    seen = []
    for message in client.poll("users", **options):
        assert isinstance(message.event, models.UserCreatedEvent)
        seen.append(message.event.data.user_id)
        if len(seen) == 3:
            break
    waiting = client.send(api.get_queue("users")).waiting_events
    assert len({*seen} & {*made}) == 3 and waiting == 3, (seen, made, waiting)
    client.send(api.delete_queue("users"))


CHECKS: list[tuple[str, Callable[[], None]]] = [
    ("users, paging, errors", users),
    ("awaited", lambda: asyncio.run(awaited())),
    ("three rotations under use, none refused", rotation_under_use),
    ("a rotation given up leaves all as before", rotation_given_up),
    ("the secret is rotated, and every event verifies", secret_rotation_with_events),
    ("signed requests and responses, tokens, sealed secrets", registered_keys),
    ("a report is downloaded and opened", report),
    ("through a proxy that loses replies, nothing twice", broken_proxy),
    ("a polled queue acknowledges what was handled", polled),
]

for name, run in CHECKS:
    problem: str | None = None
    try:
        run()
    except Exception as error:  # noqa: BLE001
        where = error.__traceback__.tb_next if error.__traceback__ else None
        line = where.tb_lineno if where else 0
        problem = f"{type(error).__name__} at line {line}: {str(error)[:600]}"
    print(json.dumps({"name": name, "problem": problem}), flush=True)
