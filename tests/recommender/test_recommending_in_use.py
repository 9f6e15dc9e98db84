"""Recommendations as sites meet them: in experiments, in the admin, over HTTP."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from captioning.alt_text import alt_text
from core.errors import InvalidInput
from recommender import experiments, recommendation_ids
from recommender.models import Experiment, Interaction, Item, Site
from recommender.recommending import Wanted, recommend
from tests.recommender.asking import with_picture
from tests.recommender.shop import ask, did, furnished
from tests.recommender.sites import publishable, secret

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("without_redis", "nothing_explored")]


@pytest.fixture
def shop(alice: User) -> Site:
    return furnished(alice)


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

    def test_what_came_of_an_answer_with_the_longest_names_is_kept(self, shop: Site) -> None:
        names = [{"name": letter * 40} for letter in ("对", "试")]
        made = Experiment.objects.create(site=shop, name="x", variants=experiments.checked_variants(names))
        experiments.start(made)
        answer = Client(headers=secret(shop)).get(
            "/api/v1/recommendations", {"visitor": "v1", "scenario": "文" * 64}
        )
        told = {"visitor": "v1", "kind": "click", "item": "pan", "recommendation": answer.json()["id"]}
        client = Client(headers=publishable(shop))
        received = client.post("/api/v1/interactions", told, content_type="application/json")
        assert received.json() == {"accepted": 1, "repeated": 0, "refused": []}
        kept = Interaction.objects.get()
        assert (kept.scenario, kept.arm) == ("文" * 64, f"{made.pk}:{answer.json()['variant']}")

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
            [{"name": "a"}, {"name": "b", "share": 10**400}],
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
        assert page.get(path).status_code == 403
        assert [rule["effect"] for rule in client.get(path).json()["rules"]] == ["hide", "boost"]

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("from_at", "0001-01-01T00:00:00+14:00"),
            ("until_at", "9999-12-31T23:59:59-14:00"),
            ("until_at", "1066-10-14T00:00:00Z"),
            ("tag", "wa\x00ter"),
            ("external_id", "pa\x00n"),
        ],
    )
    def test_a_rule_that_no_database_keeps_changes_nothing(self, shop: Site, field: str, value: str) -> None:
        client, path = Client(headers=secret(shop)), "/api/v1/sites/shop/rules"
        kept = {"rules": [{"effect": "hide", "external_id": "pan"}]}
        client.put(path, kept, content_type="application/json")
        named = {} if field in {"tag", "external_id"} else {"tag": "water"}
        answer = client.put(
            path, {"rules": [{"effect": "hide", field: value, **named}]}, content_type="application/json"
        )
        assert answer.status_code == 400
        assert [error["field"] for error in answer.json()["errors"]] == [field]
        assert [rule["external_id"] for rule in client.get(path).json()["rules"]] == ["pan"]

    def test_the_time_of_a_rule_without_a_zone_is_utc(self, shop: Site) -> None:
        client, path = Client(headers=secret(shop)), "/api/v1/sites/shop/rules"
        rule = {"effect": "hide", "tag": "water", "from_at": "2026-05-01T08:00:00"}
        rule["until_at"] = "2026-05-01T10:00:00+02:00"
        answer = client.put(path, {"rules": [rule]}, content_type="application/json")
        told = {answer.json()["rules"][0][name] for name in ("from_at", "until_at")}
        assert told == {"2026-05-01T08:00:00Z"}

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
            ({"exclude": ["sofa1", "asset:x"]}, "exclude"),
        ],
    )
    def test_bad_questions(self, shop: Site, query: dict[str, Any], field: str) -> None:
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

    def test_the_words_for_a_picture_are_short_enough_to_be_read_aloud(self, shop: Site) -> None:
        caption = "A dog runs along a beach at dusk. " + "Behind it the sea is calm and the sky is red. " * 4
        with_picture(shop, "dog", "Dog", caption=caption)
        told = Client(headers=secret(shop)).get("/api/v1/recommendations", {"limit": "50"}).json()
        (dog,) = (one for one in told["results"] if one["item"] == "dog")
        assert dog["alt"] == alt_text(caption)
        assert len(dog["alt"]) <= 125 < len(caption)
        assert dog["alt"].startswith("A dog runs along a beach at dusk.")
