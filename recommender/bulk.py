"""Many items at once: NDJSON read line by line, each line stored or refused by itself and answered for."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import IO, Any, cast

from django.conf import settings

from core.errors import InvalidInput, TooLarge
from recommender.item_content import Content, checked_content, checked_external_id
from recommender.items import put_items
from recommender.models import Site

REFUSED = "refused"
#: The longest text that is allowed, with every sign written as an escape, and room for the rest.
_LINE_MAX_BYTES = 2_000_000
_READ_BYTES = 1 << 16
#: Larger bodies wait on the disk.
_IN_MEMORY_BYTES = 1 << 20
#: Lines stored in one transaction.
_TOGETHER = 200


@dataclass
class Line:
    """What became of one line, counted from 1: created, changed, unchanged or refused, and then the field and why."""

    line: int
    external_id: str = ""
    status: str = ""
    field: str = ""
    error: str = ""
    note: str = ""


def received(body: IO[bytes], size_bytes: int | None) -> IO[bytes]:
    """A whole body, kept in a file until it is read. size_bytes: as its sender announced; None: it comes in chunks.

    TooLarge as soon as it is known to be: before the first byte where the size was announced. It is taken in whole
    before anything is answered, for who sends need not listen yet, and would block where the report filled its line.
    """
    if size_bytes is not None and size_bytes > settings.ITEMS_MAX_BYTES:
        raise _too_large(f"{size_bytes:,}")
    if size_bytes == 0:
        raise InvalidInput(
            "Send one JSON object for each item, a line each, with Content-Length or in chunks."
        )
    kept = SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115 - closed by who reads it
    try:
        while chunk := body.read(_READ_BYTES):
            kept.write(chunk)
            if kept.tell() > settings.ITEMS_MAX_BYTES:
                raise _too_large(f"more than {settings.ITEMS_MAX_BYTES:,}")
    except BaseException:
        kept.close()
        raise
    kept.seek(0)
    return cast(IO[bytes], kept)


def put_lines(site: Site, body: IO[bytes]) -> Iterator[Line]:
    """Stores as it is iterated, and tells each line once it is stored or refused. Closes the body.

    Each line is an object with `external_id` and the fields of an item. Empty lines are passed over.
    """
    seen: dict[str, int] = {}
    together: list[tuple[Line, Content | None]] = []
    with body:
        for count, (number, raw) in enumerate(_lines(body), start=1):
            line = Line(number)
            if count > settings.ITEMS_MAX_LINES:
                yield from _stored(site, together)
                yield _one_too_many(line)
                return
            together.append((line, _checked(line, raw, seen)))
            if len(together) >= _TOGETHER:
                yield from _stored(site, together)
                together = []
        yield from _stored(site, together)


def _too_large(has: str) -> TooLarge:
    most = settings.ITEMS_MAX_BYTES
    return TooLarge(f"The body has {has} bytes; at most {most:,} are read. Send it in parts.")


def _one_too_many(line: Line) -> Line:
    line.status = REFUSED
    line.error = (
        f"Only {settings.ITEMS_MAX_LINES:,} lines are read at once; send this line and all after it again."
    )
    return line


def _stored(site: Site, together: Sequence[tuple[Line, Content | None]]) -> Iterator[Line]:
    """These lines in order, after those with a content were stored in one transaction."""
    outcomes = put_items(site, {line.external_id: one for line, one in together if one is not None})
    for line, content in together:
        if content is not None:
            line.status, line.note = outcomes[line.external_id], content.note()
        yield line


def _checked(line: Line, raw: bytes | None, seen: dict[str, int]) -> Content | None:
    """The content of a line, or None where it is refused, which the line then says."""
    try:
        given = _object(raw)
        line.external_id = checked_external_id(given.pop("external_id", None))
        if (before := seen.get(line.external_id)) is not None:
            raise InvalidInput(
                f"{line.external_id!r} was given on line {before} already, which stands.", field="external_id"
            )
        content = checked_content(given)
    except InvalidInput as error:
        line.status, line.field, line.error = REFUSED, error.field or "", str(error)
        return None
    seen[line.external_id] = line.line
    return content


def _object(raw: bytes | None) -> dict[str, Any]:
    if raw is None:
        raise TooLarge(f"The line is longer than {_LINE_MAX_BYTES:,} bytes.")
    try:
        given = json.loads(raw, parse_constant=_no_constant)
    except RecursionError as error:
        raise InvalidInput("The line is nested too deeply.") from error
    except ValueError as error:
        raise InvalidInput(f"The line is not JSON: {error}.") from error
    if not isinstance(given, dict):
        raise InvalidInput("The line is not a JSON object.")
    return given


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _lines(body: IO[bytes]) -> Iterator[tuple[int, bytes | None]]:
    """Number and bytes of each line that is not empty; None instead of the bytes of one that is too long."""
    number, so_far, too_long = 1, bytearray(), False
    while chunk := body.read(_READ_BYTES):
        *whole, rest = chunk.split(b"\n")
        for part in whole:
            so_far += part
            if too_long or len(so_far) > _LINE_MAX_BYTES:
                yield number, None
            elif so_far.strip():
                yield number, bytes(so_far)
            number, too_long = number + 1, False
            so_far.clear()
        so_far += rest
        if len(so_far) > _LINE_MAX_BYTES:
            too_long = True
            so_far.clear()
    if too_long or so_far.strip():
        yield number, None if too_long else bytes(so_far)
