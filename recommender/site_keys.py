"""Keys of sites. A key is shown once, when it is made; the database keeps its hash.

A publishable key names its site, `slp_<slug>_<random>`, so that a page needs to carry nothing else.
"""

import secrets
from typing import NamedTuple

from django.db.models import QuerySet

from core import tokens
from core.errors import InvalidInput
from library.details import checked_line
from recommender.models import Site, SiteKey

_BRANDS = {SiteKey.Kind.SECRET: "sls", SiteKey.Kind.PUBLISHABLE: "slp"}
_NAME_MAX_CHARS = 80
_KEYS_MAX = 50
_HINT_CHARS = 5


class NewSiteKey(NamedTuple):
    """`token` is what the caller sends as `Authorization: Bearer <token>`; nobody can read it again later."""

    key: SiteKey
    token: str


def create_site_key(site: Site, *, kind: str, name: str) -> NewSiteKey:
    """InvalidInput names the field."""
    name = checked_line("name", name, _NAME_MAX_CHARS)
    if not name:
        raise InvalidInput("name says what the key is for; it must not be empty.", field="name")
    if kind not in SiteKey.Kind.values:
        raise InvalidInput(f"kind must be one of {', '.join(SiteKey.Kind.values)}.", field="kind")
    if live_site_keys(site).count() >= _KEYS_MAX:
        raise InvalidInput(f"At most {_KEYS_MAX} keys; revoke one that is no longer used.", field="name")
    secret = secrets.token_hex(20)
    begin = f"{_BRANDS[SiteKey.Kind(kind)]}_{site.slug}_"
    key = SiteKey.objects.create(
        site=site,
        kind=kind,
        name=name,
        hint=begin + secret[:_HINT_CHARS],
        token_sha256=tokens.digest(begin + secret),
    )
    return NewSiteKey(key, begin + secret)


def live_site_keys(site: Site) -> QuerySet[SiteKey]:
    return SiteKey.objects.filter(site=site, revoked_at=None)


def revoke_site_key(site: Site, key_id: int) -> None:
    """Ends a key at once. NotFound for another site's; again is harmless."""
    tokens.revoke(SiteKey.objects.filter(site=site), key_id)


def is_site_token(token: str) -> bool:
    """Whether this looks like a key of a site, rather than one of a person."""
    return token.partition("_")[0] in _BRANDS.values()


def is_publishable(token: str) -> bool:
    return token.startswith(f"{_BRANDS[SiteKey.Kind.PUBLISHABLE]}_")


def site_key_of(token: str) -> SiteKey | None:
    """The live key, with its site, whose token this is; None also where the site's owner is no longer active.

    Looked up by its hash: the random part has 160 bits, so neither guessing nor timing helps.
    """
    live = SiteKey.objects.filter(revoked_at=None, site__owner__is_active=True).select_related("site")
    return next(iter(live.filter(token_sha256=tokens.digest(token)).order_by()), None)


def note_use(key: SiteKey) -> None:
    tokens.note_use(SiteKey.objects.filter(pk=key.pk), key.last_used_at)
