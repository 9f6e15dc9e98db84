"""Photos beside a photo: over HTTP, and on its page, which shows what the API answers."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from captioning.models import FrameColour
from captioning.vision.colours import MODEL_ID
from core import backends
from library.models import Asset
from recommender import recommendation_ids
from search.services import rebuild_index
from tests.search.photos import many, photo, stored

pytestmark = pytest.mark.django_db


def client_of(viewer: User | None) -> Client:
    client = Client()
    if viewer is not None:
        client.force_login(viewer)
    return client


def asked(viewer: User | None, asset: Asset, **how: Any) -> Any:
    answer = client_of(viewer).get(f"/api/v1/assets/{asset.pk}/related", how)
    assert answer.status_code == 200, answer.content
    return answer.json()


def related(viewer: User | None, asset: Asset, **how: Any) -> list[int]:
    return [one["asset"]["id"] for one in asked(viewer, asset, **how)["results"]]


def page_of(viewer: User | None, asset: Asset) -> str:
    """What the page of a photo fetches."""
    return client_of(viewer).get(f"/assets/{asset.pk}/related/").content.decode()


def on_page(viewer: User | None, asset: Asset) -> list[int]:
    return [int(found) for found in re.findall(r'data-photo="(\d+)"', page_of(viewer, asset))]


def test_the_nearest_in_look_and_words_come_first_without_itself(alice: User) -> None:
    red = photo(alice, "a red picture of poppies")
    blue, poppies, scarlet = (
        photo(alice, "the blue sea", looks="blue"),
        photo(alice, "a red picture of poppies again", looks="red"),
        photo(alice, "something else", looks="red"),
    )
    assert related(alice, red) == [poppies.pk, scarlet.pk, blue.pk]


def test_caption_alone_relates_too(alice: User) -> None:
    one = photo(alice, "poppies in a field", looks="red")
    same_words = photo(alice, "poppies in a field", looks="blue")
    other = photo(alice, "nothing of it", looks="blue")
    assert related(alice, one) == [same_words.pk, other.pk]


def test_copies_of_the_same_bytes_are_left_out(alice: User, bob: User) -> None:
    mine = photo(alice, "a red picture", sha256="a" * 64)
    photo(bob, "a red picture", sha256="a" * 64)
    other = photo(alice, "a red picture", sha256="b" * 64)
    copy = photo(bob, "a red picture", sha256="b" * 64)
    (found,) = related(alice, mine)
    assert found in {other.pk, copy.pk}


def test_only_what_the_viewer_may_see(alice: User, bob: User) -> None:
    public = photo(alice, "a red picture")
    private = photo(alice, "a red picture", visibility="private")
    theirs = photo(bob, "a red picture", visibility="private")
    for shown in (related, on_page):
        assert shown(alice, public) == [private.pk]
        assert shown(bob, public) == [theirs.pk]
        assert shown(None, public) == []


def test_a_hidden_copy_does_not_hide_the_one_that_may_be_seen(alice: User, bob: User) -> None:
    seed = photo(alice, "a red picture")
    photo(bob, "a red picture", sha256="b" * 64, visibility="private")
    seen = photo(alice, "a red picture", sha256="b" * 64)
    assert related(alice, seed) == [seen.pk]


def test_pages(alice: User) -> None:
    seed = photo(alice, "a red picture")
    many(alice, 30, "a red picture")
    cursor: str | None = None
    seen: list[int] = []
    for _ in range(3):
        answer = asked(alice, seed, limit=12, **({"cursor": cursor} if cursor else {}))
        seen += [one["asset"]["id"] for one in answer["results"]]
        cursor = answer["next"]
    assert len(seen) == len(set(seen)) == 30
    assert seed.pk not in seen
    assert cursor is None


def test_a_copy_of_what_was_shown_comes_on_no_page(alice: User) -> None:
    seed = photo(alice, "a red picture")
    for at in range(7):
        for _ in range(2):
            photo(alice, "a red picture", perceptual_hash=f"{at * 0x0F0F_1357_2468_ACE1 + 5:016x}"[-16:])
    cursor, seen = "", list[int]()
    while cursor is not None and len(seen) < 20:
        answer = asked(alice, seed, limit=3, **({"cursor": cursor} if cursor else {}))
        seen += [one["asset"]["id"] for one in answer["results"]]
        cursor = answer["next"]
    assert len(seen) == 7


def test_a_cursor_belongs_to_its_photo(alice: User, client: Client) -> None:
    one, two = photo(alice), photo(alice)
    many(alice, 5, "a red picture")
    cursor = asked(None, one, limit=2)["next"]
    searched = client.get("/api/v1/search?q=red&limit=2").json()["next"]
    for asset, of_another in [(two, cursor), (one, searched)]:
        answer = client.get(f"/api/v1/assets/{asset.pk}/related", {"cursor": str(of_another)})
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"] == "cursor"


def test_an_index_that_is_away_is_not_nothing(alice: User, settings: Any, client: Client) -> None:
    asset = photo(alice)
    rebuild_index()
    for file in settings.INDEX_DIR.rglob("about.json"):
        file.write_text("{}")
    backends.clear()
    for path in (f"/api/v1/assets/{asset.pk}/related", f"/assets/{asset.pk}/related/"):
        answer = client.get(path)
        assert answer.status_code == 503
        assert answer["Retry-After"]


class TestPage:
    def test_shows_what_the_api_answers_in_its_order_with_its_reasons_and_an_id(self, alice: User) -> None:
        seed = photo(alice, "a dog on a beach", looks="red")
        for at, (caption, looks) in enumerate(
            [("a dog runs on a beach", "red"), ("the sea", "blue"), ("a dog", "blue"), ("a car", "red")]
        ):
            photo(alice, caption, looks=looks, title=f"Number {at}")
        html, answer = page_of(alice, seed), asked(alice, seed)
        assert on_page(alice, seed) == [one["asset"]["id"] for one in answer["results"]]
        assert "Both show a dog on a beach" in html
        for one in answer["results"]:
            assert one["reason"][1:] in html
        (told,) = re.findall(r'data-recommendation="([^"]+)"', html)
        about = recommendation_ids.read(told)
        assert (about.site, about.made_by, about.about) == (0, "related", f"asset:{seed.pk}")

    def test_versions_of_one_picture_have_one_place(self, alice: User) -> None:
        seed = photo(alice, "a red picture")
        for bits in ("ff00ff00ff00ff00", "ff00ff00ff00ff01"):
            photo(alice, "a red picture", perceptual_hash=bits)
        assert len(on_page(alice, seed)) == 1

    def test_is_filled_with_the_newest_and_says_so(self, alice: User) -> None:
        newest = many(alice, 3, "a red picture")
        assert "filled with" not in page_of(alice, newest[0])
        fresh = stored(alice)
        assert on_page(alice, fresh) == [asset.pk for asset in reversed(newest)]
        assert "filled with the newest ones" in page_of(alice, fresh)
        assert "New here" in page_of(alice, fresh)

    def test_goes_on_where_the_first_page_ends(self, alice: User) -> None:
        seed = photo(alice, "a red picture")
        many(alice, 30, "a red picture")
        path, seen = f"/assets/{seed.pk}/related/", list[str]()
        for _ in range(3):
            html = Client().get(path).content.decode()
            seen += re.findall(r'data-photo="(\d+)"', html)
            found = re.search(r'class="more" hx-get="([^"]+)"', html)
            path = found[1] if found else ""
        assert len(seen) == len(set(seen)) == 30
        assert not path
        assert Client().get(f"/assets/{seed.pk}/related/?cursor=x").status_code == 400

    def test_is_full_though_the_newest_are_copies_of_one_photo(self, alice: User) -> None:
        older = many(alice, 3, "a red picture")
        copies = many(alice, 40, "a red picture")
        Asset.objects.filter(pk__in=[asset.pk for asset in copies]).update(perceptual_hash="0" * 16)
        assert related(alice, stored(alice), limit=4)[1:] == [asset.pk for asset in reversed(older)]

    def test_says_where_there_is_nothing(self, alice: User) -> None:
        assert "Nothing related yet" in page_of(alice, photo(alice))

    def test_a_private_photo_has_no_such_page_for_others(self, alice: User, bob: User) -> None:
        private = photo(alice, visibility="private")
        assert client_of(bob).get(f"/assets/{private.pk}/related/").status_code == 404


def test_the_strength_of_variety_is_a_setting(alice: User, settings: Any) -> None:
    seed = photo(alice, "red roses and blue sea")
    for at in range(5):
        photo(alice, f"red roses and blue {at}")
    other = photo(alice, "sea")
    settings.RELATED_DIVERSITY = 0.0
    assert other.pk not in related(alice, seed, limit=3)
    settings.RELATED_DIVERSITY = 0.9
    assert other.pk in related(alice, seed, limit=3)


class TestFilters:
    def test_by_day_owner_type_colour_and_tag(self, alice: User, bob: User) -> None:
        seed = photo(alice, "a red picture")
        taken = datetime(2020, 5, 17, 12, tzinfo=UTC)
        old = photo(alice, "a red picture", taken_at=taken, mime_type="image/png", tags=["Sea"])
        new = photo(bob, "a red picture", mime_type="image/jpeg")
        assert related(alice, seed, before="2021") == [old.pk]
        assert related(alice, seed, after="2021") == [new.pk]
        assert related(alice, seed, after="2020-05-17", before="2020-05-18") == [old.pk]
        assert related(alice, seed, before="2020-05-17") == []
        assert related(alice, seed, owner="Bob") == [new.pk]
        assert related(alice, seed, type="png") == [old.pk]
        assert related(alice, seed, tag="sea") == [old.pk]
        FrameColour.objects.create(frame=old.frames.get(), model_id=MODEL_ID, name="red", share=0.9)
        assert related(alice, seed, colour="red") == [old.pk]

    def test_an_owners_private_photos_stay_private(self, alice: User, bob: User) -> None:
        seed = photo(alice, "a red picture")
        photo(bob, "a red picture", visibility="private")
        assert related(alice, seed, owner="bob") == []

    def test_what_is_asked_of_items_lets_no_photo_through(self, alice: User) -> None:
        seed, _ = photo(alice, "a red picture"), photo(alice, "a red picture")
        assert related(alice, seed, language="en") == []
        assert related(alice, seed, attributes='{"section": "outdoors"}') == []


class TestHttp:
    def url(self, asset_id: int) -> str:
        return f"/api/v1/assets/{asset_id}/related"

    def test_answers_as_a_search_does(self, client: Client, alice: User) -> None:
        one, two = photo(alice, "a red picture"), photo(alice, "a red picture", title="Second")
        answer = client.get(self.url(one.pk))
        assert answer.status_code == 200
        (result,) = answer.json()["results"]
        assert result["asset"]["id"] == two.pk
        assert result["asset"]["caption"] == "a red picture"
        assert set(result["why"]) == {"look", "caption", "caption_words"}
        assert result["reason"] == "both show a red picture"
        assert answer.json()["next"] is None

    def test_twelve_unless_asked_otherwise(self, client: Client, alice: User) -> None:
        one = photo(alice)
        many(alice, 20, "a red picture")
        assert len(client.get(self.url(one.pk)).json()["results"]) == 12
        assert len(client.get(self.url(one.pk), {"limit": 3}).json()["results"]) == 3

    def test_an_unknown_photo_and_a_strangers_private_one_are_the_same_404(
        self, client: Client, alice: User
    ) -> None:
        private = photo(alice, visibility="private")
        unknown, hidden = client.get(self.url(99999)), client.get(self.url(private.pk))
        assert (unknown.status_code, hidden.status_code) == (404, 404)
        assert unknown.json() == hidden.json()
        assert client.get(self.url(10**30)).status_code == 404

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("limit", "0"),
            ("limit", "101"),
            ("cursor", "x"),
            ("flavour", "sweet"),
            ("after", "soon"),
            ("before", "2024-13"),
            ("type", "film"),
            ("colour", "loud"),
            ("owner", "a\0"),
            ("tag", "\0"),
            ("scenario", "a\0"),
            ("language", "!"),
            ("attributes", "{"),
            ("attributes", "[1]"),
            ("attributes", '{"a": {}}'),
            ("exclude", "asset:x"),
            ("exclude", "item:a,x"),
            ("exclude", ",".join(map(str, range(501)))),
            ("diversity", "2"),
            ("kind", "film"),
        ],
    )
    def test_bad_questions(self, client: Client, alice: User, name: str, value: str) -> None:
        answer = client.get(self.url(photo(alice).pk), {name: value})
        assert answer.status_code == 400
        assert [error["field"] for error in answer.json()["errors"]] == [name]
