"""Reads answers that are errors, in any of the service's shapes."""

import email.utils
import json
from collections.abc import Mapping
from typing import Any

from ._codes import BY_CODE
from ._errors import ApiError, Detail, Problem, TokenRefused, UnexpectedResponse, ValidationFailed


def error_of(status: int, headers: Mapping[str, str], body: bytes, now: float) -> ApiError:
    """The error that an answer is."""
    retry_after = seconds(headers.get("retry-after"), now)
    request_id = headers.get("x-request-id")
    match _parsed(body):
        case {"error": {"code": str(code), "message": str(message), "details": list(details), "request_id": str(given)}}:
            named = [Detail(str(each["field"]), str(each["code"]), str(each["message"])) for each in details]
            return BY_CODE.get(code, ApiError)(
                status, code, message, details=named, request_id=given, retry_after=retry_after)
        case {"error": str(code), **rest}:
            return TokenRefused(status, code, str(rest.get("error_description", "")), request_id=request_id,
                                retry_after=retry_after)
        case {"Error": {"Code": str(code), "Message": str(message), "ExtraData": dict(extra)}, "TraceId": str(given)}:
            named = [Detail(str(name), code, str(why)) for name, why in extra.items()]
            return BY_CODE.get(code, ApiError)(
                status, code, message, details=named, request_id=given, retry_after=retry_after)
        case {"detail": list(detail)}:
            problems = [Problem(tuple(each["loc"]), str(each["msg"]), str(each["type"])) for each in detail]
            said = "; ".join(f"{'.'.join(map(str, each.loc))} {each.msg}" for each in problems)
            return ValidationFailed(status, "validation", said, problems=problems, request_id=request_id)
    return UnexpectedResponse(status, "unexpected_response", "the answer has none of the service's shapes",
                              request_id=request_id, retry_after=retry_after)


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def seconds(value: str | None, now: float) -> float | None:
    """Of `Retry-After`, which is seconds or an HTTP date (RFC 9110, 10.2.3)."""
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now)
    except ValueError:
        return None
