"""Related lists of a site as its editors and its experiments have them."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from recommender import experiments, recommendation_ids
from recommender.experiments import results_of
from recommender.item_content import checked_content
from recommender.items import put_items
from recommender.models import Experiment, Item, Rule, Site
from tests.recommender.shop import put
from tests.recommender.sites import publishable, secret, site
from tests.search.photos import photo

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("without_redis")]


@pytest.fixture
def shop(alice: User) -> Site:
    made = site(alice, diversity=0.0)
    put(made, seed="red roses", near="red roses here", middle="red sea", far="iron pan")
    return made


def get(of: Site, name: str, /, headers: dict[str, str] | None = None, **asked: Any) -> Any:
    client = Client(headers=headers or secret(of))
    answer = client.get(f"/api/v1/sites/{of.slug}/items/{name}/related", asked)
    assert answer.status_code in (200, 304), answer.content
    return answer


def beside(of: Site, name: str = "seed", **asked: Any) -> Any:
    return get(of, name, **asked).json()


def names(answer: Any) -> list[str]:
    return [one["item"]["external_id"] for one in answer["results"]]


class TestRules:
    def test_boost_bury_and_hide(self, shop: Site) -> None:
        assert names(beside(shop)) == ["near", "middle", "far"]
        boost = Rule.objects.create(site=shop, effect="boost", external_id="far", strength=5)
        answer = beside(shop)
        assert names(answer) == ["far", "near", "middle"]
        first, second, _ = answer["results"]
        assert first["why"]["rule"] > 0
        assert first["reason"] == "picked by the editors"
        assert second["reason"] == "both are about red and roses"
        boost.delete()
        bury = Rule.objects.create(site=shop, effect="bury", external_id="near", strength=9)
        assert names(beside(shop))[-1] == "near"
        Rule.objects.filter(pk=bury.pk).update(effect="hide")
        assert names(beside(shop)) == ["middle", "far"]

    def test_rules_hold_for_a_question_too_and_only_in_their_time(self, shop: Site) -> None:
        now = timezone.now()
        over = Rule.objects.create(
            site=shop, effect="hide", external_id="near", until_at=now - timedelta(days=1)
        )
        question = {"text": "red roses", "kind": "item"}

        def asked() -> list[str]:
            client = Client(headers=secret(shop))
            return names(client.post("/api/v1/related", question, content_type="application/json").json())

        assert "near" in asked()
        Rule.objects.filter(pk=over.pk).update(until_at=now + timedelta(days=1))
        assert "near" not in asked()
        assert "near" not in names(beside(shop))

    def test_what_is_boosted_by_its_name_comes_from_however_far(self, shop: Site) -> None:
        put(shop, **{f"n{at}": f"red roses {at}" for at in range(80)})
        assert "far" not in names(beside(shop, limit=5))
        Rule.objects.create(site=shop, effect="boost", external_id="far", strength=9)
        assert names(beside(shop, limit=5))[0] == "far"
        assert "far" not in names(beside(shop, limit=5, exclude="far"))
        assert "far" not in names(beside(shop, limit=5, tag="travel"))

    def test_what_is_hidden_fills_no_list(self, shop: Site) -> None:
        put_items(shop, {f"n{at}": checked_content({"title": f"x {at}", "tags": ["old"]}) for at in range(9)})
        put_items(shop, {"new": checked_content({"title": "late"})})  # not yet encoded, like the nine
        Rule.objects.create(site=shop, effect="hide", tag="old")
        answer = beside(shop, limit=4)
        assert sorted(names(answer)) == ["far", "middle", "near", "new"]
        assert answer["results"][-1]["fallback"] == "recent"

    def test_beside_what_is_not_known_yet_the_boosted_come_first(self, shop: Site) -> None:
        Item.objects.create(site=shop, external_id="empty", content_sha256="0")
        Rule.objects.create(site=shop, effect="boost", external_id="seed")
        assert names(beside(shop, "empty", limit=2)) == ["seed", "far"]

    def test_another_sites_rules_are_none_of_ours(self, shop: Site, bob: User) -> None:
        Rule.objects.create(site=site(bob, "rival"), effect="hide", external_id="near")
        assert "near" in names(beside(shop))


class TestExperiments:
    def started(self, of: Site, scenario: str = "", **changes: float) -> Experiment:
        variants = [{"name": "as now"}, {"name": "other", "changes": changes}]
        made = Experiment.objects.create(site=of, name="e", scenario=scenario, variants=variants)
        experiments.start(made)
        return made

    def visitor_of(self, experiment: Experiment, variant: str) -> str:
        visitors = (f"v-{at}" for at in range(1000))
        return next(one for one in visitors if experiments.variant_for(experiment, one).name == variant)

    def test_a_visitor_keeps_their_variant_which_changes_the_list(self, shop: Site) -> None:
        put(
            shop,
            a="red roses and blue sea",
            **{f"r{at}": f"red roses and blue {at}" for at in range(5)},
            other="sea",
        )
        running = self.started(shop, diversity=0.9)
        for variant in ("as now", "other"):
            visitor = self.visitor_of(running, variant)
            answer = beside(shop, "a", limit=3, visitor=visitor)
            assert answer["variant"] == variant
            assert names(answer) == names(beside(shop, "a", limit=3, visitor=visitor))
            assert ("other" in names(answer)) is (variant == "other")
            assert recommendation_ids.read(answer["recommendation"]).arm == f"{running.pk}:{variant}"

    def test_an_aspect_may_count_for_nothing(self, shop: Site, alice: User) -> None:
        seed = photo(alice, "poppies in a field", looks="red")
        same_words = photo(alice, "poppies in a field", looks="blue")
        same_look = photo(alice, "nothing of it", looks="red")
        running = self.started(shop, look=0.0)

        def found(variant: str) -> Any:
            client = Client(headers=secret(shop))
            asked = {"visitor": self.visitor_of(running, variant)}
            return client.get(f"/api/v1/assets/{seed.pk}/related", asked).json()["results"]

        assert [one["asset"]["id"] for one in found("as now")] == [same_look.pk, same_words.pk]
        assert [one["asset"]["id"] for one in found("other")] == [same_words.pk, same_look.pk]
        assert "look" not in found("other")[0]["why"]

    def test_clicks_on_a_related_list_are_counted_for_what_was_shown(self, shop: Site) -> None:
        running = self.started(shop, "foot", diversity=0.5)
        visitor = self.visitor_of(running, "other")
        answer = beside(shop, scenario="foot", visitor=visitor)
        line = {"visitor": visitor, "item": "near", "recommendation": answer["recommendation"]}
        told = [{**line, "kind": "impression"}, {**line, "kind": "click"}]
        body = {"interactions": told}
        page = Client(headers=publishable(shop))
        received = page.post("/api/v1/interactions", body, content_type="application/json")
        assert received.json()["accepted"] == 2
        assert [(one.impressions, one.clicks) for one in results_of(running)] == [(0, 0), (1, 1)]

    def test_nobody_takes_part_without_a_name_elsewhere_or_who_chose_otherwise(self, shop: Site) -> None:
        running = self.started(shop, "foot", diversity=0.9)
        visitor = self.visitor_of(running, "other")
        for asked in (
            {"scenario": "foot"},
            {"scenario": "head", "visitor": visitor},
            {"scenario": "foot", "visitor": visitor, "diversity": 0.1},
        ):
            answer = beside(shop, **asked)
            assert answer["variant"] == ""
            assert recommendation_ids.read(answer["recommendation"]).arm == ""

    def test_only_what_no_visitor_is_named_for_is_kept_by_shared_caches(self, shop: Site) -> None:
        page = publishable(shop)
        assert get(shop, "seed", page)["Cache-Control"] == "public, max-age=60"
        assert get(shop, "seed", page, visitor="v-1")["Cache-Control"] == "private, max-age=60"

    def test_the_same_list_of_another_experiment_is_another_one(self, shop: Site) -> None:
        first = self.started(shop, diversity=0.0)
        before = get(shop, "seed", visitor=self.visitor_of(first, "as now"))
        experiments.stop(first)
        second = self.started(shop, diversity=0.0)
        after = get(shop, "seed", visitor=self.visitor_of(second, "as now"))
        assert before["ETag"] != after["ETag"]
        again = get(
            shop,
            "seed",
            {**secret(shop), "If-None-Match": after["ETag"]},
            visitor=self.visitor_of(second, "as now"),
        )
        assert again.status_code == 304

    def test_a_visitor_is_no_address(self, shop: Site) -> None:
        for name in ("10.0.0.1", "a@b.example"):
            client = Client(headers=secret(shop))
            answer = client.get("/api/v1/sites/shop/items/seed/related", {"visitor": name})
            assert answer.status_code == 400
            assert answer.json()["errors"][0]["field"] == "visitor"
            question = {"text": "a", "visitor": name}
            assert (
                client.post("/api/v1/related", question, content_type="application/json").status_code == 400
            )


def test_photos_beside_an_item_are_a_list_of_its_site(shop: Site, alice: User) -> None:
    photo(alice, "red roses")
    answer = beside(shop, kind="asset")
    assert recommendation_ids.read(answer["recommendation"]).site == shop.pk
