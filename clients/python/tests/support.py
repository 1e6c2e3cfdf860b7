"""A service that answers as it is told, and time that moves when somebody waits."""

import json
from collections.abc import Callable
from typing import Any
from unittest import mock

import httpx
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from typing_extensions import Unpack

from partner_api import Client
from partner_api._clock import Clock
from partner_api._options import Options

# 2026-11-21T08:00:00Z.
START = 1_795_248_000.0
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PRIVATE = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


class Time(Clock):
    def __init__(self, now: float = START) -> None:
        self.seconds = now
        self.waits: list[float] = []

    def now(self) -> float:
        return self.seconds

    def random(self) -> float:
        return 0.5

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.seconds += seconds


Reply = httpx.Response | Exception


class Service:
    def __init__(self, answer: Callable[[httpx.Request, int], Reply]) -> None:
        self._answer = answer
        self.seen: list[httpx.Request] = []
        self.time = Time()
        self.transport = httpx.MockTransport(self._handle)

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        reply = self._answer(request, len(self.seen))
        if isinstance(reply, Exception):
            raise reply
        return reply

    def client(self, **options: Unpack[Options]) -> Client:
        if not options.keys() & {"key", "org_id", "oauth", "signing"}:
            options["key"] = "tk_test_secret"
        options.setdefault("clock", self.time)
        return Client("https://api.example.com", http=httpx.Client(transport=self.transport), **options)

    def without_waiting(self) -> "mock._patch[Any]":
        return mock.patch("time.sleep", self.time.wait)

    def headers(self, name: str) -> list[str | None]:
        return [request.headers.get(name) for request in self.seen]


def reply(value: Any, status: int = 200, **headers: str) -> httpx.Response:
    return httpx.Response(status, json=value, headers={name.replace("_", "-"): text for name, text in headers.items()})


def data(value: Any, status: int = 200) -> httpx.Response:
    return reply({"data": value}, status)


def failure(code: str, status: int, **headers: str) -> httpx.Response:
    error = {"code": code, "message": "why", "details": [], "request_id": "request-1"}
    return reply({"error": error}, status, **headers)


def body(request: httpx.Request) -> Any:
    return json.loads(request.content)
