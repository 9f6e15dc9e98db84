"""Dates as people write them in a query: a year, a month or a day, each standing for its first moment, in UTC."""

import re
from datetime import UTC, datetime

_DATE = re.compile(r"(\d{4})(?:[-/.](\d{1,2})(?:[-/.](\d{1,2}))?)?", re.ASCII)


def normal_date(text: str) -> str:
    """`2024`, `2024-05` or `2024-05-01`; ValueError for what is no date of the calendar."""
    found = _DATE.fullmatch(text)
    if found is None:
        raise ValueError("write a date as 2024, 2024-05 or 2024-05-01")
    parts = [int(part) for part in found.groups() if part is not None]
    year, month, day = (*parts, 1, 1)[:3]
    try:
        datetime(year, month, day, tzinfo=UTC)
    except ValueError as error:
        raise ValueError("there is no such day in the calendar") from error
    return "-".join([f"{parts[0]:04}", *(f"{part:02}" for part in parts[1:])])


def beginning_of(date: str) -> datetime:
    """The first moment of what `normal_date` gave."""
    year, month, day = (*map(int, date.split("-")), 1, 1)[:3]
    return datetime(year, month, day, tzinfo=UTC)
