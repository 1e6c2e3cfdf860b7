"""What a client is made with, and what both have in common."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict
from uuid import UUID

from pydantic import SecretStr

from . import models
from ._clock import Clock
from ._credentials import KeySource, Oauth
from ._retry import Retry
from .signing import Signing

Secrets = str | SecretStr | Sequence[str | SecretStr]


class Options(TypedDict, total=False):
    """Whose calls they are: one of `key`, `org_id` and `oauth`, or `signing`, which also goes beside the first two."""

    # A tenant API key, or a function that gets it; of an AsyncClient it may be async.
    key: KeySource | None
    # In local development, without a gateway: your organisation's id in place of a key.
    org_id: str | None
    # Tokens by a registered key, in place of a tenant key.
    oauth: Oauth | None
    # Signs every request.
    signing: Signing | None
    # Asks for signed responses, and takes no others: public halves of the service's pairs, by `UniqueId`, in PEM.
    response_keys: Mapping[str, str] | None
    # Of each try, in seconds: 15.
    timeout: float
    # How to try again.
    retry: Retry
    # Put before this package's own name in `user-agent`, such as `acme-billing/2.1`.
    user_agent: str | None
    # Allows http to other machines. The key is then there for all to read.
    allow_http: bool
    # For tests.
    clock: Clock


def key_rotation(key_id: UUID | str | None, grace: int | None, within: int | None) -> models.RotateTenantKey:
    return models.RotateTenantKey.model_validate(
        {"activation": "on_confirm", **_given(key_id=key_id, grace_period_seconds=grace, confirm_within_seconds=within)})


def secret_rotation(grace: int | None, within: int | None) -> models.RotateSigningSecret:
    return models.RotateSigningSecret.model_validate(
        {"activation": "on_confirm", **_given(grace_period_seconds=grace, confirm_within_seconds=within)})


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
