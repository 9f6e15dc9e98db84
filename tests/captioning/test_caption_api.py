"""POST /api/v1/caption as a client sees it."""

from io import BytesIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from captioning import preferences
from captioning.models import Caption
from captioning.on_demand import Seen, Wanted
from core.errors import ModelUnavailable, QueueUnavailable
from library import api_keys
from library.models import Asset
from tests.fakes import PALETTE
from workers import pipeline

pytestmark = pytest.mark.django_db
URL = "/api/v1/caption"
SENTENCE = "A red picture of " + "something that goes on and on, " * 5 + "to the end"


@pytest.fixture
def alice() -> User:
    return User.objects.create_user("alice", password="wonderland")


@pytest.fixture
def signed_in(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


@pytest.fixture
def styles_asked() -> list[list[str]]:
    """The styles that would do, of each question."""
    return []


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch, styles_asked: list[list[str]]) -> list[Image.Image]:
    """Stands for the interactive worker, which tests/workers start for real; holds what it was asked."""
    pictures: list[Image.Image] = []

    def answer(picture: Image.Image, wanted: Wanted) -> Seen:
        pictures.append(picture)
        picture.info["context"] = wanted.context
        styles_asked.append(list(wanted.styles))
        tags = (("strawberry", 0.8), ("fig", 0.1))
        others = ("A red wall", "A wall", "Something red")
        return Seen(SENTENCE, 0.9, "fake-captioner", tags, others, wanted.styles[0])

    monkeypatch.setattr(pipeline, "caption_picture", answer)
    return pictures


def jpeg(colour: str = "red") -> bytes:
    file = BytesIO()
    Image.new("RGB", (60, 40), PALETTE[colour][0]).save(file, "JPEG", quality=95)
    return file.getvalue()


def send(client: Client, content: bytes | None = None, **fields: str) -> Any:
    file = SimpleUploadedFile("frame.jpg", jpeg() if content is None else content)
    return client.post(URL, {"file": file, **fields})


def refused(answer: Any, status: int, field: str | None = None) -> None:
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    if field:
        assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_caption_alt_text_tags_and_a_token_and_nothing_is_stored(signed_in: Client) -> None:
    answer = send(signed_in)
    assert answer.status_code == 200, answer.content
    told = answer.json()
    assert told.pop("frame")
    assert (
        told.pop("alt_text")
        == "A red picture of " + "something that goes on and on, " * 2 + "something that goes on and on…"
    )
    assert told == {
        "caption": SENTENCE,
        "alternatives": [],
        "confidence": 0.9,
        "model_id": "fake-captioner",
        "style": "normal",
        "tags": [{"name": "strawberry", "confidence": 0.8}, {"name": "fig", "confidence": 0.1}],
    }
    assert not Asset.objects.exists()
    assert not Caption.objects.exists()


@pytest.mark.parametrize(
    ("n", "others"), [("1", []), ("2", ["A red wall"]), ("5", ["A red wall", "A wall", "Something red"])]
)
def test_n_sentences_where_the_captioner_kept_so_many(signed_in: Client, n: str, others: list[str]) -> None:
    told = send(signed_in, n=n).json()
    assert (told["caption"], told["alternatives"]) == (SENTENCE, others)


@pytest.mark.parametrize("n", ["0", "6", "-1", "two", "1.5"])
def test_a_number_of_sentences_out_of_bounds_is_refused_by_name(
    signed_in: Client, asked: list[Image.Image], n: str
) -> None:
    refused(send(signed_in, n=n), 400, "n")
    assert not asked


def test_the_request_chooses_the_style_else_the_person_else_the_site(
    signed_in: Client, alice: User, styles_asked: list[list[str]], settings: Any
) -> None:
    assert send(signed_in, style="detailed").json()["style"] == "detailed"
    settings.CAPTION_STYLE = "short"
    send(signed_in)
    preferences.choose_style(alice, "detailed")
    send(signed_in)
    send(signed_in, style="short")
    assert styles_asked == [["detailed"], ["short", "normal"], ["detailed", "normal"], ["short"]]
    refused(send(signed_in, style="shouted"), 400, "style")


def test_the_alt_text_is_the_short_caption_where_the_model_knows_the_style(
    signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Seen(SENTENCE, 0.9, "fake-captioner", (), style="normal", short="A red picture.")
    monkeypatch.setattr(pipeline, "caption_picture", lambda picture, wanted: seen)
    told = send(signed_in).json()
    assert (told["caption"], told["alt_text"]) == (SENTENCE, "A red picture.")


def test_an_unchanged_scene_is_204_and_asks_no_model(signed_in: Client, asked: list[Image.Image]) -> None:
    token = send(signed_in).json()["frame"]
    answer = send(signed_in, frame=token)
    assert (answer.status_code, answer.content) == (204, b"")
    assert len(asked) == 1
    other = send(signed_in, jpeg("blue"), frame=token)
    assert other.status_code == 200
    assert other.json()["frame"] != token
    assert len(asked) == 2


def test_a_token_is_good_for_whoever_has_it_and_needs_no_server_that_remembers(
    signed_in: Client, alice: User
) -> None:
    token = send(signed_in).json()["frame"]
    key = api_keys.create_key(alice, name="camera", scopes=["read"]).token
    answer = send_with_key(key, frame=token)
    assert answer.status_code == 204


@pytest.mark.parametrize("token", ["x", "a:b", "\u2603", "a" * 5000])
def test_a_bad_token_is_refused_by_name_before_anybody_is_asked(
    signed_in: Client, asked: list[Image.Image], token: str
) -> None:
    refused(send(signed_in, frame=token), 400, "frame")
    assert not asked


def test_strangers_and_keys_without_the_scope_may_not(client: Client, alice: User) -> None:
    refused(send(client), 401)
    key = api_keys.create_key(alice, name="writer", scopes=["write"]).token
    refused(send_with_key(key), 403)
    refused(send_with_key("nonsense"), 401)
    key = api_keys.create_key(alice, name="reader", scopes=["read"]).token
    assert send_with_key(key).status_code == 200


def test_a_session_must_show_its_csrf_token(alice: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice)
    refused(send(strict), 403)


@pytest.mark.parametrize(
    ("content", "status"), [(b"", 400), (b"just text", 415), (b"\xff\xd8\xff\xe0 cut off", 400)]
)
def test_what_is_no_picture(signed_in: Client, content: bytes, status: int) -> None:
    refused(send(signed_in, content), status)


def test_no_file_at_all(signed_in: Client) -> None:
    refused(signed_in.post(URL, {}), 400, "file")


def test_the_limits_are_those_of_uploads(signed_in: Client, settings: Any) -> None:
    settings.UPLOAD_MAX_PIXELS = 100
    refused(send(signed_in), 413)
    settings.UPLOAD_MAX_BYTES = 10
    refused(send(signed_in), 413, "file")


@pytest.mark.parametrize("error", [QueueUnavailable("no worker"), ModelUnavailable("no captioner in /srv")])
def test_what_is_away_is_said_with_a_time_to_come_back(
    signed_in: Client, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def away(picture: Image.Image, wanted: Wanted) -> None:
        raise error

    monkeypatch.setattr(pipeline, "caption_picture", away)
    answer = send(signed_in)
    refused(answer, 503)
    assert int(answer["Retry-After"]) > 0
    assert "/srv" not in answer.content.decode(), "strangers learn nothing of this server's folders"


def test_known_context_is_handed_on_and_bounded(signed_in: Client, asked: list[Image.Image]) -> None:
    assert send(signed_in, context=" At the\nlake ; dog").status_code == 200
    assert asked[0].info["context"] == "At the lake ; dog"
    refused(send(signed_in, context="x" * 201), 400, "context")
    assert len(asked) == 1


def test_it_is_documented_with_an_example(client: Client) -> None:
    document = client.get("/api/v1/openapi.json").json()
    operation = document["paths"][URL]["post"]
    assert {"200", "204", "400", "401", "403", "413", "415", "503"} <= set(map(str, operation["responses"]))
    assert operation["responses"]["200"]["content"]
    assert all(answer["description"] for answer in operation["responses"].values())
    (example,) = document["components"]["schemas"]["CaptionAnswer"]["examples"]
    assert set(example) == set(document["components"]["schemas"]["CaptionAnswer"]["required"])


def send_with_key(key: str, **fields: str) -> Any:
    file = SimpleUploadedFile("frame.jpg", jpeg())
    return Client().post(URL, {"file": file, **fields}, headers={"Authorization": f"Bearer {key}"})
