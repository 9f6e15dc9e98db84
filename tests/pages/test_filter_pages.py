"""Filters as form controls and counts, without a browser and without JavaScript."""

from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from tests.pages.conftest import Photo
from tests.pages.markup import ids_in, shown

pytestmark = pytest.mark.django_db(transaction=True)


def led_to(client: Client, **controls: str) -> dict[str, list[str]]:
    response = client.get("/search/filters/", controls)
    assert response.status_code == 302
    return parse_qs(urlsplit(response.headers["Location"]).query)


def test_controls_lead_back_to_the_query(client: Client) -> None:
    asked = led_to(client, q="dog tag:sea", tag="lake", after="2024", without="cat", sort="date")
    assert asked == {"q": ["dog -cat tag:lake after:2024"], "sort": ["date"]}
    assert led_to(client, q="dog tag:sea", tag="") == {"q": ["dog"]}
    assert led_to(client, q="tag:sea", tag="", sort="relevance") == {}


def test_controls_show_what_the_query_says(searchable: Photo, client: Client) -> None:
    searchable("red", tags=["sea"])
    html = client.get(
        "/", {"q": 'red tag:sea -cat after:2020 is:public "red picture"', "sort": "date"}
    ).content
    page = html.decode()
    assert 'id="filter-tag" name="tag" value="sea"' in page
    assert 'name="without" value="cat"' in page
    assert 'name="after" value="2020"' in page
    assert 'name="phrase" value="red picture"' in page
    assert "<option selected>public</option>" in page
    assert '<option value="date" selected>' in page
    assert 'name="q" value="red tag:sea -cat after:2020 is:public &quot;red picture&quot;"' in page


def test_a_wrong_value_is_told_by_the_search_page(client: Client) -> None:
    asked = led_to(client, q="dog", before="soon")
    html = client.get("/", {"q": asked["q"][0]}).content.decode()
    assert "dog <mark>before:soon</mark>" in html
    assert led_to(client, q="dog colr:red", tag="x")["q"] == ["dog colr:red"]


def test_each_filter_in_use_can_be_taken_out(searchable: Photo, client: Client) -> None:
    red, other = searchable("red", tags=["sea"]), searchable("red")
    html = client.get("/", {"q": "red tag:sea"}).content.decode()
    assert ids_in(html) == [red.pk]
    link = html.partition('aria-label="Remove tag:sea"')[0].rpartition('href="')[2].partition('"')[0]
    assert set(shown(client, unescape(link))) == {red.pk, other.pk}


def test_counts_lead_to_the_photos_that_they_count(searchable: Photo, client: Client) -> None:
    red, blue = searchable("red", tags=["the sea"]), searchable("blue", tags=["lake"])
    html = client.get("/search/facets/", {"q": "by:alice"}).content.decode()
    links = [part.partition('"')[0] for part in html.partition('id="facets"')[2].split('href="')[1:]]
    found = [shown(client, unescape(link)) for link in links]
    assert [red.pk] in found
    assert [blue.pk] in found
    assert client.get("/search/facets/?q=before:soon").status_code == 302


def test_a_chosen_count_leads_back(searchable: Photo, client: Client) -> None:
    red, blue = searchable("red", tags=["sea"]), searchable("blue")
    html = client.get("/search/facets/", {"q": "by:alice tag:Sea"}).content.decode()
    link = html.partition('aria-current="true" title')[0].rpartition('href="')[2].partition('"')[0]
    assert shown(client, unescape(link)) == [blue.pk, red.pk]


def test_only_mine_is_a_filter_too(searchable: Photo, as_alice: Client, as_charlie: Client) -> None:
    red = searchable("red")
    for viewer, found in ((as_alice, [red.pk]), (as_charlie, [])):
        html = viewer.get("/?q=red").content.decode()
        link = html.partition(">Only mine<")[0].rpartition('href="')[2].partition('"')[0]
        assert shown(viewer, unescape(link)) == found


def test_what_is_in_the_controls_is_text(client: Client) -> None:
    html = client.get("/", {"q": 'tag:"<script>x</script>"'}).content.decode()
    assert "<script>x" not in html


def test_a_photo_is_found_by_the_colours_of_its_pixels(searchable: Photo, client: Client) -> None:
    red, cyan = searchable("red"), searchable("cyan")
    assert shown(client, "/?q=colour:red") == [red.pk]
    assert shown(client, "/?q=color:turquoise") == [cyan.pk]
    assert shown(client, "/?q=picture+-colour:red") == [cyan.pk]
