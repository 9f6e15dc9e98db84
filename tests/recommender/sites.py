"""Sites and keys for tests."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from recommender.models import Site
from recommender.site_keys import create_site_key
from recommender.sites import create_site

ORIGIN = "https://shop.example"


@pytest.fixture
def shop(alice: User) -> Site:
    return site(alice)


def site(owner: User, slug: str = "shop", **settings: Any) -> Site:
    return create_site(owner, slug, **{"origins": [ORIGIN], **settings})


def secret(site: Site) -> dict[str, str]:
    """Headers of the site's server."""
    return {"Authorization": f"Bearer {create_site_key(site, kind='secret', name='server').token}"}


def publishable(site: Site, origin: str | None = ORIGIN) -> dict[str, str]:
    """Headers of a page of the site."""
    token = create_site_key(site, kind="publishable", name="pages").token
    return {"Authorization": f"Bearer {token}", **({"Origin": origin} if origin else {})}
