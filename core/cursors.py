"""Cursors of lists that are ordered by id: opaque, signed, and good for one kind of list."""

from django.core import signing

from core.errors import InvalidInput

_MAX_CHARS = 200


def written(list_name: str, before_id: int | None) -> str | None:
    """The cursor of the page below this id; None after the last page."""
    return None if before_id is None else signing.dumps(before_id, salt=f"cursor.{list_name}")


def read(list_name: str, cursor: str | None) -> int | None:
    """InvalidInput for anything that `written` did not make for this list."""
    if cursor is None:
        return None
    try:
        if len(cursor) > _MAX_CHARS:
            raise signing.BadSignature
        return int(signing.loads(cursor, salt=f"cursor.{list_name}"))
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise InvalidInput("cursor is not one that this list gave out.", field="cursor") from error
