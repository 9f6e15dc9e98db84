"""Many items at once: NDJSON read line by line, each line stored or refused by itself and answered for."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from django.conf import settings

from core.errors import InvalidInput, TooLarge
from recommender.item_content import Content, checked_content, checked_external_id
from recommender.items import put_items
from recommender.models import Site

REFUSED = "refused"
#: The longest text that is allowed, with every sign written as an escape, and room for the rest.
_LINE_MAX_BYTES = 2_000_000
_READ_BYTES = 1 << 16
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


def put_lines(site: Site, body: IO[bytes], size_bytes: int) -> list[Line]:
    """Reads a body of so many bytes; TooLarge before the first of them where they are too many.

    Each line is an object with `external_id` and the fields of an item. Empty lines are passed over.
    """
    if size_bytes > settings.ITEMS_MAX_BYTES:
        raise TooLarge(
            f"The body has {size_bytes:,} bytes; at most {settings.ITEMS_MAX_BYTES:,} are read. Send it in parts."
        )
    if size_bytes <= 0:
        raise InvalidInput("Send one JSON object for each item, a line each, and the header Content-Length.")
    report: list[Line] = []
    seen: dict[str, int] = {}
    together: dict[str, tuple[Line, Content]] = {}
    for number, raw in _lines(body):
        line = Line(number)
        report.append(line)
        if len(report) > settings.ITEMS_MAX_LINES:
            line.status, line.error = (
                REFUSED,
                (
                    f"Only {settings.ITEMS_MAX_LINES:,} lines are read at once; send this line and all after it again."
                ),
            )
            break
        content = _checked(line, raw, seen)
        if content is not None:
            together[line.external_id] = (line, content)
        if len(together) >= _TOGETHER:
            _store(site, together)
    _store(site, together)
    return report


def _store(site: Site, together: dict[str, tuple[Line, Content]]) -> None:
    outcomes = put_items(site, {external_id: content for external_id, (_, content) in together.items()})
    for external_id, (line, content) in together.items():
        line.status, line.note = outcomes[external_id], content.note()
    together.clear()


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
