"""What doors ask of the names in a request."""

from django.http import HttpRequest
from ninja import Schema

from core.errors import InvalidInput

_NAME_MAX_CHARS = 40


def refuse_unknown(request: HttpRequest, asked: type[Schema] | None = None) -> None:
    """A filter that is misspelt must not be taken for no filter. asked: None where an address takes no parameters."""
    known = asked.model_fields if asked is not None else {}
    for name in request.GET:
        if name not in known:
            shown = name[:_NAME_MAX_CHARS]
            there_are = f"there are {', '.join(sorted(known))}" if known else "there are none"
            raise InvalidInput(f"There is no parameter {shown!r} here; {there_are}.", field=shown)
