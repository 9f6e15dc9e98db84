"""Where a page ended, signed, so that nobody can ask for places that were never given out."""

import hashlib

from django.core import signing

from core.errors import InvalidInput
from search.paging import Place

_SALT = "search.cursor"
_MAX_CHARS = 300


def written(place: Place, question: str) -> str:
    """An opaque cursor for the page after this place, good for this question only."""
    content = [place.depth, place.tier, place.score, place.asset_id, _digest(question), *(place.head or ())]
    return signing.dumps(content, salt=_SALT)


def read(cursor: str | None, question: str) -> Place | None:
    """The place of a cursor that `written` made; InvalidInput for anything else."""
    if not cursor:
        return None
    try:
        if len(cursor) > _MAX_CHARS:
            raise signing.BadSignature
        depth, tier, score, asset_id, digest, *head = signing.loads(cursor, salt=_SALT)
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise InvalidInput("This cursor is not one that was given out.", field="cursor") from error
    if digest != _digest(question):
        raise InvalidInput("This cursor belongs to another search.", field="cursor")
    return Place(depth, tier, score, asset_id, (head[0], head[1]) if head else None)


def _digest(question: str) -> str:
    return hashlib.blake2b(question.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
