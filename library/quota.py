"""How much a person may store, where the setting UPLOAD_QUOTA_BYTES says so: originals, as they were uploaded."""

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Sum

from core.errors import TooLarge
from library.models import Asset


class Room:
    """What is left of it, counted once for many files. Two requests at once may each count the same bytes as free."""

    def __init__(self, owner: User) -> None:
        self._left: int | None = None
        if quota := settings.UPLOAD_QUOTA_BYTES:
            used = Asset.objects.filter(owner=owner).aggregate(bytes=Sum("size_bytes"))["bytes"] or 0
            self._left = quota - used

    def check(self, size_bytes: int) -> None:
        """TooLarge where a file of this size has no room."""
        if self._left is not None and size_bytes > self._left:
            raise TooLarge(
                f"Your photos may take {settings.UPLOAD_QUOTA_BYTES:,} bytes, and {max(self._left, 0):,} of these are "
                f"left; this file has {size_bytes:,}. Delete some first."
            )

    def take(self, size_bytes: int) -> None:
        """The same, and so much less is left for others."""
        self.check(size_bytes)
        if self._left is not None:
            self._left -= size_bytes
