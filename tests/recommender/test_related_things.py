"""Photos and items beside each other, over HTTP."""

import json
import re

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from captioning.models import Caption
from recommender.item_content import checked_content
from recommender.items import put_items
from recommender.models import Item, Site
from tests.query_plans import plan_of
from tests.recommender.asking import ask, beside, names, put, with_picture
from tests.recommender.sites import secret, site
from tests.search.photos import photo

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("without_redis")]


class TestItems:
    def test_the_nearest_articles_come_first_with_the_reason(self, shop: Site) -> None:
        put(shop, a="walks in norway", b="hiking in norway", c="a red car", d="walks in norway and sweden")
        answer = beside(shop, "a", limit=2, diversity=0)
        assert names(answer) == ["d", "b"]
        assert answer["results"][0]["reason"] == "both are about walks and norway"
        assert answer["fallbacks"] == []

    def test_an_item_that_came_this_moment_has_company_at_once(self, shop: Site) -> None:
        put(shop, b="hiking in norway", c="a red car")
        put_items(shop, {"a": checked_content({"title": "walks in norway"})})
        assert names(beside(shop, "a")) == ["b", "c"]

    def test_photos_beside_an_article_and_articles_beside_a_photo(self, shop: Site, alice: User) -> None:
        put(shop, a="red poppies", b="the stock market")
        red = photo(alice, "red poppies", looks="red")
        blue = photo(alice, "a lake", looks="blue")
        assert names(beside(shop, "a", kind="asset", limit=2)) == [red.pk, blue.pk]
        answer = Client(headers=secret(shop)).get(f"/api/v1/assets/{red.pk}/related", {"kind": "item"}).json()
        assert names(answer)[0] == "a"
        assert answer["results"][0]["reason"].startswith(
            "the picture shows what the words are about: red and poppies"
        )

    def test_pictures_relate_items_too(self, shop: Site) -> None:
        with_picture(shop, "a", "alpha", caption="a dog on a beach", looks="red")
        with_picture(shop, "b", "beta", caption="a lake", looks="blue")
        with_picture(shop, "c", "gamma", caption="a dog runs on a beach", looks="red")
        answer = beside(shop, "a", diversity=0)
        assert names(answer) == ["c", "b"]
        assert answer["results"][0]["reason"] == "both show a dog on a beach"
        assert answer["results"][0]["item"]["alt_text"] == "a dog runs on a beach"

    def test_items_are_looked_up_by_their_pictures_and_not_walked_through(self, shop: Site) -> None:
        with_picture(shop, "a", "alpha", caption="a dog on a beach", looks="red")
        with CaptureQueriesContext(connection) as queries:
            beside(shop, "a")
        (asked,) = [one["sql"] for one in queries if '"recommender_item"."asset_id" IN' in one["sql"]]
        if connection.vendor == "sqlite":
            assert re.search(r"SEARCH recommender_item USING .*INDEX \w+ \(asset_id=\?\)", plan_of(asked))

    def test_only_what_is_published_and_not_expired(self, shop: Site) -> None:
        put(
            shop,
            a="walks",
            later={"title": "walks", "published_at": "2040-01-01"},
            over={"title": "walks", "expires_at": "2020-01-01"},
            now={"title": "walks now", "published_at": "2020-01-01", "expires_at": "2040-01-01"},
        )
        assert names(beside(shop, "a")) == ["now"]

    def test_a_site_never_shows_anothers_items_or_private_photos(
        self, shop: Site, alice: User, bob: User
    ) -> None:
        rival = site(bob, "rival")
        put(rival, theirs="walks in norway")
        with_picture(rival, "seen", "walks in norway", caption="walks in norway")
        put(shop, a="walks in norway")
        photo(alice, "walks in norway", visibility="private")
        photo(bob, "walks in norway", visibility="private")
        public = photo(bob, "walks in norway")
        assert names(beside(shop, "a", kind="any")) == [public.pk]
        shop.shows_assets = Site.Assets.OWN
        shop.save()
        assert names(beside(shop, "a", kind="any")) == []
        hidden = photo(alice, visibility="private")
        headers = secret(shop)
        assert Client(headers=headers).get(f"/api/v1/assets/{hidden.pk}/related").status_code == 404
        assert Client(headers=headers).get("/api/v1/sites/rival/items/theirs/related").status_code == 404
        assert ask({"examples": [{"item": "theirs"}]}, headers).status_code == 404

    def test_the_same_article_twice_is_shown_once(self, shop: Site) -> None:
        put(shop, a="walks", b="hiking walks", c="Hiking Walks!", d="another thing")
        assert len(names(beside(shop, "a"))) == 2

    def test_versions_of_one_picture_are_shown_once(self, shop: Site) -> None:
        put(shop, a="walks")
        for name, bits in [("b", "ff00ff00ff00ff00"), ("c", "ff00ff00ff00ff01"), ("d", "00ff00ff00ff00ff")]:
            with_picture(shop, name, f"walks {name}", caption="a walk", perceptual_hash=bits)
        assert len(names(beside(shop, "a"))) == 2

    def test_behind_many_copies_what_is_alike_is_still_found(self, shop: Site) -> None:
        put(
            shop,
            a="walks",
            **{f"c{at}": "walks here" for at in range(60)},
            other="walks there",
            far="nothing of it",
        )
        put_items(shop, {"new": checked_content({"title": "late"})})  # would be the fallback
        answer = beside(shop, "a", limit=3)
        assert {"other", "far"} <= set(names(answer))
        assert answer["fallbacks"] == []

    def test_filters(self, shop: Site) -> None:
        put(
            shop,
            a="walks",
            b={
                "title": "walks b",
                "tags": ["Travel"],
                "language": "en-GB",
                "attributes": {"price": 3, "in": ["x", "y"]},
            },
            c={"title": "walks c", "tags": ["food"], "language": "de"},
        )
        assert names(beside(shop, "a", tag="travel")) == ["b"]
        assert names(beside(shop, "a", language="en")) == ["b"]
        wanted = {"price": 3, "in": "y"}
        assert names(beside(shop, "a", attributes=json.dumps(wanted))) == ["b"]
        asked = {"examples": [{"item": "a"}], "filters": {"attributes": wanted}}
        assert names(ask(asked, secret(shop)).json()) == ["b"]
        assert names(beside(shop, "a", attributes='{"price": "3"}')) == []

    def test_days_of_items_are_those_of_their_publication_or_else_of_their_coming(self, shop: Site) -> None:
        put(shop, a="walks", b={"title": "walks b", "published_at": "2020-05-01"}, c="walks c")
        assert names(beside(shop, "a", before="2021")) == ["b"]
        assert names(beside(shop, "a", after="2021")) == ["c"]
        asked = {"examples": [{"item": "a"}], "filters": {"after": "2020-05", "before": "2020-06"}}
        assert names(ask(asked, secret(shop)).json()) == ["b"]

    def test_what_is_asked_of_photos_lets_no_item_through(self, shop: Site, alice: User) -> None:
        put(shop, a="walks", b="walks b")
        with_picture(shop, "c", "walks c", caption="a walk", looks="red")
        public = photo(alice, "walks")
        assert names(beside(shop, "a", kind="any", owner="alice")) == [public.pk]
        assert names(beside(shop, "a", kind="item", owner="alice")) == []

    def test_a_picture_of_an_item_is_no_photo_that_a_filter_keeps(self, shop: Site, alice: User) -> None:
        put(shop, a="walks")
        item = with_picture(shop, "b", "walks b", caption="a walk", looks="red")
        assert item.asset is not None
        item.asset.visibility = "public"
        item.asset.save()
        assert names(beside(shop, "a", kind="any", tag="sea")) == []

    def test_a_narrow_filter_still_finds_all_there_is(self, shop: Site) -> None:
        put(shop, **{f"n{at}": f"walks {at}" for at in range(400)})
        put(shop, a="walks", far={"title": "nothing of it", "tags": ["rare"]})
        assert names(beside(shop, "a", tag="rare")) == ["far"]

    def test_what_is_excluded_does_not_come(self, shop: Site) -> None:
        put(shop, a="walks", b="walks b", c="walks c")
        assert names(beside(shop, "a", exclude="b,x")) == ["c"]
        asked = {"examples": [{"item": "a"}], "exclude": [{"item": "c"}]}
        assert names(ask(asked, secret(shop)).json()) == ["b"]

    def test_pages_repeat_nothing_and_end(self, shop: Site) -> None:
        put(shop, a="walks", **{f"n{at}": f"walks {at}" for at in range(25)})
        seen: list[str] = []
        cursor: str | None = None
        for _ in range(4):
            answer = beside(shop, "a", limit=10, **({"cursor": cursor} if cursor else {}))
            seen += names(answer)
            if (cursor := answer["next"]) is None:
                break
        assert len(seen) == len(set(seen)) == 25
        assert cursor is None

    def test_a_list_is_full_and_says_how_it_was_filled(self, shop: Site) -> None:
        put_items(shop, {f"n{at}": checked_content({"title": f"thing {at}"}) for at in range(5)})
        put(shop, b="walks b")  # encodes them all
        Item.objects.filter(external_id="n4").update(title="")
        put_items(
            shop, {f"late{at}": checked_content({"title": f"late {at}"}) for at in range(3)}
        )  # not yet encoded
        answer = beside(shop, "b", limit=8)
        assert len(answer["results"]) == 8
        assert answer["fallbacks"] == ["recent"]
        assert [one["fallback"] for one in answer["results"]].count("recent") == 3

    def test_variety_is_a_matter_of_strength(self, shop: Site) -> None:
        put(
            shop,
            seed="red roses and blue sea",
            **{f"r{at}": f"red roses and blue {at}" for at in range(5)},
            other="sea",
        )
        plain = names(beside(shop, "seed", limit=3, diversity=0))
        varied = names(beside(shop, "seed", limit=3, diversity=0.9))
        assert "other" not in plain
        assert "other" in varied

    def test_a_caption_that_waits_for_review_is_shown_though_it_relates_nothing(self, shop: Site) -> None:
        put(shop, a="walks")
        item = with_picture(shop, "b", "walks b", caption="a dog")
        Caption.objects.filter(frame__asset=item.asset).update(state=Caption.State.TO_REVIEW)
        (result,) = beside(shop, "a")["results"]
        assert result["item"]["alt_text"] == "a dog"

    def test_names_that_no_database_takes_are_names_of_nothing(self, shop: Site, alice: User) -> None:
        put(shop, a="walks", b="walks b")
        headers = secret(shop)
        page = Client(headers=headers)
        assert names(beside(shop, "a", exclude="item:\0")) == ["b"]
        assert page.get("/api/v1/sites/shop/items/%00/related").status_code == 404
        assert ask({"examples": [{"item": "\0"}]}, headers).status_code == 404
        assert page.get("/api/v1/recommendations?exclude=%00&exclude=b").status_code == 200
        assert page.get("/api/v1/recommendations?scenario=%00").status_code == 400
        told = page.post(
            "/api/v1/interactions",
            {"visitor": "v", "kind": "view", "item": "\0"},
            content_type="application/json",
        )
        assert [one["field"] for one in told.json()["refused"]] == ["item"]
        owner = Client()
        owner.force_login(alice)
        assert owner.get("/api/v1/sites/%00/items").status_code == 404
