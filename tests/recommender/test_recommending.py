"""What suits a visitor: by content, by behaviour, without what they know, and something for strangers, too."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from core.errors import InvalidInput
from recommender import experiments, recommendation_ids
from recommender.interactions import forget, receive
from recommender.learned_behaviour import anything_to_learn, learn, learn_all
from recommender.models import Experiment, Item, LearnedBehaviour, Rule, Site
from recommender.recommending import EXPLORED, Answer, Wanted, recommend
from tests.recommender.shop import did, put
from tests.recommender.sites import publishable, secret, site
from tests.search.photos import photo
from workers import pipeline

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _without_redis(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    monkeypatch.setattr(pipeline, "spent", lambda *_, **__: None)
    settings.RECOMMENDATION_EXPLORATION = 0.0


@pytest.fixture
def shop(alice: User) -> Site:
    made = site(alice, diversity=0.0)
    put(
        made,
        sofa1="red sofa of leather",
        sofa2="red sofa of cotton",
        sofa3="red sofa of wool",
        boat1="wooden boat with sails",
        boat2="wooden boat with oars",
        pan="iron pan for eggs",
    )
    return made


def names(answer: Answer) -> list[str]:
    return [one.row.external_id for one in answer.results if isinstance(one.row, Item)]


def ask(of: Site, visitor: str = "v1", **more: Any) -> list[str]:
    return names(recommend(of, Wanted(visitor=visitor, **more)))


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
    from recommender.visitor_selectors import Subject

    answer = recommend(shop, Wanted(about=Subject(True, sofa.pk), limit=2))
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
    assert picture.pk in [one.subject.pk for one in answer.results if not one.subject.item]
    only = recommend(shop, Wanted("v1", kind="asset"))
    assert [one.subject.pk for one in only.results] == [picture.pk]


def test_an_outdated_item_is_not_recommended(shop: Site) -> None:
    did(shop, "v1", "click", "sofa1")
    Item.objects.filter(external_id="sofa2").update(expires_at=timezone.now())
    assert "sofa2" not in ask(shop)


def test_wrong_wishes_are_refused(shop: Site) -> None:
    for wrong in ({"kind": "video"}, {"limit": 0}, {"limit": 51}):
        with pytest.raises(InvalidInput):
            recommend(shop, Wanted(**wrong))


class TestExperiments:
    variants = [{"name": "as now"}, {"name": "wild", "changes": {"diversity": 1.0}}]

    def running(self, shop: Site, **more: Any) -> Experiment:
        made = Experiment.objects.create(
            site=shop, name="Variety", variants=experiments.checked_variants(self.variants), **more
        )
        experiments.start(made)
        return made

    def test_a_visitor_sees_the_same_variant_each_time_and_both_are_seen(self, shop: Site) -> None:
        made = self.running(shop)
        seen = {v: recommend(shop, Wanted(f"v{v}")).variant for v in range(30)}
        assert set(seen.values()) == {"as now", "wild"}
        assert seen == {v: recommend(shop, Wanted(f"v{v}")).variant for v in range(30)}
        answer = recommend(shop, Wanted("v0"))
        assert recommendation_ids.read(answer.id).arm == f"{made.pk}:{answer.variant}"

    def test_clicks_are_counted_for_the_variant_that_was_shown(self, shop: Site) -> None:
        made = self.running(shop)
        answer = recommend(shop, Wanted("v0"))
        for kind in ("impression", "impression", "click"):
            did(shop, "v0", kind, "pan", recommendation=answer.id)
        did(shop, "v0", "impression", "boat1", recommendation=answer.id)
        told = {one.variant.name: (one.impressions, one.clicks) for one in experiments.results_of(made)}
        assert told[answer.variant] == (2, 1)
        assert sum(shown for shown, _ in told.values()) == 2

    def test_it_stops_when_a_difference_is_certain_and_not_before(self, shop: Site) -> None:
        made = self.running(shop, least_impressions=100)
        self._shown(shop, made, "as now", 400, 20)
        self._shown(shop, made, "wild", 400, 24)
        assert experiments.stop_certain_ones() == 0
        self._shown(shop, made, "wild", 400, 200, start=400)
        assert experiments.stop_certain_ones() == 1
        made.refresh_from_db()
        assert made.state == "stopped"
        assert "wild is clicked more often than as now" in made.stopped_because
        assert recommend(shop, Wanted("v0")).variant == ""

    def _shown(
        self, shop: Site, made: Experiment, name: str, times: int, clicks: int, start: int = 0
    ) -> None:
        from recommender.models import Interaction

        pan, now = Item.objects.get(external_id="pan"), timezone.now()
        Interaction.objects.bulk_create(
            Interaction(
                site=shop,
                visitor=f"{name}{number}".replace(" ", ""),
                kind=kind,
                item=pan,
                at=now,
                arm=f"{made.pk}:{name}",
                key=f"{kind}{name}{number}",
            )
            for number in range(start, start + times)
            for kind in (["impression", "click"] if number - start < clicks else ["impression"])
        )

    def test_one_at_a_time_in_one_place(self, shop: Site) -> None:
        from core.errors import Conflict

        self.running(shop)
        with pytest.raises(Conflict):
            self.running(shop)
        self.running(shop, scenario="cart")

    @pytest.mark.parametrize(
        "wrong",
        [
            "x",
            [{"name": "alone"}],
            [{"name": "a"}, {"name": "a"}],
            [{"name": "a"}, {"name": ""}],
            [{"name": "a"}, {"name": "b", "share": 0}],
            [{"name": "a"}, {"name": "b", "changes": {"colour": 1}}],
            [{"name": "a"}, {"name": "b", "changes": {"diversity": 2}}],
            [{"name": "a"}, {"name": "b", "weights": {}}],
        ],
    )
    def test_variants_that_make_no_sense_are_refused(self, wrong: Any) -> None:
        with pytest.raises(InvalidInput):
            experiments.checked_variants(wrong)


class TestAdmin:
    def test_an_experiment_is_made_started_looked_at_and_stopped(
        self, shop: Site, admin_client: Client
    ) -> None:
        page = reverse("admin:recommender_experiment_add")
        body = {"site": shop.pk, "name": "Variety", "scenario": "", "least_impressions": 10}
        refused = admin_client.post(page, {**body, "variants": '[{"name": "alone"}]'})
        assert "a list of 2 to 6" in refused.content.decode()
        variants = json.dumps(TestExperiments.variants)
        assert admin_client.post(page, {**body, "variants": variants}).status_code == 302
        made = Experiment.objects.get()
        for action, state in (("start", "running"), ("stop", "stopped")):
            listed = reverse("admin:recommender_experiment_changelist")
            admin_client.post(listed, {"action": action, "_selected_action": [made.pk]})
            made.refresh_from_db()
            assert made.state == state
            if state == "running":
                answer = recommend(shop, Wanted("v0"))
                did(shop, "v0", "click", "pan", recommendation=answer.id)
        told = admin_client.get(
            reverse("admin:recommender_experiment_change", args=[made.pk])
        ).content.decode()
        assert "<svg" in told
        assert "100.00%" in told
        assert "stopped by hand" in told


class TestHttp:
    def test_rules_are_replaced_as_a_whole(self, shop: Site) -> None:
        client, path = Client(headers=secret(shop)), "/api/v1/sites/shop/rules"
        body = {"rules": [{"effect": "hide", "external_id": "pan"}, {"effect": "boost", "tag": "water"}]}
        assert client.put(path, body, content_type="application/json").status_code == 200
        assert "pan" not in ask(shop)
        wrong = {"rules": [{"effect": "hide"}]}
        assert client.put(path, wrong, content_type="application/json").status_code == 400
        page = Client(headers=publishable(shop))
        assert page.put(path, body, content_type="application/json").status_code == 403
        assert [rule["effect"] for rule in page.get(path).json()["rules"]] == ["hide", "boost"]

    def test_the_answer_says_why_and_carries_an_id(self, shop: Site) -> None:
        did(shop, "v1", "click", "sofa1")
        answer = Client(headers=publishable(shop)).get(
            "/api/v1/recommendations", {"visitor": "v1", "limit": "2"}
        )
        assert answer.status_code == 200
        told = answer.json()
        assert recommendation_ids.read(told["id"]).made_by == "recommendations"
        assert {one["item"] for one in told["results"]} == {"sofa2", "sofa3"}
        assert told["results"][0]["reason"] == "like what you looked at"
        assert told["results"][0]["why"]["content"] > 0

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ({"visitor": "192.0.2.1"}, "visitor"),
            ({"limit": "0"}, "limit"),
            ({"kind": "video"}, "kind"),
            ({"colour": "red"}, "colour"),
            ({"item": "sofa1", "asset": "1"}, "item"),
        ],
    )
    def test_bad_questions(self, shop: Site, query: dict[str, str], field: str) -> None:
        answer = Client(headers=secret(shop)).get("/api/v1/recommendations", query)
        assert answer.status_code == 400
        assert [error["field"] for error in answer.json()["errors"]] == [field]

    def test_what_does_not_exist_and_who_is_no_site(self, shop: Site) -> None:
        client = Client(headers=secret(shop))
        for query in ({"item": "bed"}, {"asset": "999"}):
            assert client.get("/api/v1/recommendations", query).status_code == 404
        assert Client().get("/api/v1/recommendations").status_code == 401

    def test_what_the_page_shows_already_is_left_out(self, shop: Site) -> None:
        query: dict[str, Any] = {"exclude": ["pan", "boat2"], "limit": "1"}
        told = Client(headers=secret(shop)).get("/api/v1/recommendations", query).json()
        assert told["results"][0]["item"] == "boat1"
