"""Stops writing a file of a form once it is over its limit, so that nobody fills the disk with one request."""

from typing import Any

from django.conf import settings
from django.core.files.uploadhandler import FileUploadHandler

from library.media.formats import is_zip


class UploadCap(FileUploadHandler):
    """First of FILE_UPLOAD_HANDLERS. The next one gets the limit and one byte more, which tells on the file later."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self.room_bytes: int | None = None

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        if self.room_bytes is None:
            self.room_bytes = 1 + (
                settings.ZIP_MAX_BYTES if is_zip(raw_data[:4]) else settings.UPLOAD_MAX_BYTES
            )
        passed_on = raw_data[: self.room_bytes]
        self.room_bytes -= len(passed_on)
        return passed_on or None

    def file_complete(self, file_size: int) -> None:
        """The next handler makes the file."""
