"""Sealed generations on disk: written beside the live one, opened read-only, put live by one rename.

    <directory>/CURRENT               name of the live generation
    <directory>/<name>/vectors.faiss  the index, vectors in the order of frame ids
    <directory>/<name>/frame_ids.npy  the frame of each position, rising
    <directory>/<name>/about.json     what it claims to hold, with a checksum of each file

A kill at any moment leaves CURRENT naming a whole generation: its folder is complete and on the disk before the
rename, and pruned only after a later rename.
"""

import json
import os
import shutil
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from core.errors import EngineUnavailable
from search.index.base import Ids, Vectors
from search.index.faiss import recipes

_VECTORS, _FRAME_IDS, _ABOUT = "vectors.faiss", "frame_ids.npy", "about.json"
_POINTER = "CURRENT"
_CRC_BLOCK_BYTES = 1 << 22


@dataclass(frozen=True)
class About:
    """What a generation claims to hold."""

    model_id: str
    token: str
    dimension: int
    count: int
    last_number: int
    recall_at_10: float
    checksums: dict[str, int]


@dataclass(frozen=True)
class Sealed:
    """An opened generation. The arrays are views of mapped files: several processes share their pages."""

    name: str
    about: About
    index: Any
    frame_ids: Ids
    vectors: Vectors


@dataclass(frozen=True)
class Stamp:
    """Changes whenever another generation is published: cheaper to look at than the pointer's content."""

    inode: int
    modified_ns: int


class GenerationStore:
    """The folder of one space and model."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def stamp(self) -> Stamp | None:
        """None where nothing was ever published."""
        try:
            status = (self.directory / _POINTER).stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise EngineUnavailable(f"The index folder {self.directory} can't be read: {error}") from error
        return Stamp(status.st_ino, status.st_mtime_ns)

    def current(self) -> str | None:
        """Name of the live generation."""
        try:
            return (self.directory / _POINTER).read_text("utf-8").strip()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise EngineUnavailable(f"The index folder {self.directory} can't be read: {error}") from error

    def open_current(self) -> Sealed | None:
        """The live generation; EngineUnavailable where it is damaged or gone."""
        name = self.current()
        if name is None:
            return None
        try:
            return self.open(name)
        except EngineUnavailable:
            # Two rebuilds may have come and gone between reading the pointer and opening the folder.
            newer = self.current()
            if newer is None or newer == name:
                raise
            return self.open(newer)

    def open(self, name: str) -> Sealed:
        """A generation by name, checked against what it claims."""
        folder = self._folder(name)
        try:
            about = About(**json.loads((folder / _ABOUT).read_text("utf-8")))
            for file, checksum in about.checksums.items():
                if _crc32(folder / file) != checksum:
                    raise ValueError(f"{file} is not as it was written")
            frame_ids = np.asarray(np.load(folder / _FRAME_IDS, mmap_mode="r"))
            index = faiss.read_index(str(folder / _VECTORS), faiss.IO_FLAG_MMAP_IFC)
            if (index.ntotal, index.d) != (about.count, about.dimension) or len(frame_ids) != about.count:
                raise ValueError("the files disagree about count or dimension")
        except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
            raise EngineUnavailable(
                f"The index generation {name} is damaged or missing ({error}). Run `manage.py rebuild_index`."
            ) from error
        return Sealed(name, about, index, frame_ids, recipes.stored_vectors(index))

    def write(self, name: str, index: Any, frame_ids: Ids, about: About) -> None:
        """Puts a whole generation on the disk, not yet live."""
        folder = self._folder(name)
        folder.mkdir(parents=True)
        faiss.write_index(index, str(folder / _VECTORS))
        np.save(folder / _FRAME_IDS, frame_ids)
        checksums = {file: _crc32(folder / file) for file in (_VECTORS, _FRAME_IDS)}
        (folder / _ABOUT).write_text(json.dumps({**asdict(about), "checksums": checksums}), "utf-8")
        for file in (_VECTORS, _FRAME_IDS, _ABOUT):
            _sync(folder / file)
        _sync(folder)
        _sync(self.directory)

    def publish(self, name: str) -> None:
        """The one moment at which readers pass from the old generation to this one."""
        scratch = self.directory / f".{_POINTER}.{name}"
        scratch.write_text(name, "utf-8")
        _sync(scratch)
        scratch.replace(self.directory / _POINTER)
        _sync(self.directory)

    def prune(self, *, keep: set[str]) -> None:
        """Drops every other generation and what a killed rebuild left. Open maps outlive their files."""
        if not self.directory.is_dir():
            return
        for entry in self.directory.iterdir():
            if entry.is_dir() and entry.name not in keep:
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.name.startswith(f".{_POINTER}."):
                entry.unlink(missing_ok=True)

    def _folder(self, name: str) -> Path:
        if not name or Path(name).name != name:
            raise EngineUnavailable(
                f"{name!r} is no name of an index generation. Run `manage.py rebuild_index`."
            )
        return self.directory / name


def _crc32(path: Path) -> int:
    checksum = 0
    with path.open("rb") as file:
        while block := file.read(_CRC_BLOCK_BYTES):
            checksum = zlib.crc32(block, checksum)
    return checksum


def _sync(path: Path) -> None:
    """Out of the page cache, so that a power cut after the rename finds the files."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
