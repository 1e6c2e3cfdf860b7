import asyncio
import json
import traceback
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import trio
from pydantic import SecretStr

import partner_api
from partner_api import AsyncClient, Client, Oauth, Retry, Signing, api, errors, models

from .support import PRIVATE, Service, body, data, failure, reply

USER = "3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13"
ORG = "01a200a4-dbd9-745d-aacb-bb7c4149aa9e"
CREATE = api.create_user(models.CreateUser(user_id=uuid.UUID(USER)))
CREATED = {"data": {"user_id": USER}}


def test_a_lost_reply_is_asked_for_again_with_the_same_idempotency_key() -> None:
    service = Service(lambda _, count: httpx.ReadError("gone") if count < 3 else reply(CREATED, 201))
    with service.without_waiting():
        assert service.client().send(CREATE).user_id == uuid.UUID(USER)
    keys = service.headers("idempotency-key")
    assert len(keys) == 3 and len({*keys}) == 1 and keys[0]
    assert service.time.waits == [0.1875, 0.375]


def test_two_calls_have_two_keys_and_yours_is_taken() -> None:
    service = Service(lambda *_: reply(CREATED, 201))
    client = service.client()
    client.send(CREATE)
    client.send(CREATE)
    client.send(CREATE, idempotency_key="import-of-november-17")
    keys = service.headers("idempotency-key")
    assert len({*keys}) == 3 and keys[2] == "import-of-november-17"


def test_retry_after_is_waited_for_as_seconds_and_as_a_date() -> None:
    replies = [failure("rate_limited", 429, retry_after="4"),
               failure("service_unavailable", 503, retry_after="Sat, 21 Nov 2026 08:00:07 GMT"), data([])]
    service = Service(lambda _, count: replies[count - 1])
    with service.without_waiting():
        service.client().send(api.list_features())
    assert service.time.waits == [4.09375, pytest.approx(7 - 4.09375 + 0.1875)]


def test_a_feature_that_is_away_for_a_day_is_an_error_at_once() -> None:
    service = Service(lambda *_: failure("service_unavailable", 503, retry_after="86400"))
    with pytest.raises(errors.ServiceUnavailable) as caught:
        service.client().send(api.list_features())
    assert (caught.value.retry_after, caught.value.request_id, len(service.seen)) == (86400, "request-1", 1)


def test_it_gives_up_after_four_more_tries() -> None:
    service = Service(lambda *_: httpx.ConnectError("refused"))
    with service.without_waiting(), pytest.raises(errors.ConnectionFailed, match="ConnectError"):
        service.client().send(api.list_features())
    assert service.time.waits == [0.1875, 0.375, 0.75, 1.5]
    with pytest.raises(errors.TimedOut):
        Service(lambda *_: httpx.ReadTimeout("slow")).client(retry=Retry(retries=0)).send(api.list_features())


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 500, 502])
def test_other_errors_are_not_tried_again(status: int) -> None:
    service = Service(lambda *_: failure("internal_error", status))
    with pytest.raises(errors.InternalError):
        service.client().send(api.list_features())
    assert len(service.seen) == 1


def test_a_first_try_that_is_still_being_answered_is_waited_for() -> None:
    replies: list[Any] = [httpx.ReadError("gone"), failure("idempotency_in_progress", 409), reply(CREATED, 201)]
    service = Service(lambda _, count: replies[count - 1])
    with service.without_waiting():
        service.client().send(CREATE)
    with pytest.raises(errors.IdempotencyInProgress):
        Service(lambda *_: failure("idempotency_in_progress", 409)).client().send(CREATE)


def test_what_a_lost_try_deleted_is_deleted() -> None:
    service = Service(lambda _, count: httpx.ReadError("gone") if count == 1 else failure("not_found", 404))
    with service.without_waiting():
        service.client().send(api.delete_user(USER))
    with pytest.raises(errors.NotFound):
        Service(lambda *_: failure("not_found", 404)).client().send(api.delete_user(USER))


def test_a_claim_is_not_opened_twice() -> None:
    service = Service(lambda *_: httpx.ReadError("gone"))
    with pytest.raises(errors.ConnectionFailed):
        service.client().send(api.open_claim("token"))
    assert len(service.seen) == 1


def test_a_request_says_who_calls_and_with_what() -> None:
    service = Service(lambda *_: data([]))
    service.client(user_agent="acme/1.0").send(api.list_event_types(stream="users"))
    [seen] = service.seen
    assert str(seen.url) == "https://api.example.com/v1/event-types?stream=users"
    assert seen.headers["taih-tenant-key"] == "tk_test_secret"
    assert seen.headers["user-agent"].startswith("acme/1.0 partner-api-python/0.1.0 (httpx ")
    assert "idempotency-key" not in seen.headers
    service.client(org_id=ORG).send(api.list_features())
    assert service.seen[1].headers["orgid"] == ORG and "taih-tenant-key" not in service.seen[1].headers


def test_a_key_may_come_from_a_function_which_is_asked_each_time() -> None:
    service = Service(lambda *_: data([]))
    keys: Iterator[str | SecretStr] = iter(["one", SecretStr("two")])
    client = service.client(key=lambda: next(keys))
    client.send(api.list_features())
    client.send(api.list_features())
    assert service.headers("taih-tenant-key") == ["one", "two"]
    assert not client.use_key("another")


def test_two_credentials_none_and_http_to_other_machines_are_refused() -> None:
    url, signing = "https://api.example.com", Signing(key_id="k", private_key=PRIVATE)
    with pytest.raises(TypeError, match="give one of key, org_id and oauth"):
        Client(url, key="k", org_id=ORG)
    with pytest.raises(TypeError, match="give one of"):
        Client(url)
    with pytest.raises(TypeError, match="beside no signature"):
        Client(url, signing=signing, oauth=Oauth(client_id="acme", key_id="k", private_key=PRIVATE))
    with pytest.raises(ValueError, match="must be https"):
        Client("http://api.example.com", key="k")
    assert Client("http://127.0.0.1:8080/", key="k")
    with pytest.raises(ValueError) as caught:
        Signing(key_id="k", private_key="nonsense")
    assert "nonsense" not in str(caught.value)


def test_nothing_shows_a_secret() -> None:
    minted = {"data": {"new_tenant_api_key": "tk_hidden", "previous_key_expires_at": None, "key_id": USER,
                       "previous_key_id": ORG}}
    client = Service(lambda *_: reply(minted)).client(key="tk_hidden")
    rotated = client.send(api.rotate_tenant_key())
    signing, oauth = Signing(key_id="k", private_key=PRIVATE), Oauth(client_id="acme", key_id="k", private_key=PRIVATE)
    call = api.rotate_signing_secret(models.RotateSigningSecret(secret=SecretStr("hidden")))
    for shown in (client, rotated, signing, oauth, call, call.body, client._core.credentials.__dict__):
        assert "hidden" not in f"{shown} {shown!r}" and "PRIVATE KEY" not in repr(shown)
    assert rotated.new_tenant_api_key is not None
    assert rotated.new_tenant_api_key.get_secret_value() == "tk_hidden"


def test_a_secret_is_sent_and_null_is_told_from_absent() -> None:
    service = Service(lambda *_: httpx.Response(204))
    service.client().send(api.update_user(USER, models.UpdateUser(first_name=None)))
    assert body(service.seen[0]) == {"first_name": None}
    target = models.AzureStorageQueueTarget(account_name="a", queue_name="q", sas_token=SecretStr("sv=hidden"))
    service = Service(lambda *_: failure("not_found", 404))
    with pytest.raises(errors.NotFound):
        queue = models.RegisterAzureStorageQueue(type="azure_storage_queue", azure_storage_queue=target)
        service.client().send(api.replace_queue("users", queue))
    assert body(service.seen[0])["azure_storage_queue"]["sas_token"] == "sv=hidden"


def test_the_shapes_of_errors_are_one_error_with_code_and_request_id() -> None:
    def raised(answer: httpx.Response) -> errors.ApiError:
        with pytest.raises(errors.ApiError) as caught:
            Service(lambda *_: answer).client().send(api.list_features())
        return caught.value

    error = raised(failure("user_already_exists", 409))
    assert isinstance(error, errors.UserAlreadyExists) and error.code == "user_already_exists"
    assert str(error) == "409 user_already_exists: why (request request-1)"
    problem = {"loc": ["body", "user_id"], "msg": "must be a UUID", "type": "uuid_parsing"}
    error = raised(reply({"detail": [problem]}, 422, x_request_id="r"))
    assert isinstance(error, errors.ValidationFailed) and error.request_id == "r"
    assert str(error) == "422 validation: body.user_id must be a UUID (request r)"
    traced = {"Code": "weak_key", "Message": "m", "AdditionalInfo": "", "ExtraData": {"PublicKey": "is weak"}}
    error = raised(reply({"TraceId": "t", "Error": traced}, 400))
    assert isinstance(error, errors.WeakKey) and error.request_id == "t"
    assert error.details == (errors.Detail("PublicKey", "weak_key", "is weak"),)
    assert isinstance(raised(reply({"error": "invalid_client"}, 401)), errors.TokenRefused)
    assert isinstance(raised(httpx.Response(502, text="<html>")), errors.UnexpectedResponse)
    assert isinstance(raised(httpx.Response(302, headers={"location": "https://evil.example"})), errors.UnexpectedResponse)
    # One that a newer service has.
    assert type(raised(failure("a_newer_code", 409))) is errors.ApiError


def test_what_a_newer_service_adds_is_no_error() -> None:
    entry = {"id": ORG, "name": "n", "prefix": "p", "created_at": "2026-11-21T08:00:00Z", "colour": "red"}
    feature = {"feature": "a_newer_one", "status": "paused_by_a_newer_service", "since": entry}
    [read] = Service(lambda *_: data([feature])).client().send(api.list_features())
    assert read.status == "paused_by_a_newer_service"


def test_an_answer_of_another_shape_is_no_answer_and_shows_no_secret() -> None:
    service = Service(lambda *_: data({"new_tenant_api_key": "tk_hidden", "key_id": "hidden"}))
    with pytest.raises(errors.UnexpectedResponse) as caught:
        service.client().send(api.rotate_tenant_key())
    assert "hidden" not in "".join(traceback.format_exception(caught.value))


def users(request: httpx.Request, _: int) -> httpx.Response:
    start = int(request.url.params.get("cursor") or 0)
    entries = [{"user_id": str(uuid.UUID(int=n)), "created_at": "2026-11-21T08:00:00Z"} for n in (start, start + 1)]
    pagination = {"limit": 2, "offset": 0, "total": 6, "next_cursor": None if start == 4 else str(start + 2)}
    return reply({"data": entries, "pagination": pagination})


def test_a_list_is_read_to_its_end_and_no_further_than_it_is_looked_at() -> None:
    service = Service(users)
    ids = [user.user_id.int for user in service.client().each(api.list_users(limit=2))]
    assert ids == [0, 1, 2, 3, 4, 5]
    assert [request.url.query for request in service.seen] == [b"limit=2&cursor=", b"limit=2&cursor=2", b"limit=2&cursor=4"]
    next(service.client().each(api.list_users()))
    assert len(service.seen) == 4


def test_users_are_created_in_batches() -> None:
    def answer(request: httpx.Request, _: int) -> httpx.Response:
        given = [json.loads(line) for line in request.content.splitlines()]
        results = [json.dumps({"user_id": each["user_id"], "status": "created", "detail": []}) for each in given]
        return httpx.Response(200, text="\n".join(results) + "\n")

    def some() -> Iterator[models.CreateUser]:
        for n in range(5):
            yield models.CreateUser(user_id=uuid.UUID(int=n))

    service = Service(answer)
    results = list(service.client().create_users(some(), batch=2))
    assert [each.user_id.int for each in results if each.user_id] == [0, 1, 2, 3, 4]
    assert [len(request.content.splitlines()) for request in service.seen] == [2, 2, 1]


def test_what_is_put_in_a_path_stays_in_its_place() -> None:
    service = Service(lambda *_: failure("not_found", 404))
    with pytest.raises(errors.NotFound):
        service.client().send(api.get_user("../admin?x#y"))
    assert service.seen[0].url.raw_path == b"/v1/users/..%2Fadmin%3Fx%23y"
    for value in ("", ".", ".."):
        with pytest.raises(ValueError, match="the path takes user_id"):
            service.client().send(api.get_user(value))


async def use_everything(service: Service) -> None:
    async def key() -> str:
        return "tk_from_a_vault"

    http = httpx.AsyncClient(transport=service.transport)
    async with AsyncClient("https://api.example.com", http=http, key=key, clock=service.time,
                           retry=Retry(first_delay=0.001)) as client:
        ids = [user.user_id.int async for user in client.each(api.list_users())]
        assert ids == [0, 1, 2, 3, 4, 5]
    assert {*service.headers("taih-tenant-key")} == {"tk_from_a_vault"}


@pytest.mark.parametrize("run", [asyncio.run, trio.run])
def test_the_async_client_does_the_same_on_asyncio_and_trio(run: Any) -> None:
    service = Service(lambda request, count: httpx.ReadError("gone") if count == 1 else users(request, count))
    if run is asyncio.run:
        asyncio.run(use_everything(service))
    else:
        trio.run(use_everything, service)


def test_the_version_is_the_packages() -> None:
    with open("pyproject.toml", encoding="utf-8") as file:
        assert f'version = "{partner_api.__version__}"' in file.read()
