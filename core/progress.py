"""How far work has come that takes its time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Called with how much is done, and of how much. It may raise `Stopped`.
Progress = Callable[[int, int], None]


class Stopped(Exception):
    """Nobody wants the rest of the work any more. No failure: let it through, and leave no half of a thing behind."""


@contextmanager
def progress_bar(unit: str, *, verbosity: int) -> Iterator[Progress]:
    """A bar on the terminal that follows what it is told; none where a command's verbosity is 0."""
    from tqdm import tqdm

    with tqdm(unit=f" {unit}", disable=verbosity == 0) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield progress
