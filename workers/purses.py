"""What a window of time lets somebody spend: requests of a key, guesses of a password.

Counted in Redis for all processes together; while Redis is away, each process counts for itself.
"""

import threading
import time

from workers import messages

_counting = threading.Lock()
#: By purse and window, while Redis is away.
_counted: dict[tuple[str, int], int] = {}


def spend(purse: str, amount: int, *, window_s: int) -> int:
    """How much of the purse is spent in this window after this."""
    spent = messages.spent(purse, amount, window_s=window_s)
    return _spent_here(purse, amount, int(time.time()) // window_s) if spent is None else spent


def left_s(window_s: int) -> int:
    """Seconds until the next window begins."""
    return window_s - int(time.time()) % window_s


def _spent_here(purse: str, amount: int, window: int) -> int:
    with _counting:
        for old in [known for known in _counted if known[0] == purse and known[1] != window]:
            del _counted[old]
        _counted[purse, window] = _counted.get((purse, window), 0) + amount
        return _counted[purse, window]
