"""Client of partner-api: users, keys that rotate without downtime, signed events. Sync and async."""

from . import api, errors, models
from ._credentials import Oauth
from ._poll import PolledMessage
from ._retry import Retry
from ._rotation import NewKey, NewSecret, RotatedSecret
from ._version import VERSION as __version__
from .aio import AsyncClient
from .client import Client
from .events import Event, OtherEvent, VerifiedMessage, Webhook, verify_event, verify_message
from .jwe import decrypt_jwe
from .signing import Signing

__all__ = [
    "AsyncClient", "Client", "Event", "NewKey", "NewSecret", "Oauth", "OtherEvent", "PolledMessage", "Retry",
    "RotatedSecret", "Signing", "VerifiedMessage", "Webhook", "__version__", "api", "decrypt_jwe", "errors", "models",
    "verify_event", "verify_message",
]
