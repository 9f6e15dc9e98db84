"""Secrets that act for their owner. The secret is shown once, when it is made; the database keeps its hash."""

import hmac
import secrets
from collections.abc import Iterable
from typing import NamedTuple

from django.contrib.auth.models import User
from django.db.models import QuerySet

from core import tokens
from core.errors import InvalidInput, NotAllowed
from library.details import checked_line
from library.models import ApiKey

_BRAND = "sl"
_PREFIX_CHARS = 12
_NAME_MAX_CHARS = 80
_KEYS_MAX = 50


class NewKey(NamedTuple):
    """`token` is what the caller sends as `Authorization: Bearer <token>`; nobody can read it again later."""

    key: ApiKey
    token: str


def create_key(owner: User, *, name: str, scopes: Iterable[str]) -> NewKey:
    """InvalidInput names the field; NotAllowed where the scopes ask for more than the owner may do."""
    name = checked_line("name", name, _NAME_MAX_CHARS)
    if not name:
        raise InvalidInput("name says what the key is for; it must not be empty.", field="name")
    wanted = _checked_scopes(scopes)
    if ApiKey.Scope.ADMIN in wanted and not owner.is_staff:
        raise NotAllowed("Only staff may make keys with the scope admin.")
    if live_keys(owner).count() >= _KEYS_MAX:
        raise InvalidInput(f"At most {_KEYS_MAX} keys; revoke one that is no longer used.", field="name")
    prefix = secrets.token_hex(_PREFIX_CHARS // 2)
    secret = secrets.token_urlsafe(32)
    key = ApiKey.objects.create(
        owner=owner, name=name, prefix=prefix, secret_sha256=tokens.digest(secret), scopes=wanted
    )
    return NewKey(key, f"{_BRAND}_{prefix}_{secret}")


def live_keys(owner: User) -> QuerySet[ApiKey]:
    return ApiKey.objects.filter(owner=owner, revoked_at=None)


def revoke_key(owner: User, key_id: int) -> None:
    """Ends a key at once. NotFound for somebody else's; again is harmless."""
    tokens.revoke(ApiKey.objects.filter(owner=owner), key_id)


def key_of(token: str) -> ApiKey | None:
    """The live key of an active owner whose secret this is."""
    brand, _, rest = token.partition("_")
    prefix, _, secret = rest.partition("_")
    if brand != _BRAND or len(prefix) != _PREFIX_CHARS or not secret:
        return None
    key = ApiKey.objects.select_related("owner").filter(prefix=prefix, revoked_at=None).first()
    if key is None or not hmac.compare_digest(key.secret_sha256, tokens.digest(secret)):
        return None
    return key if key.owner.is_active else None


def note_use(key: ApiKey) -> None:
    tokens.note_use(ApiKey.objects.filter(pk=key.pk), key.last_used_at)


def _checked_scopes(scopes: Iterable[str]) -> list[str]:
    wanted = sorted(set(scopes), key=str)
    unknown = [scope for scope in wanted if scope not in ApiKey.Scope.values]
    if unknown or not wanted:
        raise InvalidInput(f"scopes must be some of {', '.join(ApiKey.Scope.values)}.", field="scopes")
    return [scope for scope in ApiKey.Scope.values if scope in wanted]
