"""What a window of time lets somebody spend: requests of a key, guesses of a password.

Counted in Redis for all processes together; while Redis is away, each process counts for itself.
"""

import threading
import time
from collections import Counter

from workers import messages

_counting = threading.Lock()
#: While Redis is away: by the length of windows, the last one and what was spent of each purse in it.
_counted: dict[int, tuple[int, Counter[str]]] = {}


def spend(purse: str, amount: int, *, window_s: int) -> int:
    """How much of the purse is spent in this window after this."""
    spent = messages.spent(purse, amount, window_s=window_s)
    return _spent_here(purse, amount, window_s) if spent is None else spent


def window_left_s(window_s: int) -> int:
    """Seconds until the next window begins."""
    return window_s - int(time.time()) % window_s


def _spent_here(purse: str, amount: int, window_s: int) -> int:
    window = int(time.time()) // window_s
    with _counting:
        last, purses = _counted.get(window_s, (window, Counter[str]()))
        if last != window:
            purses = Counter()
        purses[purse] += amount
        _counted[window_s] = window, purses
        return purses[purse]
