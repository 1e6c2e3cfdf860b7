"""Messages of a queue of the type `poll`: fetched, verified, handed out, acknowledged."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pydantic import SecretStr

from . import api, models
from ._core import Core
from ._flow import Flow
from ._keys import PrivateKey
from .events import Event

# For how long a message that was handed out is ours, less some for the way (seconds).
OURS = 50.0
# After how long what is handled is acknowledged, at the latest (seconds).
ACKNOWLEDGE = 10.0


@dataclass(frozen=True)
class PolledMessage:
    id: str
    event: Event
    message: models.Envelope = field(repr=False)


class Poller:
    """What is fetched and not yet handed out, and what is handled and not yet acknowledged."""

    def __init__(
        self, core: Core, stream: str, secrets: str | SecretStr | Sequence[str | SecretStr] | None, org_id: str | None,
        private_key: PrivateKey | None, tolerance: float, limit: int, wait_seconds: int, until_empty: bool,
    ) -> None:
        self._core, self._stream, self._limit = core, stream, limit
        self._trust = (secrets, org_id, tolerance, private_key)
        self._wait, self._until_empty = (0 if until_empty else wait_seconds), until_empty
        self._fetched: Iterator[models.Envelope] = iter(())
        self._fetched_at = self._acknowledged_at = core.clock.now()
        self._current: str | None = None
        self._handled: list[str] = []

    def next(self) -> Flow[PolledMessage | None]:
        """The next message; asking for it says that the one before is handled. None: there is none, and no waiting."""
        if self._current is not None:
            self._handled.append(self._current)
            self._current = None
        while True:
            now = self._core.clock.now()
            message = next(self._fetched, None) if now - self._fetched_at <= OURS else None
            if message is None or now - self._acknowledged_at > ACKNOWLEDGE:
                yield from self.acknowledge()
            if message is not None:
                event = yield from self._core.verify_with(message, *self._trust)
                self._current = message.event_id
                return PolledMessage(message.event_id, event, message)
            call = api.fetch_messages(self._stream, limit=self._limit, wait_seconds=self._wait)
            fetched = (yield from self._core.send(call, timeout=self._core.timeout + self._wait)).data
            self._fetched, self._fetched_at = iter(fetched), self._core.clock.now()
            if not fetched and self._until_empty:
                return None

    def acknowledge(self) -> Flow[None]:
        """Of what is handled, so far."""
        self._acknowledged_at = self._core.clock.now()
        if self._handled:
            named, self._handled = self._handled, []
            yield from self._core.send(api.acknowledge_messages(self._stream, models.AcknowledgeNamed(event_ids=named)))
