"""The client that awaits, on asyncio or trio."""

import inspect
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from typing import Any, TypeVar
from uuid import UUID

import anyio
import httpx
from typing_extensions import Self, Unpack

from . import api, models
from ._core import Core, lines
from ._credentials import KeySource
from ._errors import ConnectionFailed, TimedOut
from ._flow import Answer, Flow, Send, Sleep, Step
from ._keys import PrivateKey
from ._options import Options, Secrets, key_rotation, secret_rotation
from ._poll import PolledMessage, Poller
from ._rotation import NewKey, NewSecret, RotatedSecret, rotate_signing_secret, rotate_tenant_key
from .calls import Call, Listing
from .events import TOLERANCE, Event, Message

T = TypeVar("T")
Page = TypeVar("Page")
Item = TypeVar("Item")


class AsyncClient:
    """As `Client`, awaited. What it is given to call (`key`, `deploy`, `prove`) may be async or not."""

    def __init__(self, base_url: str, *, http: httpx.AsyncClient | None = None, **options: Unpack[Options]) -> None:
        self._core = Core(base_url, options)
        self._http = http or httpx.AsyncClient()

    def __repr__(self) -> str:
        return f"AsyncClient({self._core.base!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def send(self, call: Call[T], *, idempotency_key: str | None = None, timeout: float | None = None) -> T:
        """See `Client.send`."""
        return await self._run(self._core.send(call, idempotency_key, timeout))

    async def each(self, listing: Listing[Page, Item]) -> AsyncIterator[Item]:
        """See `Client.each`."""
        cursor = listing.start
        while True:
            page = await self.send(listing.at(cursor))
            for item in listing.items(page):
                yield item
            if (cursor := listing.following(page)) is None:
                return

    async def create_users(
        self, users: Iterable[models.CreateUser] | AsyncIterable[models.CreateUser], *, batch: int = 1_000
    ) -> AsyncIterator[models.BulkResult]:
        """See `Client.create_users`."""
        some: list[models.CreateUser] = []
        async for user in _one_by_one(users):
            some.append(user)
            if len(some) == batch:
                for result in await self.send(api.create_users_in_bulk(lines(some))):
                    yield result
                some = []
        if some:
            for result in await self.send(api.create_users_in_bulk(lines(some))):
                yield result

    async def verify_event(
        self, message: Message, *, org_id: str, tolerance: float = TOLERANCE, private_key: PrivateKey | None = None
    ) -> Event:
        """See `Client.verify_event`."""
        return await self._run(self._core.verify_event(message, org_id, tolerance, private_key))

    async def poll(
        self, stream: str, *, secrets: Secrets | None = None, org_id: str | None = None,
        private_key: PrivateKey | None = None, tolerance: float = TOLERANCE, limit: int = 25, wait_seconds: int = 20,
        until_empty: bool = False,
    ) -> AsyncIterator[PolledMessage]:
        """See `Client.poll`."""
        poller = Poller(self._core, stream, secrets, org_id, private_key, tolerance, limit, wait_seconds, until_empty)
        try:
            while (message := await self._run(poller.next())) is not None:
                yield message
        finally:
            # Also when the task is cancelled: else what is handled would come again.
            with anyio.move_on_after(self._core.timeout, shield=True):
                await self._run(poller.acknowledge())

    async def rotate_tenant_key_safely(
        self, deploy: Callable[[NewKey], object], *, prove: "Callable[[AsyncClient], object] | None" = None,
        key_id: UUID | str | None = None, grace_period_seconds: int | None = None,
        confirm_within_seconds: int | None = None,
    ) -> models.ConfirmedRotation:
        """See `Client.rotate_tenant_key_safely`."""
        return await self._run(rotate_tenant_key(
            self._core, self._around, deploy, prove, key_rotation(key_id, grace_period_seconds, confirm_within_seconds)))

    async def rotate_signing_secret_safely(
        self, deploy: Callable[[NewSecret], object], *, prove: "Callable[[AsyncClient], object] | None" = None,
        grace_period_seconds: int | None = None, confirm_within_seconds: int | None = None,
    ) -> RotatedSecret:
        """See `Client.rotate_signing_secret_safely`."""
        return await self._run(rotate_signing_secret(
            self._core, self._around, deploy, prove, secret_rotation(grace_period_seconds, confirm_within_seconds)))

    def use_key(self, key: KeySource) -> bool:
        """See `Client.use_key`."""
        return self._core.use_key(key)

    def with_key(self, key: KeySource) -> "AsyncClient":
        """See `Client.with_key`."""
        return self._around(self._core.with_key(key))

    def _around(self, core: Core) -> "AsyncClient":
        made = AsyncClient.__new__(AsyncClient)
        made._core, made._http = core, self._http
        return made

    async def _run(self, flow: Flow[T]) -> T:
        is_cancelled = False
        try:
            step = next(flow)
            while True:
                try:
                    # What a flow still asks for when its task was cancelled is to tidy up.
                    with anyio.CancelScope(shield=is_cancelled):
                        outcome = await self._do(step)
                except BaseException as error:
                    is_cancelled |= isinstance(error, anyio.get_cancelled_exc_class())
                    step = flow.throw(error)
                else:
                    step = flow.send(outcome)
        except StopIteration as end:
            value: T = end.value
            return value

    async def _do(self, step: Step) -> Any:
        if isinstance(step, Sleep):
            return await anyio.sleep(step.seconds)
        if isinstance(step, Send):
            return await self._exchange(step)
        outcome = step.function(*step.arguments)
        return await outcome if inspect.isawaitable(outcome) else outcome

    async def _exchange(self, step: Send) -> Answer:
        step.request.extensions = {"timeout": httpx.Timeout(step.timeout).as_dict()}
        try:
            response = await self._http.send(step.request, follow_redirects=False)
        except httpx.TimeoutException as error:
            raise TimedOut(f"no answer within {step.timeout} s") from error
        except httpx.TransportError as error:
            raise ConnectionFailed(f"the connection failed: {type(error).__name__}") from error
        return Answer(response.status_code, response.headers, response.content)


async def _one_by_one(users: Iterable[T] | AsyncIterable[T]) -> AsyncIterator[T]:
    if isinstance(users, AsyncIterable):
        async for user in users:
            yield user
    else:
        for user in users:
            yield user
