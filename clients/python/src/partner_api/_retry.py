"""When to send the same request again."""

from dataclasses import dataclass

from ._clock import Clock
from ._errors import ApiError, ConnectionFailed


@dataclass(frozen=True)
class Retry:
    """How to try again; `Retry(retries=0)` does not. All times in seconds."""

    # How many times a request is sent again at most.
    retries: int = 4
    # What the first wait is about; each further one is about twice as long.
    first_delay: float = 0.25
    longest_delay: float = 8.0
    # Where `Retry-After` asks for more, the error is raised at once.
    longest_retry_after: float = 60.0


def delay_before(error: Exception, attempt: int, retry: Retry, clock: Clock) -> float | None:
    """Seconds until the same request is sent again; None: not at all."""
    if attempt >= retry.retries or not _passes(error, attempt):
        return None
    delay: float = min(retry.first_delay * 2**attempt, retry.longest_delay) * (0.5 + clock.random() / 2)
    asked = error.retry_after if isinstance(error, ApiError) else None
    if asked is None:
        return delay
    # Those who were told the same time do not come all at once.
    return None if asked > retry.longest_retry_after else asked + delay / 2


def _passes(error: Exception, attempt: int) -> bool:
    """429, 503, broken connections; and after one of these a first try that is still being answered."""
    if isinstance(error, ConnectionFailed):
        return True
    if not isinstance(error, ApiError):
        return False
    return error.status in (429, 503) or (attempt > 0 and error.code == "idempotency_in_progress")
