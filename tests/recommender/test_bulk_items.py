"""Many items at once, over HTTP: a report for each line."""

import contextlib
import json
from collections.abc import Iterator
from http.client import HTTPConnection
from io import BytesIO
from typing import Any

import pytest
from django.db import OperationalError

from core.errors import TooLarge
from recommender.bulk import received
from recommender.models import Item, Site
from tests.recommender.item_server import Shop, lines
from tests.recommender.sites import secret
from workers import pipeline

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "wake_items", lambda: True)


@pytest.fixture
def at_most_a_megabyte(monkeypatch: pytest.MonkeyPatch) -> None:
    """In processes that are started from here on."""
    monkeypatch.setenv("ITEMS_MAX_BYTES", "1000000")


def test_good_lines_are_kept_and_each_bad_one_is_named(shop: Site) -> None:
    told = Shop(shop).put_lines(
        lines(
            {"external_id": "1", "title": "One"},
            b"{broken",
            {"external_id": "2", "title": 2},
            {"external_id": "1", "title": "One again"},
            b"",
            {"title": "Nameless"},
            b'"text"',
            {"external_id": "3", "title": "Three", "published_at": "2200-01-01"},
            {"external_id": "4", "title": "Four", "expires_at": "2020-01-01"},
            b'{"external_id": "5", "title": "\xff"}',
            b"[" * 50_000,
        )
    )
    assert (told["stored"], told["refused"]) == (2, 8)
    assert [(one["line"], one["status"], one["field"]) for one in told["lines"]] == [
        (1, "created", ""),
        (2, "refused", ""),
        (3, "refused", "title"),
        (4, "refused", "external_id"),
        (6, "refused", "external_id"),
        (7, "refused", ""),
        (8, "refused", "published_at"),
        (9, "created", ""),
        (10, "refused", ""),
        (11, "refused", ""),
    ]
    assert "line 1" in told["lines"][3]["error"]
    assert sorted(Item.objects.values_list("external_id", flat=True)) == ["1", "4"]


def test_the_same_lines_again_change_nothing(shop: Site) -> None:
    body = lines(*({"external_id": str(at), "title": f"Item {at}"} for at in range(450)))
    server = Shop(shop)
    assert {one["status"] for one in server.put_lines(body)["lines"]} == {"created"}
    assert {one["status"] for one in server.put_lines(body)["lines"]} == {"unchanged"}
    assert Item.objects.count() == 450


def test_too_large_a_body_is_refused_before_it_is_read(shop: Site) -> None:
    assert Shop(shop).post(b"{}", CONTENT_LENGTH=str(10**9)).status_code == 413

    class Unread(BytesIO):
        def read(self, *_: Any) -> bytes:
            raise AssertionError("read")

    with pytest.raises(TooLarge):
        received(Unread(), 10**9)


def test_a_body_in_chunks_is_taken_and_refused_as_soon_as_it_is_too_large(shop: Site, settings: Any) -> None:
    settings.ITEMS_MAX_BYTES = 200_000
    line = lines({"external_id": "1", "title": "One", "text": "x" * 99_000}) + b"\n"
    read: list[int] = []

    class Chunks(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            chunk = super().read(size)
            read.append(len(chunk))
            return chunk

    def sent(body: bytes, **environ: Any) -> Any:
        more = {"wsgi.input": Chunks(body), "wsgi.input_terminated": True, **environ}
        return Shop(shop).post(b"", HTTP_TRANSFER_ENCODING="chunked", CONTENT_LENGTH="", **more)

    answer = sent(line * 2)
    assert json.loads(answer.getvalue())["stored"] == 1
    Item.objects.all().delete()
    read.clear()
    assert sent(line * 50).status_code == 413
    assert sum(read) < 300_000, "the rest was not even read"
    assert not Item.objects.exists()
    # A server that does not say where the body ends: reading it might never end.
    assert sent(line, **{"wsgi.input_terminated": False}).status_code == 400


def test_a_real_server_passes_chunks_on_and_ends_what_is_too_large(
    shop: Site, at_most_a_megabyte: None, served_site: str
) -> None:
    host, headers = served_site.removeprefix("http://"), secret(shop)
    path = Shop(shop).path

    def chunks(count: int) -> Iterator[bytes]:
        for at in range(count):
            yield lines({"external_id": str(at), "title": f"Item {at}", "text": "x" * 900}) + b"\n"

    def answer_to(count: int) -> tuple[int, Any]:
        with contextlib.closing(HTTPConnection(host, timeout=60)) as connection:
            connection.request("POST", path, chunks(count), headers, encode_chunked=True)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

    status, report = answer_to(300)
    assert (status, report["stored"]) == (200, 300)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it may stop listening before the end
        assert answer_to(1500)[0] == 413
    assert Item.objects.count() == 300


def test_an_empty_body_is_told_what_to_send(shop: Site) -> None:
    assert Shop(shop).post(b"").status_code == 400


def test_the_report_is_written_while_lines_are_stored(shop: Site) -> None:
    body = lines(*({"external_id": str(at), "title": f"Item {at}"} for at in range(450)))
    parts = iter(Shop(shop).post(body).streaming_content)
    so_far = b"".join(next(parts) for _ in range(3))
    assert b'"external_id": "1"' in so_far
    assert Item.objects.count() == 200
    told = json.loads(so_far + b"".join(parts))
    assert (told["stored"], len(told["lines"])) == (450, 450)


def test_the_report_as_lines(shop: Site) -> None:
    body = lines({"external_id": "1", "title": "One"}, b"{broken")
    answer = Shop(shop).post(body, HTTP_ACCEPT="application/x-ndjson")
    assert answer["Content-Type"] == "application/x-ndjson"
    first, second, totals = map(json.loads, answer.getvalue().splitlines())
    assert (first["status"], second["line"], second["status"]) == ("created", 2, "refused")
    assert totals == {"stored": 1, "refused": 1}


def test_who_hangs_up_has_sent_it_all_the_same(shop: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[bool] = []
    monkeypatch.setattr(pipeline, "wake_items", lambda: woken.append(True))
    body = lines(*({"external_id": str(at), "title": f"Item {at}"} for at in range(450)))
    answer = Shop(shop).post(body)
    next(iter(answer.streaming_content))
    answer.close()
    assert Item.objects.count() == 450
    assert woken


def test_what_concerns_all_lines_is_told_by_the_status(shop: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> Any:
        raise OperationalError("away")

    monkeypatch.setattr("recommender.bulk.put_items", away)
    assert Shop(shop).post(lines({"external_id": "1", "title": "One"})).status_code == 503


def test_a_line_without_end_is_refused_and_the_next_one_kept(shop: Site) -> None:
    endless = json.dumps({"external_id": "1", "title": "a", "text": "x" * 2_500_000}).encode()
    told = Shop(shop).put_lines(lines(endless, {"external_id": "2", "title": "Two"}))
    assert [(one["line"], one["status"]) for one in told["lines"]] == [(1, "refused"), (2, "created")]


def test_more_lines_than_are_read_at_once(shop: Site, settings: Any) -> None:
    settings.ITEMS_MAX_LINES = 3
    body = lines(*({"external_id": str(at), "title": "x"} for at in range(9)))
    told = Shop(shop).put_lines(body)
    assert [one["status"] for one in told["lines"]] == ["created"] * 3 + ["refused"]
