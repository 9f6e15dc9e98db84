"""Text in pictures: read when a photo can be searched already, found by searches, and nobody's failure."""

from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from captioning import picture_text
from captioning.models import FrameText
from captioning.vision.text_reader import Line
from core.errors import CorruptMedia, ModelUnavailable
from library import storage
from library.asset_store import update_asset
from library.models import Asset
from search.models import KeywordDocument
from search.services import search_text
from tests import fakes
from tests.search.photos import found
from tests.workers.conftest import MakeAssets
from tests.workers.words import run_stages
from workers import pipeline, reading, runner, selectors, stages
from workers.models import StageRun
from workers.selectors import stages_of

pytestmark = pytest.mark.django_db(transaction=True)


def read() -> int:
    return runner.drain(stages.lane_of(pipeline.TEXT))


def test_a_photo_is_read_once_it_can_be_searched_and_then_found_by_what_stands_in_it(
    make_assets: MakeAssets, alice: User
) -> None:
    sign, _ = make_assets("white", "red")
    assert read() == 0, "nobody waits for it"
    run_stages()
    assert stages_of(sign) == {"frames": "done", "describe": "done", "index": "done"}
    assert found(alice, "text:fish") == []
    assert read() == 2
    row = FrameText.objects.get(frame__asset=sign)
    assert (row.text, row.model_id, row.confidence) == ("FRESH FISH\nOpen 24 hours", "fake-reader", 0.9)
    assert (
        found(alice, "text:fish")
        == found(alice, 'text:"open 24"')
        == found(alice, '"fresh fish"')
        == [sign.pk]
    )
    assert found(alice, "text:chips") == [], "nobody could be sure of that line"
    assert read() == 0
    assert not StageRun.objects.exists()


def test_words_in_the_picture_rank_it_and_say_so(
    make_assets: MakeAssets, alice: User, client: Client
) -> None:
    sign, *_ = make_assets("white", "red", "blue")
    run_stages()
    read()
    best = search_text(alice, "fish").matches[0]
    assert best.asset_id == sign.pk
    assert best.why["keyword"] > 0
    client.force_login(alice)
    told = client.get("/api/v1/search", {"q": "fish"}).json()["results"][0]
    assert told["asset"]["picture_text"] == "FRESH FISH\nOpen 24 hours"
    assert told["matched_words"] == ["fish"]
    assert told["highlights"]["picture_text"] == [[6, 10]]
    for query in ("fish", "text:fish"):
        page = client.get("/", {"q": query}).content.decode()
        assert "In the picture: FRESH <mark>FISH</mark>" in page
    assert client.get(f"/api/v1/assets/{sign.pk}").json()["picture_text"] == "FRESH FISH\nOpen 24 hours"
    assert "FRESH FISH<br>Open 24 hours" in client.get(f"/assets/{sign.pk}/").content.decode()


def test_what_was_read_stays_findable_when_people_change_their_words(
    make_assets: MakeAssets, alice: User
) -> None:
    (sign,) = make_assets("white")
    run_stages()
    read()
    update_asset(sign, description="By the pier")
    run_stages()
    assert found(alice, "text:pier") == found(alice, "text:fish") == [sign.pk]


def test_a_reader_that_trips_over_a_picture_fails_it_for_reading_alone(
    make_assets: MakeAssets, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trip(self: Any, pixels: Any) -> Any:
        raise RuntimeError("no such layer")

    (sign,) = make_assets("white")
    run_stages()
    with monkeypatch.context() as broken:
        broken.setattr(fakes.FakeTextReader, "read", trip)
        for _ in range(6):
            StageRun.objects.update(not_before=None)
            read()
    run = StageRun.objects.get()
    assert (run.stage, run.state, run.error) == ("text", "failed", "RuntimeError: no such layer")
    assert set(stages_of(sign).values()) == {"done"}
    assert found(alice, "white") == [sign.pk]
    assert selectors.queue_counts()["text"]["failed"] == 1


def test_a_file_that_is_gone_is_given_up_and_the_others_are_read(make_assets: MakeAssets) -> None:
    gone, sign = make_assets("white", "white")
    run_stages()
    storage.remove_content(Asset.objects.get(pk=gone.pk).sha256)
    read()
    assert [row.frame.asset_id for row in FrameText.objects.all()] == [sign.pk]
    assert StageRun.objects.get().error.startswith(CorruptMedia.__name__)


def test_a_reader_that_is_not_installed_is_waited_for(make_assets: MakeAssets, settings: Any) -> None:
    make_assets("white")
    run_stages()
    settings.TEXT_READER = "tests.workers.test_reading.NotInstalled"
    read()
    run = StageRun.objects.get()
    assert (run.state, run.error) == ("retry", "ModelUnavailable: pip install it")


class NotInstalled:
    model_id = "missing"

    def __init__(self) -> None:
        raise ModelUnavailable("pip install it")


class OtherReader(fakes.FakeTextReader):
    model_id = "other-reader"
    lines = (Line("FRESH FLOWERS", 0.98),)


def test_another_reader_reads_everything_anew_and_its_words_take_the_place(
    make_assets: MakeAssets, alice: User, settings: Any
) -> None:
    (sign,) = make_assets("white")
    run_stages()
    read()
    settings.TEXT_READER = "tests.workers.test_reading.OtherReader"
    assert read() == 1
    assert found(alice, "text:flowers") == [sign.pk]
    assert found(alice, "text:fish") == []


def test_without_a_reader_nothing_waits_to_be_read(make_assets: MakeAssets, settings: Any) -> None:
    settings.TEXT_READER = ""
    make_assets("white")
    run_stages()
    assert not selectors.pending(pipeline.TEXT)
    assert read() == 0
    with pytest.raises(CommandError, match="TEXT_READER is empty"):
        call_command("read_texts")


def test_documents_are_written_anew_only_where_something_was_read(
    make_assets: MakeAssets, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_assets("red", "blue")
    run_stages()
    monkeypatch.setattr("search.indexing.index_within", lambda frames: pytest.fail("nothing to write"))
    assert read() == 2
    assert FrameText.objects.filter(text="").count() == 2


def test_a_photo_deleted_while_it_is_read_leaves_nothing(
    make_assets: MakeAssets, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_assets("white")
    run_stages()
    truly = picture_text.read_text

    def slowly(frame: Any) -> Any:
        told = truly(frame)
        Asset.objects.all().delete()
        return told

    monkeypatch.setattr(reading, "read_text", slowly)
    assert read() == 1
    assert not FrameText.objects.exists()
    assert not KeywordDocument.objects.exists()
    assert not StageRun.objects.exists()


def test_a_command_reads_what_was_described_before(make_assets: MakeAssets, alice: User) -> None:
    sign, gone, _ = make_assets("white", "white", "red")
    run_stages()
    storage.remove_content(Asset.objects.get(pk=gone.pk).sha256)
    out = StringIO()
    call_command("read_texts", verbosity=0, stdout=out)
    assert "2 photos read, 1 could not be." in out.getvalue()
    assert found(alice, "text:fish") == [sign.pk]


def test_the_admin_lists_what_was_read_and_nobody_writes_it_by_hand(
    make_assets: MakeAssets, admin_client: Client
) -> None:
    make_assets("white", "red")
    run_stages()
    read()
    page = admin_client.get("/admin/captioning/frametext/", {"q": "fish"}).content.decode()
    assert "FRESH FISH Open 24 hours" in page
    assert "nothing to read" not in page
    assert admin_client.get("/admin/captioning/frametext/add/").status_code == 403
    assert "0.01" in admin_client.get("/admin/captioning/unsafescore/").content.decode()
    assert "text" in admin_client.get("/admin/workers/stagerun/").content.decode()
