"""Clearing stored files that no row speaks of. Safe beside uploads: each content is judged under its own lock."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby, islice

from django.utils import timezone

from library import storage
from library.asset_store import forget_content
from library.selectors import unreferenced

_AT_A_TIME = 500
#: No upload writes for a day; a younger half-written file may still be growing.
_SCRATCH_MAX_AGE = timedelta(days=1)


@dataclass(frozen=True)
class Swept:
    contents: int
    scratch_files: int


def sweep(*, dry_run: bool = False) -> Swept:
    """How much was found, and unless `dry_run`, removed."""
    contents = {sha256 for sha256 in _unreferenced_contents() if dry_run or forget_content(sha256)}
    scratch = list(storage.scratch_files(older_than=timezone.now() - _SCRATCH_MAX_AGE))
    if not dry_run:
        for key in scratch:
            storage.remove_file(key)
    return Swept(len(contents), len(scratch))


def _unreferenced_contents() -> Iterator[str]:
    """Each hash once per kind of file; files of one content lie side by side."""
    hashes = (sha256 for sha256, _ in groupby(storage.stored_hashes()))
    while some := list(islice(hashes, _AT_A_TIME)):
        yield from unreferenced(some)
