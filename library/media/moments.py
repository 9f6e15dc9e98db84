"""When a photo can have been taken: what files say of it comes from strangers and from clocks never set."""

from datetime import UTC, datetime

#: Of the oldest photograph there is.
_FIRST_YEAR = 1826


def is_believable(moment: datetime) -> bool:
    """Not before there were photographs, nor later than next year, wherever the clock stood.

    So far within the calendar every moment can be told in any time zone, and databases keep and give it back.
    """
    return _FIRST_YEAR <= moment.year <= datetime.now(UTC).year + 1
