"""What goes wrong. Every code of the service's has a class of its own, such as `NotFound`; catch those."""

from ._codes import *  # noqa: F403
from ._errors import ApiError as ApiError
from ._errors import ConnectionFailed as ConnectionFailed
from ._errors import Detail as Detail
from ._errors import EventNotTrusted as EventNotTrusted
from ._errors import PartnerApiError as PartnerApiError
from ._errors import Problem as Problem
from ._errors import ResponseNotTrusted as ResponseNotTrusted
from ._errors import RotationFailed as RotationFailed
from ._errors import TimedOut as TimedOut
from ._errors import TokenRefused as TokenRefused
from ._errors import UnexpectedResponse as UnexpectedResponse
from ._errors import ValidationFailed as ValidationFailed
