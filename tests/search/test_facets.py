"""How many photos each year, tag, type and owner has: what is counted is what choosing it finds."""

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.test import Client

from captioning.colours import record_colours
from library.selectors import Viewer
from search.services import facets, search_text
from tests.search.photos import photo, stored

pytestmark = pytest.mark.django_db


def counted(viewer: Viewer, query: str = "") -> dict[str, dict[str, int]]:
    return {
        name: {choice.label: choice.count for choice in choices}
        for name, choices in facets(viewer, query).items()
    }


@pytest.fixture
def library(alice: User, bob: User) -> None:
    coloured = stored(alice, tags=["Sea", "boat"], taken_at="2024-05-01T12:00:00Z")
    record_colours([coloured.frames.get().pk], [{"red": 0.5, "blue": 0.2}])
    stored(alice, tags=["sea"], taken_at="2023-12-31T23:59:59Z", mime_type="image/png")
    stored(bob, tags=["boat"], taken_at="2024-01-01T00:00:00Z")
    stored(alice, tags=["secret"], visibility="private", taken_at="2019-01-01T00:00:00Z")


@pytest.mark.usefixtures("library")
def test_counts_of_all_photos_that_the_viewer_may_see(alice: User) -> None:
    assert counted(None) == counted(AnonymousUser()) == {
        "year": {"2024": 2, "2023": 1},
        "tag": {"boat": 2, "Sea": 2},
        "type": {"JPEG": 2, "PNG": 1},
        "colour": {"blue": 1, "red": 1},
        "owner": {"alice": 2, "bob": 1},
    }  # fmt: skip
    assert counted(alice)["tag"]["secret"] == 1
    assert counted(alice)["year"]["2019"] == 1


@pytest.mark.usefixtures("library")
def test_conditions_narrow_the_counts_but_not_those_they_would_be_replaced_by(alice: User) -> None:
    counts = counted(alice, "words tag:boat by:bob after:2024 -is:private")
    assert counts["tag"] == {"boat": 1}
    assert counts["owner"] == {"alice": 1, "bob": 1}
    assert counts["year"] == {"2024": 1}
    assert counted(alice, "type:png")["type"] == {"JPEG": 3, "PNG": 1}


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("query", ["", "tag:sea", "by:alice -tag:boat"])
def test_choosing_a_value_finds_as_many_photos_as_were_counted(alice: User, query: str) -> None:
    for name, choices in facets(alice, query).items():
        kept = [one for one in query.split() if name == "tag" or not one.startswith("by:")]
        for choice in choices:
            asked = " ".join([*(kept if name == "owner" else query.split()), *choice.terms])
            assert len(search_text(alice, asked).matches) == choice.count, (name, choice)


def test_only_the_commonest_tags_are_counted(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.facets.SHOWN", 2)
    for tags in (["a", "b", "c"], ["b", "c"], ["c"]):
        stored(alice, tags=tags)
    assert counted(alice)["tag"] == {"c": 3, "b": 2}


def test_over_http(client: Client, alice: User) -> None:
    photo(alice, tags=["the sea"], taken_at="2024-05-01T12:00:00Z")
    answer: Any = client.get("/api/v1/search/facets", {"q": "by:alice"}).json()
    assert answer["tag"] == [{"label": "the sea", "count": 1, "terms": ['tag:"the sea"']}]
    assert answer["year"] == [{"label": "2024", "count": 1, "terms": ["after:2024", "before:2025"]}]
    refused = client.get("/api/v1/search/facets", {"q": "before:soon"})
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["token"] == "before:soon"
    assert client.get("/api/v1/search/facets", {"query": "x"}).status_code == 400
