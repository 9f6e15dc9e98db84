"""Many of one's photos at once, by the boxes in the grid."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from library.models import Asset
from library.selectors import tag_names
from search.services import search_text
from tests.pages.conftest import Photo
from tests.pages.photos import describe_all

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = "/library/select/"


def done(client: Client, do: str, *assets: Asset, **more: str) -> str:
    """What the page says next."""
    fields: dict[str, Any] = {"do": do, "photo": [each.pk for each in assets], **more}
    return client.post(PAGE, fields, follow=True).content.decode()


def test_each_of_ones_own_has_a_box(as_alice: Client, as_charlie: Client, photo: Photo) -> None:
    assert PAGE not in as_alice.get("/library/").content.decode(), "there is nothing to select"
    first, second = photo("red"), photo("blue", visibility="private")
    assert PAGE in as_alice.get("/library/").content.decode()
    boxes = r'type="checkbox" name="photo" value="(\d+)"'
    assert re.findall(boxes, as_alice.get(PAGE).content.decode()) == [str(second.pk), str(first.pk)]
    assert not re.findall(boxes, as_charlie.get(PAGE).content.decode())


def test_search_follows_who_may_see_them(as_alice: Client, searchable: Photo, charlie: User) -> None:
    both = searchable("red"), searchable("blue")
    assert "2 photos shown to you alone." in done(as_alice, "private", *both)
    assert not search_text(charlie, "a red picture").matches
    describe_all()
    assert "1 photo shown to everyone." in done(as_alice, "public", both[0])
    describe_all()
    assert [match.asset_id for match in search_text(charlie, "a red picture").matches] == [both[0].pk]


def test_tags_come_and_go(as_alice: Client, photo: Photo) -> None:
    both = photo("red", tags=["old"]), photo("blue")
    assert "2 photos tagged." in done(as_alice, "tag", *both, tags="beach, summer")
    assert [sorted(tag_names(each)) for each in both] == [["beach", "old", "summer"], ["beach", "summer"]]
    assert "1 photo without these tags." in done(as_alice, "untag", both[0], tags="Beach,old")
    assert [sorted(tag_names(each)) for each in both] == [["summer"], ["beach", "summer"]]


def test_deleting_is_asked_about_once(as_alice: Client, photo: Photo) -> None:
    both, kept = (photo("red"), photo("blue")), photo("green")
    asked = done(as_alice, "delete", *both)
    assert "Delete 2 photos?" in asked
    assert Asset.objects.count() == 3
    assert re.findall(r'name="photo" value="(\d+)"', asked) == [str(each.pk) for each in both]
    assert "2 photos deleted." in done(as_alice, "delete", *both, sure="1")
    assert Asset.objects.get() == kept


@pytest.mark.parametrize("do", ["tag", "public", "delete"])
def test_strangers_photos_are_not_to_be_changed(as_charlie: Client, photo: Photo, do: str) -> None:
    asset = photo("red", visibility="private", tags=["mine"])
    assert "0 photos" in done(as_charlie, do, asset, tags="theirs", sure="1")
    asset.refresh_from_db()
    assert (asset.visibility, tag_names(asset)) == ("private", ["mine"])


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"do": "public"}, "Choose photos first."),
        ({"do": "tag", "photo": "1"}, "Write the tags first."),
        ({"do": "untag", "photo": "1", "tags": " , "}, "Write the tags first."),
        ({"do": "burn", "photo": "1"}, "do must be tag, untag, public, private or delete."),
        ({"photo": "1"}, "do must be tag"),
        ({"do": "public", "photo": "one"}, "photo must be the number of a photo."),
        ({"do": "public", "photo": "9" * 30}, "photo must be the number of a photo."),
        ({"do": "public", "photo": [str(number) for number in range(1, 502)]}, "At most 500 photos"),
    ],
)
def test_what_can_not_be_done_is_said(
    as_alice: Client, photo: Photo, fields: dict[str, Any], says: str
) -> None:
    photo("red")
    answer = as_alice.post(PAGE, fields)
    assert (answer.status_code, says in answer.content.decode()) == (400, True)


def test_what_was_chosen_and_written_stands_there_still(as_alice: Client, photo: Photo) -> None:
    chosen = photo("red", tags=[f"tag {number}" for number in range(50)])
    other = photo("blue")
    html = as_alice.post(PAGE, {"do": "tag", "photo": [chosen.pk], "tags": "sand"}).content.decode()
    assert f'value="{chosen.pk}" checked' in html
    assert f'value="{other.pk}" checked' not in html
    assert 'value="sand"' in html
