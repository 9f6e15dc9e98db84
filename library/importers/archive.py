"""Zip files from strangers: the whole table of contents is judged before one byte is unpacked."""

import os
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, cast

from django.conf import settings

from core.errors import CorruptMedia, InvalidInput, TooLarge
from library.importers.sources import Source
from library.media.formats import HEAD_BYTES, is_zip

#: Members up to this size are unpacked into memory, larger ones to disk.
_SPOOL_BYTES = 4_000_000
#: A blank picture compresses well; below this size a ratio says nothing.
_RATIO_FROM_BYTES = 1_000_000
#: An entry of the table takes 46 bytes and its name; tables far larger exist only to fill memory.
_TABLE_BYTES_PER_FILE = 1024
_END_RECORD = b"PK\x05\x06"
_END_RECORD_BYTES, _COMMENT_MAX_BYTES, _LOCATOR_BYTES = 22, 65_535, 20
_ZIP64_LOCATOR = b"PK\x06\x07"
_ENCRYPTED = 0x1
#: LZMA may ask for a dictionary of 4 GB to unpack one byte; nobody zips photos with it.
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
#: What operating systems add to archives and folders by themselves.
LITTER = frozenset({"__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini", "@eaDir"})
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError)


@dataclass(frozen=True)
class Member:
    """One file of a judged archive; unpacked when it is opened, no further than it said it was long."""

    name: str
    archive: zipfile.ZipFile
    info: zipfile.ZipInfo

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        if self.info.flag_bits & _ENCRYPTED:
            raise InvalidInput("The file is encrypted; zip it without a password.")
        if self.info.compress_type not in _METHODS:
            raise InvalidInput("The file is packed in an unusual way; zip it again with the ordinary method.")
        if self.info.file_size > settings.UPLOAD_MAX_BYTES:
            raise TooLarge(f"The file is larger than the {settings.UPLOAD_MAX_BYTES:,} bytes allowed.")
        with tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as copy:
            try:
                with self.archive.open(self.info) as packed:
                    shutil.copyfileobj(packed, copy)
            except _DAMAGE as error:
                raise CorruptMedia(f"The file can't be unpacked: {error}") from error
            copy.seek(0)
            yield cast("IO[bytes]", copy)


@contextmanager
def opened(file: IO[bytes], name: str) -> Iterator[list[Source]]:
    """The files in an archive. InvalidInput or TooLarge for the archive as a whole, before anything is unpacked."""
    _refuse_large_table(file)
    try:
        archive = zipfile.ZipFile(file)
    except _DAMAGE as error:
        raise CorruptMedia(f"The zip file is damaged: {error}") from error
    with archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
        _refuse_bombs(infos, _size_of(file))
        for info in infos:
            _refuse_strange(archive, info)
        yield [Member(f"{name}/{info.filename}", archive, info) for info in infos if not _is_litter(info)]


def _refuse_large_table(file: IO[bytes]) -> None:
    """Reading the table builds an object for each entry, so its size is checked where the file states it."""
    size_bytes = _size_of(file)
    file.seek(max(0, size_bytes - _END_RECORD_BYTES - _COMMENT_MAX_BYTES - _LOCATOR_BYTES))
    tail = file.read()
    file.seek(0)
    at = _end_record_at(tail)
    if at < 0:
        raise CorruptMedia("The zip file is cut off: its table of contents is missing.")
    table_bytes = int.from_bytes(tail[at + 12 : at + 16], "little")
    zip64 = tail[max(0, at - _LOCATOR_BYTES) : at].startswith(_ZIP64_LOCATOR)
    if zip64 or table_bytes > settings.ZIP_MAX_FILES * _TABLE_BYTES_PER_FILE:
        raise TooLarge(f"The zip file holds more than the {settings.ZIP_MAX_FILES:,} files allowed.")


def _end_record_at(tail: bytes) -> int:
    """Where the end record lies in the last bytes of a file, -1 for none: the very one that `zipfile` reads.

    Any other could be made small, beside a true one with a table that fills memory: the signature may stand in the
    record's own fields. So it is the last bytes if those are a record without a comment, else the last signature.
    """
    last = tail[-_END_RECORD_BYTES:]
    if len(last) == _END_RECORD_BYTES and last.startswith(_END_RECORD) and last.endswith(b"\0\0"):
        return len(tail) - _END_RECORD_BYTES
    return tail.rfind(_END_RECORD)


def _refuse_bombs(infos: list[zipfile.ZipInfo], packed_bytes: int) -> None:
    if len(infos) > settings.ZIP_MAX_FILES:
        raise TooLarge(f"The zip file holds {len(infos):,} files, {settings.ZIP_MAX_FILES:,} are allowed.")
    total_bytes = sum(info.file_size for info in infos)
    if total_bytes > settings.ZIP_MAX_BYTES:
        raise TooLarge(f"The zip file unpacks to more than the {settings.ZIP_MAX_BYTES:,} bytes allowed.")
    # The archive's own size counts, too: entries may overlap, and each then looks innocent.
    sizes = [(info.file_size, info.compress_size) for info in infos] + [(total_bytes, packed_bytes)]
    for unpacked, packed in sizes:
        if unpacked > _RATIO_FROM_BYTES and unpacked > settings.ZIP_MAX_RATIO * packed:
            raise TooLarge(f"The zip file unpacks to more than {settings.ZIP_MAX_RATIO} times its size.")


def _refuse_strange(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
    path = PurePosixPath(info.orig_filename.replace("\\", "/"))
    drive = len(path.parts[0]) > 1 and path.parts[0][1] == ":" if path.parts else False
    if path.is_absolute() or ".." in path.parts or drive:
        raise InvalidInput("The zip file holds a path that leads out of it.")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise InvalidInput("The zip file holds a link.")
    if info.flag_bits & _ENCRYPTED or info.compress_type not in _METHODS:
        return  # not looked into, and refused by itself when its turn comes
    try:
        with archive.open(info) as member:
            head = member.read(HEAD_BYTES)
    except _DAMAGE:
        return  # one damaged file does not condemn the others
    if is_zip(head):
        raise InvalidInput("The zip file holds another zip file; send that one by itself.")


def _is_litter(info: zipfile.ZipInfo) -> bool:
    parts = PurePosixPath(info.filename).parts
    return bool(LITTER.intersection(parts)) or (bool(parts) and parts[-1].startswith("._"))


def _size_of(file: IO[bytes]) -> int:
    return file.seek(0, os.SEEK_END)
