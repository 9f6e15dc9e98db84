"""What /api/v1/related is asked, and what it answers."""

import json
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from recommender import recommendation_ids
from recommender.models import Item, Site
from search.encoding import embedder
from tests.library.pictures import picture
from tests.recommender.asking import ask, beside, names, put
from tests.recommender.sites import ORIGIN, publishable, secret
from tests.search.photos import many, photo, stored
from workers import pipeline

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("without_redis")]


class TestQuestions:
    def test_a_text(self, shop: Site) -> None:
        put(shop, a="walks in norway", b="a red car")
        answer = ask({"text": "a walk in norway", "kind": "item"}, secret(shop)).json()
        assert names(answer)[0] == "a"

    def test_a_picture(self, shop: Site, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        vector = embedder("image").embed_queries(["red"])[0]
        monkeypatch.setattr(pipeline, "encode_query_image", lambda picture: vector)
        red, blue = photo(alice, "x", looks="red"), photo(alice, "y", looks="blue")
        form = {"question": json.dumps({"kind": "asset"}), "picture": SimpleUploadedFile("a.jpg", picture())}
        answer = Client(headers=secret(shop)).post("/api/v1/related", form)
        assert names(answer.json()) == [red.pk, blue.pk]
        assert answer.json()["results"][0]["reason"] == "they look alike"

    def test_several_examples_with_weights_and_negatives(self, shop: Site) -> None:
        put(shop, red="red roses", blue="blue sea", redder="roses are red", bluer="the sea is blue")
        more_red = {
            "examples": [{"item": "red", "weight": 5}, {"item": "blue"}],
            "kind": "item",
            "diversity": 0,
        }
        assert names(ask(more_red, secret(shop)).json())[0] == "redder"
        no_red = {
            "examples": [{"text": "red and blue"}],
            "negatives": [{"item": "red"}],
            "kind": "item",
            "diversity": 0,
        }
        assert names(ask(no_red, secret(shop)).json())[0] in {"blue", "bluer"}

    def test_a_stranger_asks_the_gallery(self, alice: User) -> None:
        red = photo(alice, "red poppies")
        answer = ask({"text": "red poppies"}, {})
        assert names(answer.json()) == [red.pk]

    @pytest.mark.parametrize(
        ("question", "field"),
        [
            ({}, "text"),
            ({"text": 1}, "text"),
            ({"text": "a", "kind": "video"}, "kind"),
            ({"text": "a", "limit": 0}, "limit"),
            ({"text": "a", "colour": "red"}, "colour"),
            ({"examples": [{"item": "a", "text": "b"}]}, "examples"),
            ({"examples": [{"text": " "}]}, "examples"),
            ({"examples": [{"text": "a", "weight": -1}]}, "examples"),
            ({"negatives": [{"text": "a"}]}, "text"),
            ({"text": "a", "filters": {"after": "soon"}}, "filters"),
            ({"text": "a", "filters": {"flavour": "sweet"}}, "filters"),
            ({"text": "a", "scenario": "\0"}, "scenario"),
            ({"text": "a", "exclude": [{"asset": 10**30}]}, "exclude"),
            ({"examples": [{"asset": 0}]}, "examples"),
            ([], "question"),
        ],
    )
    def test_bad_questions_name_their_field(self, shop: Site, question: Any, field: str) -> None:
        answer = ask(question, secret(shop))
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"] == field

    def test_items_need_a_site(self, alice: User) -> None:
        assert ask({"text": "a", "kind": "item"}, {}).status_code == 400
        one = photo(alice)
        assert Client().get(f"/api/v1/assets/{one.pk}/related", {"kind": "item"}).status_code == 400


class TestAnswers:
    def test_every_answer_has_an_id_that_tells_what_it_was(self, shop: Site) -> None:
        put(shop, a="walks", b="walks b")
        answer = beside(shop, "a", scenario="article-foot")
        told = recommendation_ids.read(answer["recommendation"])
        item = Item.objects.get(external_id="a")
        assert (told.site, told.made_by, told.scenario) == (shop.pk, "related", "article-foot")
        assert told.about == f"item:{item.pk}"

    def test_caches_may_keep_a_page_s_list_for_a_while(self, shop: Site) -> None:
        put(shop, a="walks", b="walks b")
        page = Client(headers=publishable(shop))
        path = "/api/v1/sites/shop/items/a/related"
        first = page.get(path)
        assert first["Cache-Control"] == "public, max-age=60"
        assert "Origin" in first["Vary"]
        again = page.get(path, headers={"If-None-Match": first["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        put(shop, c="walks c")
        assert page.get(path, headers={"If-None-Match": first["ETag"]}).status_code == 200

    def test_what_a_person_sees_is_kept_by_no_shared_cache(self, alice: User, client: Client) -> None:
        one = photo(alice)
        assert client.get(f"/api/v1/assets/{one.pk}/related")["Cache-Control"].startswith("public")
        client.force_login(alice)
        assert client.get(f"/api/v1/assets/{one.pk}/related")["Cache-Control"].startswith("private")

    def test_an_undescribed_photo_has_the_newest_beside_it_and_says_so(self, alice: User) -> None:
        many(alice, 3, "a red picture")
        fresh = stored(alice)
        answer = Client().get(f"/api/v1/assets/{fresh.pk}/related").json()
        assert len(answer["results"]) == 3
        assert answer["fallbacks"] == ["recent"]

    def test_the_same_question_has_the_same_answer(self, shop: Site) -> None:
        rng = np.random.default_rng(3)
        put(shop, **{f"n{at}": " ".join(rng.choice(["red", "sea", "dog", "sun"], 3)) for at in range(60)})
        assert names(beside(shop, "n0")) == names(beside(shop, "n0"))

    def test_a_page_of_another_origin_gets_nothing(self, shop: Site) -> None:
        put(shop, a="walks")
        headers = {**publishable(shop), "Origin": "https://evil.example"}
        answer = Client(headers=headers).get("/api/v1/sites/shop/items/a/related")
        assert answer.status_code == 403
        assert "Access-Control-Allow-Origin" not in answer
        assert ORIGIN not in answer.content.decode()
