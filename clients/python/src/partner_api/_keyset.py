"""The keys with which the service signs events, fetched when they are needed and kept as long as it says."""

import base64
import json
import re
from collections.abc import Callable

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ._clock import Clock
from ._errors import ConnectionFailed, EventNotTrusted
from ._flow import Answer, Flow, Send

# An unknown key makes us ask again, but not more often than this (seconds): anybody can name one.
ASK_AGAIN = 30
DEFAULT_AGE = 3600
MOST_BYTES = 1 << 20


class KeySet:
    def __init__(self, clock: Clock, make: Callable[[], httpx.Request], timeout: float) -> None:
        self._clock, self._make, self._timeout = clock, make, timeout
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._fetched_at = self._good_until = float("-inf")

    def key(self, kid: str) -> Flow[Ed25519PublicKey]:
        """Raises EventNotTrusted if there is no such key, and ConnectionFailed if that cannot be known."""
        now = self._clock.now()
        if now >= self._good_until or (kid not in self._keys and now >= self._fetched_at + ASK_AGAIN):
            yield from self._refresh()
        if kid not in self._keys:
            raise EventNotTrusted("the message is signed by a key that the service does not have")
        return self._keys[kid]

    def _refresh(self) -> Flow[None]:
        answer: Answer = yield Send(self._make(), self._timeout)
        try:
            if answer.status != 200 or len(answer.body) > MOST_BYTES:
                raise ValueError(f"status {answer.status}")
            self._keys = {
                key["kid"]: Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(key["x"] + "=="))
                for key in json.loads(answer.body)["keys"]
                if (key["kty"], key["crv"]) == ("OKP", "Ed25519")
            }
        except (ValueError, KeyError, TypeError) as error:
            raise ConnectionFailed("the service's keys could not be fetched") from error
        age = re.search(r"(?:^|[\s,])max-age=(\d+)", str(answer.headers.get("cache-control", "")))
        self._fetched_at = self._clock.now()
        self._good_until = self._fetched_at + (int(age[1]) if age else DEFAULT_AGE)
