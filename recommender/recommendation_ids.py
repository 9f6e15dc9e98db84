"""The id of an answer: later interactions name it, to say what they came from. Signed, so none has to be stored.

A list may be served from caches, so several visitors may hold the same id.
"""

import secrets
import time
from dataclasses import asdict, dataclass, field

from django.core import signing

from core.errors import InvalidInput

_SALT = "recommendation"
_MAX_CHARS = 600


@dataclass(frozen=True)
class Recommendation:
    """What an answer was. site: its primary key, 0 for the gallery itself. scenario: the caller's name for the place
    on the page. made_by: which function of the service, such as `related`. arm: variant of an experiment, or empty.
    about: what it was for, such as `item:17` or `asset:3`, or empty."""

    site: int
    made_by: str
    scenario: str = ""
    about: str = ""
    arm: str = ""
    made_at_s: int = field(default_factory=lambda: int(time.time()))
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(6))


def written(recommendation: Recommendation) -> str:
    """An opaque id."""
    return signing.dumps(list(asdict(recommendation).values()), salt=_SALT)


def read(text: str) -> Recommendation:
    """InvalidInput for anything that `written` did not make."""
    try:
        if len(text) > _MAX_CHARS:
            raise signing.BadSignature
        return Recommendation(*signing.loads(text, salt=_SALT))
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise InvalidInput(
            "recommendation is not the id of an answer of this service.", field="recommendation"
        ) from error
