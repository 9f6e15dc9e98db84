"""Behaviour is learned from all that is kept, which is read piece by piece."""

import tracemalloc
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from recommender import learned_behaviour
from recommender.learned_behaviour import learn, learned_of
from recommender.models import Interaction, Item, Site
from recommender.sites import delete_site
from tests.recommender.shop import furnished
from tests.search.photos import stored

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(alice: User) -> Site:
    return furnished(alice)


def acted(shop: Site, count: int) -> None:
    """So many actions of eleven visitors, with every item and a photo."""
    items = list(Item.objects.filter(site=shop).order_by("pk").values_list("pk", flat=True))
    subjects = [*({"item_id": pk} for pk in items), {"asset_id": stored(shop.owner).pk}]
    kinds = ("view", "click", "purchase")
    Interaction.objects.bulk_create(
        Interaction(
            site=shop,
            visitor=f"v{at % 11}",
            kind=kinds[at % 3],
            at=timezone.now() - timedelta(hours=at % 100),
            key=str(at),
            **subjects[at % 13 % len(subjects)],
        )
        for at in range(count)
    )


def test_what_is_read_in_pieces_teaches_the_same(shop: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    acted(shop, 50)
    now = timezone.now()
    whole = learn(shop, now)
    assert len(learned_of(shop).codes) == 7
    monkeypatch.setattr(learned_behaviour, "_ROWS_AT_ONCE", 7)
    pieces = learn(shop, now)
    assert (bytes(pieces.arrays), pieces.interactions) == (bytes(whole.arrays), 50)


def test_a_site_that_is_deleted_while_its_visitors_ask_has_taught_nothing(
    shop: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    acted(shop, 50)
    learn(shop)
    read = learned_behaviour._read

    def read_after_its_end(*told: Any) -> learned_behaviour.Learned:
        delete_site(shop)
        return read(*told)

    monkeypatch.setattr(learned_behaviour, "_read", read_after_its_end)
    assert learned_of(Site.objects.get()) is learned_behaviour.NOTHING


def test_no_more_than_a_piece_is_held_as_objects(shop: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learned_behaviour, "_ROWS_AT_ONCE", 500)
    acted(shop, 10_000)
    learn(shop)  # what is loaded once
    tracemalloc.start()
    try:
        learn(shop)
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most_bytes < 2_000_000
