"""Rotation in two phases: prepare, let the user deploy and prove, confirm; or give up."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from . import api, models
from ._core import Core
from ._errors import ApiError, PartnerApiError, RotationFailed
from ._flow import Flow, Invoke


@dataclass(frozen=True)
class NewKey:
    """A tenant key that works already, and waits to be confirmed."""

    key: SecretStr
    key_id: UUID
    confirm_by: datetime | None


@dataclass(frozen=True)
class NewSecret:
    """A signing secret that signs already beside the old one, and waits to be confirmed."""

    secret: SecretStr
    secret_id: UUID
    confirm_by: datetime | None


@dataclass(frozen=True)
class RotatedSecret:
    secret_id: UUID
    previous_secret_expires_at: datetime | None


@dataclass(frozen=True)
class Steps:
    """What the steps of both rotations need to know."""

    id: UUID
    deploy_and_prove: Callable[[], Flow[None]]
    confirm: Callable[[str], Flow[None]]
    # Whether it has been confirmed, although that reply was lost.
    is_confirmed: Callable[[], Flow[bool]]
    abandon: Callable[[], Flow[None]]
    # Whether the service refuses to abandon what has been confirmed, so that trying to is no risk.
    is_guarded: bool


def rotate_tenant_key(
    core: Core, client_of: Callable[[Core], Any], deploy: Callable[[NewKey], Any], prove: Callable[[Any], Any] | None,
    body: models.RotateTenantKey,
) -> Flow[models.ConfirmedRotation]:
    made = yield from core.send(api.rotate_tenant_key(body))
    key = _shown(made.new_tenant_api_key)
    successor = core.with_key(key)
    confirmed: list[models.ConfirmedRotation] = []

    def deploy_and_prove() -> Flow[None]:
        yield Invoke(deploy, (NewKey(key, made.key_id, made.confirmation_expires_at),))
        yield from _answers(successor)
        if prove is not None:
            yield Invoke(prove, (client_of(successor),))

    def confirm(idempotency_key: str) -> Flow[None]:
        confirmed.append((yield from successor.send(api.confirm_tenant_key_rotation(made.key_id), idempotency_key)))

    def is_confirmed() -> Flow[bool]:
        rotation = (yield from core.send(api.get_tenant_key(made.key_id))).rotation
        return rotation is not None and rotation.state != "pending"

    def abandon() -> Flow[None]:
        yield from core.send(api.revoke_tenant_key(made.key_id))

    # The old key is superseded by then, and a key does not revoke itself; other credentials could.
    is_guarded = body.key_id is None and core.has_key
    yield from _in_two_phases(Steps(made.key_id, deploy_and_prove, confirm, is_confirmed, abandon, is_guarded))
    if body.key_id is None:
        core.use_key(key)
    if confirmed:
        return confirmed[0]
    rotation = (yield from core.send(api.get_tenant_key(made.key_id))).rotation
    if rotation is None or rotation.ends_at is None:
        raise PartnerApiError("the rotation was confirmed, and its end is not known")
    return models.ConfirmedRotation(
        key_id=made.key_id, previous_key_id=made.previous_key_id, previous_key_expires_at=rotation.ends_at)


def rotate_signing_secret(
    core: Core, client_of: Callable[[Core], Any], deploy: Callable[[NewSecret], Any], prove: Callable[[Any], Any] | None,
    body: models.RotateSigningSecret,
) -> Flow[RotatedSecret]:
    made = yield from core.send(api.rotate_signing_secret(body))
    secret = _shown(made.new_signing_secret)
    ends = [made.previous_secret_expires_at]

    def deploy_and_prove() -> Flow[None]:
        yield Invoke(deploy, (NewSecret(secret, made.secret_id, made.confirmation_expires_at),))
        if prove is not None:
            yield Invoke(prove, (client_of(core),))

    def confirm(idempotency_key: str) -> Flow[None]:
        # The first one of an organisation has nothing to wait for.
        if made.confirmation_expires_at is not None:
            done = yield from core.send(api.confirm_signing_secret_rotation(made.secret_id), idempotency_key)
            ends.append(done.previous_secret_expires_at)

    def is_confirmed() -> Flow[bool]:
        secrets = yield from core.send(api.get_signing_secret())
        ends.extend(each.expires_at for each in secrets.previous[:1])
        return secrets.current.id == made.secret_id

    def abandon() -> Flow[None]:
        yield from core.send(api.revoke_signing_secret(made.secret_id))

    yield from _in_two_phases(Steps(made.secret_id, deploy_and_prove, confirm, is_confirmed, abandon, is_guarded=True))
    return RotatedSecret(made.secret_id, ends[-1])


def _in_two_phases(steps: Steps) -> Flow[None]:
    try:
        yield from steps.deploy_and_prove()
    except GeneratorExit:
        raise
    except BaseException as error:
        failure = yield from _given_up(steps)
        if not isinstance(error, Exception):
            raise  # an interrupt, or the end of a task
        raise failure from error
    try:
        yield from steps.confirm(str(uuid.uuid4()))
    except Exception as error:
        # The reply may have been lost on its way: what was confirmed must not be ended.
        is_refused = isinstance(error, ApiError) and error.status < 500 and error.status != 429 and not error.broke_off
        if not is_refused and (yield from _is_known_to_be_confirmed(steps, error)):
            return
        # One that is still on its way may come to be confirmed after all.
        raise ((yield from _given_up(steps)) if is_refused or steps.is_guarded else _left_pending(steps)) from error


def _is_known_to_be_confirmed(steps: Steps, error: Exception) -> Flow[bool]:
    try:
        return (yield from steps.is_confirmed())
    except Exception:
        raise _left_pending(steps) from error


def _left_pending(steps: Steps) -> RotationFailed:
    return RotationFailed("nobody knows whether the rotation was confirmed", "pending", str(steps.id))


def _given_up(steps: Steps) -> Flow[RotationFailed]:
    try:
        yield from steps.abandon()
    except Exception:
        return RotationFailed("the rotation failed, and waits to end by itself", "pending", str(steps.id))
    return RotationFailed("the rotation was given up, and all is as before", "abandoned", str(steps.id))


def _answers(successor: Core) -> Flow[None]:
    """Whether the service takes the new key: it may lack every scope."""
    try:
        yield from successor.send(api.list_features())
    except ApiError as error:
        if error.code != "insufficient_scope":
            raise


def _shown(secret: SecretStr | None) -> SecretStr:
    if secret is None:
        raise PartnerApiError("the reply shows no secret")
    return secret
