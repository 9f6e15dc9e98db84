"""The report of many items, written while they are stored: never held, however many lines there are."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import chain

from recommender.bulk import REFUSED, Line
from workers import pipeline

Format = Callable[[Iterator[Line]], Iterator[str]]


class Report(Iterator[str]):
    """The lines in a format, for a streaming response, which closes it: then the lines that nobody listened to any more
    are stored, too.

    The first ones are stored at once, so that an error that concerns all of them is told by the status of the answer.
    """

    def __init__(self, lines: Iterator[Line], written: Format) -> None:
        first = next(lines, None)
        self._lines = chain([] if first is None else [first], lines)
        self._written = written(self._lines)

    def __next__(self) -> str:
        return next(self._written)

    def close(self) -> None:
        for _ in self._lines:
            pass
        pipeline.wake_items()


def as_object(lines: Iterator[Line]) -> Iterator[str]:
    """One object: `lines`, each on a line of its own, then `stored` and `refused`."""
    counts, between = Counter[bool](), "\n"
    yield '{"lines": ['
    for line in lines:
        counts[line.status == REFUSED] += 1
        yield between + json.dumps(asdict(line))
        between = ",\n"
    yield f'\n], "stored": {counts[False]}, "refused": {counts[True]}}}\n'


def as_lines(lines: Iterator[Line]) -> Iterator[str]:
    """One object for each line, and one with `stored` and `refused` at the end."""
    counts = Counter[bool]()
    for line in lines:
        counts[line.status == REFUSED] += 1
        yield json.dumps(asdict(line)) + "\n"
    yield json.dumps({"stored": counts[False], "refused": counts[True]}) + "\n"
