"""Who asks in the name of a site: its server, one of its pages, or its owner. Decided in one place."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from ninja.errors import AuthenticationError

from core.errors import NotAllowed, NotFound
from core.outbound import parts_of_address
from library.access import SAFE_METHODS, Scope, bearer_token, require_scope
from library.models import ApiKey
from recommender import site_keys
from recommender.models import Site, SiteKey, SiteOrigin
from recommender.site_selectors import own_site

_REMEMBERED = "_sightline_site_caller"
_NO_SUCH_SITE = "There is no such site."


@dataclass(frozen=True)
class SiteCaller:
    """`key` is None for the site's owner, who signed in or sent an API key of theirs."""

    site: Site
    key: SiteKey | None = None

    @property
    def may_write(self) -> bool:
        return self.key is None or self.key.kind == SiteKey.Kind.SECRET

    @property
    def is_page(self) -> bool:
        """Whether a page in somebody's browser asks, with a key that everybody can read."""
        return not self.may_write


def site_key_caller_of(request: HttpRequest) -> SiteCaller | None:
    """The site whose key the request carries; None where it carries none.

    A 401 for a key that is unknown or revoked; NotAllowed for a publishable one outside of the site's origins. The
    publishable key may also stand in the query as `key`, which spares a page the preflight; a secret one may not.
    """
    if hasattr(request, _REMEMBERED):
        known: SiteCaller | None = getattr(request, _REMEMBERED)
        return known
    token = _token_in(request)
    caller = None if token is None else _caller_of_token(request, token)
    setattr(request, _REMEMBERED, caller)
    return caller


def site_caller_of(request: HttpRequest, slug: str) -> SiteCaller:
    """Who asks about this site. NotFound for a site that is not the caller's, as for one that does not exist."""
    caller = site_key_caller_of(request)
    if caller is None:
        caller = _owner_of(request, slug)
    if caller.site.slug != slug:
        raise NotFound(_NO_SUCH_SITE)
    return caller


def writer_of_site(request: HttpRequest, slug: str) -> SiteCaller:
    """As `site_caller_of`, and NotAllowed for a publishable key."""
    caller = site_caller_of(request, slug)
    if not caller.may_write:
        raise NotAllowed("A publishable key is for pages: use the site's secret key, from its server.")
    return caller


def origin_of(request: HttpRequest) -> str | None:
    """Where the page that asks lives. A browser names it in `Origin`, and for its own site at least in `Referer`.

    None where neither names an address.
    """
    named = request.headers.get("Origin") or request.headers.get("Referer", "")
    parts = parts_of_address(named)
    if parts is None or not parts.scheme or not parts.netloc:
        return None
    return f"{parts.scheme}://{parts.netloc}".lower()


def page_origin(request: HttpRequest) -> str | None:
    """The origin of the site's page whose publishable key came with the request and was found good."""
    caller: SiteCaller | None = getattr(request, _REMEMBERED, None)
    return origin_of(request) if caller is not None and caller.is_page else None


class SiteAccess(Scope):
    """django-ninja's door for what sites do: it lets in any site's key, and people by their sessions and API keys.

    It runs before the body is read. Which site is meant, and what may be done with it, the operation asks.
    """

    def __init__(self) -> None:
        super().__init__(ApiKey.Scope.READ)

    def __call__(self, request: HttpRequest) -> Any:
        return site_key_caller_of(request) or require_scope(request, _scope_for(request))


def _scope_for(request: HttpRequest) -> str:
    return ApiKey.Scope.READ if request.method in SAFE_METHODS else ApiKey.Scope.WRITE


def _token_in(request: HttpRequest) -> str | None:
    token = bearer_token(request)
    if token is not None:
        return token if site_keys.is_site_token(token) else None
    token = request.GET.get("key")
    if token is None or not site_keys.is_site_token(token):
        return None
    if not site_keys.is_publishable(token):
        raise NotAllowed(
            "A secret key never belongs into an address, where logs keep it: revoke it, and send the next one as "
            "`Authorization: Bearer <key>`."
        )
    return token


def _caller_of_token(request: HttpRequest, token: str) -> SiteCaller:
    key = site_keys.site_key_of(token)
    if key is None:
        raise AuthenticationError(message="The site's key is unknown or revoked.")
    if key.kind == SiteKey.Kind.PUBLISHABLE:
        origin = origin_of(request)
        if origin is None or not SiteOrigin.objects.filter(site=key.site, origin=origin).exists():
            raise NotAllowed(
                f"This publishable key works from the site's own origins only, not from {origin or 'nowhere'}: "
                "add the origin to the site, or use the secret key from a server."
            )
    site_keys.note_use(key)
    return SiteCaller(key.site, key)


def _owner_of(request: HttpRequest, slug: str) -> SiteCaller:
    return SiteCaller(own_site(require_scope(request, _scope_for(request)), slug))
