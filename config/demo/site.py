"""The demo's content site: its items, its key, and the address where its pages live."""

from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.contrib.auth.models import User

from config.demo.site_server import filled
from recommender.bulk import REFUSED, put_lines
from recommender.models import Site, SiteKey
from recommender.site_keys import create_site_key, live_site_keys, revoke_site_key
from recommender.sites import change_site, create_site
from workers import pipeline

FOLDER = Path(settings.BASE_DIR) / "docs" / "demo-site"
SLUG = "slow-weekly"


class DemoSite(NamedTuple):
    """`key` is publishable, and made anew at each start: nobody can read an old one."""

    site: Site
    key: str


def demo_site(owner: User, url: str) -> DemoSite:
    """The site with its items, for pages at this address."""
    site = Site.objects.filter(slug=SLUG, owner=owner).first() or create_site(owner, SLUG)
    site = change_site(site, name="The Slow Weekly", origins=[url])
    for old in live_site_keys(site).filter(kind=SiteKey.Kind.PUBLISHABLE):
        revoke_site_key(site, old.pk)
    lines = filled((FOLDER / "items.ndjson").read_text("utf-8"), {"demo": url}).encode()
    refused = [line for line in put_lines(site, BytesIO(lines)) if line.status == REFUSED]
    assert not refused, refused
    pipeline.wake_items()
    return DemoSite(site, create_site_key(site, kind=SiteKey.Kind.PUBLISHABLE, name="demo pages").token)
