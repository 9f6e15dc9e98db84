"""Sites over HTTP: their owner makes them, changes them, and gives them keys."""

from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest
from ninja import Field, Router, Schema, Status

from library.access import Scope, require_scope, require_session
from library.models import ApiKey
from recommender import site_keys, sites
from recommender.api import doors
from recommender.models import Site
from recommender.site_access import SiteAccess
from recommender.site_selectors import own_site, sites_of

router = Router(tags=["Sites"], auth=SiteAccess())

Assets = Literal["public", "own", "none"]


class SiteChange(Schema, extra="forbid"):
    """What is left out stays as it is."""

    name: str | None = None
    origins: list[str] | None = Field(
        None, description="Where its pages live, such as https://www.example.org"
    )
    shows_assets: Assets | None = Field(
        None, description="Photos that may stand beside its items: public ones, its owner's public ones, none"
    )
    diversity: float | None = Field(None, ge=0, le=1, description="Variety against likeness in related lists")
    requests_per_minute: int | None = Field(
        None, ge=0, description="Of each of its keys, a publishable one's of each visitor; 0: any number"
    )
    webhook_url: str | None = Field(
        None, description="Told when a caption is ready or corrected; empty: nothing is"
    )


class SiteIn(SiteChange):
    slug: str = Field(description="Stands in addresses and keys: small letters, digits and hyphens")


class SiteOut(Schema):
    slug: str
    name: str
    origins: list[str]
    shows_assets: Assets
    diversity: float
    requests_per_minute: int
    webhook_url: str
    created_at: datetime


class SiteList(Schema):
    results: list[SiteOut]


class SiteKeyIn(Schema, extra="forbid"):
    name: str = Field(description="What will use the key, so that you know it again")
    kind: Literal["secret", "publishable"] = Field(
        description="secret: for the site's server. publishable: for its pages, from its origins only"
    )


class SiteKeyOut(Schema):
    id: int
    name: str
    kind: str
    hint: str
    created_at: datetime
    last_used_at: datetime | None


class SiteKeyMade(SiteKeyOut):
    key: str = Field(description="Send it as `Authorization: Bearer <key>`. It is shown this once only.")


class SiteKeyList(Schema):
    results: list[SiteKeyOut]


class WebhookSecret(Schema):
    secret: str = Field(description="Signs every message to the webhook. It is shown this once only.")


@router.get("/sites", response=SiteList, auth=Scope(ApiKey.Scope.READ), summary="Your sites")
def list_sites(request: HttpRequest) -> dict[str, Any]:
    return {"results": [_out(site) for site in sites_of(require_scope(request, ApiKey.Scope.READ))]}


@router.post(
    "/sites", response={201: SiteOut}, auth=Scope(ApiKey.Scope.WRITE), summary="Make a site of yours"
)
def create_site(request: HttpRequest, body: SiteIn) -> Status[dict[str, Any]]:
    owner = require_scope(request, ApiKey.Scope.WRITE)
    given = body.dict(exclude_none=True)
    return Status(201, _out(sites.create_site(owner, given.pop("slug"), **given)))


@router.get("/sites/{site}", response=SiteOut, summary="A site's settings")
def get_site(request: HttpRequest, site: str) -> dict[str, Any]:
    return _out(doors.writer(request, site).site)


@router.patch("/sites/{site}", response=SiteOut, summary="Change a site's settings")
def change_site(request: HttpRequest, site: str, body: SiteChange) -> dict[str, Any]:
    found = doors.writer(request, site).site
    return _out(sites.change_site(found, **body.dict(exclude_none=True)))


@router.delete(
    "/sites/{site}", response={204: None}, summary="Delete a site with its items and keys; its owner only"
)
def delete_site(request: HttpRequest, site: str) -> Status[None]:
    sites.delete_site(own_site(require_session(request), site))
    return Status(204, None)


@router.post(
    "/sites/{site}/webhook-secret", response=WebhookSecret, summary="A new secret that signs webhooks"
)
def new_webhook_secret(request: HttpRequest, site: str) -> dict[str, str]:
    """The old one signs nothing from now on."""
    return {"secret": sites.new_webhook_secret(doors.writer(request, site).site)}


@router.get("/sites/{site}/keys", response=SiteKeyList, summary="A site's keys that work")
def list_keys(request: HttpRequest, site: str) -> dict[str, Any]:
    return {"results": list(site_keys.live_site_keys(own_site(require_session(request), site)))}


@router.post(
    "/sites/{site}/keys", response={201: SiteKeyMade}, summary="Make a key; only a signed-in person may"
)
def create_key(request: HttpRequest, site: str, body: SiteKeyIn) -> Status[dict[str, Any]]:
    found = own_site(require_session(request), site)
    made = site_keys.create_site_key(found, kind=body.kind, name=body.name)
    return Status(201, {**SiteKeyOut.from_orm(made.key).dict(), "key": made.token})


@router.delete("/sites/{site}/keys/{int:key_id}", response={204: None}, summary="Revoke a site's key at once")
def revoke_key(request: HttpRequest, site: str, key_id: int) -> Status[None]:
    site_keys.revoke_site_key(own_site(require_session(request), site), key_id)
    return Status(204, None)


def _out(site: Site) -> dict[str, Any]:
    return {
        "slug": site.slug,
        "name": site.name,
        "origins": [str(origin) for origin in site.origins.all()],
        "shows_assets": site.shows_assets,
        "diversity": site.diversity,
        "requests_per_minute": site.requests_per_minute,
        "webhook_url": site.webhook_url,
        "created_at": site.created_at,
    }
