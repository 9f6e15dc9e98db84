"""Files in a bucket of S3, MinIO and their like, by django-storages (`requirements-s3.txt`)."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.core.files.base import File
from storages.backends.s3 import S3Storage

_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S, _ATTEMPTS = 5, 30, 2


class BucketStorage(S3Storage):  # type: ignore[misc]  # django-storages brings no types
    """An object appears whole or not at all, so nothing more is needed than errors of the kind that files have.

    Options are those of django-storages' S3 (bucket_name, endpoint_url, region_name, ...); credentials come from where
    boto3 looks for them. What is missing is a FileNotFoundError, a bucket that can't be used an OSError, also while a
    file is read: that is fetched when it is opened.
    """

    client_config: Any

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        patience = Config(
            connect_timeout=_CONNECT_TIMEOUT_S,
            read_timeout=_READ_TIMEOUT_S,
            retries={"total_max_attempts": _ATTEMPTS},
        )
        self.client_config = self.client_config.merge(patience)

    def exists(self, name: str) -> bool:
        with _errors_of_files():
            return bool(super().exists(name))

    def size(self, name: str) -> int:
        with _errors_of_files():
            return int(super().size(name))

    def delete(self, name: str) -> None:
        with _errors_of_files():
            super().delete(name)

    def listdir(self, name: str) -> tuple[list[str], list[str]]:
        with _errors_of_files():
            folders, names = super().listdir(name)
            return folders, names

    def get_modified_time(self, name: str) -> datetime:
        with _errors_of_files():
            modified: datetime = super().get_modified_time(name)
            return modified

    def _open(self, name: str, mode: str = "rb") -> File[bytes]:
        with _errors_of_files():
            opened: File[bytes] = super()._open(name, mode)
            opened.seek(0)  # fetches it
            return opened

    def _save(self, name: str, content: File[bytes]) -> str:
        with _errors_of_files():
            return str(super()._save(name, content))


@contextmanager
def _errors_of_files() -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise OSError(f"the bucket refuses or can't be reached: {error}") from error
