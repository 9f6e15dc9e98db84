"""Storing many files: hashed and decoded in threads, written in order, each one's failure its own."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice

from django.contrib.auth.models import User

from core.errors import SightlineError
from library.asset_store import StoredAsset, Upload, develop, fingerprint, keep, known_asset
from library.details import Details
from library.importers.sources import Source
from library.media.probe import Picture
from library.models import Asset
from library.quota import Room

#: So many files are in hand at once: enough to keep the threads busy, few enough to bound memory.
_WINDOW = 16
_THREADS = min(4, os.cpu_count() or 1)


@dataclass(frozen=True)
class Outcome:
    """What became of one file: a new asset, one that was there already, or an error."""

    name: str
    asset: Asset | None = None
    created: bool = False
    error: SightlineError | None = None

    @property
    def status(self) -> str:
        if self.error is not None:
            return "error"
        return "created" if self.created else "duplicate"


@dataclass
class _InHand:
    """One file on its way: each step adds what it found, and an error ends the way."""

    source: Source
    upload: Upload | None = None
    picture: Picture | None = None
    stored: StoredAsset | None = None
    error: SightlineError | None = None

    def then(self, step: "Callable[[_InHand], None]") -> None:
        if self.error is None and self.stored is None:
            try:
                step(self)
            except SightlineError as error:
                self.error = error

    @property
    def outcome(self) -> Outcome:
        if self.stored is None:
            return Outcome(self.source.name, error=self.error)
        return Outcome(self.source.name, asset=self.stored.asset, created=self.stored.created)


def store_all(
    owner: User, sources: Iterable[Source], details: Details, room: Room | None = None
) -> Iterator[Outcome]:
    """One outcome per source, in order, as each is known. room: what there is for them; None: as much as they take.

    Run again over the same files it only reads and hashes them: that is how an import is resumed. Call it
    outside of a transaction: each asset commits by itself.
    """
    waiting = iter(sources)
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="import") as pool:
        while window := [_InHand(source) for source in islice(waiting, _WINDOW)]:
            with ExitStack() as open_files:
                yield from _store_window(pool, open_files, owner, window, details, room)


def _store_window(
    pool: ThreadPoolExecutor,
    open_files: ExitStack,
    owner: User,
    window: list[_InHand],
    details: Details,
    room: Room | None,
) -> Iterator[Outcome]:
    """The threads read and decode; only the caller's thread touches the database."""

    def read(item: _InHand) -> None:
        item.upload = fingerprint(open_files.enter_context(item.source.open()), item.source.name)

    def look_up(item: _InHand) -> None:
        assert item.upload
        item.stored = known_asset(owner, item.upload)
        if room is not None and item.stored is None:
            room.check(item.upload.size_bytes)

    def decode(item: _InHand) -> None:
        assert item.upload
        item.picture = develop(item.upload)

    def write(item: _InHand) -> None:
        assert item.upload
        assert item.picture
        if room is not None:
            room.take(item.upload.size_bytes)
        item.stored = keep(owner, item.upload, item.picture, details)

    for _ in pool.map(lambda item: item.then(read), window):
        pass
    for item in window:
        item.then(look_up)
    for item, _ in zip(window, pool.map(lambda item: item.then(decode), window), strict=True):
        item.then(write)
        yield item.outcome
