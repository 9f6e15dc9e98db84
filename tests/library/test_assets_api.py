"""/api/v1/assets as a client sees it."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, override_settings

from library.models import Asset
from library.upload_cap import UploadCap
from tests.library.conftest import files_in, signed_in, stored
from tests.library.pictures import picture, png_of_size, zipped

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


class TestQuota:
    """UPLOAD_QUOTA_BYTES"""

    def test_files_are_taken_as_long_as_there_is_room(self, alice: User, bob: User, settings: Any) -> None:
        one, two, three = (picture(seed=seed) for seed in range(3))
        stored(alice, one)
        stored(bob, three)
        settings.UPLOAD_QUOTA_BYTES = len(one) + len(two) + len(three) - 1
        # A damaged file takes no room, nor does one that is there already.
        damaged = ("damaged.jpg", two[: len(two) // 2])
        answer = upload(signed_in(alice), damaged, ("one.jpg", one), ("two.jpg", two), ("three.jpg", three))
        assert [file["status"] for file in answer.json()["files"]] == [
            "error",
            "duplicate",
            "created",
            "error",
        ]
        assert f"{len(three) - 1:,} of these are left" in answer.json()["files"][3]["error"]
        refused = upload(signed_in(alice), ("trip.zip", zipped({"three.jpg": three})))
        assert (refused.status_code, Asset.objects.filter(owner=alice).count()) == (413, 2)

    def test_the_plain_form_keeps_it_too(self, alice: User, settings: Any) -> None:
        settings.UPLOAD_QUOTA_BYTES = 10
        form = {"files": [SimpleUploadedFile("a.jpg", picture(), "image/jpeg")], "visibility": "private"}
        page = signed_in(alice).post("/upload/", form)
        assert (page.status_code, "Your photos may take 10 bytes" in page.content.decode()) == (400, True)
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
