import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import httpx
import pytest

from partner_api import AsyncClient, Client, NewKey, NewSecret, Retry, api, errors, models

from .support import Service, body, data, failure, reply

OLD, NEW = "01a200a4-dbea-70d3-af8e-94c22a132924", "01a200a5-5c6a-7656-85fa-1a564b3b33d2"
KEY = f"/v1/admin/org/tenant-keys/{NEW}"
END = "2026-11-22T08:00:00Z"
MADE = {"key_id": NEW, "previous_key_id": OLD, "previous_key_expires_at": None, "confirmation_expires_at": END,
        "new_tenant_api_key": "tk_new"}
CONFIRMED = {"key_id": NEW, "previous_key_id": OLD, "previous_key_expires_at": END}
Special = Callable[[httpx.Request], Any]


def rotating(special: Special = lambda _: None) -> Service:
    """A service that rotates, but for what `special` says."""

    def answer(request: httpx.Request, _: int) -> Any:
        if (said := special(request)) is not None:
            return said
        if request.url.path == "/v1/auth/tenant-key/rotate":
            return data(MADE)
        if request.url.path == f"{KEY}/confirm":
            return data(CONFIRMED)
        return httpx.Response(204) if request.method == "DELETE" else data([])

    return Service(answer)


def details(state: str) -> dict[str, Any]:
    """A key of which only its rotation matters here."""
    rotation = {"state": state, "successor_id": NEW, "previous_key_id": OLD, "confirmation_expires_at": None, "ends_at": END}
    nulls = dict.fromkeys(models.TenantKeyDetails.model_fields)
    return {**nulls, "id": NEW, "name": "n", "prefix": "p", "created_at": END, "is_current": False, "scopes": ["*"],
            "scope_policy": "enforce", "network_policy": "enforce", "rotation": rotation, "origin": "made"}


def calls(service: Service) -> list[str]:
    return [f"{each.method} {each.url.path} {each.headers.get('taih-tenant-key')}" for each in service.seen]


def nothing(_: object) -> None:
    pass


def test_a_key_is_prepared_deployed_proven_confirmed_with_itself_and_used_from_then_on() -> None:
    service, steps = rotating(), []

    def deploy(new: NewKey) -> None:
        steps.append(f"deploy {new.key.get_secret_value()} {new.key_id}")

    def prove(successor: Client) -> None:
        successor.send(api.list_features())
        steps.append("prove")

    client = service.client()
    confirmed = client.rotate_tenant_key_safely(deploy, prove=prove, grace_period_seconds=60)
    client.send(api.list_features())
    assert str(confirmed.key_id) == NEW and steps == [f"deploy tk_new {NEW}", "prove"]
    assert body(service.seen[0]) == {"activation": "on_confirm", "grace_period_seconds": 60}
    assert calls(service) == [
        "POST /v1/auth/tenant-key/rotate tk_test_secret", "GET /v1/features tk_new", "GET /v1/features tk_new",
        f"POST {KEY}/confirm tk_new", "GET /v1/features tk_new"]


def raising(message: str) -> Callable[[object], None]:
    def fails(_: object) -> None:
        raise RuntimeError(message)
    return fails


@pytest.mark.parametrize(("deploy", "prove"), [(raising("vault"), None), (nothing, raising("fleet"))])
def test_what_cannot_be_deployed_or_proven_is_given_up_and_the_old_key_stands(deploy: Any, prove: Any) -> None:
    service = rotating()
    client = service.client()
    with pytest.raises(errors.RotationFailed) as caught:
        client.rotate_tenant_key_safely(deploy, prove=prove)
    assert caught.value.state == "abandoned" and str(caught.value.__cause__) in ("vault", "fleet")
    client.send(api.list_features())
    assert calls(service)[-2:] == [f"DELETE {KEY} tk_test_secret", "GET /v1/features tk_test_secret"]


def test_a_new_key_that_the_service_does_not_take_is_given_up_and_one_without_the_scope_is_good() -> None:
    def refuses(code: str, status: int) -> Special:
        return lambda request: failure(code, status) if request.url.path == "/v1/features" else None

    with pytest.raises(errors.RotationFailed):
        rotating(refuses("unauthorized", 401)).client().rotate_tenant_key_safely(nothing)
    assert rotating(refuses("insufficient_scope", 403)).client().rotate_tenant_key_safely(nothing)


def test_a_confirmation_whose_reply_is_lost_for_good_is_looked_up_and_never_undone() -> None:
    def answering(looked_up: Any) -> Service:
        def special(request: httpx.Request) -> Any:
            if request.url.path == f"{KEY}/confirm":
                return httpx.ReadError("gone")
            return looked_up if request.method == "GET" and request.url.path == KEY else None

        return rotating(special)

    service = answering(data(details("grace")))
    with service.without_waiting():
        assert str(service.client().rotate_tenant_key_safely(nothing).previous_key_id) == OLD
    assert not any(call.startswith("DELETE") for call in calls(service))
    service = answering(httpx.ReadError("gone"))
    with service.without_waiting(), pytest.raises(errors.RotationFailed) as caught:
        service.client().rotate_tenant_key_safely(nothing)
    assert caught.value.state == "pending" and not any(call.startswith("DELETE") for call in calls(service))
    service = answering(data(details("pending")))
    with service.without_waiting(), pytest.raises(errors.RotationFailed) as caught:
        service.client().rotate_tenant_key_safely(nothing)
    assert caught.value.state == "abandoned"
    # With other credentials nothing keeps us from ending a key that was confirmed meanwhile.
    with service.without_waiting(), pytest.raises(errors.RotationFailed) as caught:
        service.client(org_id=OLD).rotate_tenant_key_safely(nothing, key_id=OLD)
    assert caught.value.state == "pending"


def test_a_confirmation_that_is_refused_is_given_up() -> None:
    service = rotating(lambda request: failure("rotation_not_pending", 409) if request.url.path == f"{KEY}/confirm" else None)
    with pytest.raises(errors.RotationFailed) as caught:
        service.client().rotate_tenant_key_safely(nothing)
    assert caught.value.state == "abandoned" and isinstance(caught.value.__cause__, errors.RotationNotPending)


def test_an_interrupt_gives_the_rotation_up_and_goes_on() -> None:
    def interrupt(_: NewKey) -> None:
        raise KeyboardInterrupt

    service = rotating()
    with pytest.raises(KeyboardInterrupt):
        service.client().rotate_tenant_key_safely(interrupt)
    assert calls(service)[-1].startswith("DELETE")


def test_a_cancelled_task_gives_the_rotation_up() -> None:
    service = rotating()

    async def rotate() -> None:
        async def deploy(_: NewKey) -> None:
            await asyncio.sleep(60)

        http = httpx.AsyncClient(transport=service.transport)
        async with AsyncClient("https://api.example.com", key="tk_test_secret", http=http) as client:
            await asyncio.wait_for(client.rotate_tenant_key_safely(deploy), 0.05)

    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(rotate())
    assert calls(service)[-1] == f"DELETE {KEY} tk_test_secret"


def test_a_signing_secret_is_given_to_the_verifiers_before_it_is_confirmed() -> None:
    made = {"secret_id": NEW, "signing_secret_rotated_at": END, "previous_secret_expires_at": None,
            "confirmation_expires_at": END, "new_signing_secret": "whsec_x"}
    confirmed = {"secret_id": NEW, "previous_secret_id": OLD, "previous_secret_expires_at": END}
    service = Service(lambda request, _: data(confirmed if request.url.path.endswith("/confirm") else made))
    verifiers: list[str] = []

    def deploy(new: NewSecret) -> None:
        verifiers.append(new.secret.get_secret_value())
        assert len(service.seen) == 1

    rotated = service.client().rotate_signing_secret_safely(deploy)
    assert verifiers == ["whsec_x"]
    assert rotated.previous_secret_expires_at == datetime(2026, 11, 22, 8, tzinfo=timezone.utc)
    first = Service(lambda *_: data({**made, "confirmation_expires_at": None}))
    first.client().rotate_signing_secret_safely(nothing)
    assert len(first.seen) == 1


SECRET = "whsec_" + base64.b64encode(b"secretsecretsecretsecretsecretse").decode()


def envelope(n: int, at: float) -> dict[str, Any]:
    text, name = json.dumps({"type": "order.paid", "org_id": OLD, "data": {"n": n}}), f"evt_{n}"
    signed = f"{name}.{int(at)}.{text}".encode()
    v1 = base64.b64encode(hmac.digest(b"secretsecretsecretsecretsecretse", signed, hashlib.sha256)).decode()
    headers = {"webhook-id": name, "webhook-timestamp": str(int(at)), "webhook-signature": f"v1,{v1}",
               "webhook-signature-key-id": "one"}
    return {"event_id": name, "stream": "orders", "type": "order.paid", "org_id": OLD, "signed_at": END, "headers": headers,
            "content_type": "application/json", "body": text}


def test_messages_are_fetched_verified_handed_out_and_acknowledged_once_handled() -> None:
    batches, acknowledged = [[1, 2], [3]], []

    def answer(request: httpx.Request, _: int) -> httpx.Response:
        if request.url.path.endswith("/ack"):
            acknowledged.append(body(request)["event_ids"])
            return data({"acknowledged": 1})
        batch = batches.pop(0) if batches else []
        return reply({"data": [envelope(n, service.time.now()) for n in batch], "ack_token": None})

    service = Service(answer)
    seen = []
    for message in service.client().poll("orders", secrets=SECRET, until_empty=True):
        seen.append(f"{message.id} {message.event.type}")
        service.time.seconds += 15 if message.id == "evt_1" else 0
    assert seen == ["evt_1 order.paid", "evt_2 order.paid", "evt_3 order.paid"]
    # The first one took long, so it is acknowledged by itself.
    assert acknowledged == [["evt_1"], ["evt_2"], ["evt_3"]]


def test_what_was_not_handled_is_not_acknowledged_nor_handed_out_when_its_minute_is_over() -> None:
    acknowledged: list[str] = []
    fetches: list[int] = []

    def answer(request: httpx.Request, _: int) -> httpx.Response:
        if request.url.path.endswith("/ack"):
            acknowledged.extend(body(request)["event_ids"])
            return data({"acknowledged": 1})
        fetches.append(1)
        batch = [envelope(n + 10 * len(fetches), service.time.now()) for n in (1, 2, 3)]
        return reply({"data": batch, "ack_token": None})

    service = Service(answer)
    seen = []
    for message in service.client(retry=Retry(retries=0)).poll("orders", secrets=SECRET):
        seen.append(message.id)
        service.time.seconds += 55 if message.id == "evt_11" else 0
        if message.id == "evt_22":
            break
    assert seen == ["evt_11", "evt_21", "evt_22"]
    assert acknowledged == ["evt_11", "evt_21"]
