"""How many documents hold the words that very many hold, remembered: counting a word of every tenth document of a
million takes milliseconds, and its weight in a ranking moves by nothing meanwhile.

Only what stands in more documents than the database counts in no time is remembered, by each process for itself, for
ten minutes and as long as the library has grown or shrunk by no more than a fiftieth. So libraries of no more
documents than that are always counted.
"""

import time
from collections.abc import Callable, Sequence

from django.db import connection

from search.keywords.terms import Term

_REMEMBERED_S = 600.0
_SAME_LIBRARY = 0.02
_MOST = 10_000

#: By database, word and whether it is a beginning: how many hold it, of how many documents, counted when.
_counted: dict[tuple[str, Term], tuple[int, int, float]] = {}

#: Words, and how many documents there are.
Count = Callable[[Sequence[Term], int], list[int]]


def holding(terms: Sequence[Term], total: int, count: Count, common_from: int) -> list[int]:
    """How many of `total` documents hold each of these words; `count` counts those that are not remembered.

    common_from: what more documents hold is remembered.
    """
    known = {term: kept for term in terms if (kept := _remembered(term, total)) is not None}
    unknown = [term for term in terms if term not in known]
    for term, found in zip(unknown, count(unknown, total) if unknown else (), strict=True):
        known[term] = found
        if found > common_from:
            if len(_counted) >= _MOST:
                _counted.clear()
            _counted[_database(), term] = found, total, time.monotonic()
    return [known[term] for term in terms]


def _remembered(term: Term, total: int) -> int | None:
    found, of, at = _counted.get((_database(), term), (0, 0, 0.0))
    if not found or time.monotonic() - at > _REMEMBERED_S or abs(total - of) > _SAME_LIBRARY * of:
        return None
    return min(found, total)


def _database() -> str:
    return str(connection.settings_dict["NAME"])
