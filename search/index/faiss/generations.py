"""Sealed generations on disk: written beside the live one, opened read-only, put live by one rename.

    <directory>/CURRENT               name of the live generation
    <directory>/<name>/vectors.f32    the stored vectors in the order of frame ids, little-endian float32
    <directory>/<name>/codes.faiss    what a search looks at first; not there where it looks at every vector
    <directory>/<name>/frame_ids.npy  the frame of each position, rising
    <directory>/<name>/columns.npy    what filters ask of each position's frame; not there where it was sealed before
    <directory>/<name>/about.json     what it claims to hold, with a checksum of each file

A kill at any moment leaves CURRENT naming a whole generation: its folder is complete and on the disk before the
rename, and pruned only after a later rename.
"""

import json
import shutil
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import faiss
import numpy as np

from core.durable import sync
from core.errors import EngineUnavailable
from search.index.base import Rows
from search.index.faiss.lookup import Lookup
from search.index.faiss.mapped import StoredVectors
from search.index.faiss.planning import Kind
from search.index.where import COLUMNS, NO_COLUMNS, Columns

_VECTORS, _CODES, _ABOUT = "vectors.f32", "codes.faiss", "about.json"
_FRAME_IDS, _COLUMNS = "frame_ids.npy", "columns.npy"
_POINTER = "CURRENT"
_CRC_BLOCK_BYTES = 1 << 22
#: Changes with the files: a generation of another format is passed over, and its rows are scanned, until a rebuild.
_FORMAT: Final = 2


@dataclass(frozen=True)
class About:
    """What a generation claims to hold, and how it is to be searched."""

    model_id: str
    token: str
    dimension: int
    count: int
    last_number: int
    recall_at_10: float
    kind: str
    effort: int
    latency_ms: float
    memory_bytes: int
    why: str
    checksums: dict[str, int]
    format: int = _FORMAT


@dataclass(frozen=True)
class Sealed:
    """An opened generation. Its arrays are views of mapped files: several processes share their pages."""

    name: str
    about: About
    lookup: Lookup


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

    def names(self) -> set[str]:
        """Of all generations here, whole or not."""
        if not self.directory.is_dir():
            return set()
        return {entry.name for entry in self.directory.iterdir() if entry.is_dir()}

    def is_whole(self, name: str) -> bool:
        """Whether it was finished: what it holds is described last."""
        return (self._folder(name) / _ABOUT).exists()

    def size_bytes(self, name: str) -> int:
        """How much an opening has to read; 0 where it is gone, by a rebuild that comes while one looks, too."""
        try:
            return sum(file.stat().st_size for file in self._folder(name).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return 0

    def open_current(self) -> Sealed | None:
        """The live generation, None where it is of another format; EngineUnavailable where it is damaged or gone."""
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

    def open(self, name: str) -> Sealed | None:
        """A generation by name, checked against what it claims; None where it is of another format."""
        folder = self._folder(name)
        try:
            told = json.loads((folder / _ABOUT).read_text("utf-8"))
            if "model_id" in told and told.get("format", 1) != _FORMAT:
                return None
            about = About(**told)
            for file, checksum in about.checksums.items():
                if _crc32(folder / file) != checksum:
                    raise ValueError(f"{file} is not as it was written")
            lookup = opened(folder, about.kind, about.effort, about.dimension)
            if len(lookup) != about.count or (lookup.codes is None) != (about.kind == Kind.FLAT):
                raise ValueError("the files disagree about count or kind")
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
            raise EngineUnavailable(
                f"The index generation {name} is damaged or missing ({error}). Run `manage.py rebuild_index`."
            ) from error
        return Sealed(name, about, lookup)

    def begin(self, name: str) -> "Draft":
        """A folder for a new generation."""
        folder = self._folder(name)
        folder.mkdir(parents=True)
        return Draft(folder)

    def publish(self, name: str) -> None:
        """The one moment at which readers pass from the old generation to this one."""
        scratch = self.directory / f".{_POINTER}.{name}"
        scratch.write_text(name, "utf-8")
        sync(scratch)
        scratch.replace(self.directory / _POINTER)
        sync(self.directory)

    def prune(self, *, keep: set[str]) -> None:
        """Drops every other generation and what a killed rebuild left. Open maps outlive their files."""
        for name in self.names() - keep:
            shutil.rmtree(self.directory / name, ignore_errors=True)
        for scratch in self.scratch():
            scratch.unlink(missing_ok=True)

    def scratch(self) -> list[Path]:
        """Pointers that were written and not put in place."""
        return sorted(self.directory.glob(f".{_POINTER}.*"))

    def _folder(self, name: str) -> Path:
        if not name or Path(name).name != name:
            raise EngineUnavailable(
                f"{name!r} is no name of an index generation. Run `manage.py rebuild_index`."
            )
        return self.directory / name


class Draft:
    """A generation that is being written. Rows go straight to the disk: a rebuild needs no room for all of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.dimension = 1
        self._frame_ids: list[Any] = []
        self._columns: list[Any] = []
        self._vectors = (folder / _VECTORS).open("wb")

    def append(self, rows: Rows) -> None:
        """Takes a chunk; EngineUnavailable where its vectors are of another length than those before."""
        if self._frame_ids and rows.vectors.shape[1] != self.dimension:
            raise EngineUnavailable("Rows of one model differ in length: embed the photos again.")
        self.dimension = rows.vectors.shape[1]
        self._vectors.write(np.ascontiguousarray(rows.vectors, dtype="<f4").tobytes())
        self._frame_ids.append(rows.frame_ids)
        self._columns.append(rows.columns)

    def finish_rows(self) -> Lookup:
        """All rows, to be compared one by one."""
        self._vectors.close()
        ids = np.concatenate(self._frame_ids) if self._frame_ids else np.empty(0, dtype=np.int64)
        np.save(self.folder / _FRAME_IDS, ids)
        np.save(self.folder / _COLUMNS, np.concatenate([NO_COLUMNS, *self._columns], axis=1))
        return opened(self.folder, Kind.FLAT, 0, self.dimension)

    def keep_codes(self, index: Any, kind: Kind) -> Lookup:
        """The same rows, to be looked up by these codes first: mapped from the file, as a reader will."""
        faiss.write_index(index, str(self.folder / _CODES))
        return opened(self.folder, kind, 0, self.dimension)

    def drop_codes(self) -> None:
        """They were not good enough."""
        (self.folder / _CODES).unlink(missing_ok=True)

    def describe(self, about: About) -> None:
        """Says what the files hold, and has them all on the disk: the generation is whole, and not yet live."""
        files = [file for file in (_VECTORS, _CODES, _FRAME_IDS, _COLUMNS) if (self.folder / file).exists()]
        checksums = {file: _crc32(self.folder / file) for file in files}
        (self.folder / _ABOUT).write_text(json.dumps({**asdict(about), "checksums": checksums}), "utf-8")
        for file in (*files, _ABOUT):
            sync(self.folder / file)
        sync(self.folder)
        sync(self.folder.parent)

    def close(self) -> None:
        """Frees the file of a rebuild that failed; its folder is swept away by the next one."""
        self._vectors.close()


def opened(folder: Path, kind: str, effort: int, dimension: int) -> Lookup:
    """The files of a folder as a reader searches them."""
    frame_ids = np.load(folder / _FRAME_IDS, mmap_mode="r")
    if frame_ids.ndim != 1 or frame_ids.dtype != np.int64:
        raise ValueError(f"{_FRAME_IDS} holds no ids")
    by_codes = kind != Kind.FLAT
    stored = StoredVectors(folder / _VECTORS, len(frame_ids), dimension, sparing=by_codes)
    codes = faiss.read_index(str(folder / _CODES), faiss.IO_FLAG_MMAP_IFC) if by_codes else None
    if codes is not None and (codes.ntotal, codes.d) != (len(frame_ids), dimension):
        raise ValueError(f"{_CODES} holds {codes.ntotal} vectors of {codes.d} numbers")
    return Lookup(frame_ids, stored, _columns(folder, len(frame_ids)), codes, Kind(kind), effort)


def _columns(folder: Path, count: int) -> Columns | None:
    if not (folder / _COLUMNS).exists():
        return None
    columns: Columns = np.load(folder / _COLUMNS, mmap_mode="r")
    if columns.shape[1:] != (count,) or columns.dtype != np.int64:
        raise ValueError(f"{_COLUMNS} holds no columns of {count} frames")
    return columns if len(columns) == len(COLUMNS) else None


def _crc32(path: Path) -> int:
    checksum = 0
    with path.open("rb") as file:
        while block := file.read(_CRC_BLOCK_BYTES):
            checksum = zlib.crc32(block, checksum)
    return checksum
