"""What every door asks of what a request names."""

import unicodedata

from django.http import HttpRequest
from ninja import Schema

from core.errors import InvalidInput

_NAME_MAX_CHARS = 40


def has_control(text: str) -> bool:
    """Control characters, and halves of characters that no database takes."""
    return any(unicodedata.category(sign) in {"Cc", "Cs"} for sign in text)


def refuse_unknown(request: HttpRequest, asked: type[Schema] | None = None) -> None:
    """A filter that is misspelt must not be taken for no filter. asked: None where an address takes no parameters."""
    known = asked.model_fields if asked is not None else {}
    for name in request.GET:
        if name not in known:
            shown = name[:_NAME_MAX_CHARS]
            there_are = f"there are {', '.join(sorted(known))}" if known else "there are none"
            raise InvalidInput(f"There is no parameter {shown!r} here; {there_are}.", field=shown)
