"""What suits a visitor: by content, by behaviour, without what they know, and something for strangers, too."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from core.errors import InvalidInput
from recommender.interactions import forget, receive
from recommender.learned_behaviour import anything_to_learn, learn, learn_all
from recommender.models import Item, LearnedBehaviour, Rule, Site
from recommender.recommending import EXPLORED, Wanted, recommend
from recommender.refs import Ref
from tests.recommender.shop import ask, did, furnished, names
from tests.recommender.sites import site
from tests.search.photos import photo

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("without_redis", "nothing_explored")]


@pytest.fixture
def shop(alice: User) -> Site:
    return furnished(alice)


def test_what_a_visitor_turned_to_counts_with_the_next_request(shop: Site) -> None:
    did(shop, "v1", "click", "sofa1")
    assert set(ask(shop, limit=2)) == {"sofa2", "sofa3"}
    did(shop, "v1", "like", "boat1")
    assert ask(shop, limit=1) == ["boat2"]


def test_where_nothing_may_be_shown_the_list_is_empty_whatever_a_visitor_likes(
    shop: Site, alice: User
) -> None:
    did(shop, "v1", "click", "sofa1")
    everything = frozenset(Item.objects.values_list("pk", flat=True))
    assert ask(shop, exclude=everything) == ask(site(alice, "empty")) == []


def test_several_interests_are_served_apart(shop: Site) -> None:
    did(shop, "v1", "click", "sofa1", "boat1")
    assert set(ask(shop, limit=3)) == {"sofa2", "sofa3", "boat2"}


def test_recent_interests_stand_before_old_ones(shop: Site) -> None:
    long_ago = (timezone.now() - timedelta(days=60)).isoformat()
    did(shop, "v1", "click", "boat1", at=long_ago)
    did(shop, "v1", "click", "sofa1")
    assert set(ask(shop, limit=2)) == {"sofa2", "sofa3"}


def test_what_was_seen_or_dismissed_or_shown_too_often_is_left_out(shop: Site) -> None:
    did(shop, "v1", "view", "sofa1")
    did(shop, "v1", "dismiss", "sofa2")
    for number in range(8):
        did(shop, "v1", "impression", "pan", key=f"i{number}")
    assert set(ask(shop)) == {"sofa3", "boat1", "boat2"}


def test_many_impressions_do_not_make_a_visitor_forgotten(shop: Site) -> None:
    did(shop, "v1", "click", "sofa1")
    shown = {"visitor": "v1", "kind": "impression", "item": "pan"}
    receive(shop, [{**shown, "key": str(number)} for number in range(900)])
    assert set(ask(shop, limit=2)) == {"sofa2", "sofa3"}
    assert not {"sofa1", "pan"} & set(ask(shop))


def test_what_was_dismissed_is_no_interest_any_more(shop: Site) -> None:
    did(shop, "v1", "click", "sofa1")
    did(shop, "v1", "dismiss", "sofa1")
    assert recommend(shop, Wanted("v1")).based_on == ["newest"]


def crowd(shop: Site) -> None:
    """Twenty who like boats and pans together, and five who like sofas."""
    for number in range(20):
        did(shop, f"boater{number}", "click", "boat1", "pan")
    for number in range(5):
        did(shop, f"sitter{number}", "click", "sofa1", "sofa2")
    learn(shop)


def test_a_stranger_gets_what_is_popular(shop: Site) -> None:
    crowd(shop)
    answer = recommend(shop, Wanted("nobody", limit=2))
    assert set(names(answer)) == {"boat1", "pan"}
    assert answer.based_on == ["popularity"]
    assert {one.reason for one in answer.results} == {"popular now"}


def test_a_stranger_on_a_page_gets_what_goes_with_it(shop: Site) -> None:
    sofa = Item.objects.get(external_id="sofa1")
    answer = recommend(shop, Wanted(about=Ref(True, sofa.pk), limit=2))
    assert set(names(answer)) == {"sofa2", "sofa3"}


def test_where_nothing_was_ever_done_the_newest_come(shop: Site) -> None:
    answer = recommend(shop, Wanted("nobody", limit=2))
    assert (names(answer), answer.based_on) == (["pan", "boat2"], ["newest"])


def test_who_turned_to_this_also_turned_to_that(shop: Site) -> None:
    crowd(shop)
    did(shop, "v1", "click", "boat1")
    answer = recommend(shop, Wanted("v1", limit=2))
    assert set(names(answer)) == {"boat2", "pan"}  # one by its words, one by what others did
    assert set(answer.based_on) == {"content", "behaviour", "popularity"}
    why = {one.row.external_id: one.reason for one in answer.results if isinstance(one.row, Item)}
    assert why["pan"] == "others who looked at the same looked at this"


def test_learning_again_is_due_after_something_was_done_or_forgotten(shop: Site) -> None:
    assert not anything_to_learn()
    crowd(shop)
    assert not anything_to_learn()
    did(shop, "v1", "impression", "pan")  # nobody turned to it
    assert not anything_to_learn()
    did(shop, "v1", "click", "pan")
    assert anything_to_learn()
    told: list[tuple[int, int]] = []
    assert learn_all(lambda done, total: told.append((done, total))) == 1
    assert told == [(0, 1), (1, 1)]
    forget(shop, "v1")
    assert anything_to_learn()
    learn_all(lambda done, total: None)
    assert LearnedBehaviour.objects.get().interactions == 50


def test_rules_lift_lower_and_hide(shop: Site) -> None:
    did(shop, "v1", "click", "sofa1")
    Item.objects.filter(external_id__startswith="boat").update(tags=["water"])
    Rule.objects.create(site=shop, effect="boost", tag="water", strength=10)
    Rule.objects.create(site=shop, effect="hide", external_id="sofa2")
    assert set(ask(shop, limit=2)) == {"boat1", "boat2"}
    assert "sofa2" not in ask(shop)
    Rule.objects.filter(effect="boost").update(effect="bury")
    assert set(ask(shop)[-2:]) == {"boat1", "boat2"}
    Rule.objects.update(until_at=timezone.now())
    assert set(ask(shop, limit=2)) == {"sofa2", "sofa3"}


@pytest.mark.parametrize(
    ("of_items", "of_rule"), [("Water", "water"), ("water", "WATER"), ("Straße", "STRASSE")]
)
def test_capitals_make_no_other_tag_to_a_rule(shop: Site, of_items: str, of_rule: str) -> None:
    Item.objects.filter(external_id="boat1").update(tags=["sea", of_items])
    Rule.objects.create(site=shop, effect="hide", tag=of_rule)
    assert "boat1" not in ask(shop)
    assert "boat2" in ask(shop)


def test_a_little_is_explored_behind_the_first_places(shop: Site, settings: Any) -> None:
    crowd(shop)
    settings.RECOMMENDATION_EXPLORATION = 0.25
    answer = recommend(shop, Wanted("nobody", limit=4))
    assert [one.reason == EXPLORED for one in answer.results].count(True) >= 1
    assert answer.results[3].row.external_id in {"sofa3", "boat2"}  # type: ignore[union-attr]
    assert names(answer) == ask(shop, "nobody", limit=4)  # the same until the hour is over


def test_photos_and_items_stand_in_one_list(shop: Site, alice: User) -> None:
    picture = photo(alice, "red sofa in a room")
    did(shop, "v1", "click", "sofa1")
    answer = recommend(shop, Wanted("v1", kind="any", limit=3))
    assert picture.pk in [one.ref.pk for one in answer.results if not one.ref.is_item]
    only = recommend(shop, Wanted("v1", kind="asset"))
    assert [one.ref.pk for one in only.results] == [picture.pk]


def test_an_outdated_item_is_not_recommended(shop: Site) -> None:
    did(shop, "v1", "click", "sofa1")
    Item.objects.filter(external_id="sofa2").update(expires_at=timezone.now())
    assert "sofa2" not in ask(shop)


def test_wrong_wishes_are_refused(shop: Site) -> None:
    for wrong in ({"kind": "video"}, {"limit": 0}, {"limit": 51}):
        with pytest.raises(InvalidInput):
            recommend(shop, Wanted(**wrong))
