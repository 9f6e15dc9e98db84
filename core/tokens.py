"""Secrets that callers send with a request: kept as hashes, in rows that know when they were used last."""

import hashlib
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from core.errors import NotFound

#: Knowing the last use to a few minutes is enough, and spares a write at each request.
_STEP = timedelta(minutes=5)


def digest(token: str) -> str:
    """Hex. A plain hash is enough: tokens are random and long, not passwords that could be guessed."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def revoke(keys: QuerySet[Any], key_id: int) -> None:
    """Ends one of these keys, which have a `revoked_at`, at once. NotFound for any other; again is harmless."""
    key = keys.filter(pk=key_id).first()
    if key is None:
        raise NotFound("There is no such key.")
    if key.revoked_at is None:
        key.revoked_at = timezone.now()
        key.save(update_fields=["revoked_at"])


def note_use(key: QuerySet[Any], last_used_at: datetime | None) -> None:
    """key: the one row, which has a `last_used_at`; last_used_at: as it was read."""
    now = timezone.now()
    if last_used_at is None or last_used_at < now - _STEP:
        stale = Q(last_used_at=None) | Q(last_used_at__lt=now - _STEP)
        key.filter(stale).update(last_used_at=now)
