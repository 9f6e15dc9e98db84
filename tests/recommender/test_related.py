"""Photos beside a photo."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from core import backends
from core.errors import EngineUnavailable, InvalidInput
from library.models import Asset
from recommender.services import related_assets
from search.services import rebuild_index, search_text
from tests.search.photos import many, photo, stored

pytestmark = pytest.mark.django_db


def related(viewer: Any, asset: Asset, **asked: Any) -> list[int]:
    return [match.asset_id for match in related_assets(viewer, asset, **asked).matches]


def test_the_nearest_in_look_and_words_come_first_without_itself(alice: User) -> None:
    red = photo(alice, "a red picture of poppies")
    blue, poppies, scarlet = (
        photo(alice, "the blue sea", looks="blue"),
        photo(alice, "a red picture of poppies again", looks="red"),
        photo(alice, "something else", looks="red"),
    )
    assert related(alice, red) == [poppies.pk, scarlet.pk, blue.pk]
    (first, *_) = related_assets(alice, red).matches
    assert set(first.why) == {"image", "caption"}


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
    found = related(alice, mine)
    assert len(found) == 1
    assert found[0] in {other.pk, copy.pk}


def test_only_what_the_viewer_may_see(alice: User, bob: User) -> None:
    public = photo(alice, "a red picture")
    private = photo(alice, "a red picture", visibility="private")
    theirs = photo(bob, "a red picture", visibility="private")
    assert related(alice, public) == [private.pk]
    assert related(bob, public) == [theirs.pk]
    assert related(None, public) == []


def test_a_hidden_copy_does_not_hide_the_one_that_may_be_seen(alice: User, bob: User) -> None:
    seed = photo(alice, "a red picture")
    photo(bob, "a red picture", sha256="b" * 64, visibility="private")
    seen = photo(alice, "a red picture", sha256="b" * 64)
    assert related(alice, seed) == [seen.pk]


def test_before_it_is_described_nothing_is_related(alice: User) -> None:
    photo(alice)
    assert related(alice, stored(alice)) == []


def test_pages(alice: User) -> None:
    seed = photo(alice, "a red picture")
    many(alice, 30, "a red picture")
    first = related_assets(alice, seed, limit=12)
    second = related_assets(alice, seed, limit=12, cursor=first.next)
    third = related_assets(alice, seed, limit=12, cursor=second.next)
    pages = [match.asset_id for page in (first, second, third) for match in page.matches]
    assert len(pages) == len(set(pages)) == 30
    assert seed.pk not in pages
    assert third.next is None


def test_a_cursor_belongs_to_its_photo(alice: User) -> None:
    one, two = photo(alice), photo(alice)
    many(alice, 5, "a red picture")
    cursor = related_assets(alice, one, limit=2).next
    with pytest.raises(InvalidInput):
        related_assets(alice, two, limit=2, cursor=cursor)
    text_cursor = search_text(alice, "red", limit=2).next
    with pytest.raises(InvalidInput):
        related_assets(alice, one, limit=2, cursor=text_cursor)


def test_an_index_that_is_away_is_not_nothing(alice: User, settings: Any) -> None:
    asset = photo(alice)
    rebuild_index()
    for file in settings.INDEX_DIR.rglob("about.json"):
        file.write_text("{}")
    backends.clear()
    with pytest.raises(EngineUnavailable):
        related_assets(alice, asset)


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
        ("name", "value"), [("limit", "0"), ("limit", "101"), ("cursor", "x"), ("colour", "red")]
    )
    def test_bad_questions(self, client: Client, alice: User, name: str, value: str) -> None:
        answer = client.get(self.url(photo(alice).pk), {name: value})
        assert answer.status_code == 400
        assert [error["field"] for error in answer.json()["errors"]] == [name]
