"""/api/v1/search/image as a client sees it."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from core.errors import QueueUnavailable
from library.models import Asset
from tests.fakes import PALETTE, FakeImageEmbedder
from tests.search.answers import ids, refused
from tests.search.photos import many, photo
from workers import pipeline

pytestmark = pytest.mark.django_db
URL = "/api/v1/search/image"


class TestByPicture:
    @pytest.fixture(autouse=True)
    def _worker(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Stands for the interactive worker, which tests/workers start for real."""

        def encode(picture: Image.Image) -> Any:
            colour = tuple(np.asarray(picture.convert("RGB").resize((1, 1))).ravel().tolist())
            name = min(
                PALETTE,
                key=lambda one: sum((a - b) ** 2 for a, b in zip(PALETTE[one][0], colour, strict=True)),
            )
            return FakeImageEmbedder().embed_queries([name])[0]

        monkeypatch.setattr(pipeline, "encode_query_image", encode)

    def send(self, client: Client, content: bytes, **asked: str) -> Any:
        query = "&".join(f"{name}={value}" for name, value in asked.items())
        return client.post(f"{URL}?{query}", {"file": SimpleUploadedFile("query.jpg", content)})

    def test_photos_that_look_like_it_come_first_and_it_is_not_stored(
        self, client: Client, alice: User
    ) -> None:
        red, blue = photo(alice, "something", looks="red"), photo(alice, "something", looks="blue")
        assert ids(self.send(client, coloured("red"))) == [red.pk, blue.pk]
        answer = self.send(client, coloured("blue"))
        assert ids(answer) == [blue.pk, red.pk]
        assert set(answer.json()["results"][0]["why"]) == {"image"}
        assert Asset.objects.count() == 2

    def test_pages(self, client: Client, alice: User) -> None:
        many(alice, 5, "a red picture")
        first = self.send(client, coloured("red"), limit="3")
        rest = self.send(client, coloured("red"), limit="3", cursor=first.json()["next"])
        assert len({*ids(first), *ids(rest)}) == 5
        assert rest.json()["next"] is None

    def test_a_picture_and_words(self, client: Client, alice: User) -> None:
        plain, both = photo(alice, "a red picture"), photo(alice, "a red sea", looks="red", tags=["sea"])
        other = photo(alice, "a blue sea")
        assert ids(self.send(client, coloured("red")))[-1] == other.pk
        answer = self.send(client, coloured("red"), q="sea")
        assert ids(answer) == [both.pk, plain.pk, other.pk]
        first = answer.json()["results"][0]
        assert set(first["why"]) == {"image", "caption", "keyword"}
        assert first["matched_words"] == ["sea"]
        assert ids(self.send(client, coloured("red"), q="sea", words_weight="-1"))[0] == plain.pk
        assert ids(self.send(client, coloured("red"), q="-sea")) == [plain.pk]
        assert ids(self.send(client, coloured("red"), q="tag:sea")) == [both.pk]

    @pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=\x7f"])
    def test_a_form_without_a_boundary(self, client: Client, kind: str) -> None:
        answer: Any = client.post(URL, coloured("red"), content_type=kind)
        assert answer.status_code == 400
        assert "boundary" in answer.json()["detail"]

    def test_wrong_words_beside_a_picture(self, client: Client, alice: User) -> None:
        many(alice, 3, "a red picture")
        refused(self.send(client, coloured("red"), q="before:soon"), "q")
        for weight in ("0", "5", "nan", "much"):
            answer = self.send(client, coloured("red"), q="sea", words_weight=weight)
            assert answer.status_code == 400, weight
        cursor = self.send(client, coloured("red"), q="sea", limit="1").json()["next"]
        refused(self.send(client, coloured("red"), q="lake", limit="1", cursor=cursor), "cursor")

    @pytest.mark.parametrize("content", [b"", b"just text", b"\xff\xd8\xff\xe0 cut off"])
    def test_what_is_no_picture(self, client: Client, db: None, content: bytes) -> None:
        answer = self.send(client, content)
        assert answer.status_code in {400, 415}
        assert answer["Content-Type"] == "application/problem+json"

    def test_no_file_at_all(self, client: Client, db: None) -> None:
        refused(client.post(URL, {}), "file")

    def test_too_many_bytes_or_pixels(self, client: Client, db: None, settings: Any) -> None:
        settings.UPLOAD_MAX_PIXELS = 100
        assert self.send(client, coloured("red")).status_code == 413
        settings.UPLOAD_MAX_BYTES = 10
        refused(self.send(client, coloured("red")), "file", status=413)

    def test_unknown_parameters(self, client: Client, db: None) -> None:
        refused(self.send(client, coloured("red"), query="red"), "query")

    def test_workers_that_are_away(self, client: Client, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
        def away(picture: Image.Image) -> None:
            raise QueueUnavailable("No worker described the picture within 20 s.")

        monkeypatch.setattr(pipeline, "encode_query_image", away)
        answer = self.send(client, coloured("red"))
        assert answer.status_code == 503
        assert answer["Retry-After"]


def coloured(name: str) -> bytes:
    file = BytesIO()
    Image.new("RGB", (60, 40), PALETTE[name][0]).save(file, "JPEG", quality=95)
    return file.getvalue()
