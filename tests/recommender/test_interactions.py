"""What sites tell of their visitors."""

import json
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from core.errors import NotFound, Unavailable
from recommender import interactions, recommendation_ids
from recommender.interactions import drop_outdated, receive
from recommender.models import Interaction, Item, Site
from recommender.recommendation_ids import Recommendation
from recommender.sites import delete_site
from tests.clock import UNTIL_THE_NEXT_MINUTE_S
from tests.query_plans import plan_by_index_of
from tests.recommender.shop import did, put
from tests.recommender.sites import ORIGIN, publishable, secret, site
from tests.search.photos import stored
from workers import messages, purses

pytestmark = pytest.mark.django_db

PATH = "/api/v1/interactions"


@pytest.fixture(autouse=True)
def _without_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "spent", lambda *_, **__: None)
    monkeypatch.setattr(purses, "_counted", {})


@pytest.fixture
def shop(alice: User) -> Site:
    made = site(alice)
    put(made, sofa="a red sofa", lamp="a blue lamp")
    return made


def line(**changes: Any) -> dict[str, Any]:
    return {"visitor": "v1", "kind": "click", "item": "sofa", **changes}


def tell(of: Site, body: Any, **headers: str) -> Any:
    return Client(headers=headers or secret(of)).post(PATH, body, content_type="application/json")


class TestTelling:
    def test_one_interaction_is_in_the_database_when_it_is_acknowledged(self, shop: Site) -> None:
        answer = tell(shop, line())
        assert answer.status_code == 202
        assert answer.json() == {"accepted": 1, "repeated": 0, "refused": []}
        kept = Interaction.objects.get()
        assert (kept.visitor, kept.kind, kept.item.external_id) == ("v1", "click", "sofa")  # type: ignore[union-attr]

    def test_a_page_tells_with_its_publishable_key(self, shop: Site) -> None:
        assert tell(shop, line(), **publishable(shop)).status_code == 202
        assert tell(shop, line(), **publishable(shop, "https://evil.example")).status_code == 403

    def test_a_page_that_goes_tells_without_asking_beforehand(self, shop: Site) -> None:
        token = publishable(shop)["Authorization"].removeprefix("Bearer ")
        body = json.dumps({"interactions": [line()]})
        told = Client(headers={"Origin": ORIGIN}).post(f"{PATH}?key={token}", body, content_type="text/plain")
        assert told.status_code == 202
        assert told.json()["accepted"] == 1

    def test_only_sites_tell(self, shop: Site) -> None:
        assert Client().post(PATH, line(), content_type="application/json").status_code == 401
        assert Interaction.objects.count() == 0

    def test_the_good_lines_of_a_batch_are_kept_and_each_bad_one_is_named(self, shop: Site) -> None:
        told = tell(
            shop, {"interactions": [line(), line(item="bed"), 7, line(kind="stare"), line(item="lamp")]}
        )
        assert told.json()["accepted"] == 2
        assert [(one["line"], one["field"]) for one in told.json()["refused"]] == [
            (1, "item"),
            (2, ""),
            (3, "kind"),
        ]

    def test_a_batch_is_not_endless(self, shop: Site) -> None:
        for lines in ([], [line()] * 1001, "x"):
            assert tell(shop, {"interactions": lines}).status_code == 400

    def test_the_same_key_is_the_same_interaction(self, shop: Site) -> None:
        assert tell(shop, line(key="k1")).json()["accepted"] == 1
        assert tell(shop, line(key="k1", kind="like")).json() == {"accepted": 0, "repeated": 1, "refused": []}
        assert tell(shop, {"interactions": [line(key="k2"), line(key="k2")]}).json()["repeated"] == 1
        assert Interaction.objects.count() == 2

    def test_a_replay_without_a_key_is_known_by_what_it_says(self, shop: Site) -> None:
        at = (timezone.now() - timedelta(hours=1)).isoformat()
        told = [tell(shop, line(at=at)).json()["accepted"] for _ in range(2)]
        assert told == [1, 0]
        assert tell(shop, line(at=at, kind="like")).json()["accepted"] == 1

    def test_order_does_not_matter(self, shop: Site) -> None:
        now = timezone.now()
        for hours in (1, 3, 2):
            assert tell(shop, line(at=(now - timedelta(hours=hours)).isoformat())).json()["accepted"] == 1

    def test_a_flood_from_one_key_is_told_when_to_come_back(
        self, shop: Site, settings: Any, stopped_clock: None
    ) -> None:
        settings.INTERACTIONS_PER_MINUTE = 3
        headers, others = secret(shop), secret(shop)
        assert tell(shop, {"interactions": [line()] * 3}, **headers).status_code == 202
        refused = tell(shop, line(), **headers)
        assert refused.status_code == 429
        assert int(refused.headers["Retry-After"]) == UNTIL_THE_NEXT_MINUTE_S
        assert tell(shop, line(), **others).status_code == 202

    def test_one_visitor_does_not_use_up_what_others_may_tell(
        self, shop: Site, settings: Any, stopped_clock: None
    ) -> None:
        settings.INTERACTIONS_PER_MINUTE = 20
        page = publishable(shop)

        def told_from(address: str, lines: int) -> int:
            batch = {"interactions": [line()] * lines}
            told = Client(headers=page, REMOTE_ADDR=address).post(
                PATH, batch, content_type="application/json"
            )
            return told.status_code

        assert [told_from("203.0.113.1", 2), told_from("203.0.113.1", 18)] == [202, 429]
        assert told_from("203.0.113.2", 2) == 202


class TestLines:
    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"visitor": "192.0.2.7"}, "visitor"),
            ({"visitor": "2001:db8::1"}, "visitor"),
            ({"visitor": "ann@example.org"}, "visitor"),
            ({"visitor": ""}, "visitor"),
            ({"visitor": "v" * 65}, "visitor"),
            ({"kind": None}, "kind"),
            ({"item": 5}, "item"),
            ({"item": None}, "item"),
            ({"asset": 1}, "item"),
            ({"item": None, "asset": 10**30}, "asset"),
            ({"item": None, "asset": True}, "asset"),
            ({"at": "yesterday"}, "at"),
            ({"at": "2026-11-25T10:00:00"}, "at"),
            ({"at": "2026-13-25T10:00:00Z"}, "at"),
            ({"at": "2199-01-01T00:00:00Z"}, "at"),
            ({"at": "2001-01-01T00:00:00Z"}, "at"),
            ({"recommendation": "made up"}, "recommendation"),
            ({"recommendation": 7}, "recommendation"),
            ({"seconds": 3}, "seconds"),
            ({"kind": "dwell"}, "seconds"),
            ({"kind": "dwell", "seconds": float("nan")}, "seconds"),
            ({"kind": "dwell", "seconds": float("inf")}, "seconds"),
            ({"kind": "dwell", "seconds": 10**400}, "seconds"),
            ({"kind": "dwell", "seconds": True}, "seconds"),
            ({"key": ""}, "key"),
            ({"key": "k" * 65}, "key"),
            ({"colour": "red"}, "colour"),
        ],
    )
    def test_what_is_wrong_is_named(self, shop: Site, changes: dict[str, Any], field: str) -> None:
        received = receive(shop, [line(**changes)])
        assert [refused.field for refused in received.refused] == [field]
        assert Interaction.objects.count() == 0

    def test_a_clock_that_is_a_little_ahead_is_set_to_now(self, shop: Site) -> None:
        receive(shop, [line(at=(timezone.now() + timedelta(minutes=5)).isoformat())])
        assert Interaction.objects.get().at <= timezone.now()

    def test_photos_are_acted_on_as_far_as_the_site_shows_them(
        self, shop: Site, alice: User, bob: User
    ) -> None:
        public, private = stored(bob), stored(bob, visibility="private")
        told = [{"visitor": "v1", "kind": "view", "asset": asset.pk} for asset in (public, private)]
        received = receive(shop, told)
        assert (received.accepted, [refused.line for refused in received.refused]) == (1, [1])

    def test_an_answer_is_known_by_its_id_and_belongs_to_its_site(self, shop: Site, bob: User) -> None:
        own = Recommendation(shop.pk, "recommendations", scenario="front", arm="3:wild")
        foreign = Recommendation(site(bob, "rival").pk, "recommendations")
        received = receive(
            shop,
            [
                line(recommendation=recommendation_ids.written(own)),
                line(recommendation=recommendation_ids.written(foreign)),
            ],
        )
        assert [refused.line for refused in received.refused] == [1]
        kept = Interaction.objects.get()
        assert (kept.recommendation, kept.scenario, kept.arm) == (own.nonce, "front", "3:wild")

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("others", [0, 1])
    def test_an_item_that_is_deleted_meanwhile_is_unknown(
        self, shop: Site, monkeypatch: pytest.MonkeyPatch, others: int
    ) -> None:
        look_up = interactions._look_up

        def look_up_before_it_goes(*told: Any) -> Any:
            known = look_up(*told)
            Item.objects.filter(external_id="sofa").delete()
            return known

        monkeypatch.setattr(interactions, "_look_up", look_up_before_it_goes)
        received = receive(shop, [line(), *[line(item="lamp")] * others])
        assert (received.accepted, [refused.line for refused in received.refused]) == (others, [0])
        assert Interaction.objects.count() == others

    @pytest.mark.django_db(transaction=True)
    def test_what_is_deleted_again_and_again_is_to_be_sent_again(
        self, shop: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        look_up, of_no_item = interactions._look_up, Item.objects.latest("pk").pk + 1
        monkeypatch.setattr(
            interactions, "_look_up", lambda *told: replace(look_up(*told), items={"sofa": of_no_item})
        )
        with pytest.raises(Unavailable, match="Send them again"):
            receive(shop, [line()])
        assert not Interaction.objects.exists()

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("count", [1, 2])
    def test_a_site_that_is_deleted_meanwhile_is_not_there(self, shop: Site, bob: User, count: int) -> None:
        told = [line(item=None, asset=stored(bob).pk) for _ in range(count)]
        deleted = Site.objects.get()
        delete_site(shop)
        with pytest.raises(NotFound):
            receive(deleted, told)

    def test_items_of_another_site_are_unknown(self, shop: Site, bob: User) -> None:
        rival = site(bob, "rival")
        assert did(rival, "v1", "click", "sofa").accepted == 0


class TestForgetting:
    def test_everything_of_a_visitor_goes_by_one_call(self, shop: Site, bob: User) -> None:
        rival = site(bob, "rival")
        put(rival, sofa="a sofa")
        for where, visitor in ((shop, "v1"), (shop, "v2"), (rival, "v1")):
            did(where, visitor, "click", "sofa")
        client = Client(headers=secret(shop))
        assert client.delete("/api/v1/visitors/v1").json() == {"interactions": 1}
        assert client.delete("/api/v1/visitors/v1").json() == {"interactions": 0}
        left = Interaction.objects.values_list("site__slug", "visitor")
        assert set(left) == {("shop", "v2"), ("rival", "v1")}

    def test_a_page_can_not_forget(self, shop: Site) -> None:
        did(shop, "v1", "click", "sofa")
        answer = Client(headers=publishable(shop)).delete("/api/v1/visitors/v1")
        assert answer.status_code == 403
        assert Interaction.objects.count() == 1

    def test_what_is_old_is_looked_up_and_not_walked_through(self, shop: Site) -> None:
        did(shop, "v1", "click", "sofa", "lamp")
        with CaptureQueriesContext(connection) as queries:
            assert not interactions.any_outdated()
            assert drop_outdated() == 0
        asked = [one["sql"] for one in queries if 'FROM "recommender_interaction"' in one["sql"]]
        assert len(asked) == 2
        for sql in asked:
            assert re.search(
                r"interactions_by_time (\(site_id=\? AND at<\?\)|.*Index Cond: \(\(?site_id = .* AND \(?at <)",
                plan_by_index_of(sql),
            )

    def test_what_is_old_is_dropped(self, shop: Site, settings: Any) -> None:
        did(shop, "v1", "click", "sofa", at=(timezone.now() - timedelta(days=20)).isoformat())
        did(shop, "v1", "click", "lamp")
        settings.INTERACTIONS_KEEP_DAYS = 10
        assert drop_outdated() == 1
        assert Interaction.objects.get().item.external_id == "lamp"  # type: ignore[union-attr]
