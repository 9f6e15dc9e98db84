"""An orderly end also when we are told to end, not only on Ctrl-C."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(BaseException):
    """SIGTERM or SIGHUP arrived. Like KeyboardInterrupt no Exception, so that nothing swallows it."""


@contextmanager
def raising_on_termination() -> Iterator[None]:
    def terminate(number: int, frame: FrameType | None) -> None:
        # Once is enough: a second one must not interrupt the stopping.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        raise Terminated

    before = {number: signal.signal(number, terminate) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
