"""Pictures in a folder of this machine, or one file, or one zip file of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from core.errors import CorruptMedia
from library.importers.archive import LITTER
from library.media.formats import PICTURE_SUFFIXES, head_of, is_zip, sniff


@dataclass(frozen=True)
class LocalFile:
    """One file on disk."""

    path: Path
    name: str

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        try:
            file = self.path.open("rb")
        except OSError as error:
            raise CorruptMedia(f"The file can't be read: {error.strerror}.") from error
        with file:
            yield file


def files_under(path: Path) -> Iterator[LocalFile]:
    """Every visible file in order, however deep. Links to folders are not followed: they may go round in circles."""
    if path.is_file():
        yield LocalFile(path, path.name)
        return
    for child in sorted(path.iterdir()):
        if child.name.startswith(".") or child.name in LITTER:
            continue
        if child.is_dir() and not child.is_symlink():
            for file in files_under(child):
                yield LocalFile(file.path, f"{child.name}/{file.name}")
        elif child.is_file():
            yield LocalFile(child, child.name)


def looks_like(file: LocalFile) -> str:
    """`picture`, `zip` or `other`, from the first bytes.

    A file that is named like a picture counts as one, so that a damaged photo is reported and not passed over.
    """
    try:
        with file.path.open("rb") as opened:
            head = head_of(opened)
    except OSError:
        return "picture"
    if is_zip(head):
        return "zip"
    return "picture" if sniff(head) or file.path.suffix.lower() in PICTURE_SUFFIXES else "other"
