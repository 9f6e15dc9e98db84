"""What can be imported, whatever it comes from: a name, and a file that can be opened."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Protocol


class Source(Protocol):
    """One file to import. `name` is what the sender knows it by."""

    @property
    def name(self) -> str: ...

    def open(self) -> AbstractContextManager[BinaryIO]:
        """The seekable file; a SightlineError where it can't be had."""


@dataclass(frozen=True)
class OpenSource:
    """A file that is open already and stays so, such as one part of a form."""

    name: str
    file: BinaryIO

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        yield self.file
