"""Ctrl-C and SIGTERM as a wish, not a blow."""

import signal
from types import FrameType
from typing import Any


class StopOnSignal:
    """While active, SIGINT and SIGTERM ask the loop to stop at the next step instead of tearing it."""

    def __init__(self) -> None:
        self.requested = False
        self._former: dict[int, Any] = {}

    def __enter__(self) -> "StopOnSignal":
        for number in (signal.SIGINT, signal.SIGTERM):
            self._former[number] = signal.signal(number, self._request)
        return self

    def _request(self, _number: int, _frame: FrameType | None) -> None:
        self.requested = True

    def __exit__(self, *_exc: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)
