"""What is read of a visitor is what they did last, and never more than there is room for."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from recommender import visitor_selectors
from recommender.interactions import receive
from recommender.models import Item, Site
from recommender.visitor_selectors import History, history_of
from tests.recommender.shop import did, furnished
from tests.search.photos import stored

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(alice: User) -> Site:
    return furnished(alice)


def history(of: Site) -> History:
    return history_of(of, "v1", timezone.now())


def codes(*names: str) -> list[int]:
    return [Item.objects.get(external_id=name).pk for name in names]


def ago(hours: float) -> str:
    return (timezone.now() - timedelta(hours=hours)).isoformat()


def test_the_last_actions_come_first_with_their_strengths_and_ages(shop: Site) -> None:
    did(shop, "v1", "click", "pan", at=ago(3))
    did(shop, "v1", "like", "boat1", at=ago(1))
    did(shop, "v1", "view", "pan", at=ago(2))
    did(shop, "v2", "view", "sofa1")
    told = history(shop)
    assert told.codes.tolist() == codes("boat1", "pan", "pan")
    assert told.strengths.tolist() == [2.0, 0.5, 1.0]
    assert told.ages_s.tolist() == pytest.approx([3600, 7200, 10800], abs=5)
    assert told.spent == set(codes("boat1", "pan"))


def test_what_was_dismissed_takes_no_room_and_is_spent(shop: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visitor_selectors, "_REMEMBERED", 2)
    unwanted = stored(shop.owner)
    did(shop, "v1", "dismiss", "pan", at=ago(9))
    did(shop, "v1", "click", "boat1", "sofa1", at=ago(3))
    for hours in (1, 2):
        did(shop, "v1", "click", "pan", at=ago(hours))
    receive(
        shop, [{"visitor": "v1", "kind": kind, "asset": unwanted.pk} for kind in ("click", "like", "dismiss")]
    )
    told = history(shop)
    assert sorted(told.codes.tolist()) == sorted(codes("boat1", "sofa1"))
    assert told.spent == {*codes("boat1", "sofa1", "pan"), -unwanted.pk}


def test_no_more_is_read_than_there_is_room_for(shop: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visitor_selectors, "_REMEMBERED", 2)
    monkeypatch.setattr(visitor_selectors, "_SPENT_MAX", 3)
    for hours, name in enumerate(("sofa1", "sofa2", "sofa3", "boat1", "boat2")):
        did(shop, "v1", "click", name, at=ago(hours))
    with CaptureQueriesContext(connection) as queries:
        told = history(shop)
    assert told.codes.tolist() == codes("sofa1", "sofa2")
    assert told.spent == set(codes("sofa1", "sofa2", "sofa3"))
    assert [query["sql"].split("LIMIT ")[-1] for query in queries] == ["3", "2"]
