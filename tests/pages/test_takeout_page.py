"""Taking one's photos away: what is in the file, and who may have it."""

import json
import zipfile
from io import BytesIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from captioning.models import Caption
from captioning.services import edit_caption
from library.api_keys import create_key
from library.models import Frame
from tests.pages.conftest import Photo

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = "/account/photos/"


def sent(client: Client) -> zipfile.ZipFile:
    response = client.post(PAGE)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/zip"
    return zipfile.ZipFile(BytesIO(b"".join(response.streaming_content)))  # type: ignore[attr-defined]


def test_it_says_first_how_much_that_is(as_alice: Client, photo: Photo) -> None:
    assert "You have no photos here yet." in as_alice.get(PAGE).content.decode()
    asset = photo("red")
    html = as_alice.get(PAGE).content.decode()
    assert "Your 1 photo as it came" in html
    assert f"{asset.size_bytes}\xa0bytes" in html
    assert PAGE in as_alice.get("/").content.decode()


def test_photos_come_with_their_captions(
    as_alice: Client, searchable: Photo, photo: Photo, alice: User
) -> None:
    described, edited, new = searchable("red"), searchable("blue"), photo("green", visibility="private")
    edit_caption(Frame.objects.get(asset=edited), "A blue wall.", alice)
    response = as_alice.post(PAGE)
    assert response.headers["Content-Disposition"].startswith('attachment; filename="alice-20')
    archive = sent(as_alice)
    entries: list[dict[str, Any]] = json.loads(archive.read("photos.json"))
    assert [entry["file"] for entry in entries] == [
        f"photos/{each.original_name}" for each in (described, edited, new)
    ]
    captions = [(entry["caption"], entry["caption_state"]) for entry in entries]
    model = Caption.objects.get(frame__asset=described)
    assert captions == [(model.text, model.state), ("A blue wall.", "edited"), (None, None)]


def test_strangers_photos_stay_where_they_are(as_charlie: Client, photo: Photo, charlie: User) -> None:
    photo("red", visibility="public")
    assert sent(as_charlie).namelist() == ["photos.json"]


def test_a_key_is_no_person(client: Client, photo: Photo, alice: User) -> None:
    """Keys read photos by the API, one by one; one that leaks is not to give them all away in one go."""
    photo("red")
    token = create_key(alice, name="script", scopes=["read"]).token
    assert client.post(PAGE, headers={"Authorization": f"Bearer {token}"}).status_code in (302, 403)


def test_who_asks_again_and_again_is_told_to_wait(as_alice: Client, photo: Photo) -> None:
    photo("red")
    answers = [as_alice.post(PAGE) for _ in range(7)]
    assert [each.status_code for each in answers] == [200] * 6 + [429]
    assert "Try again in an hour" in answers[-1].content.decode()
