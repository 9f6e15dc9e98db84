"""What pages of other origins may read, and what they load."""

import json
import re
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from captioning.models import Caption
from recommender.alternative_texts import alternative_texts
from recommender.item_content import checked_content
from recommender.items import put_items
from recommender.models import Item, Site
from recommender.pictures import picture_url
from tests.clock import UNTIL_THE_NEXT_MINUTE_S
from tests.recommender.sites import ORIGIN, publishable, secret, site
from tests.search.photos import photo, stored
from workers import messages

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("without_redis")]

SCRIPT = Path("recommender/embed/related.js")
ITEM = "/api/v1/sites/shop/items/a/related"


@pytest.fixture
def shop(alice: User) -> Site:
    made = site(alice)
    put_items(made, {"a": checked_content({"title": "walks", "image_url": f"{ORIGIN}/a.jpg"})})
    return made


def preflight(origin: str) -> Any:
    headers = {"Origin": origin, "Access-Control-Request-Method": "GET"}
    return Client(headers=headers).options(ITEM)


class TestOrigins:
    def test_a_page_of_the_site_may_read_its_answers(self, shop: Site) -> None:
        answer = Client(headers=publishable(shop)).get(ITEM)
        assert answer["Access-Control-Allow-Origin"] == ORIGIN
        assert "Origin" in answer["Vary"]
        assert "Access-Control-Allow-Credentials" not in answer

    def test_a_page_of_another_site_may_not(self, shop: Site, bob: User) -> None:
        site(bob, "rival", origins=["https://rival.example"])
        answer = Client(headers={**publishable(shop), "Origin": "https://rival.example"}).get(ITEM)
        assert answer.status_code == 403
        assert "Access-Control-Allow-Origin" not in answer

    def test_a_secret_key_or_a_session_opens_nothing_to_pages(
        self, shop: Site, alice: User, client: Client
    ) -> None:
        for headers in (secret(shop), {}):
            client.force_login(alice)
            answer = client.get(ITEM, headers={**headers, "Origin": ORIGIN})
            assert answer.status_code == 200
            assert "Access-Control-Allow-Origin" not in answer

    def test_preflights_are_for_origins_of_sites(self, shop: Site) -> None:
        allowed, refused = preflight(ORIGIN), preflight("https://evil.example")
        assert allowed["Access-Control-Allow-Origin"] == ORIGIN
        assert "Authorization" in allowed["Access-Control-Allow-Headers"]
        assert "Access-Control-Allow-Origin" not in refused

    def test_a_page_that_asks_too_often_is_told_so_in_a_way_that_it_can_read(
        self, shop: Site, stopped_clock: None
    ) -> None:
        shop.requests_per_minute = 1
        shop.save()
        page = Client(headers=publishable(shop))
        answered, flooded = (page.get(ITEM) for _ in range(2))
        assert (answered.status_code, flooded.status_code) == (200, 429)
        assert int(flooded["Retry-After"]) == UNTIL_THE_NEXT_MINUTE_S
        assert flooded["Access-Control-Allow-Origin"] == ORIGIN

    def test_a_visitor_who_asks_too_often_takes_nothing_from_the_others(
        self, shop: Site, stopped_clock: None, settings: Any
    ) -> None:
        settings.CLIENT_ADDRESS_HEADER = "X-Real-IP"
        shop.requests_per_minute = 1
        shop.save()
        page = Client(headers=publishable(shop))

        def answer_to(address: str) -> int:
            return page.get(ITEM, headers={"X-Real-IP": address}).status_code

        assert [answer_to("203.0.113.9") for _ in range(2)] == [200, 429]
        assert [answer_to("203.0.113.10") for _ in range(2)] == [200, 429]

    def test_a_server_asks_as_often_from_wherever_it_asks(self, shop: Site, stopped_clock: None) -> None:
        shop.requests_per_minute = 1
        shop.save()
        server = Client(headers=secret(shop))
        told = [server.get(ITEM, REMOTE_ADDR=f"203.0.113.{n}").status_code for n in (1, 2)]
        assert told == [200, 429]

    def test_what_is_counted_tells_no_address(self, shop: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        spent = Mock(return_value=1)
        monkeypatch.setattr(messages, "spent", spent)
        Client(headers=publishable(shop)).get(ITEM, REMOTE_ADDR="203.0.113.9")
        assert "203.0.113" not in str(spent.call_args)


def test_a_page_may_send_its_key_in_the_address(shop: Site) -> None:
    key = publishable(shop)["Authorization"].removeprefix("Bearer ")
    page = Client(headers={"Origin": ORIGIN})
    for path in (ITEM, "/api/v1/recommendations"):
        assert page.get(f"{path}?key={key}").status_code == 200
    asked = page.post(f"/api/v1/related?key={key}", {"text": "walks"}, content_type="application/json")
    assert asked.status_code == 200


class TestAlternativeTexts:
    def ask(self, of: Site, url: str) -> Any:
        return Client(headers=publishable(of)).get("/api/v1/alt", {"url": url})

    def described(self, of: Site, caption: str = "a dog on a beach", **more: Any) -> Item:
        asset = photo(of.owner, caption, visibility="private")
        Caption.objects.filter(frame__asset=asset).update(**more)
        item = Item.objects.get(site=of, external_id="a")
        item.asset = asset
        item.save()
        return item

    def test_of_a_picture_by_the_address_that_the_site_gave(self, shop: Site) -> None:
        self.described(shop)
        answer = self.ask(shop, f"{ORIGIN}/a.jpg")
        assert answer.json() == {"alt": "a dog on a beach", "source": "model", "reviewed": False}
        assert answer["Cache-Control"].startswith("public")

    def test_of_a_picture_by_our_own_address(self, shop: Site) -> None:
        item = self.described(shop)
        assert item.asset is not None
        assert self.ask(shop, f"https://service.example{picture_url(item.asset)}").status_code == 200
        public = photo(shop.owner, "a lake")
        assert self.ask(shop, picture_url(public)).json()["alt"] == "a lake"

    def test_of_a_public_photo_that_the_site_may_show(self, shop: Site, bob: User) -> None:
        theirs = photo(bob, "a lake", sha256="ab" * 32)
        ours = f"https://testserver/media/asset/{theirs.pk}"
        known = [
            *(f"{ours}/thumbnail/320", f"{ours}/original", f"/media/asset/{theirs.pk}/original"),
            *(f"https://cdn.example/{'AB' * 32}.jpg?w=300", f"https://cdn.example/x/{'ab' * 32}"),
        ]
        strange = [
            *(f"https://elsewhere.example/media/asset/{theirs.pk}/original", f"{ours}/elsewhere"),
            *(f"https://cdn.example/{'ab' * 31}.jpg", f"https://cdn.example/{'ab' * 33}.jpg", "https://[/x"),
        ]
        assert [self.ask(shop, url).status_code for url in known] == [200] * 5
        assert [self.ask(shop, url).status_code for url in strange] == [404] * 5
        shop.shows_assets = Site.Assets.OWN
        shop.save()
        assert {self.ask(shop, url).status_code for url in known} == {404}
        theirs.visibility = "private"
        theirs.save()
        shop.shows_assets = Site.Assets.PUBLIC
        shop.save()
        assert {self.ask(shop, url).status_code for url in known} == {404}

    def test_of_a_private_picture_by_its_content_for_the_site_of_its_item_alone(
        self, shop: Site, bob: User
    ) -> None:
        item = self.described(shop)
        assert item.asset is not None
        url = f"https://cdn.example/{item.asset.sha256}.jpg"
        assert self.ask(shop, url).status_code == 200
        rival = site(bob, "rival", origins=[ORIGIN])
        assert self.ask(rival, url).status_code == 404

    def test_what_a_person_stands_behind_is_not_called_a_machine_s(self, shop: Site) -> None:
        self.described(shop, state=Caption.State.ACCEPTED)
        assert self.ask(shop, f"{ORIGIN}/a.jpg").json()["reviewed"] is True

    def test_unknown_undescribed_rejected_and_other_people_s_pictures_are_the_same_404(
        self, shop: Site, bob: User
    ) -> None:
        assert self.ask(shop, f"{ORIGIN}/a.jpg").status_code == 404
        assert self.ask(shop, "https://elsewhere.example/a.jpg").status_code == 404
        private = photo(bob, visibility="private")
        assert self.ask(shop, f"/media/asset/{private.pk}/thumbnail/320").status_code == 404
        rival = site(bob, "rival", origins=["https://rival.example"])
        item = self.described(shop)
        assert item.asset is not None
        headers = publishable(rival, "https://rival.example")
        for url in (f"{ORIGIN}/a.jpg", picture_url(item.asset), "/embed/pictures/1:forged/320", "\0"):
            assert Client(headers=headers).get("/api/v1/alt", {"url": url}).status_code == 404
        self.described(shop, state=Caption.State.REJECTED)
        assert self.ask(shop, f"{ORIGIN}/a.jpg").status_code == 404

    def ask_all(self, of: Site, urls: Any) -> Any:
        """As the script does, in a way that needs no preflight."""
        key = publishable(of)["Authorization"].removeprefix("Bearer ")
        page = Client(headers={"Origin": ORIGIN})
        return page.post(f"/api/v1/alt?key={key}", json.dumps({"urls": urls}), content_type="text/plain")

    def test_of_many_pictures_at_once_each_says_what_it_says_alone(self, shop: Site, bob: User) -> None:
        item = self.described(shop)
        assert item.asset is not None
        theirs = photo(bob, "a lake", sha256="ab" * 32)
        private = photo(bob, visibility="private")
        urls = [
            *(f"{ORIGIN}/a.jpg", picture_url(item.asset), f"https://cdn.example/{item.asset.sha256}.jpg"),
            *(f"/media/asset/{theirs.pk}/original", f"https://cdn.example/{'ab' * 32}.jpg"),
            *(
                f"{ORIGIN}/unknown.jpg",
                f"/media/asset/{private.pk}/original",
                "/embed/pictures/1:forged/320",
                "\0",
            ),
        ]
        told = self.ask_all(shop, urls)
        assert told["Access-Control-Allow-Origin"] == ORIGIN
        alone = {url: self.ask(shop, url) for url in urls}
        answered = {url: one.json() for url, one in alone.items() if one.status_code == 200}
        assert {one.pop("url"): one for one in told.json()["results"]} == answered
        assert list(answered) == urls[:5]

    def test_many_cost_as_many_queries_as_one_and_one_request(
        self, shop: Site, django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        addresses = [f"https://cdn.example/{photo(shop.owner, f'lake {n}').sha256}.jpg" for n in range(5)]
        with CaptureQueriesContext(connection) as one:
            assert len(alternative_texts(shop, addresses[:1])) == 1
        with django_assert_num_queries(len(one)):
            assert len(alternative_texts(shop, addresses)) == 5
        spent = Mock(return_value=1)
        monkeypatch.setattr(messages, "spent", spent)
        assert len(self.ask_all(shop, addresses).json()["results"]) == 5
        assert [call.args[1] for call in spent.call_args_list] == [1]

    @pytest.mark.parametrize(
        "urls", [[], ["x"] * 101, ["x" * 2001], "x", None], ids=["none", "many", "long", "text", "null"]
    )
    def test_too_many_none_or_too_long_ones_are_refused(self, shop: Site, urls: Any) -> None:
        refused = self.ask_all(shop, urls)
        assert refused.status_code == 400
        assert refused.json()["errors"][0]["field"].startswith("urls")

    def test_only_a_site_asks_for_many(self, shop: Site, alice: User, client: Client) -> None:
        body = {"urls": [f"{ORIGIN}/a.jpg"]}
        assert client.post("/api/v1/alt", body, content_type="application/json").status_code == 401
        client.force_login(alice)
        assert client.post("/api/v1/alt", body, content_type="application/json").status_code == 404


class TestScript:
    def test_it_is_small_and_cached(self, client: Client) -> None:
        answer = client.get("/embed/related.js")
        assert answer["Content-Type"].startswith("text/javascript")
        assert answer["Cache-Control"].startswith("public")
        assert len(answer.content) < 10_000
        assert client.get("/embed/related.js", headers={"If-None-Match": answer["ETag"]}).status_code == 304

    def test_it_depends_on_nothing_and_asks_nobody_else(self) -> None:
        text = SCRIPT.read_text("utf-8")
        assert not re.search(
            r"\bimport\b|\brequire\(|document\.cookie|localStorage|sessionStorage|eval\(|innerHTML", text
        )


class TestImageObject:
    def data(self, client: Client, asset_id: int) -> Any:
        page = client.get(f"/assets/{asset_id}/").content.decode()
        found = re.search(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL)
        return json.loads(found[1]) if found else None

    def test_a_public_photo_s_page_says_what_it_is(self, client: Client, alice: User) -> None:
        asset = photo(alice, "a dog on a beach", title="Rex </script><b>", tags=["dog"])
        told = self.data(client, asset.pk)
        assert (told["@type"], told["caption"], told["keywords"]) == (
            "ImageObject",
            "a dog on a beach",
            ["dog"],
        )
        assert told["name"] == "Rex </script><b>"
        assert told["contentUrl"].startswith("http://testserver/media/asset/")

    def test_a_private_one_says_nothing_and_nobody_s_place_is_told(self, client: Client, alice: User) -> None:
        client.force_login(alice)
        hidden = photo(alice, visibility="private")
        assert self.data(client, hidden.pk) is None
        placed = photo(alice, latitude=1.5, longitude=2.5)
        assert "1.5" not in json.dumps(self.data(client, placed.pk))
        assert self.data(client, stored(alice).pk)["@type"] == "ImageObject"
