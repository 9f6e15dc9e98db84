"""/api/v1/assets/ID and the list, as a client sees them: reading, changing, deleting."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from captioning.models import Caption
from library.api_keys import create_key
from library.frames import make_frames
from library.models import Asset
from tests.library.conftest import files_in, signed_in, stored
from tests.library.pictures import located_picture, picture

pytestmark = pytest.mark.django_db(transaction=True)
URL = "/api/v1/assets"


def test_an_asset_tells_its_place_and_file_name_to_its_owner_only(alice: User, bob: User) -> None:
    asset = stored(alice, located_picture(), name="home.jpg", visibility="public")
    own = signed_in(alice).get(f"{URL}/{asset.pk}").json()
    assert own["location"] == {"latitude": 68.25, "longitude": -4.5}
    assert (own["original_name"], own["camera"], own["mine"]) == ("home.jpg", "Canon EOS 5D", True)
    for client in (Client(), signed_in(bob)):
        answer = client.get(f"{URL}/{asset.pk}")
        assert (answer.json()["location"], answer.json()["original_name"]) == (None, None)
        assert "68.2" not in answer.content.decode()
        assert "68.2" not in client.get(URL).content.decode()


def test_an_asset_shows_its_caption_thumbnails_and_stages(alice: User) -> None:
    asset = stored(alice)
    client = signed_in(alice)
    assert client.get(f"{URL}/{asset.pk}").json()["caption"] is None
    frame = make_frames(asset)[0]
    Caption.objects.create(frame=frame, source="human", text="A red boat")
    shown = client.get(f"{URL}/{asset.pk}").json()
    assert shown["caption"] == "A red boat"
    assert shown["caption_details"]["source"] == "human"
    assert set(shown["stages"]) == {"frames", "describe", "index"}
    assert shown["stages"]["frames"] == "done"
    for url in (*shown["thumbnails"].values(), shown["original"]):
        answer = client.get(url)
        answer.close()
        assert answer.status_code == 200


def test_someone_elses_private_asset_answers_as_one_that_does_not_exist(alice: User, bob: User) -> None:
    asset = stored(alice)
    client = signed_in(bob)
    for method, extra in (
        ("get", {}),
        ("delete", {}),
        ("patch", {"data": {}, "content_type": "application/json"}),
    ):
        private = getattr(client, method)(f"{URL}/{asset.pk}", **extra)
        absent = getattr(client, method)(f"{URL}/{asset.pk + 999}", **extra)
        assert private.status_code == absent.status_code == 404
        assert private.json() == absent.json()


def test_a_public_asset_of_somebody_else_can_be_read_but_not_changed(alice: User, bob: User) -> None:
    asset = stored(alice, visibility="public")
    client = signed_in(bob)
    assert client.get(f"{URL}/{asset.pk}").status_code == 200
    assert client.delete(f"{URL}/{asset.pk}").status_code == 403


def test_a_patch_changes_what_it_names_and_wakes_the_workers(alice: User, wakes: list[str]) -> None:
    asset = stored(alice, title="old", tags=["x"])
    answer = signed_in(alice).patch(f"{URL}/{asset.pk}", {"title": "new"}, content_type="application/json")
    assert answer.status_code == 200
    assert (answer.json()["title"], answer.json()["tags"]) == ("new", ["x"])
    assert wakes == ["wake"]
    assert (
        not signed_in(alice)
        .patch(f"{URL}/{asset.pk}", {}, content_type="application/json")
        .json()["description"]
    )
    assert wakes == ["wake"]
    assert Asset.objects.get().updated_at.isoformat()[:19] == answer.json()["updated_at"][:19]


def test_a_key_that_only_writes_changes_what_it_is_not_shown(alice: User) -> None:
    asset = stored(alice, located_picture(), name="home.jpg")
    token = create_key(alice, name="script", scopes=["write"]).token
    client = Client(headers={"Authorization": f"Bearer {token}"})
    for change in ({}, {"title": "new"}):
        answer = client.patch(f"{URL}/{asset.pk}", change, content_type="application/json")
        assert (answer.status_code, answer.content) == (204, b"")
    assert Asset.objects.get().title == "new"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"title": "x" * 201}, "title"),
        ({"title": "a\nb"}, "title"),
        ({"owner": 1}, "owner"),
        ({"visibility": "all"}, "visibility"),
        ({"tags": "x"}, "tags"),
    ],
)
def test_a_wrong_patch_names_its_field(change: dict[str, Any], field: str, alice: User) -> None:
    asset = stored(alice)
    answer = signed_in(alice).patch(f"{URL}/{asset.pk}", change, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == field


def test_a_deleted_asset_is_gone_with_its_files(alice: User, media: Path) -> None:
    asset = stored(alice)
    client = signed_in(alice)
    assert client.delete(f"{URL}/{asset.pk}").status_code == 204
    assert client.get(f"{URL}/{asset.pk}").status_code == 404
    assert files_in(media) == []


def test_the_list_pages_by_cursor_through_everything_once(alice: User) -> None:
    made = [stored(alice, picture(seed=seed)).pk for seed in range(5)]
    client = signed_in(alice)
    seen: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        page = client.get(URL, {"limit": "2", **({"cursor": cursor} if cursor else {})}).json()
        seen += [asset["id"] for asset in page["results"]]
        cursor = page["next"]
    assert seen == sorted(made, reverse=True)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": -1}, "limit"),
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"colour": "red"}, "colour"),
        ({"cursor": "abc"}, "cursor"),
        ({"cursor": ""}, "cursor"),
        ({"cursor": "x" * 10_000}, "cursor"),
        ({"mine": "perhaps"}, "mine"),
        ({"visibility": "all"}, "visibility"),
        ({"tag": "a\0"}, "tag"),
        ({"tag": ""}, "tag"),
        ({"taken_after": "yesterday"}, "taken_after"),
        ({"taken_before": "9999-12-31T23:59:59-14:00"}, "taken_before"),
    ],
)
def test_a_wrong_query_names_the_field_and_the_rule(query: dict[str, Any], field: str, alice: User) -> None:
    answer = signed_in(alice).get(URL, query)
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["errors"][0]["field"] == field


@pytest.mark.parametrize("asset_id", ["0", "-1", "99999999999999999999999", "abc"])
def test_ids_that_can_not_be_are_not_found(asset_id: str, alice: User) -> None:
    answer = signed_in(alice).get(f"{URL}/{asset_id}")
    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "moment", ["2019-07-14T16:30:05", "2019-07-14T16:30:05Z", "2019-07-14T18:30:05+02:00"]
)
def test_a_moment_without_a_time_zone_is_utc(moment: str, alice: User) -> None:
    stored(alice, located_picture())
    client = signed_in(alice)
    assert len(client.get(URL, {"taken_after": moment}).json()["results"]) == 1
    assert client.get(URL, {"taken_before": moment}).json()["results"] == []


def test_duplicates_are_told_as_far_as_the_viewer_may_see_them(alice: User, bob: User, carol: User) -> None:
    asset = stored(alice, visibility="public")
    same = stored(bob)
    near = stored(alice, picture("PNG"), visibility="public")
    carol_sees = signed_in(carol).get(f"{URL}/{asset.pk}/duplicates").json()
    assert carol_sees == {"exact": [], "near": [near.pk]}
    assert Client().get(f"{URL}/{asset.pk}/duplicates").status_code == 401
    assert signed_in(bob).get(f"{URL}/{asset.pk}/duplicates").json() == {
        "exact": [same.pk],
        "near": [near.pk],
    }


def test_duplicates_are_none_that_lists_hide_from_the_viewer(alice: User, bob: User) -> None:
    asset = stored(alice, visibility="public")
    stored(bob, visibility="public")
    stored(bob, picture("PNG"), visibility="public")
    Asset.objects.filter(owner=bob).update(unsafe_score=0.99)
    answer = signed_in(alice).get(f"{URL}/{asset.pk}/duplicates").json()
    assert answer == {"exact": [], "near": []}


def test_the_list_costs_the_same_number_of_queries_however_long_it_is(
    alice: User, django_assert_max_num_queries: Any
) -> None:
    for seed in range(6):
        make_frames(stored(alice, picture(seed=seed), tags=["a"]))
    client = signed_in(alice)
    with django_assert_max_num_queries(8):
        assert len(client.get(URL).json()["results"]) == 6
