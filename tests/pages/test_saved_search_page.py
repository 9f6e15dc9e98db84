"""The page of saved searches, without a browser."""

from html import unescape

import pytest
from django.contrib.auth.models import User
from django.test import Client

from search.models import SavedSearch
from search.saved import save_search
from tests.pages.conftest import Photo
from tests.pages.markup import shown

pytestmark = pytest.mark.django_db(transaction=True)


def test_from_a_search_to_its_saved_one_and_back(searchable: Photo, as_alice: Client) -> None:
    red = searchable("red", tags=["sea"])
    html = as_alice.get("/", {"q": "red tag:sea", "sort": "date"}).content.decode()
    link = unescape(html.partition(">Save this search<")[0].rpartition('href="')[2].partition('"')[0])
    page = as_alice.get(link).content.decode()
    assert 'name="q" value="red tag:sea"' in page
    response = as_alice.post(
        "/searches/", {"q": "red tag:sea", "sort": "date", "name": "Red <sea>"}, follow=True
    )
    html = response.content.decode()
    assert "“Red &lt;sea&gt;” is saved." in html
    again = unescape(html.partition('<ul class="saved">')[2].partition('href="')[2].partition('"')[0])
    assert "sort=date" in again
    assert shown(as_alice, again) == [red.pk]


def test_what_can_not_be_saved_says_why(as_alice: Client) -> None:
    response = as_alice.post("/searches/", {"q": "dog", "name": "x" * 81})
    assert response.status_code == 400
    assert "at most 80 characters" in response.content.decode()
    assert as_alice.post("/searches/", {"q": "before:soon"}).status_code == 400
    assert as_alice.post("/searches/", {}).status_code == 400


def test_removing_is_for_the_owner_only(as_alice: Client, as_charlie: Client, alice: User) -> None:
    saved = save_search(alice, "dog")
    address = f"/searches/{saved.pk}/forget/"
    assert as_charlie.post(address).status_code == 404
    assert as_alice.get(address).status_code == 405
    assert as_alice.post(address).status_code == 302
    assert not SavedSearch.objects.exists()


def test_strangers_are_asked_to_sign_in(client: Client) -> None:
    assert client.get("/searches/").status_code == 302
    assert "Save this search" not in client.get("/?q=red").content.decode()
