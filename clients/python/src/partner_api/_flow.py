"""What both clients do, without doing it: generators that ask for requests, waits and calls, and get the outcome."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx

T = TypeVar("T")


@dataclass(frozen=True)
class Send:
    """Send this request; the outcome is an `Answer`, or a ConnectionFailed is raised."""

    request: httpx.Request
    timeout: float


@dataclass(frozen=True)
class Sleep:
    """Wait for some seconds."""

    seconds: float


@dataclass(frozen=True)
class Invoke:
    """Call what the user gave; an AsyncClient awaits what that gives."""

    function: Callable[..., Any] = field(repr=False)
    arguments: tuple[Any, ...] = field(repr=False)


@dataclass(frozen=True)
class Answer:
    """A whole answer."""

    status: int
    headers: httpx.Headers = field(repr=False)
    body: bytes = field(repr=False)


Step = Send | Sleep | Invoke
Flow = Generator[Step, Any, T]
