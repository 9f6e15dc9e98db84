"""The server of a site, which sends its items."""

import json
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from recommender.models import Site
from tests.recommender.sites import secret


class Shop:
    """The site's server."""

    def __init__(self, of: Site) -> None:
        self.client = Client(headers=secret(of))
        self.path = f"/api/v1/sites/{of.slug}/items"

    def put(self, external_id: str, content: Any) -> Any:
        return self.client.put(f"{self.path}/{external_id}", content, content_type="application/json")

    def put_form(self, external_id: str, content: Any, file: bytes) -> Any:
        form = encode_multipart(
            BOUNDARY, {"item": json.dumps(content), "picture": SimpleUploadedFile("a.jpg", file)}
        )
        return self.client.put(f"{self.path}/{external_id}", form, content_type=MULTIPART_CONTENT)

    def put_lines(self, body: bytes) -> Any:
        """The report."""
        answer: Any = self.client.post(self.path, body, content_type="application/x-ndjson")
        assert answer.status_code == 200, answer.content
        return json.loads(answer.getvalue())

    def post(self, body: bytes, **more: Any) -> Any:
        return self.client.generic("POST", self.path, body, content_type="application/x-ndjson", **more)

    def get(self, external_id: str) -> Any:
        return self.client.get(f"{self.path}/{external_id}").json()


def lines(*objects: Any) -> bytes:
    return b"\n".join(one if isinstance(one, bytes) else json.dumps(one).encode() for one in objects)
