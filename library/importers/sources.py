"""What can be imported, whatever it comes from: a name, and a file that can be opened."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import IO, Protocol


class Source(Protocol):
    """One file to import. `name` is what the sender knows it by."""

    @property
    def name(self) -> str: ...

    def open(self) -> AbstractContextManager[IO[bytes]]:
        """The seekable file; a SightlineError where it can't be had."""


@dataclass(frozen=True)
class OpenSource:
    """A file that is open already and stays so, such as one part of a form."""

    name: str
    file: IO[bytes]

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        yield self.file
