"""Items of sites over HTTP."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from core.errors import NotFound
from library.models import Asset
from recommender.item_content import checked_content
from recommender.items import put_items
from recommender.models import Item, ItemVector, Site
from recommender.sites import change_site, delete_site
from tests.clock import UNTIL_THE_NEXT_MINUTE_S
from tests.library.conftest import stored
from tests.library.pictures import picture
from tests.recommender.item_server import Shop, lines
from tests.recommender.sites import publishable, site
from workers import messages, pipeline

pytestmark = pytest.mark.django_db(transaction=True)

ARTICLE = {
    "title": "A walk on the beach",
    "text": "Sand and sea.",
    "tags": ["travel"],
    "url": "https://a.example/1",
}


@pytest.fixture(autouse=True)
def _media(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"
    monkeypatch.setattr(pipeline, "wake_items", lambda: True)
    monkeypatch.setattr(pipeline, "added", lambda assets: None)
    monkeypatch.setattr(messages, "spent", lambda *_, **__: None)


def seen(url: str) -> int:
    """The status that a stranger gets for a picture."""
    return int(Client().get(url).status_code)


def test_an_item_is_stored_changed_and_deleted(shop: Site) -> None:
    server = Shop(shop)
    made = server.put("1", ARTICLE)
    assert (made.status_code, made.json()["status"]) == (201, "created")
    assert server.get("1")["title"] == "A walk on the beach"
    changed = server.put("1", {**ARTICLE, "title": "A walk in the hills"})
    assert (changed.status_code, changed.json()["status"]) == (200, "changed")
    assert server.client.delete(f"{server.path}/1").status_code == 204
    assert server.client.get(f"{server.path}/1").status_code == 404


def test_the_same_content_again_changes_nothing(shop: Site) -> None:
    server = Shop(shop)
    server.put("1", {**ARTICLE, "attributes": {"a": 1, "b": [True, "x"]}})
    before = Item.objects.values().get()
    numbers = list(ItemVector.objects.values_list("number", flat=True))
    again = server.put("1", {"attributes": {"b": [True, "x"], "a": 1}, **ARTICLE})
    assert (again.status_code, again.json()["status"]) == (200, "unchanged")
    assert Item.objects.values().get() == before
    assert list(ItemVector.objects.values_list("number", flat=True)) == numbers


def test_a_site_does_not_know_of_anothers_items(shop: Site, bob: User) -> None:
    Shop(shop).put("1", ARTICLE)
    rival = Shop(site(bob, "rival"))
    assert rival.client.get(f"{rival.path}/1").status_code == 404
    assert rival.client.get(f"{rival.path}").json()["results"] == []
    assert rival.client.delete(f"{rival.path}/1").status_code == 404
    for path in ("", "/1"):
        assert rival.client.get(f"/api/v1/sites/shop/items{path}").status_code == 404
    assert (
        rival.client.put("/api/v1/sites/shop/items/2", ARTICLE, content_type="application/json").status_code
        == 404
    )
    assert Item.objects.count() == 1


def test_a_page_may_not_write_nor_list(shop: Site) -> None:
    page = Client(headers=publishable(shop))
    assert page.put("/api/v1/sites/shop/items/1", ARTICLE, content_type="application/json").status_code == 403
    assert page.get("/api/v1/sites/shop/items").status_code == 403
    assert Client().get("/api/v1/sites/shop/items").status_code == 401


def test_pages_of_the_list(shop: Site) -> None:
    server = Shop(shop)
    server.put_lines(lines(*({"external_id": str(at), "title": f"Item {at}"} for at in range(5))))
    first = server.client.get(server.path, {"limit": 3}).json()
    second = server.client.get(server.path, {"limit": 3, "cursor": first["next"]}).json()
    assert [one["external_id"] for one in first["results"] + second["results"]] == ["4", "3", "2", "1", "0"]
    assert second["next"] is None


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({}, "title"),
        ({"title": 3}, "title"),
        ({"title": "x" * 301}, "title"),
        ({"title": "a\0b"}, "title"),
        ({"title": "a", "text": ["b"]}, "text"),
        ({"title": "a", "text": "x" * 200_001}, "text"),
        ({"title": "a", "tags": "travel"}, "tags"),
        ({"title": "a", "tags": [1]}, "tags"),
        ({"title": "a", "url": "javascript:alert(1)"}, "url"),
        ({"title": "a", "image_url": "file:///etc/passwd"}, "image_url"),
        ({"title": "a", "language": "english please"}, "language"),
        ({"title": "a", "published_at": "yesterday"}, "published_at"),
        ({"title": "a", "published_at": 1700000000}, "published_at"),
        ({"title": "a", "published_at": "2026-02-30T00:00:00Z"}, "published_at"),
        ({"title": "a", "published_at": "9999-12-31T23:59:59Z"}, "published_at"),
        ({"title": "a", "expires_at": "0001-01-01T00:00:00+14:00"}, "expires_at"),
        ({"title": "a", "published_at": "2026-02-02", "expires_at": "2026-02-01"}, "expires_at"),
        ({"title": "a", "attributes": []}, "attributes"),
        ({"title": "a", "attributes": {"a": {"b": 1}}}, "attributes"),
        ({"title": "a", "colour": "red"}, "colour"),
        ([1], "item"),
    ],
)
def test_content_against_the_rules_names_its_field(shop: Site, content: Any, field: str) -> None:
    answer = Shop(shop).put("1", content)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert not Item.objects.exists()


@pytest.mark.parametrize("body", ["", "{", '{"title": NaN', "[" * 100_000])
def test_what_is_not_json_is_refused(shop: Site, body: str) -> None:
    assert Shop(shop).put("1", body).status_code == 400


def test_dates_may_lie_ahead_or_behind_and_are_remarked_on(shop: Site) -> None:
    server = Shop(shop)
    later = server.put("1", {"title": "a", "published_at": "2038-01-01T00:00:00+02:00"}).json()
    assert later["published_at"] == "2037-12-31T22:00:00Z"
    assert "Not shown before" in later["note"]
    assert "expired" in server.put("2", {"title": "a", "expires_at": "2020-01-01"}).json()["note"]


class TestPictures:
    def test_an_upload_becomes_a_private_photo_of_the_owner(self, shop: Site, alice: User) -> None:
        answer = Shop(shop).put_form("1", ARTICLE, picture())
        assert answer.status_code == 201, answer.content
        told = answer.json()["picture"]
        assert told["state"] == "ready"
        asset = Asset.objects.get(pk=told["asset"])
        assert (asset.owner, asset.visibility) == (alice, "private")
        seen = Client().get(told["thumbnail"])
        assert (seen.status_code, seen["Content-Type"]) == (200, "image/webp")
        assert (
            Client().get(told["thumbnail"].replace(f"/{asset.pk}:", f"/{asset.pk + 1}:")).status_code == 404
        )

    def test_a_damaged_upload_leaves_the_item_without_picture_and_says_why(self, shop: Site) -> None:
        answer = Shop(shop).put_form("1", ARTICLE, b"no picture")
        assert answer.status_code == 201
        told = answer.json()["picture"]
        assert told["state"] == "refused"
        assert "not a picture" in told["error"]
        assert not Asset.objects.exists()

    def test_the_same_upload_again_changes_nothing(self, shop: Site) -> None:
        server = Shop(shop)
        server.put_form("1", ARTICLE, picture())
        again = server.put_form("1", ARTICLE, picture()).json()
        assert (again["status"], again["picture"]["state"]) == ("unchanged", "ready")
        assert Asset.objects.count() == 1

    def test_the_picture_goes_with_the_last_item_that_shows_it(self, shop: Site) -> None:
        server = Shop(shop)
        server.put_form("1", ARTICLE, picture())
        server.put_form("2", ARTICLE, picture())
        thumbnail = server.get("1")["picture"]["thumbnail"]
        server.client.delete(f"{server.path}/1")
        assert seen(thumbnail) == 200
        server.client.delete(f"{server.path}/2")
        assert not Asset.objects.exists()
        assert seen(thumbnail) == 404

    def test_a_photo_that_the_owner_had_before_stays(self, shop: Site, alice: User) -> None:
        mine = stored(alice, picture())
        server = Shop(shop)
        assert server.put_form("1", ARTICLE, picture()).json()["picture"]["asset"] == mine.pk
        server.client.delete(f"{server.path}/1")
        assert Asset.objects.filter(pk=mine.pk).exists()

    def test_another_picture_replaces_the_first(self, shop: Site) -> None:
        server = Shop(shop)
        server.put_form("1", ARTICLE, picture())
        server.put_form("1", ARTICLE, picture(seed=1))
        assert Asset.objects.count() == 1
        server.put("1", ARTICLE)
        assert not Asset.objects.exists()
        assert server.get("1")["picture"]["state"] == "none"

    def test_not_a_picture_and_the_address_of_one(self, shop: Site) -> None:
        answer = Shop(shop).put_form("1", {**ARTICLE, "image_url": "https://a.example/a.jpg"}, picture())
        assert answer.status_code == 400


class TestSites:
    def test_a_person_makes_a_site_with_keys_and_deletes_it(self, alice: User) -> None:
        person = Client()
        person.force_login(alice)
        made = person.post(
            "/api/v1/sites",
            {"slug": "shop", "name": "The shop", "origins": ["https://shop.example"]},
            content_type="application/json",
        )
        assert made.status_code == 201, made.content
        key = person.post(
            "/api/v1/sites/shop/keys", {"name": "server", "kind": "secret"}, content_type="application/json"
        ).json()
        server = Client(headers={"Authorization": f"Bearer {key['key']}"})
        assert server.get("/api/v1/sites/shop").json()["origins"] == ["https://shop.example"]
        assert (
            server.patch(
                "/api/v1/sites/shop", {"diversity": 0.7}, content_type="application/json"
            ).status_code
            == 200
        )
        assert [one["slug"] for one in person.get("/api/v1/sites").json()["results"]] == ["shop"]
        another = server.post(
            "/api/v1/sites/shop/keys", {"name": "b", "kind": "secret"}, content_type="application/json"
        )
        assert another.status_code in {401, 403}
        assert person.delete(f"/api/v1/sites/shop/keys/{key['id']}").status_code == 204
        assert server.get("/api/v1/sites/shop").status_code == 401
        assert person.delete("/api/v1/sites/shop").status_code == 204
        assert not Site.objects.exists()

    def test_one_that_is_deleted_meanwhile_is_not_there(self, shop: Site, alice: User) -> None:
        deleted = Site.objects.get()
        delete_site(shop)
        with pytest.raises(NotFound):
            change_site(deleted, name="The shop")
        with pytest.raises(NotFound):
            put_items(deleted, {"1": checked_content({"title": "One"})})

    def test_a_flood_from_one_key_is_told_when_to_come_back(self, shop: Site, stopped_clock: None) -> None:
        shop.requests_per_minute = 3
        shop.save()
        server = Shop(shop)
        answers = [server.client.get(server.path) for _ in range(5)]
        assert [one.status_code for one in answers] == [200] * 3 + [429] * 2
        assert int(answers[3]["Retry-After"]) == UNTIL_THE_NEXT_MINUTE_S
        assert Shop(shop).client.get(server.path).status_code == 200
