import base64
import hashlib
import hmac
import json
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import SecretStr

from partner_api import OtherEvent, Webhook, errors, models, verify_event, verify_message

from .support import START, Service, Time, reply

SECRET = "whsec_" + base64.b64encode(b"secretsecretsecretsecretsecretse").decode()
ORG = "01a200a4-dbd9-745d-aacb-bb7c4149aa9e"
ID = "evt_01a200a55c6a7253b71d7550c3d28b7c"
EVENT = {
    "type": "user.created", "timestamp": "2026-11-21T08:00:00Z", "org_id": ORG,
    "data": {"user_id": "3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13", "occurred_at": "2026-11-21T08:00:00Z", "version": 1}}
BODY = json.dumps(EVENT)
PAIR = Ed25519PrivateKey.generate()
PUBLIC = base64.urlsafe_b64encode(PAIR.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).rstrip(b"=").decode()
TIME = Time()


def message(body: str = BODY, at: float = START) -> dict[str, Any]:
    signed = f"{ID}.{int(at)}.{body}".encode()
    v1 = base64.b64encode(hmac.digest(base64.b64decode(SECRET.removeprefix("whsec_")), signed, hashlib.sha256)).decode()
    v1a = base64.b64encode(PAIR.sign(signed)).decode()
    headers = {"webhook-id": ID, "webhook-timestamp": str(int(at)), "webhook-signature": f"v1,AAAA v1,{v1} v1a,{v1a} v9,x",
               "webhook-signature-key-id": "one"}
    return {"headers": headers, "body": body}


def test_the_published_example_of_standard_webhooks_verifies() -> None:
    headers = {"webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330",
               "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}
    verified = verify_message(Webhook(headers, b'{"test": 2432232314}'), clock=Time(1_614_265_330),
                              secrets="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    assert verified.id == "msg_p5jXN8AQM9LWM0D4loKWxJek"


def test_an_event_is_read_from_a_message_in_any_form() -> None:
    good = message()
    upper = {name.upper(): value for name, value in good["headers"].items()}
    envelope = models.Envelope.model_validate({
        **good, "event_id": ID, "stream": "users", "type": "user.created", "org_id": ORG, "signed_at": "2026-11-21T08:00:00Z",
        "content_type": "application/json"})
    for form in (good, json.dumps(good), json.dumps(good).encode(), envelope, Webhook(upper, good["body"].encode()),
                 Webhook(httpx.Headers(good["headers"]), good["body"]), Webhook([*good["headers"].items()], good["body"])):
        event = verify_event(form, secrets=SecretStr(SECRET), org_id=ORG, clock=TIME)
        assert isinstance(event, models.UserCreatedEvent)
        assert str(event.data.user_id) == "3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13"


def test_one_of_several_secrets_is_enough_however_it_is_written() -> None:
    bare = SECRET.removeprefix("whsec_")
    another = "whsec_" + base64.b64encode(b"another.another.another.another.").decode()
    for written in (base64.b64decode(bare).hex(), bare.replace("+", "-").replace("/", "_").rstrip("="), bare):
        assert verify_event(message(), secrets=[another, written], clock=TIME)
    for wrong in ([another], []):
        with pytest.raises(errors.EventNotTrusted, match="not signed with this secret"):
            verify_event(message(), secrets=wrong, clock=TIME)


def test_what_was_changed_is_old_or_is_no_message_is_refused() -> None:
    def refused(given: Any, why: str, **options: Any) -> None:
        with pytest.raises(errors.EventNotTrusted, match=why):
            verify_event(given, secrets=SECRET, clock=TIME, **options)

    good = message()
    refused({**good, "body": BODY + " "}, "was changed")
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        refused({**good, "headers": {**good["headers"], name: ""}}, f"no {name}")
    refused(message(at=START - 301), "too old")
    refused(message(at=START + 301), "of the future")
    assert verify_event(message(at=START - 86_400), secrets=SECRET, clock=TIME, tolerance=86_400)
    for nonsense in ("", "null", "42", "{}", '{"headers":{},"body":1}', b"\xff", "[]"):
        refused(nonsense, "the message")
    refused(message("not json"), "is encrypted")
    refused(message('["no event"]'.replace("[", "{").replace("]", "}")), "is no event")
    refused(good, "another organisation's", org_id="01a200a4-0000-745d-aacb-bb7c4149aa9e")


def test_what_this_version_has_no_class_for_is_an_other_event() -> None:
    order = verify_event(message(json.dumps({"type": "order.paid", "org_id": ORG, "data": {"order": 7}})),
                         secrets=SECRET, clock=TIME)
    assert isinstance(order, OtherEvent) and order.model_dump()["data"] == {"order": 7}
    cloud = {"specversion": "1.0", "type": "user.created", "orgid": ORG, "data": EVENT["data"]}
    assert isinstance(verify_event(message(json.dumps(cloud)), secrets=SECRET, org_id=ORG, clock=TIME), OtherEvent)


def keys(service_time: Time) -> Service:
    jwk = {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "one", "x": PUBLIC}
    service = Service(lambda *_: reply({"keys": [jwk]}, cache_control="public, max-age=600"))
    service.time = service_time
    return service


def test_without_a_secret_the_services_keys_verify_and_only_for_your_organisation() -> None:
    client = keys(Time()).client()
    assert client.verify_event(message(), org_id=ORG)
    with pytest.raises(errors.EventNotTrusted, match="another organisation's"):
        client.verify_event(message(), org_id="01a200a4-0000-745d-aacb-bb7c4149aa9e")
    with pytest.raises(errors.EventNotTrusted, match="not signed with this key"):
        client.verify_event({**message(), "body": BODY.replace("created", "deleted")}, org_id=ORG)


def test_keys_are_kept_for_as_long_as_they_are_good_and_strangers_names_do_not_make_us_ask() -> None:
    service = keys(Time())
    client = service.client()
    unknown = message()
    unknown["headers"]["webhook-signature-key-id"] = "unknown"

    def ask(given: dict[str, Any]) -> int:
        try:
            client.verify_event(given, org_id=ORG, tolerance=10_000)
        except errors.EventNotTrusted:
            assert given is unknown
        return len(service.seen)

    assert [ask(message()), ask(message()), ask(unknown), ask(unknown)] == [1, 1, 1, 1]
    service.time.seconds += 30
    assert ask(unknown) == 2
    service.time.seconds += 599
    assert ask(message()) == 2
    service.time.seconds += 1
    assert ask(message()) == 3
