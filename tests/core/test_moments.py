"""Moments of any time zone, or of none, are one moment in UTC."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from core.moments import in_utc

EIGHT = datetime(2026, 5, 1, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    "moment",
    [EIGHT, EIGHT.replace(tzinfo=None), EIGHT.astimezone(timezone(timedelta(hours=14)))],
    ids=["UTC", "none", "the first to see a day"],
)
def test_the_same_moment_in_utc(moment: datetime) -> None:
    assert in_utc(moment) == EIGHT
    assert in_utc(moment).tzinfo is UTC


@pytest.mark.parametrize(
    "moment",
    [
        datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-14))),
    ],
    ids=["first", "last"],
)
def test_beyond_the_calendar_it_is_refused(moment: datetime) -> None:
    with pytest.raises(ValueError, match="beyond the calendar"):
        in_utc(moment)
