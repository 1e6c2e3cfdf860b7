"""What both clients are made of: everything but the waiting."""

import json
import re
import urllib.parse
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, SecretStr, ValidationError

from ._clock import Clock
from ._credentials import Credentials, Fixed, KeySource, Oauth, OauthToken, TenantKey
from ._errors import ApiError, UnexpectedResponse
from ._flow import Flow
from ._keys import PrivateKey
from ._keyset import KeySet
from ._options import Options
from ._responses import ResponseVerifier
from ._retry import Retry
from ._transport import Transport
from ._version import VERSION
from .calls import Call
from .events import Event, Message, event_in, insist_on_key, insist_on_secret, read_message

T = TypeVar("T")
TOKEN_PATH = "/v1/oauth/token"
LOOPBACK = re.compile(r"localhost|127(\.\d+){3}|::1")


class Core:
    """One organisation's credentials, and what is said to the service with them."""

    def __init__(self, base_url: str, options: Options) -> None:
        key = options.get("key")
        options = {**options, "key": SecretStr(key) if isinstance(key, str) else key}
        self._given = base_url, options
        self.base = base_of(base_url, options.get("allow_http", False))
        self.timeout = options.get("timeout", 15.0)
        self.clock = options.get("clock") or Clock()
        own = f"partner-api-python/{VERSION} (httpx {httpx.__version__})"
        before = options.get("user_agent")
        self.user_agent = f"{before} {own}" if before else own
        self.credentials = self._credentials_of(options)
        keys = options.get("response_keys")
        verifier = None if keys is None else ResponseVerifier(keys)
        self.transport = Transport(self.clock, options.get("retry") or Retry(), options.get("signing"), verifier)
        self.event_keys = KeySet(
            self.clock, lambda: self._request("GET", self.base + "/.well-known/webhook-keys.json", {}), self.timeout)

    def with_key(self, key: KeySource) -> "Core":
        """The same service and options with another tenant key."""
        base_url, options = self._given
        return Core(base_url, {**options, "key": key, "org_id": None, "oauth": None})

    def use_key(self, key: KeySource) -> bool:
        if not self.has_fixed_key:
            return False
        self.credentials = TenantKey(key)
        return True

    @property
    def has_key(self) -> bool:
        return isinstance(self.credentials, TenantKey)

    @property
    def has_fixed_key(self) -> bool:
        return isinstance(self.credentials, TenantKey) and self.credentials.is_fixed

    def send(self, call: Call[T], idempotency_key: str | None = None, timeout: float | None = None) -> Flow[T]:
        headers = {"accept": "application/json"}
        content = call.content
        if call.body is not None:
            content = encoded(call.body)
        if content is not None:
            headers["content-type"] = call.content_type
        if call.method == "POST":
            headers["idempotency-key"] = idempotency_key or str(uuid.uuid4())
        url = self.base + filled(call.path, call.path_parameters, call.query)
        try:
            answer = yield from self.transport.send(
                self.credentials, lambda: self._request(call.method, url, headers, content),
                timeout or self.timeout, is_repeatable=call.is_repeatable)
        except ApiError as error:
            # The reply of a try before this one was lost, and it had been carried out.
            if call.method == "DELETE" and error.code == "not_found" and error.broke_off:
                return call.read(b"")
            raise
        try:
            return call.read(answer.body)
        except ValidationError as error:
            raise UnexpectedResponse(
                answer.status, "unexpected_response", "the answer has not the shape that this version knows",
                request_id=answer.headers.get("x-request-id")) from error

    def verify_event(
        self, message: Message, org_id: str, tolerance: float, private_key: PrivateKey | None
    ) -> Flow[Event]:
        """With the service's keys, which sign for every organisation."""
        signed = read_message(message)
        insist_on_key(signed, (yield from self.event_keys.key(signed.key_id)))
        return event_in(signed, org_id, tolerance, private_key, self.clock)

    def verify_with(
        self, message: Message, secrets: str | SecretStr | Sequence[str | SecretStr] | None, org_id: str | None,
        tolerance: float, private_key: PrivateKey | None,
    ) -> Flow[Event]:
        """With secrets, or without them with the service's keys."""
        if secrets is None:
            if org_id is None:
                raise TypeError("the service's keys sign for every organisation: verifying with them takes org_id")
            return (yield from self.verify_event(message, org_id, tolerance, private_key))
        signed = read_message(message)
        insist_on_secret(signed, secrets)
        return event_in(signed, org_id, tolerance, private_key, self.clock)

    def _request(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None = None) -> httpx.Request:
        return httpx.Request(method, url, headers={"user-agent": self.user_agent, **headers}, content=content)

    def _credentials_of(self, options: Options) -> Credentials:
        key, org_id, oauth, signing = (
            options.get("key"), options.get("org_id"), options.get("oauth"), options.get("signing"))
        given = sum(each is not None for each in (key, org_id, oauth))
        if given > 1:
            raise TypeError("give one of key, org_id and oauth: the service refuses two")
        if given == 0 and signing is None:
            raise TypeError("give one of key, org_id, oauth and signing")
        if oauth is not None and signing is not None:
            raise TypeError("a token goes beside no signature: give oauth or signing")
        if key is not None:
            return TenantKey(key)
        if org_id is not None:
            return Fixed(OrgId=org_id)
        return OauthToken(self.clock, lambda: self._token(oauth)) if oauth is not None else Fixed()

    def _token(self, oauth: Oauth) -> Flow[dict[str, Any]]:
        url = self.base + TOKEN_PATH
        headers = {"content-type": "application/x-www-form-urlencoded"}
        answer = yield from self.transport.send(
            Fixed(), lambda: self._request("POST", url, headers, oauth.form(url, self.clock.now())), self.timeout)
        reply: dict[str, Any] = json.loads(answer.body)
        return reply


def base_of(address: str, allow_http: bool) -> str:
    """The service's address without a slash at its end. Raises a ValueError for http to another machine."""
    url = httpx.URL(address)
    if url.scheme != "https" and not (url.scheme == "http" and (allow_http or LOOPBACK.fullmatch(url.host))):
        raise ValueError("base_url must be https: the key would be there for all to read")
    if url.userinfo or url.query or url.fragment:
        raise ValueError("base_url is more than an address")
    return str(url).rstrip("/")


def filled(path: str, parameters: Mapping[str, Any], query: Mapping[str, Any]) -> str:
    for name, value in parameters.items():
        # Of these a path would be made another one.
        if value in ("", ".", ".."):
            raise ValueError(f"the path takes {name}")
        path = path.replace("{" + name + "}", urllib.parse.quote(str(value), safe=""))
    given = {name: str(value).lower() if isinstance(value, bool) else _plain(value)
             for name, value in query.items() if value is not None}
    return f"{path}?{urllib.parse.urlencode(given)}" if given else path


def encoded(body: BaseModel | Sequence[BaseModel]) -> bytes:
    """What was set of a body, as JSON; secrets are revealed here and nowhere else."""
    many = not isinstance(body, BaseModel)
    value = [_set(each) for each in body] if many else _set(body)  # type: ignore[arg-type]
    return json.dumps(value, default=_plain, separators=(",", ":")).encode()


def lines(bodies: Sequence[BaseModel]) -> bytes:
    return b"\n".join(encoded(each) for each in bodies)


def _set(body: BaseModel) -> Any:
    return body.model_dump(by_alias=True, exclude_unset=True)


def _plain(value: Any) -> Any:
    match value:
        case SecretStr():
            return value.get_secret_value()
        case datetime():
            if value.tzinfo is None:
                raise ValueError("an instant needs a time zone")
            return value.isoformat()
        case bool() | int() | str():
            return value
    return str(value)
