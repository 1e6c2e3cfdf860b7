"""A call of an operation, as a value: made by the functions of `partner_api.api`, sent by a client."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

T = TypeVar("T")
Page = TypeVar("Page")
Item = TypeVar("Item")


@dataclass(frozen=True)
class Call(Generic[T]):
    """What to send, and how to read the reply."""

    method: str
    path: str
    read: Callable[[bytes], T] = field(repr=False)
    path_parameters: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    body: BaseModel | Sequence[BaseModel] | None = field(default=None, repr=False)
    content: bytes | None = field(default=None, repr=False)
    content_type: str = "application/json"
    # Whether it may be sent again when nobody knows if it arrived.
    is_repeatable: bool = True


@dataclass(frozen=True)
class Listing(Call[Page], Generic[Page, Item]):
    """A call of a list: `each` of a client goes through all of its pages."""

    items: Callable[[Page], Sequence[Item]] = field(kw_only=True, repr=False)
    following: Callable[[Page], str | None] = field(kw_only=True, repr=False)
    # The parameter that says where a page starts, and its value for the first one.
    cursor: str = field(default="cursor", kw_only=True)
    start: str | None = field(default="", kw_only=True)

    def at(self, cursor: str | None) -> "Listing[Page, Item]":
        return replace(self, query={**self.query, self.cursor: cursor})


def nothing(_: bytes) -> None:
    """Reads a reply without a body."""
