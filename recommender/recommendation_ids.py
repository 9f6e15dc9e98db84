"""The id of an answer: later interactions name it, to say what they came from. Signed, so none has to be stored.

A list may be served from caches, so several visitors may hold the same id.
"""

import json
import math
import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from django.core import signing

from core.errors import InvalidInput
from recommender.models import Interaction

_SALT = "recommendation"
#: Names are as long as interactions keep them, and no character takes more in JSON than a control character.
_columns: Any = Interaction._meta
_NAMES_MAX_BYTES = 6 * sum(_columns.get_field(name).max_length for name in ("scenario", "arm"))
#: Numbers, the other words, quotes and commas.
_OTHERS_MAX_BYTES = 128
_SIGNATURE_MAX_CHARS = 64
_MAX_CHARS = 4 * math.ceil((_NAMES_MAX_BYTES + _OTHERS_MAX_BYTES) / 3) + _SIGNATURE_MAX_CHARS


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


class _Json:
    """With letters as they are: Django's own would write six bytes for a Chinese one."""

    def dumps(self, values: Sequence[Any]) -> bytes:
        return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()

    def loads(self, data: bytes) -> Any:
        return json.loads(data)


def written(recommendation: Recommendation) -> str:
    """An opaque id."""
    return signing.dumps(list(asdict(recommendation).values()), salt=_SALT, serializer=_Json)


def read(text: str) -> Recommendation:
    """InvalidInput for anything that `written` did not make."""
    try:
        if len(text) > _MAX_CHARS:
            raise signing.BadSignature
        return Recommendation(*signing.loads(text, salt=_SALT, serializer=_Json))
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise InvalidInput(
            "recommendation is not the id of an answer of this service.", field="recommendation"
        ) from error
