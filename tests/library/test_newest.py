"""Lists of the newest assets, page by page."""

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from library.models import Asset, AssetTag
from library.selectors import AssetFilters, asset_page, filtered, listed_assets, listed_parts

pytestmark = pytest.mark.django_db


def a_mixture(alice: User, bob: User) -> list[Asset]:
    """Of two people: some public, some private, some taken for unsafe."""
    return Asset.objects.bulk_create(
        Asset(
            owner=(alice, bob)[number % 2],
            sha256=f"{number:064x}",
            size_bytes=1,
            width_px=1,
            height_px=1,
            visibility=("public", "private", "public")[number % 3],
            unsafe_score=1.0 if number % 5 == 0 else None,
        )
        for number in range(31)
    )


@pytest.mark.parametrize(
    "filters",
    [
        AssetFilters(),
        AssetFilters(mine=True),
        AssetFilters(mine=False),
        AssetFilters(visibility="public"),
        AssetFilters(visibility="private"),
        AssetFilters(mine=True, visibility="public"),
        AssetFilters(mine=False, visibility="private"),
        AssetFilters(tag="sea"),
    ],
)
def test_pages_of_the_newest_hold_what_may_be_listed_once_and_in_order(
    alice: User, bob: User, settings: Any, filters: AssetFilters
) -> None:
    settings.UNSAFE_PHOTOS = "hide"
    assets = a_mixture(alice, bob)
    AssetTag.objects.bulk_create(AssetTag(asset=asset, name="Sea") for asset in assets[::4])
    for viewer in (alice, bob, AnonymousUser(), None):
        right = filtered(listed_assets(viewer), viewer, filters).order_by("-id")
        found, before_id = [], None
        while True:
            page, before_id = asset_page(viewer, filters, before_id=before_id, limit=4)
            found += page
            if before_id is None:
                break
        assert found == list(right)


@pytest.mark.parametrize("unsafe", ["hide", "show"])
def test_parts_together_are_what_may_be_listed(alice: User, bob: User, settings: Any, unsafe: str) -> None:
    settings.UNSAFE_PHOTOS = unsafe
    a_mixture(alice, bob)
    for viewer in (alice, bob, AnonymousUser(), None):
        parts = {asset for part in listed_parts(viewer) for asset in part}
        assert parts == set(listed_assets(viewer))


def test_the_newest_of_all_and_of_ones_own_are_read_from_an_index(alice: User) -> None:
    """SQLite reads and sorts every public photo where it is asked for both in one go: a second for a million."""
    if connection.vendor != "sqlite":
        return
    with CaptureQueriesContext(connection) as queries:
        asset_page(alice, AssetFilters(), before_id=None, limit=4)
    listing = [one["sql"] for one in queries if "LIMIT 5" in one["sql"]]
    assert len(listing) == 2
    with connection.cursor() as cursor:
        for sql in listing:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            assert "TEMP B-TREE" not in str(cursor.fetchall())
