"""Saying on a photo's page that it is safe or unsafe."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from library.models import Asset, SafetyStatement
from library.safety import say
from tests.pages.conftest import Photo

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def as_moderator(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("mo"))
    return client


def unsafe(asset: Asset) -> Asset:
    Asset.objects.filter(pk=asset.pk).update(unsafe_score=0.9)
    return asset


def page(client: Client, asset: Asset) -> str:
    return client.get(f"/assets/{asset.pk}/").content.decode()


def pressed(client: Client, asset: Asset, button: str, note: str = "") -> str:
    """The page that follows, after it was made sure that the button is there."""
    assert f'name="say" value="{button}"' in page(client, asset)
    answer = client.post(f"/assets/{asset.pk}/safety/", {"say": button, "note": note}, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def test_an_owner_asks_a_moderator_answers_and_the_owner_is_told(
    photo: Photo, as_alice: Client, as_moderator: Client
) -> None:
    asset = unsafe(photo("red"))
    before = page(as_alice, asset)
    assert "A model takes it for unsafe." in before
    assert 'value="safe"' not in before
    told = pressed(as_alice, asset, "ask", "a marble <statue>")
    assert "A moderator will look at this photo." in told
    waiting = page(as_moderator, asset)
    assert "alice asked for another look" in waiting
    assert "“a marble &lt;statue&gt;”" in waiting
    assert "offer this photo to everyone." in pressed(as_moderator, asset, "safe")
    answered = page(as_alice, asset)
    assert "mo said that it is safe" in answered
    assert 'value="undo"' not in answered
    assert "Taken back." in pressed(as_moderator, asset, "undo")
    assert "alice asked for another look" in page(as_alice, asset)


def test_an_owner_hides_a_photo_and_shows_it_again(photo: Photo, as_alice: Client) -> None:
    asset = photo("red")
    assert "leave this photo out" in pressed(as_alice, asset, "unsafe")
    assert Asset.objects.get(pk=asset.pk).judged_unsafe is True
    assert "offer this photo to everyone" in pressed(as_alice, asset, "undo")


def test_who_has_nothing_to_say_sees_no_buttons_and_is_refused_in_words(
    photo: Photo, as_charlie: Client, as_alice: Client, client: Client
) -> None:
    asset, private = unsafe(photo("red")), photo("blue", visibility="private")
    for shown in (page(as_charlie, asset), page(Client(), asset), page(as_alice, private)):
        assert 'id="safety"' not in shown
    answer = as_charlie.post(f"/assets/{asset.pk}/safety/", {"say": "safe"}, follow=True)
    assert "Only its owner and moderators" in answer.content.decode()
    answer = as_alice.post(f"/assets/{asset.pk}/safety/", {"say": "rubbish"}, follow=True)
    assert "Say one of safe, unsafe, ask" in answer.content.decode()
    assert as_charlie.post(f"/assets/{private.pk}/safety/", {"say": "safe"}).status_code == 404
    assert Client().post(f"/assets/{asset.pk}/safety/", {"say": "safe"}).status_code == 302, "to sign in"
    assert as_alice.get(f"/assets/{asset.pk}/safety/").status_code == 405
    assert not SafetyStatement.objects.exists()


def test_a_word_of_a_deleted_account_is_still_told(photo: Photo, as_alice: Client) -> None:
    asset, moderator = unsafe(photo("red")), User.objects.create_superuser("mo")
    say(moderator, asset.pk, "unsafe")
    moderator.delete()
    assert "Somebody whose account is gone said that it is unsafe" in page(as_alice, asset)
