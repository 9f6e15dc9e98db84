"""Making and changing sites. Each rule's error names the field."""

import ipaddress
import re
import secrets
from collections.abc import Iterable
from typing import Any, TypedDict, Unpack

import idna
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from core.errors import Conflict, InvalidInput, NotFound
from core.outbound import checked_address, parts_of_address
from library.details import checked_line
from recommender.models import Site, SiteOrigin

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_NAME_MAX_CHARS = 120
_ORIGIN_MAX_CHARS = 255
_URL_MAX_CHARS = 2000
_ORIGINS_MAX = 50
_SITES_MAX = 50
_REQUESTS_MAX = 1_000_000


class SiteChanges(TypedDict, total=False):
    name: str
    origins: Iterable[str]
    shows_assets: str
    diversity: float
    requests_per_minute: int
    webhook_url: str


def create_site(owner: User, slug: str, **settings: Unpack[SiteChanges]) -> Site:
    """InvalidInput names the field; Conflict where the slug is taken."""
    check_new(owner, slug)
    site = Site(slug=slug, owner=owner, name=slug)
    try:
        with transaction.atomic():
            return _changed(site, settings)
    except IntegrityError as error:
        raise Conflict(f"The slug {slug} is taken; choose another one.") from error


def change_site(site: Site, **settings: Unpack[SiteChanges]) -> Site:
    """Changes what is named; the rest stays. InvalidInput names the field. NotFound where it was deleted meanwhile."""
    with transaction.atomic():
        current = Site.objects.select_for_update(of=("self",)).filter(pk=site.pk).first()
        if current is None:
            raise NotFound("There is no such site.")
        return _changed(current, settings)


def delete_site(site: Site) -> None:
    """With its items and keys. Their pictures, as far as nothing else has them, go when they are swept for."""
    site.delete()


def check_new(owner: User, slug: str) -> None:
    """InvalidInput where the owner may make no site of this name."""
    if not _SLUG.fullmatch(slug):
        raise InvalidInput(
            "slug: small letters, digits and hyphens between them, at most 40 characters.", field="slug"
        )
    if Site.objects.filter(owner=owner).count() >= _SITES_MAX:
        raise InvalidInput(f"At most {_SITES_MAX} sites; delete one that is no longer used.", field="slug")


def checked_setting(name: str, value: Any) -> Any:
    """One of `SiteChanges` as it is kept. InvalidInput names it."""
    return _CHECKS[name](value)


def new_webhook_secret(site: Site) -> str:
    """Replaces what signs the webhook's messages: the old one signs nothing from now on."""
    site.webhook_secret = secrets.token_hex(32)
    site.save(update_fields=["webhook_secret"])
    return site.webhook_secret


def checked_origin(origin: str) -> str:
    """As browsers send it: scheme, host, and the port unless it is the scheme's own."""
    text = checked_line("origins", origin, _ORIGIN_MAX_CHARS).lower().rstrip("/")
    parts = parts_of_address(text)
    if (
        parts is None
        or parts.scheme not in {"http", "https"}
        or not parts.hostname
        or text != f"{parts.scheme}://{parts.netloc}"
    ):
        raise InvalidInput(
            f"origins: {origin[:80]!r} is not an origin; write scheme and host, such as https://www.example.org.",
            field="origins",
        )
    host = _host_as_sent(parts.hostname)
    if parts.scheme == "http" and not _is_local(host):
        raise InvalidInput("origins: http is for localhost; a public site needs https.", field="origins")
    if "@" in parts.netloc or parts.port == 0:
        raise InvalidInput("origins: no names, and a port from 1 to 65535.", field="origins")
    own = {"http": 80, "https": 443}[parts.scheme]
    host = f"[{host}]" if ":" in host else host
    sent = f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port not in (None, own) else "")
    return checked_line("origins", sent, _ORIGIN_MAX_CHARS)


def _host_as_sent(host: str) -> str:
    """Browsers write the letters of bücher.example as xn--bcher-kva.example: UTS 46, without what is transitional."""
    if host.isascii():
        return host
    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise InvalidInput(
            f"origins: {host[:80]!r} is not a host's name; write it as browsers send it, beginning with xn--.",
            field="origins",
        ) from error


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _changed(site: Site, settings: SiteChanges) -> Site:
    changes = {name: checked_setting(name, value) for name, value in settings.items()}
    origins = changes.pop("origins", None)
    for name, value in changes.items():
        setattr(site, name, value)
    if site.webhook_url and not site.webhook_secret:
        site.webhook_secret = secrets.token_hex(32)
    site.save()
    if origins is not None:
        _set_origins(site, origins)
    return site


def _set_origins(site: Site, wanted: set[str]) -> None:
    site.origins.exclude(origin__in=wanted).delete()
    present = set(site.origins.values_list("origin", flat=True))
    SiteOrigin.objects.bulk_create(SiteOrigin(site=site, origin=origin) for origin in wanted - present)


def _checked_origins(origins: Iterable[str]) -> set[str]:
    wanted = {checked_origin(origin) for origin in origins}
    if len(wanted) > _ORIGINS_MAX:
        raise InvalidInput(f"origins: at most {_ORIGINS_MAX}.", field="origins")
    return wanted


def _checked_name(name: str) -> str:
    name = checked_line("name", name, _NAME_MAX_CHARS)
    if not name:
        raise InvalidInput("name must not be empty.", field="name")
    return name


def _checked_assets(value: str) -> str:
    if value not in Site.Assets.values:
        raise InvalidInput(
            f"shows_assets must be one of {', '.join(Site.Assets.values)}.", field="shows_assets"
        )
    return value


def _checked_diversity(value: float) -> float:
    if not 0.0 <= value <= 1.0:
        raise InvalidInput("diversity must be from 0 to 1.", field="diversity")
    return value


def _checked_requests(value: int) -> int:
    if not 0 <= value <= _REQUESTS_MAX:
        raise InvalidInput(
            f"requests_per_minute must be from 0 (any number) to {_REQUESTS_MAX:,}.",
            field="requests_per_minute",
        )
    return value


def _checked_webhook(url: str) -> str:
    url = checked_line("webhook_url", url, _URL_MAX_CHARS)
    if url:
        checked_address(url, "webhook_url")
    return url


_CHECKS: dict[str, Any] = {
    "name": _checked_name,
    "origins": _checked_origins,
    "shows_assets": _checked_assets,
    "diversity": _checked_diversity,
    "requests_per_minute": _checked_requests,
    "webhook_url": _checked_webhook,
}
