"""A clock that stands still, for what is counted by the minute."""

import time
from types import SimpleNamespace

import pytest

STOPPED_AT_S = 1_700_000_050.0  # ten seconds into a minute
UNTIL_THE_NEXT_MINUTE_S = 50


@pytest.fixture
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """No purse is changed for the next minute's while a slow machine spends from it; all are full at first.

    Redis must be empty or away. What is measured from one moment to another goes on.
    """
    clock = SimpleNamespace(time=lambda: STOPPED_AT_S, monotonic=time.monotonic)
    for module in ("workers.messages", "workers.purses"):
        monkeypatch.setattr(f"{module}.time", clock)
    monkeypatch.setattr("workers.purses._counted", {})
