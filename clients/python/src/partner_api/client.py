"""The client that waits."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar
from uuid import UUID

import httpx
from typing_extensions import Self, Unpack

from . import api, models
from ._core import Core, lines
from ._errors import ConnectionFailed, TimedOut
from ._flow import Answer, Flow, Send, Sleep, Step
from ._keys import PrivateKey
from ._options import Options, Secrets, key_rotation, secret_rotation
from ._credentials import KeySource
from ._poll import PolledMessage, Poller
from ._rotation import NewKey, NewSecret, RotatedSecret, rotate_signing_secret, rotate_tenant_key
from .calls import Call, Listing
from .events import TOLERANCE, Event, Message

T = TypeVar("T")
Page = TypeVar("Page")
Item = TypeVar("Item")


class Client:
    """A client of one organisation. Every call raises an ApiError or ConnectionFailed (`partner_api.errors`).

    `base_url` is where the service is, as your contract says: https, but for this machine. Threads may share it.
    """

    def __init__(self, base_url: str, *, http: httpx.Client | None = None, **options: Unpack[Options]) -> None:
        self._core = Core(base_url, options)
        self._http = http or httpx.Client()

    def __repr__(self) -> str:
        return f"Client({self._core.base!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def send(self, call: Call[T], *, idempotency_key: str | None = None, timeout: float | None = None) -> T:
        """Sends what a function of `partner_api.api` made. A POST gets an Idempotency-Key: give your own where the
        same call may be made again after a crash."""
        return self._run(self._core.send(call, idempotency_key, timeout))

    def each(self, listing: Listing[Page, Item]) -> Iterator[Item]:
        """All of a list, page by page as it is read. Its `limit` is the size of a page."""
        cursor = listing.start
        while True:
            page = self.send(listing.at(cursor))
            yield from listing.items(page)
            if (cursor := listing.following(page)) is None:
                return

    def create_users(self, users: Iterable[models.CreateUser], *, batch: int = 1_000) -> Iterator[models.BulkResult]:
        """Creates any number of users, `batch` (up to 10,000) in a request; what became of each, in order."""
        some: list[models.CreateUser] = []
        for user in users:
            some.append(user)
            if len(some) == batch:
                yield from self.send(api.create_users_in_bulk(lines(some)))
                some = []
        if some:
            yield from self.send(api.create_users_in_bulk(lines(some)))

    def verify_event(
        self, message: Message, *, org_id: str, tolerance: float = TOLERANCE, private_key: PrivateKey | None = None
    ) -> Event:
        """The event in a message, by the service's published keys: nothing has to be kept secret. Raises EventNotTrusted."""
        return self._run(self._core.verify_event(message, org_id, tolerance, private_key))

    def poll(
        self, stream: str, *, secrets: Secrets | None = None, org_id: str | None = None,
        private_key: PrivateKey | None = None, tolerance: float = TOLERANCE, limit: int = 25, wait_seconds: int = 20,
        until_empty: bool = False,
    ) -> Iterator[PolledMessage]:
        """The messages of a queue of the type `poll`, without end, each acknowledged when the next one is asked for.

        Leaving the loop at a message leaves that one to come again, after a minute. They are verified with `secrets`, or
        without them with the service's keys and your `org_id`. `limit` messages are fetched at once: as many as you
        handle within a minute. `until_empty` ends once there is nothing, rather than wait for more.
        """
        poller = Poller(self._core, stream, secrets, org_id, private_key, tolerance, limit, wait_seconds, until_empty)
        try:
            while (message := self._run(poller.next())) is not None:
                yield message
        finally:
            self._run(poller.acknowledge())

    def rotate_tenant_key_safely(
        self, deploy: Callable[[NewKey], object], *, prove: "Callable[[Client], object] | None" = None,
        key_id: UUID | str | None = None, grace_period_seconds: int | None = None,
        confirm_within_seconds: int | None = None,
    ) -> models.ConfirmedRotation:
        """Rotates a tenant key without downtime, in two phases.

        A new key is made, which already works; `deploy` stores it and brings it to wherever it is used; `prove` convinces
        you that this works, with a client that calls with the new key; it is confirmed with itself, and the old key's
        grace period begins. If a step raises, the new key ends, the old one stands, and RotationFailed is raised.
        Without `key_id` it is the client's own key; a client that was given it as a string goes on with the new one.
        """
        return self._run(rotate_tenant_key(
            self._core, self._around, deploy, prove, key_rotation(key_id, grace_period_seconds, confirm_within_seconds)))

    def rotate_signing_secret_safely(
        self, deploy: Callable[[NewSecret], object], *, prove: "Callable[[Client], object] | None" = None,
        grace_period_seconds: int | None = None, confirm_within_seconds: int | None = None,
    ) -> RotatedSecret:
        """Rotates the event-signing secret in two phases.

        Every event carries a signature of the new secret beside the old one's; `deploy` gives it to your verifiers, and
        `prove` convinces you that they use it; it is confirmed, and the old one's grace period begins. If a step raises,
        the new secret ends, the old one stands, and RotationFailed is raised.
        """
        return self._run(rotate_signing_secret(
            self._core, self._around, deploy, prove, secret_rotation(grace_period_seconds, confirm_within_seconds)))

    def use_key(self, key: KeySource) -> bool:
        """Goes on with another tenant key. False if the client has none of its own, but a function that gets it."""
        return self._core.use_key(key)

    def with_key(self, key: KeySource) -> "Client":
        """The same service, options and connections with another tenant key."""
        return self._around(self._core.with_key(key))

    def _around(self, core: Core) -> "Client":
        made = Client.__new__(Client)
        made._core, made._http = core, self._http
        return made

    def _run(self, flow: Flow[T]) -> T:
        try:
            step = next(flow)
            while True:
                try:
                    outcome = self._do(step)
                except BaseException as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(outcome)
        except StopIteration as end:
            value: T = end.value
            return value

    def _do(self, step: Step) -> Any:
        if isinstance(step, Sleep):
            return time.sleep(step.seconds)
        if isinstance(step, Send):
            return self._exchange(step)
        return step.function(*step.arguments)

    def _exchange(self, step: Send) -> Answer:
        step.request.extensions = {"timeout": httpx.Timeout(step.timeout).as_dict()}
        try:
            response = self._http.send(step.request, follow_redirects=False)
        except httpx.TimeoutException as error:
            raise TimedOut(f"no answer within {step.timeout} s") from error
        except httpx.TransportError as error:
            raise ConnectionFailed(f"the connection failed: {type(error).__name__}") from error
        return Answer(response.status_code, response.headers, response.content)
