"""The ways in: files of a form, a folder, an archive. All of them end in the same batches."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import groupby
from typing import IO

from django.contrib.auth.models import User

from core.errors import InvalidInput, SightlineError
from library.details import Details
from library.importers import archive
from library.importers.batch import Outcome, store_all
from library.importers.sources import OpenSource
from library.media.formats import head_of, is_zip
from library.quota import Room


def import_uploads(owner: User, files: Iterable[OpenSource], details: Details) -> Iterator[Outcome]:
    """Pictures and archives of one request, in the order in which they were sent, as far as the owner's room goes."""
    room = Room(owner)
    for zipped, group in groupby(files, key=lambda source: is_zip(head_of(source.file))):
        if not zipped:
            yield from store_all(owner, group, details, room)
            continue
        for source in group:
            yield from import_archive(owner, source.file, source.name, details, room)


def import_archive(
    owner: User, file: IO[bytes], name: str, details: Details, room: Room | None = None
) -> Iterator[Outcome]:
    """One outcome per picture in it, or a single one that says why the archive is refused. room: as for `store_all`."""
    with ExitStack() as stack:
        try:
            members = stack.enter_context(archive.opened(file, name))
        except SightlineError as error:
            yield Outcome(name, error=error)
            return
        if not members:
            yield Outcome(name, error=InvalidInput("The zip file holds no files."))
        yield from store_all(owner, members, details, room)
