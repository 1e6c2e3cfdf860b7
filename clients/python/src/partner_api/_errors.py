"""The errors that are not of one code."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


class PartnerApiError(Exception):
    """Whatever this package raises on purpose, but for what is wrong with its own arguments."""


class ConnectionFailed(PartnerApiError):
    """No answer came, or none that was whole, after all retries. `__cause__` says why."""


class TimedOut(ConnectionFailed):
    """No answer came in time."""


class EventNotTrusted(PartnerApiError):
    """An event that must not be trusted."""


class ResponseNotTrusted(PartnerApiError):
    """A response that is not the service's answer to this request."""


class RotationFailed(PartnerApiError):
    """A rotation that did not come to its end; `__cause__` says why."""

    def __init__(self, message: str, state: Literal["abandoned", "pending"], id: str) -> None:
        super().__init__(message)
        # `abandoned`: all is as before. `pending`: the new one waits, and ends by itself if nobody confirms it.
        self.state = state
        # Of the new key or secret.
        self.id = id


@dataclass(frozen=True)
class Detail:
    """What an error names beside its message."""

    field: str
    code: str
    message: str


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a request: where, what, and of which kind."""

    loc: tuple[str | int, ...]
    msg: str
    type: str


class ApiError(PartnerApiError):
    """An answer that is an error. Decide by class or `code`, never by the message."""

    code: str = ""

    def __init__(
        self, status: int, code: str, message: str, *, details: Sequence[Detail] = (), problems: Sequence[Problem] = (),
        request_id: str | None = None, retry_after: float | None = None,
    ) -> None:
        super().__init__(status, code, message)
        self.status = status
        self.code = code
        self.message = message
        self.details = tuple(details)
        # Everything that is wrong with the request, of a `ValidationFailed`.
        self.problems = tuple(problems)
        # Quote it to support.
        self.request_id = request_id
        # Seconds to wait before another try, where the answer says so.
        self.retry_after = retry_after
        # Whether a try before this answer broke off, so that it may have been carried out.
        self.broke_off = False

    def __str__(self) -> str:
        request = f" (request {self.request_id})" if self.request_id else ""
        return f"{self.status} {self.code}: {self.message}{request}"


class ValidationFailed(ApiError):
    """The request breaks its rules: `problems` names every one."""


class TokenRefused(ApiError):
    """The token endpoint refuses, with a code of RFC 6749."""


class UnexpectedResponse(ApiError):
    """An answer that has none of the service's shapes, such as a proxy's page."""
