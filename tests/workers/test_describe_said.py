"""What is said of a frame is what its vector in the caption space is made of, whoever says it and whenever."""

from typing import Any

import pytest
from django.contrib.auth.models import User

import captioning.services
from captioning.captioners.base import CaptionDraft
from captioning.models import Caption
from captioning.selectors import caption_of
from captioning.vision.frames import FrameBatch
from search.models import Embedding
from tests import fakes
from tests.workers.conftest import MakeAssets
from tests.workers.words import caption_vector, during_models, run_stages, vector_of
from workers import pipeline, runner, stages
from workers.models import StageRun

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_person_s_words_stand_and_are_what_is_embedded(make_assets: MakeAssets, alice: User) -> None:
    (asset,) = make_assets("red")
    run_stages()
    frame = asset.frames.get()
    captioning.services.edit_caption(frame, "my grandmother's sofa", alice)
    pipeline.caption_changed(frame)
    runner.drain(stages.lane_of(pipeline.DESCRIBE, express=True))
    assert caption_of(frame).text == "my grandmother's sofa"  # type: ignore[union-attr]
    assert Caption.objects.get(source="model").text == "a red picture"
    assert vector_of(frame) == caption_vector(frame, "my grandmother's sofa")


def test_an_accepted_sentence_keeps_its_alternatives_and_described_again_nothing_changes(
    make_assets: MakeAssets,
) -> None:
    (asset,) = make_assets("red")
    run_stages()
    frame = asset.frames.get()
    Caption.objects.update(state=Caption.State.ACCEPTED)
    before = Embedding.objects.get(frame=frame, space="caption")
    pipeline.ask_for(pipeline.DESCRIBE, [frame.pk])
    run_stages()
    after = Embedding.objects.get(frame=frame, space="caption")
    assert (bytes(after.vector), after.number) == (bytes(before.vector), before.number)
    assert bytes(after.vector) == caption_vector(frame, "a red picture")
    assert not StageRun.objects.exists(), "nothing is asked for again"


def test_other_alternatives_of_the_same_sentence_are_another_vector(
    make_assets: MakeAssets, monkeypatch: pytest.MonkeyPatch
) -> None:
    (asset,) = make_assets("red")
    run_stages()
    frame = asset.frames.get()

    def caption(self: Any, frames: FrameBatch, style: str = "normal") -> list[CaptionDraft]:
        return [CaptionDraft("a red picture", 0.9, ("poppies on a hill",)) for _ in range(len(frames))]

    before = vector_of(frame)
    monkeypatch.setattr(fakes.FakeCaptioner, "caption", caption)
    pipeline.ask_for(pipeline.DESCRIBE, [frame.pk])
    run_stages()
    assert vector_of(frame) == caption_vector(frame, "a red picture") != before


@pytest.mark.parametrize("words", ["a sofa", ""])
def test_words_written_while_models_look_are_embedded_afterwards(
    make_assets: MakeAssets, alice: User, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    (asset,) = make_assets("red")
    runner.drain(stages.lane_of(pipeline.FRAMES))
    frame = asset.frames.get()
    if not words:
        captioning.services.edit_caption(frame, "to be taken back", alice)

    def edit() -> None:
        captioning.services.edit_caption(frame, words, alice)
        pipeline.caption_changed(frame)

    during_models(monkeypatch, edit)
    runner.drain(stages.lane_of(pipeline.DESCRIBE))
    runner.drain(stages.lane_of(pipeline.DESCRIBE, express=True))
    assert vector_of(frame) == caption_vector(frame, words or "a red picture")
