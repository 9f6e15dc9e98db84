"""What must be so before anything is started: room on the disk, a lock on the folder, tables, static files."""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.db import OperationalError

from config.stack.errors import StackError

MIN_FREE_BYTES = 500_000_000


def require_room(folder: Path) -> None:
    """StackError where the disk is (almost) full: SQLite and Redis fail in odd ways there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise StackError(
            f"The folder {folder} can't be made or read ({error.strerror}). Set VAR_DIR."
        ) from error
    if free < MIN_FREE_BYTES:
        raise StackError(
            f"The disk of {folder} is full: {free // 1_000_000} MB are free, {MIN_FREE_BYTES // 1_000_000} MB "
            "are needed. Free some space, or set VAR_DIR to a folder on another disk."
        )


@contextmanager
def sole_user_of(folder: Path, address: str) -> Iterator[None]:
    """Keeps a second stack away from this folder; freed by our end, however it comes."""
    file = folder / "stack.lock"
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError(
                f"Sightline runs already on {folder}: {file.read_text().strip()}. Use that one, stop it with "
                "Ctrl-C, or set VAR_DIR to another folder."
            ) from None
        os.truncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()}, {address}".encode())
        yield
    finally:
        os.close(descriptor)


def prepare_database() -> None:
    try:
        call_command("migrate", interactive=False, verbosity=0)
    except OperationalError as error:
        raise StackError(f"The database can't be prepared: {error}. Is DATABASE_URL right?") from error


def collect_static_files() -> None:
    """Only where they changed: compressing them takes seconds."""
    if "Manifest" not in settings.STORAGES["staticfiles"]["BACKEND"]:
        return
    stamp, fingerprint = Path(settings.STATIC_ROOT) / ".fingerprint", _static_fingerprint()
    if stamp.is_file() and stamp.read_text() == fingerprint:
        return
    call_command("collectstatic", interactive=False, verbosity=0, clear=True)
    stamp.write_text(fingerprint)


def _static_fingerprint() -> str:
    digest = hashlib.sha256()
    for finder in finders.get_finders():
        for path, storage in finder.list([]):
            status = Path(storage.path(path)).stat()
            digest.update(f"{path} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()
