"""Moments that people name in requests."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator


def in_utc(at: datetime) -> datetime:
    """The same moment in UTC, which one without a time zone is taken for; ValueError beyond the calendar."""
    try:
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("this moment lies beyond the calendar") from error


#: Of a schema's field: any moment, in UTC once it is read.
Moment = Annotated[datetime, AfterValidator(in_utc)]
