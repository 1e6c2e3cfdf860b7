"""Sends requests until one is answered: with credentials, signed anew each time, verified."""

from collections.abc import Callable
from dataclasses import dataclass

import httpx

from ._answers import error_of
from ._clock import Clock
from ._credentials import Credentials
from ._errors import ApiError, ConnectionFailed
from ._flow import Answer, Flow, Send, Sleep
from ._responses import ResponseVerifier
from ._retry import Retry, delay_before
from .signing import Signing


@dataclass(frozen=True)
class Transport:
    clock: Clock
    retry: Retry
    signing: Signing | None
    verifier: ResponseVerifier | None

    def send(
        self, credentials: Credentials, make: Callable[[], httpx.Request], timeout: float, *, is_repeatable: bool = True
    ) -> Flow[Answer]:
        """A 2xx. Raises an ApiError for any other answer, and ConnectionFailed where none came."""
        attempt, broke_off, renewed = 0, False, False
        while True:
            try:
                return (yield from self._attempt(credentials, make(), timeout))
            except (ApiError, ConnectionFailed) as error:
                if isinstance(error, ApiError):
                    error.broke_off = broke_off
                    if error.status == 401 and not renewed and credentials.renew():
                        renewed = True
                        continue
                is_lost = isinstance(error, ConnectionFailed)
                delay = None if is_lost and not is_repeatable else delay_before(error, attempt, self.retry, self.clock)
                if delay is None:
                    raise
                broke_off |= is_lost
            attempt += 1
            yield Sleep(delay)

    def _attempt(self, credentials: Credentials, request: httpx.Request, timeout: float) -> Flow[Answer]:
        request.headers.update((yield from credentials.headers()))
        if self.verifier is not None:
            request.headers.update(self.verifier.headers)
        if self.signing is not None:
            self.signing.sign(request, self.clock.now())
        answer: Answer = yield Send(request, timeout)
        if self.verifier is not None:
            self.verifier.verify(request, answer, self.clock.now())
        if not 200 <= answer.status <= 299:
            raise error_of(answer.status, answer.headers, answer.body, self.clock.now())
        return answer
