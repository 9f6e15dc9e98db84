"""The stages in this process, with the fake models: what is written, by whom, and what is left alone."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from PIL import Image

import captioning.services
from captioning import preferences
from captioning.captioners.base import CaptionDraft
from captioning.models import AutoTag, Caption, FrameColour
from captioning.recaptioning import Selection, frames_to_caption
from captioning.selectors import caption_of
from captioning.vision.frames import FrameBatch
from core.errors import ModelUnavailable
from library.asset_store import delete_asset, update_asset
from library.models import Asset, Frame
from search import columns
from search.active import TEXTURES
from search.models import Embedding
from search.services import search_text
from tests import fakes
from tests.workers.conftest import MakeAssets
from tests.workers.words import caption_vector, during_models, run_stages, vector_of
from workers import messages, pipeline
from workers.models import StageRun
from workers.selectors import stages_of

pytestmark = pytest.mark.django_db(transaction=True)


def everything() -> dict[str, Any]:
    """All that the stages write, without what changes by itself."""
    return {
        "frames": list(Frame.objects.order_by("pk").values_list("pk", "asset_id")),
        "captions": list(
            Caption.objects.order_by("frame_id", "source").values_list(
                "frame_id", "text", "confidence", "match_score"
            )
        ),
        "tags": list(
            AutoTag.objects.order_by("frame_id", "name").values_list("frame_id", "name", "confidence")
        ),
        "vectors": [
            (frame, space, bytes(vector), number)
            for frame, space, vector, number in Embedding.objects.order_by("frame_id", "space").values_list(
                "frame_id", "space", "vector", "number"
            )
        ],
    }


class Told(fakes.FakeCaptioner):
    """Says what it was told of a picture."""

    reads_context = True

    def caption(self, frames: FrameBatch, style: str = "normal") -> list[CaptionDraft]:
        """One draft per frame, in order."""
        return [CaptionDraft(f"told: {context}", 0.9) for context in frames.contexts]


def test_a_captioner_that_reads_context_is_told_title_and_tags(
    make_assets: MakeAssets, alice: User, settings: Any
) -> None:
    settings.CAPTIONER = "tests.workers.test_describe.Told"
    red, blue = make_assets("red", "blue")
    update_asset(red, title="At the lake", tags=["dog", "Beach"])
    run_stages()
    said = {caption.frame.asset_id: caption.text for caption in Caption.objects.all()}
    assert said == {red.pk: "told: At the lake; Beach, dog", blue.pk: "told: "}


def test_a_picture_goes_in_and_is_captioned_tagged_and_found(make_assets: MakeAssets, alice: User) -> None:
    red, blue = make_assets("red", "blue")
    run_stages()
    caption = caption_of(red.frames.get())
    assert caption is not None
    assert (caption.text, caption.source, caption.model_id) == ("a red picture", "model", "fake-captioner")
    assert caption.match_score is not None
    assert caption.match_score > 0.9
    assert Embedding.objects.get(frame=caption.frame, space=TEXTURES).model_id == "fake-backbone"
    assert [tag.name for tag in AutoTag.objects.filter(frame__asset=red)] == ["strawberry"]
    assert search_text(alice, "blue").matches[0].asset_id == blue.pk
    assert stages_of(red) == {"frames": "done", "describe": "done", "index": "done"}
    assert not StageRun.objects.exists()


def test_each_owner_s_photos_are_captioned_in_their_style_within_one_claim(
    make_assets: MakeAssets, alice: User, settings: Any
) -> None:
    bob = User.objects.create_user("bob", password="wonderland")
    settings.CAPTION_STYLE = "detailed"
    preferences.choose_style(bob, "short")
    hers, his = make_assets("red", "blue"), make_assets("green", "white", owner=bob)
    run_stages()
    told = {
        asset.pk: Caption.objects.values_list("text", "style").get(frame__asset=asset)
        for asset in (*hers, *his)
    }
    assert list(told.values()) == [
        ("a red picture all over", "detailed"),
        ("a blue picture all over", "detailed"),
        ("green", "short"),
        ("white", "short"),
    ]
    assert vector_of(his[0].frames.get()) == caption_vector(his[0].frames.get(), "green")


def test_another_choice_is_of_photos_to_come_and_a_run_over_all_does_the_rest(
    make_assets: MakeAssets, alice: User
) -> None:
    (before,) = make_assets("red")
    run_stages()
    preferences.choose_style(alice, "short")
    (after,) = make_assets("blue")
    run_stages()
    told = Caption.objects.order_by("pk").values_list("text", "style")
    assert list(told) == [("a red picture", "normal"), ("blue", "short")]
    again = frames_to_caption(Selection(again=True), "fake-captioner")
    assert set(again) == {before.frames.get(), after.frames.get()}
    pipeline.ask_for(pipeline.DESCRIBE, [frame.pk for frame in again])
    run_stages()
    assert list(told.all()) == [("red", "short"), ("blue", "short")]


def test_a_captioner_that_does_not_know_a_style_writes_normal_captions_and_says_so(
    make_assets: MakeAssets, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.CAPTION_STYLE = "short"
    monkeypatch.setattr(fakes.FakeCaptioner, "styles", ("normal",))
    make_assets("red")
    run_stages()
    assert Caption.objects.values_list("text", "style").get() == ("a red picture", "normal")


def test_every_stage_may_run_twice(make_assets: MakeAssets) -> None:
    make_assets("red", "green")
    run_stages()
    once = everything()
    for frame in Frame.objects.all():
        pipeline.ask_for(pipeline.FRAMES, [frame.asset_id])
        pipeline.ask_for(pipeline.DESCRIBE, [frame.pk])
        pipeline.ask_for(pipeline.INDEX, [frame.pk])
    assert StageRun.objects.count() == 6
    run_stages()
    assert everything() == once
    assert not StageRun.objects.exists()


def test_what_the_models_wrote_is_screened_and_a_decision_outlives_another_look(
    make_assets: MakeAssets, settings: Any
) -> None:
    red, blue = make_assets("red", "blue")
    settings.REVIEW_MIN_CONFIDENCE = 0.95
    run_stages()
    captions = Caption.objects.filter(source="model")
    assert set(captions.values_list("state", flat=True)) == {Caption.State.TO_REVIEW}
    assert captions.filter(frame__asset=red).get().alternatives == ["a picture", "something red"]
    captions.filter(frame__asset=red).update(state=Caption.State.REJECTED, text="a green picture")
    settings.REVIEW_MIN_CONFIDENCE = 0.5
    pipeline.ask_for(pipeline.DESCRIBE, list(Frame.objects.values_list("pk", flat=True)))
    run_stages()
    assert dict(captions.values_list("frame__asset_id", "state")) == {
        red.pk: "rejected",
        blue.pk: "auto_accepted",
    }
    assert captions.filter(frame__asset=red).get().text == "a green picture"


def test_a_damaged_picture_fails_by_itself(make_assets: MakeAssets) -> None:
    good, bad, gone = make_assets("red", "blue", "green")
    with default_storage.open(bad.original_key, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n not any more")
    default_storage.delete(gone.original_key)
    run_stages()
    assert stages_of(good)["describe"] == "done"
    for asset in (bad, gone):
        assert stages_of(asset) == {"frames": "done", "describe": "failed", "index": "waiting"}
    assert all(run.error.startswith("CorruptMedia: ") for run in StageRun.objects.all())


def test_a_picture_deleted_while_models_look_at_it_harms_no_other(
    make_assets: MakeAssets, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, deleted = make_assets("red", "blue")
    looks = during_models(monkeypatch, lambda: delete_asset(deleted))
    run_stages()
    assert looks == [2], "what the models made of the other was kept"
    assert list(Caption.objects.values_list("frame__asset_id", flat=True)) == [kept.pk]
    assert not StageRun.objects.exists()


def test_without_a_model_pictures_wait_and_the_loop_stops(
    make_assets: MakeAssets, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.DESCRIBE_BATCH_SIZE = 2
    assets = make_assets("red", "blue", "green", "white", "black")

    def unavailable(*_: Any) -> None:
        raise ModelUnavailable("There is no trained captioner.")

    with monkeypatch.context() as missing:
        missing.setattr(captioning.services, "captioner", unavailable)
        run_stages()
    held = StageRun.objects.get(subject_id=assets[-1].frames.get().pk)
    assert (held.state, held.alone, held.deaths) == ("retry", False, 0)
    assert "no trained captioner" in held.error
    assert StageRun.objects.filter(attempts__gt=0).count() == 2, "the next batch would have fared no better"
    StageRun.objects.update(not_before=None)
    run_stages()
    assert all(stages_of(asset)["describe"] == "done" for asset in assets)


def test_uploads_are_accepted_while_redis_is_down(make_assets: MakeAssets) -> None:
    pipeline.added(make_assets("red"))
    assert not StageRun.objects.exists()
    assert messages.breaker.is_open
    run_stages()
    assert stages_of(Asset.objects.get())["index"] == "done"


def test_a_transparent_or_tiny_picture_is_described_too(make_assets: MakeAssets, alice: User) -> None:
    from io import BytesIO

    from library.asset_store import store_upload

    file = BytesIO()
    Image.new("RGBA", (3, 2), (255, 0, 0, 0)).save(file, "PNG")
    file.seek(0)
    asset = store_upload(alice, file, name="clear.png").asset
    run_stages()
    assert caption_of(asset.frames.get()).text == "a white picture"  # type: ignore[union-attr]


def test_a_photo_is_searched_within_colours_that_it_has_since_it_was_described_anew(
    make_assets: MakeAssets, alice: User
) -> None:
    (red,) = make_assets("red")
    run_stages()
    frame = red.frames.get()
    Caption.objects.filter(frame=frame).update(state=Caption.State.ACCEPTED)
    FrameColour.objects.all().delete()
    assert columns.refresh([red.pk]) == [red.pk]
    pipeline.ask_for(pipeline.DESCRIBE, [frame.pk])
    run_stages()
    assert FrameColour.objects.filter(frame=frame, name="red").exists()
    assert columns.outdated([red.pk]) == []
