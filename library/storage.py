"""Where files lie: content-addressed keys in Django's storage, and a disk storage that never shows half a file."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO

from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage, Storage, default_storage

from core.durable import sync
from core.errors import Unavailable

ORIGINALS, THUMBNAILS, CLEAN_COPIES = "originals", "thumbnails", "clean"
_SHA256_CHARS = 64
_SCRATCH_PREFIX = ".incoming-"


class ContentStorage(FileSystemStorage):
    """Files on disk that appear whole or not at all; the same name is the same content.

    Originals are on the disk itself before their row commits, so they outlast a power cut. What can be made of
    them again need not: waiting for the disk costs several times as much as writing.
    """

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        return name

    def _save(self, name: str, content: File[bytes]) -> str:
        target = Path(self.path(name))
        lasting = name.startswith(f"{ORIGINALS}/")
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, scratch = tempfile.mkstemp(prefix=_SCRATCH_PREFIX, dir=target.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                for chunk in content.chunks():
                    file.write(chunk)
                file.flush()
                if lasting:
                    os.fsync(file.fileno())
                os.fchmod(file.fileno(), self.file_permissions_mode or 0o640)
            Path(scratch).replace(target)
        except BaseException:
            with suppress(FileNotFoundError):
                Path(scratch).unlink()
            raise
        if lasting:
            sync(target.parent)
        return name


def original_key(sha256: str, extension: str) -> str:
    return f"{_folder(ORIGINALS, sha256)}/{sha256}.{extension}"


def thumbnail_key(sha256: str, width_px: int) -> str:
    return f"{_folder(THUMBNAILS, sha256)}/{sha256}-{width_px}.webp"


def clean_copy_key(sha256: str) -> str:
    return f"{_folder(CLEAN_COPIES, sha256)}/{sha256}.jpg"


def holds(key: str, size_bytes: int) -> bool:
    """Whether the whole file is there: a crash of a plainer storage than ours may have left a part of it."""
    with storage_errors():
        try:
            return default_storage.exists(key) and default_storage.size(key) == size_bytes
        except FileNotFoundError:  # removed between the two questions
            return False


def put(key: str, content: IO[bytes] | bytes) -> None:
    """Writes or overwrites; for readers of our own stores there is no moment without the file.

    Unavailable where the store is full or away.
    """
    file = ContentFile(content) if isinstance(content, bytes) else File(content)
    file.seek(0)
    with storage_errors():
        if default_storage.get_available_name(key) != key:  # one that renames rather than overwrites
            default_storage.delete(key)
        name = default_storage.save(key, file)
    if name != key:
        raise Unavailable(f"The file store renamed {key} to {name}; it must keep names as they are.")


def open_file(key: str) -> File[bytes]:
    """FileNotFoundError where it is gone; Unavailable where the store is."""
    with storage_errors():
        return default_storage.open(key)


def remove_content(sha256: str) -> None:
    """Every file made of these bytes. Listed rather than guessed: widths and extensions change over the years."""
    for kind in (CLEAN_COPIES, THUMBNAILS, ORIGINALS):
        folder = _folder(kind, sha256)
        for name in _names_in(default_storage, folder):
            if name.startswith(sha256):
                default_storage.delete(f"{folder}/{name}")


def remove_file(key: str) -> None:
    default_storage.delete(key)


def stored_hashes() -> Iterator[str]:
    """The hash of every file in the store, one after the other for those of the same content and kind."""
    for key in _every_key():
        name = key.rsplit("/", 1)[-1]
        if not name.startswith(_SCRATCH_PREFIX):
            yield name[:_SHA256_CHARS]


def scratch_files(*, older_than: datetime) -> Iterator[str]:
    """Half-written files of processes that were killed."""
    for key in _every_key():
        if key.rsplit("/", 1)[-1].startswith(_SCRATCH_PREFIX):
            with suppress(FileNotFoundError):
                if default_storage.get_modified_time(key) < older_than:
                    yield key


@contextmanager
def storage_errors() -> Iterator[None]:
    """A full disk or an unreachable store is ours to heal, not the sender's fault."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unavailable(
            f"The file store can't be used: {error.strerror or error}.", retry_after_s=60
        ) from error


def _folder(kind: str, sha256: str) -> str:
    return f"{kind}/{sha256[:2]}/{sha256[2:4]}"


def _every_key() -> Iterator[str]:
    for kind in (ORIGINALS, THUMBNAILS, CLEAN_COPIES):
        for first in _folders_in(default_storage, kind):
            for second in _folders_in(default_storage, f"{kind}/{first}"):
                folder = f"{kind}/{first}/{second}"
                yield from (f"{folder}/{name}" for name in sorted(_names_in(default_storage, folder)))


def _names_in(store: Storage, folder: str) -> list[str]:
    try:
        return list(store.listdir(folder)[1])
    except FileNotFoundError:
        return []


def _folders_in(store: Storage, folder: str) -> list[str]:
    try:
        return sorted(store.listdir(folder)[0])
    except FileNotFoundError:
        return []
