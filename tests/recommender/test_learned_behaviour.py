"""Behaviour is learned from all that is kept, which is read piece by piece."""

import tracemalloc
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from recommender import learned_behaviour
from recommender.learned_behaviour import anything_to_learn, learn, learned_of
from recommender.models import Interaction, Item, Site
from recommender.sites import delete_site
from recommender.visitor_selectors import STRENGTHS, actions_of
from tests.query_plans import plan_by_index_of
from tests.recommender.shop import did, furnished
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


def most_bytes_of_learning(shop: Site) -> int:
    learn(shop)  # what is loaded once
    tracemalloc.start()
    try:
        learn(shop)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


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


def test_of_each_visitor_the_newest_things_are_learned_from(
    shop: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learned_behaviour, "_SUBJECTS_MAX", 2)
    done = {5: "sofa1", 4: "sofa2", 3: "sofa3", 2: "sofa3", 1: "sofa2"}
    for hours_ago, name in done.items():
        did(shop, "v1", "click", name, at=(timezone.now() - timedelta(hours=hours_ago)).isoformat())
    did(shop, "v2", "click", "boat1", "pan")
    assert learn(shop).interactions == 7
    learned = learned_of(shop)
    of_v1 = Item.objects.filter(external_id__in=["sofa2", "sofa3"]).values_list("pk", flat=True)
    of_v2 = Item.objects.filter(external_id__in=["boat1", "pan"]).values_list("pk", flat=True)
    assert set(learned.codes.tolist()) == {*of_v1, *of_v2}
    twice, once = (learned.popularity[learned.rows_of(np.array(sorted(of)))] for of in (of_v1, of_v2))
    assert twice.min() > once.max(), "of what is kept, every action counts"
    assert not anything_to_learn(), "what is left out is known, too"


def test_a_visitor_of_very_much_takes_no_more_memory(shop: Site) -> None:
    items = Item.objects.bulk_create(Item(site=shop, external_id=f"n{at}") for at in range(4000))
    Interaction.objects.bulk_create(
        Interaction(
            site=shop,
            visitor="v1",
            kind="view",
            item=item,
            at=timezone.now() - timedelta(hours=at),
            key=str(at),
        )
        for at, item in enumerate(items)
    )
    assert most_bytes_of_learning(shop) < 20_000_000
    assert learned_of(shop).codes.tolist() == [item.pk for item in items[:500]]


def test_no_more_than_a_piece_is_held_as_objects(shop: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learned_behaviour, "_ROWS_AT_ONCE", 500)
    acted(shop, 10_000)
    assert most_bytes_of_learning(shop) < 2_000_000


def test_whether_to_learn_is_looked_up_and_not_walked_through(shop: Site) -> None:
    acted(shop, 300)
    Interaction.objects.filter(kind="view").update(kind="impression")
    learn(shop)
    with CaptureQueriesContext(connection) as queries:
        assert not anything_to_learn()
    asked = [one["sql"] for one in queries if 'FROM "recommender_interaction"' in one["sql"]]
    assert len(asked) == 2
    for sql in asked:
        plan = plan_by_index_of(sql)
        assert "interactions_to_learn" in plan
        assert "TEMP B-TREE" not in plan
        assert "Sort" not in plan


def test_each_kind_that_is_learned_from_has_a_strength(shop: Site) -> None:
    item = Item.objects.filter(site=shop)[0]
    Interaction.objects.bulk_create(
        Interaction(site=shop, visitor="v1", kind=kind, item=item, at=timezone.now(), key=kind)
        for kind in Interaction.Kind.values
    )
    assert {one.kind for one in actions_of(shop)} == set(STRENGTHS)
