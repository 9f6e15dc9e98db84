"""Items of sites over HTTP."""

import contextlib
import json
from collections.abc import Iterator
from http.client import HTTPConnection
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from core.errors import TooLarge
from library.models import Asset
from recommender.bulk import received
from recommender.models import Item, ItemVector, Site
from tests.library.conftest import stored
from tests.library.pictures import picture
from tests.recommender.sites import publishable, secret, site
from workers import pipeline

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
    monkeypatch.setattr(pipeline, "spent", lambda *_, **__: None)


@pytest.fixture
def shop(alice: User) -> Site:
    return site(alice)


@pytest.fixture
def at_most_a_megabyte(monkeypatch: pytest.MonkeyPatch) -> None:
    """In processes that are started from here on."""
    monkeypatch.setenv("ITEMS_MAX_BYTES", "1000000")


class Shop:
    """The site's server."""

    def __init__(self, of: Site) -> None:
        self.client = Client(headers=secret(of))
        self.path = f"/api/v1/sites/{of.slug}/items"

    def put(self, external_id: str, content: Any) -> Any:
        return self.client.put(f"{self.path}/{external_id}", content, content_type="application/json")

    def put_form(self, external_id: str, content: Any, file: bytes) -> Any:
        form = encode_multipart(
            BOUNDARY, {"item": json.dumps(content), "picture": SimpleUploadedFile("a.jpg", file)}
        )
        return self.client.put(f"{self.path}/{external_id}", form, content_type=MULTIPART_CONTENT)

    def put_lines(self, body: bytes) -> Any:
        """The report."""
        answer: Any = self.client.post(self.path, body, content_type="application/x-ndjson")
        assert answer.status_code == 200, answer.content
        return json.loads(answer.getvalue())

    def post(self, body: bytes, **more: Any) -> Any:
        return self.client.generic("POST", self.path, body, content_type="application/x-ndjson", **more)

    def get(self, external_id: str) -> Any:
        return self.client.get(f"{self.path}/{external_id}").json()


def seen(url: str) -> int:
    """The status that a stranger gets for a picture."""
    return int(Client().get(url).status_code)


def lines(*objects: Any) -> bytes:
    return b"\n".join(one if isinstance(one, bytes) else json.dumps(one).encode() for one in objects)


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


class TestManyAtOnce:
    def test_good_lines_are_kept_and_each_bad_one_is_named(self, shop: Site) -> None:
        told = Shop(shop).put_lines(
            lines(
                {"external_id": "1", "title": "One"},
                b"{broken",
                {"external_id": "2", "title": 2},
                {"external_id": "1", "title": "One again"},
                b"",
                {"title": "Nameless"},
                b'"text"',
                {"external_id": "3", "title": "Three", "published_at": "2200-01-01"},
                {"external_id": "4", "title": "Four", "expires_at": "2020-01-01"},
                b'{"external_id": "5", "title": "\xff"}',
                b"[" * 50_000,
            )
        )
        assert (told["stored"], told["refused"]) == (2, 8)
        assert [(one["line"], one["status"], one["field"]) for one in told["lines"]] == [
            (1, "created", ""),
            (2, "refused", ""),
            (3, "refused", "title"),
            (4, "refused", "external_id"),
            (6, "refused", "external_id"),
            (7, "refused", ""),
            (8, "refused", "published_at"),
            (9, "created", ""),
            (10, "refused", ""),
            (11, "refused", ""),
        ]
        assert "line 1" in told["lines"][3]["error"]
        assert sorted(Item.objects.values_list("external_id", flat=True)) == ["1", "4"]

    def test_the_same_lines_again_change_nothing(self, shop: Site) -> None:
        body = lines(*({"external_id": str(at), "title": f"Item {at}"} for at in range(450)))
        server = Shop(shop)
        assert {one["status"] for one in server.put_lines(body)["lines"]} == {"created"}
        assert {one["status"] for one in server.put_lines(body)["lines"]} == {"unchanged"}
        assert Item.objects.count() == 450

    def test_too_large_a_body_is_refused_before_it_is_read(self, shop: Site) -> None:
        assert Shop(shop).post(b"{}", CONTENT_LENGTH=str(10**9)).status_code == 413

        class Unread(BytesIO):
            def read(self, *_: Any) -> bytes:
                raise AssertionError("read")

        with pytest.raises(TooLarge):
            received(Unread(), 10**9)

    def test_a_body_in_chunks_is_taken_and_refused_as_soon_as_it_is_too_large(
        self, shop: Site, settings: Any
    ) -> None:
        settings.ITEMS_MAX_BYTES = 200_000
        line = lines({"external_id": "1", "title": "One", "text": "x" * 99_000}) + b"\n"
        read: list[int] = []

        class Chunks(BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                chunk = super().read(size)
                read.append(len(chunk))
                return chunk

        def sent(body: bytes, **environ: Any) -> Any:
            more = {"wsgi.input": Chunks(body), "wsgi.input_terminated": True, **environ}
            return Shop(shop).post(b"", HTTP_TRANSFER_ENCODING="chunked", CONTENT_LENGTH="", **more)

        answer = sent(line * 2)
        assert json.loads(answer.getvalue())["stored"] == 1
        Item.objects.all().delete()
        read.clear()
        assert sent(line * 50).status_code == 413
        assert sum(read) < 300_000, "the rest was not even read"
        assert not Item.objects.exists()
        # A server that does not say where the body ends: reading it might never end.
        assert sent(line, **{"wsgi.input_terminated": False}).status_code == 400

    def test_a_real_server_passes_chunks_on_and_ends_what_is_too_large(
        self, shop: Site, at_most_a_megabyte: None, served_site: str
    ) -> None:
        host, headers = served_site.removeprefix("http://"), secret(shop)
        path = Shop(shop).path

        def chunks(count: int) -> Iterator[bytes]:
            for at in range(count):
                yield lines({"external_id": str(at), "title": f"Item {at}", "text": "x" * 900}) + b"\n"

        def answer_to(count: int) -> tuple[int, Any]:
            with contextlib.closing(HTTPConnection(host, timeout=60)) as connection:
                connection.request("POST", path, chunks(count), headers, encode_chunked=True)
                answer = connection.getresponse()
                return answer.status, json.loads(answer.read())

        status, report = answer_to(300)
        assert (status, report["stored"]) == (200, 300)
        with contextlib.suppress(
            BrokenPipeError, ConnectionResetError
        ):  # it may stop listening before the end
            assert answer_to(1500)[0] == 413
        assert Item.objects.count() == 300

    def test_an_empty_body_is_told_what_to_send(self, shop: Site) -> None:
        assert Shop(shop).post(b"").status_code == 400

    def test_the_report_is_written_while_lines_are_stored(self, shop: Site) -> None:
        body = lines(*({"external_id": str(at), "title": f"Item {at}"} for at in range(450)))
        parts = iter(Shop(shop).post(body).streaming_content)
        so_far = b"".join(next(parts) for _ in range(3))
        assert b'"external_id": "1"' in so_far
        assert Item.objects.count() == 200
        told = json.loads(so_far + b"".join(parts))
        assert (told["stored"], len(told["lines"])) == (450, 450)

    def test_the_report_as_lines(self, shop: Site) -> None:
        body = lines({"external_id": "1", "title": "One"}, b"{broken")
        answer = Shop(shop).post(body, HTTP_ACCEPT="application/x-ndjson")
        assert answer["Content-Type"] == "application/x-ndjson"
        first, second, totals = map(json.loads, answer.getvalue().splitlines())
        assert (first["status"], second["line"], second["status"]) == ("created", 2, "refused")
        assert totals == {"stored": 1, "refused": 1}

    def test_who_hangs_up_has_sent_it_all_the_same(self, shop: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        woken: list[bool] = []
        monkeypatch.setattr(pipeline, "wake_items", lambda: woken.append(True))
        body = lines(*({"external_id": str(at), "title": f"Item {at}"} for at in range(450)))
        answer = Shop(shop).post(body)
        next(iter(answer.streaming_content))
        answer.close()
        assert Item.objects.count() == 450
        assert woken

    def test_what_concerns_all_lines_is_told_by_the_status(
        self, shop: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(*_: Any) -> Any:
            raise OperationalError("away")

        monkeypatch.setattr("recommender.bulk.put_items", away)
        assert Shop(shop).post(lines({"external_id": "1", "title": "One"})).status_code == 503

    def test_a_line_without_end_is_refused_and_the_next_one_kept(self, shop: Site) -> None:
        endless = json.dumps({"external_id": "1", "title": "a", "text": "x" * 2_500_000}).encode()
        told = Shop(shop).put_lines(lines(endless, {"external_id": "2", "title": "Two"}))
        assert [(one["line"], one["status"]) for one in told["lines"]] == [(1, "refused"), (2, "created")]

    def test_more_lines_than_are_read_at_once(self, shop: Site, settings: Any) -> None:
        settings.ITEMS_MAX_LINES = 3
        body = lines(*({"external_id": str(at), "title": "x"} for at in range(9)))
        told = Shop(shop).put_lines(body)
        assert [one["status"] for one in told["lines"]] == ["created"] * 3 + ["refused"]


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

    def test_a_flood_from_one_key_is_told_when_to_come_back(self, shop: Site) -> None:
        shop.requests_per_minute = 3
        shop.save()
        server = Shop(shop)
        answers = [server.client.get(server.path) for _ in range(5)]
        assert [one.status_code for one in answers].count(429) >= 1
        flooded = next(one for one in answers if one.status_code == 429)
        assert 1 <= int(flooded["Retry-After"]) <= 60
        assert Shop(shop).client.get(server.path).status_code == 200
