"""openapi-python-client: models and calls as it generates them, checked by mypy, tried on the service."""

import json
import os
import uuid
from collections.abc import Callable
from datetime import datetime, timezone

from generated.partner import AuthenticatedClient
from generated.partner.api.events import create_queue, list_events, replace_queue, replay_events
from generated.partner.api.public_keys import get_public_key
from generated.partner.api.tenant_keys import create_tenant_key, list_tenant_keys, rotate_tenant_key
from generated.partner.api.users import create_user, get_user, list_users
from generated.partner.models import (
    AwsSqsTarget,
    AzureStorageQueueTarget,
    CreateTenantKey,
    CreateUser,
    DataCreatedUser,
    DataMintedTenantKey,
    DataQueue,
    DataReplayed,
    DataRotatedTenantKey,
    ErrorCode,
    ErrorEnvelope,
    ListEventEntry,
    ListTenantKeyEntry,
    ListUserEntry,
    ProblemType,
    QueueType,
    RegisterAwsSqs,
    RegisterAwsSqsType,
    RegisterAzureStorageQueue,
    RegisterAzureStorageQueueType,
    RegisterWebhook,
    RegisterWebhookType,
    ReplayRange,
    RotateTenantKey,
    TracedError,
    ValidationErrors,
    WebhookTarget,
)

URL, KEY, WEBHOOK, SAS = (os.environ[name] for name in ("URL", "KEY", "WEBHOOK", "SAS"))


def holding(key: str) -> AuthenticatedClient:
    return AuthenticatedClient(base_url=URL, token=key, prefix="", auth_header_name="taih-tenant-key")


client = holding(KEY)


def pages() -> None:
    ids = {uuid.uuid4() for _ in range(25)}
    for user_id in ids:
        made = create_user.sync(client=client, body=CreateUser(user_id=user_id))
        assert isinstance(made, DataCreatedUser) and made.data.user_id == user_id, made
    cursor = ""
    for _ in range(10):
        page = list_users.sync(client=client, cursor=cursor, limit=10)
        assert isinstance(page, ListUserEntry), page
        ids -= {user.user_id for user in page.data}
        if not isinstance(page.pagination.next_cursor, str):
            assert page.pagination.next_cursor is None, page
            break
        cursor = page.pagination.next_cursor
    assert not ids, f"{len(ids)} of the users are in no page"
    first = list_users.sync(client=client)
    assert isinstance(first, ListUserEntry) and first.pagination.limit == 25, first


def rotation() -> None:
    minted = create_tenant_key.sync(client=client, body=CreateTenantKey(name="python"))
    assert isinstance(minted, DataMintedTenantKey) and isinstance(minted.data.secret, str), minted
    rotated = rotate_tenant_key.sync(client=holding(minted.data.secret), body=RotateTenantKey(grace_period_seconds=60))
    assert isinstance(rotated, DataRotatedTenantKey) and isinstance(rotated.data.new_tenant_api_key, str), rotated
    keys = list_tenant_keys.sync(client=holding(rotated.data.new_tenant_api_key))
    assert isinstance(keys, ListTenantKeyEntry), keys
    assert [key.id for key in keys.data if key.is_current] == [rotated.data.key_id], keys


def queues() -> None:
    webhook = RegisterWebhook(type_=RegisterWebhookType.WEBHOOK, webhook=WebhookTarget(url=WEBHOOK))
    made = create_queue.sync("users", client=client, body=webhook)
    assert isinstance(made, DataQueue) and made.data.type_ is QueueType.WEBHOOK, made
    target = AzureStorageQueueTarget(account_name="partnerevents", queue_name="events", sas_token=SAS)
    azure = RegisterAzureStorageQueue(
        type_=RegisterAzureStorageQueueType.AZURE_STORAGE_QUEUE, azure_storage_queue=target)
    replaced = replace_queue.sync("users", client=client, body=azure)
    assert isinstance(replaced, DataQueue) and replaced.data.type_ is QueueType.AZURE_STORAGE_QUEUE, replaced
    sqs = RegisterAwsSqs(type_=RegisterAwsSqsType.AWS_SQS, aws_sqs=AwsSqsTarget(
        queue_url="https://sqs.eu-central-1.amazonaws.com/123456789012/events", region="eu-central-1",
        role_arn="arn:aws:iam::123456789012:role/partner-events"))
    refused = replace_queue.sync_detailed("users", client=client, body=sqs)
    assert refused.status_code == 400 and isinstance(refused.parsed, ErrorEnvelope), refused
    assert refused.parsed.error.code is ErrorCode.INVALID_REQUEST, refused


def replay() -> None:
    start, end = (datetime(2026, 1, 1, hour, tzinfo=timezone.utc) for hour in (0, 1))
    replayed = replay_events.sync(client=client, body=ReplayRange(stream="users", from_=start, to=end))
    assert isinstance(replayed, DataReplayed) and replayed.data.replayed == 0, replayed
    events = list_events.sync(client=client, stream="users", limit=1)
    assert isinstance(events, ListEventEntry) and events.data[0].type_ == "user.created", events


def errors() -> None:
    user_id = uuid.uuid4()
    missing = get_user.sync(user_id, client=client)
    assert isinstance(missing, ErrorEnvelope) and missing.error.code is ErrorCode.NOT_FOUND, missing
    traced = get_public_key.sync(user_id, client=client)
    assert isinstance(traced, TracedError) and traced.error.code is ErrorCode.NOT_FOUND, traced
    unnamed = create_tenant_key.sync(client=client, body=CreateTenantKey(name=""))
    assert isinstance(unnamed, ValidationErrors), unnamed
    assert unnamed.detail[0].type_ is ProblemType.STRING_TOO_SHORT, unnamed
    assert unnamed.detail[0].loc == ["body", "name"], unnamed


CHECKS: list[tuple[str, Callable[[], None]]] = [
    ("pages to the end by cursor", pages),
    ("rotates a key", rotation),
    ("registers each type of queue", queues),
    ("replays and lists events", replay),
    ("reads each shape of an error", errors),
]

for name, run in CHECKS:
    problem: str | None = None
    try:
        run()
    except Exception as error:  # noqa: BLE001
        problem = f"{type(error).__name__}: {str(error)[:500]}"
    print(json.dumps({"name": f"python: {name}", "problem": problem}), flush=True)
