"""What stands for a frame, whether search agrees, and the steps that bring it there."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from captioning import review
from captioning.models import Caption, CaptionerVersion
from captioning.selectors import caption_of
from library.models import Asset, Frame
from search.active import active_embedders
from search.encoding import query_vectors
from search.index.base import EVERYTHING
from search.models import Embedding, KeywordDocument
from search.services import index
from tests.fakes import FakeCaptionEmbedder
from tests.workers.conftest import MakeAssets
from workers import describe, pipeline, runner, stages
from workers.tasks import upkeep


def run_stages() -> None:
    """Every stage once, in order, as their tasks do."""
    for stage in pipeline.STAGES:
        runner.drain(stages.lane_of(stage))


def promoted(version: CaptionerVersion) -> None:
    pipeline.promote_captioner(version.model_id)
    upkeep.run_jobs()
    run_stages()


def rolled_back() -> None:
    pipeline.roll_back_captioner()
    upkeep.run_jobs()
    run_stages()


def said(frame: Frame) -> str:
    caption = caption_of(frame)
    assert caption is not None
    return caption.text.rpartition(" ")[2]


def search_agrees(frame: Frame, text: str) -> bool:
    """Whether keyword document and vector hold these words, the vector their writer's other sentences, too, and it is
    numbered."""
    vector = Embedding.objects.get(frame=frame, space="caption")
    document = KeywordDocument.objects.get(asset=frame.asset_id)
    return (
        bytes(vector.vector) == caption_vector(frame, text)
        and vector.number is not None
        and text.split()[-1:] == (document.captions.split()[-1:])
    )


def caption_vector(frame: Frame, text: str) -> bytes:
    """As it should be where this sentence, or none, stands."""
    caption = caption_of(frame)
    assert (caption.text if caption else "") == text
    return FakeCaptionEmbedder().embed_queries([" ".join(caption.sentences) if caption else ""]).tobytes()


def said_text(frame: Frame) -> str:
    caption = caption_of(frame)
    assert caption is not None
    return caption.text


def frames_made(make_assets: MakeAssets, *colours: str) -> list[Asset]:
    assets = make_assets(*colours)
    runner.drain(stages.lane_of(pipeline.FRAMES))
    return assets


def vector_of(frame: Frame) -> bytes:
    return bytes(Embedding.objects.get(frame=frame, space="caption").vector)


def near(frame: Frame, text: str) -> bool:
    """Whether the caption index takes the frame for one of these very words."""
    hits = index("caption").search(query_vectors(text, active_embedders())["caption"], 100, EVERYTHING)
    scores = dict(zip(hits.frame_ids.tolist(), hits.scores.tolist(), strict=True))
    return bool(scores.get(frame.pk, 0.0) > 0.95)


def frames_searchable(make_assets: MakeAssets, *colours: str) -> list[Frame]:
    """Of new pictures that went through every stage."""
    assets = make_assets(*colours)
    run_stages()
    return [asset.frames.get() for asset in assets]


def to_review(frame: Frame) -> Caption:
    """The caption that stands, doubted from now on."""
    caption = caption_of(frame)
    assert caption is not None
    Caption.objects.filter(pk=caption.pk).update(state="to_review")
    caption.refresh_from_db()
    return caption


def decided(user: User, caption: Caption, kind: str, text: str = "") -> None:
    pipeline.followed_at_once(lambda: review.decide(user, caption.pk, kind, shown=caption.text, text=text))


def during_models(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> list[int]:
    """Have something happen once, after the models looked and before anything is written; the sizes of all batches."""
    look_at = describe.look_at
    looks: list[int] = []

    def look_and_act(pixels: Any, spoken: Any, **shown: Any) -> Any:
        made = look_at(pixels, spoken, **shown)
        looks.append(len(pixels))
        if len(looks) == 1:
            act()
        return made

    monkeypatch.setattr(describe, "look_at", look_and_act)
    return looks


def captioner(*arguments: Any) -> str:
    """What the command of this name prints."""
    out = StringIO()
    call_command("captioner", *map(str, arguments), stdout=out)
    return out.getvalue()
