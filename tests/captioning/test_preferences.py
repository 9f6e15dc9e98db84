"""In which style captions are written: the site's, or one's own, over the API."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from captioning import preferences
from core.errors import InvalidInput
from library import api_keys

pytestmark = pytest.mark.django_db
URL = "/api/v1/caption/preference"


@pytest.fixture
def alice() -> User:
    return User.objects.create_user("alice", password="wonderland")


def with_key(user: User, scope: str) -> dict[str, Any]:
    key = api_keys.create_key(user, name=scope, scopes=[scope]).token
    return {"headers": {"Authorization": f"Bearer {key}"}, "content_type": "application/json"}


def test_the_site_decides_until_a_person_does_and_again_when_they_leave_it_to_the_site(
    alice: User, settings: Any
) -> None:
    assert preferences.style_for(alice) == "normal"
    settings.CAPTION_STYLE = "short"
    assert preferences.style_for(alice) == "short"
    preferences.choose_style(alice, "detailed")
    preferences.choose_style(alice, "normal")
    assert (preferences.chosen_style(alice), preferences.style_for(alice)) == ("normal", "normal")
    preferences.choose_style(alice, None)
    assert (preferences.chosen_style(alice), preferences.style_for(alice)) == (None, "short")


def test_a_style_that_does_not_exist_is_refused_with_those_that_do(alice: User) -> None:
    with pytest.raises(InvalidInput, match="allowed: short, normal, detailed"):
        preferences.choose_style(alice, "shouted")
    assert preferences.chosen_style(alice) is None


def test_the_api_shows_and_changes_one_s_own(client: Client, alice: User) -> None:
    reads, writes = with_key(alice, "read"), with_key(alice, "write")
    assert client.get(URL, **reads).json() == {"style": None, "effective": "normal"}
    answer = client.patch(URL, {"style": "short"}, **writes)
    assert (answer.status_code, answer.json()) == (200, {"style": "short", "effective": "short"})
    assert client.get(URL, **reads).json()["style"] == "short"
    assert client.patch(URL, {"style": None}, **writes).json() == {"style": None, "effective": "normal"}

    other = User.objects.create_user("charlie", password="wonderland")
    preferences.choose_style(other, "detailed")
    assert client.get(URL, **reads).json()["style"] is None


def test_the_api_refuses_other_styles_strangers_and_keys_that_only_read(client: Client, alice: User) -> None:
    writes = with_key(alice, "write")
    for body in ({"style": "shouted"}, {}, {"style": "short", "user": 2}):
        answer = client.patch(URL, body, **writes)
        assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert client.patch(URL, {"style": "short"}, **with_key(alice, "read")).status_code == 403
    assert client.get(URL).status_code == 401
    assert preferences.chosen_style(alice) is None
