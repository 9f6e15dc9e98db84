"""/api/v1/assets as a client sees it."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, override_settings

from captioning.models import Caption
from library.frames import make_frames
from library.models import Asset
from library.upload_cap import UploadCap
from tests.library.conftest import files_in, signed_in, stored
from tests.library.pictures import located_picture, picture, png_of_size, zipped

pytestmark = pytest.mark.django_db(transaction=True)
URL = "/api/v1/assets"


def upload(client: Client, *files: tuple[str, bytes], **form: Any) -> Any:
    parts = [SimpleUploadedFile(name, content, "application/octet-stream") for name, content in files]
    return client.post(URL, {"files": parts, **form})


def test_each_file_of_a_request_is_answered_by_itself(alice: User, wakes: list[str]) -> None:
    before = stored(alice, picture(seed=1))
    answer = upload(
        signed_in(alice),
        ("new.jpg", picture()),
        ("old.jpg", picture(seed=1)),
        ("text.jpg", b"text"),
        ("nil.jpg", b""),
    )
    assert answer.status_code == 201
    new, old, text, nil = answer.json()["files"]
    assert (new["name"], new["status"], new["duplicate_of"], new["error"]) == (
        "new.jpg",
        "created",
        None,
        None,
    )
    assert (old["status"], old["id"], old["duplicate_of"]) == ("duplicate", before.pk, before.pk)
    assert (text["status"], text["id"]) == ("error", None)
    assert "not a picture" in text["error"]
    assert "empty" in nil["error"]
    assert wakes == ["added 1"]


def test_words_of_the_form_go_to_every_new_asset(alice: User, wakes: list[str]) -> None:
    form = {
        "title": "Trip",
        "description": "to the sea",
        "tags": ["sea, boat", "sun"],
        "visibility": "public",
    }
    answer = upload(signed_in(alice), ("a.jpg", picture()), **form)
    asset = signed_in(alice).get(f"{URL}/{answer.json()['files'][0]['id']}").json()
    assert (asset["title"], asset["description"], asset["visibility"]) == ("Trip", "to the sea", "public")
    assert asset["tags"] == ["boat", "sea", "sun"]


@pytest.mark.parametrize(
    ("content", "status", "says"),
    [
        (b"text", 415, "not a picture"),
        (b"", 400, "empty"),
        (picture()[:-30], 400, "damaged or cut off"),
        (png_of_size(50_000, 50_000), 413, "pixels"),
        (zipped({"../x.jpg": picture()}), 400, "leads out"),
        (zipped({"x.bmp": b"\0" * 20_000_000}), 413, "200 times"),
        (zipped({"x.zip": zipped({})}), 400, "another zip"),
        (zipped({"x.jpg": b"text"}), 415, "not a picture"),
    ],
)
def test_where_nothing_is_accepted_the_status_says_what_is_wrong(
    content: bytes, status: int, says: str, alice: User, media: Path, wakes: list[str]
) -> None:
    answer = upload(signed_in(alice), ("file.jpg", content))
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"
    assert says in answer.json()["detail"]
    assert answer.json()["errors"][0]["field"] == "files"
    assert files_in(media) == []
    assert not Asset.objects.exists()


def test_a_zip_is_unpacked_into_its_pictures(alice: User, wakes: list[str]) -> None:
    answer = upload(signed_in(alice), ("trip.zip", zipped({"a.jpg": picture(), "b.jpg": picture(seed=1)})))
    assert answer.status_code == 201
    assert [file["name"] for file in answer.json()["files"]] == ["trip.zip/a.jpg", "trip.zip/b.jpg"]
    assert wakes == ["wake"]


@override_settings(UPLOAD_MAX_BYTES=50_000)
def test_a_file_over_the_limit_is_refused_and_its_neighbour_accepted(alice: User, wakes: list[str]) -> None:
    answer = upload(
        signed_in(alice), ("large.jpg", b"\xff\xd8\xff" + bytes(500_000)), ("small.jpg", picture())
    )
    assert answer.status_code == 201
    large, small = answer.json()["files"]
    assert "larger than the 50,000 bytes" in large["error"]
    assert small["status"] == "created"


@pytest.mark.parametrize(("head", "passed"), [(b"\xff\xd8\xff\xe0", 50_001), (b"PK\x03\x04", 80_001)])
@override_settings(UPLOAD_MAX_BYTES=50_000, ZIP_MAX_BYTES=80_000)
def test_a_file_over_the_limit_is_written_no_further_than_that(head: bytes, passed: int) -> None:
    cap = UploadCap()
    cap.new_file("files", "a.jpg", "image/jpeg", None)
    chunks = [head + bytes(29_996), *[bytes(30_000)] * 5]
    written = [cap.receive_data_chunk(chunk, 0) for chunk in chunks]
    assert sum(len(chunk) for chunk in written if chunk) == passed
    assert written[-1] is None


def test_the_site_caps_every_upload_it_receives(settings: Any) -> None:
    assert settings.FILE_UPLOAD_HANDLERS[0] == "library.upload_cap.UploadCap"


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"title": "x" * 201}, "title"),
        ({"title": "a\0b"}, "title"),
        ({"tags": "x" * 65}, "tags"),
        ({"visibility": "all"}, "visibility"),
    ],
)
def test_wrong_words_refuse_the_request_before_any_file_is_stored(
    form: dict[str, str], field: str, alice: User, wakes: list[str], media: Path
) -> None:
    answer = upload(signed_in(alice), ("a.jpg", picture()), **form)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == field
    assert files_in(media) == []


def test_a_request_without_files_names_the_field(alice: User) -> None:
    answer = signed_in(alice).post(URL, {"title": "nothing"})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "files"


def test_more_files_than_allowed_are_too_many(alice: User, wakes: list[str]) -> None:
    with override_settings(UPLOAD_MAX_FILES=2):
        answer = upload(signed_in(alice), *[(f"{n}.jpg", picture(seed=n)) for n in range(3)])
    assert answer.status_code == 413
    with override_settings(DATA_UPLOAD_MAX_NUMBER_FILES=2):
        answer = upload(signed_in(alice), *[(f"{n}.jpg", picture(seed=n)) for n in range(3)])
    assert answer.status_code == 413
    assert not Asset.objects.exists()


def test_strangers_upload_change_and_delete_nothing(alice: User) -> None:
    asset = stored(alice, visibility="public")
    stranger = Client()
    assert upload(stranger, ("a.jpg", picture(seed=1))).status_code == 401
    assert stranger.patch(f"{URL}/{asset.pk}", {}, content_type="application/json").status_code == 401
    assert stranger.delete(f"{URL}/{asset.pk}").status_code == 401


def test_an_upload_is_accepted_while_redis_is_away(alice: User, settings: Any) -> None:
    settings.REDIS_URL = settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
    answer = upload(signed_in(alice), ("a.jpg", picture()))
    assert answer.status_code == 201
    assert Asset.objects.count() == 1


def test_a_full_store_is_503_and_asks_to_come_back(
    alice: User, wakes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    answer = upload(signed_in(alice), ("a.jpg", picture()), ("b.jpg", b"text"))
    assert answer.status_code == 503
    assert answer["Retry-After"]


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


def test_the_list_costs_the_same_number_of_queries_however_long_it_is(
    alice: User, django_assert_max_num_queries: Any
) -> None:
    for seed in range(6):
        make_frames(stored(alice, picture(seed=seed), tags=["a"]))
    client = signed_in(alice)
    with django_assert_max_num_queries(7):
        assert len(client.get(URL).json()["results"]) == 6
