"""What stands for a frame, whether search agrees, and the steps that bring it there."""

from captioning import versions
from captioning.models import CaptionerVersion
from captioning.selectors import caption_of
from library.models import Asset, Frame
from search.models import Embedding, KeywordDocument
from tests.fakes import FakeCaptionEmbedder
from tests.workers.conftest import MakeAssets
from workers import pipeline, runner, stages
from workers.tasks import upkeep


def run_stages() -> None:
    for stage in pipeline.STAGES:
        runner.drain(stages.lane_of(stage))


def promoted(version: CaptionerVersion) -> None:
    versions.promote(version.model_id)
    pipeline.captioner_changed()
    upkeep.run_jobs()
    run_stages()


def rolled_back() -> None:
    versions.rollback()
    pipeline.captioner_changed()
    upkeep.run_jobs()
    run_stages()


def said(frame: Frame) -> str:
    caption = caption_of(frame)
    assert caption is not None
    return caption.text.rpartition(" ")[2]


def search_agrees(frame: Frame, text: str) -> bool:
    """Whether vector and keyword document hold these words, and the vector is numbered."""
    vector = Embedding.objects.get(frame=frame, space="caption")
    document = KeywordDocument.objects.get(asset=frame.asset_id)
    wanted = FakeCaptionEmbedder().embed_queries([text]).tobytes()
    return (
        bytes(vector.vector) == wanted
        and vector.number is not None
        and text.split()[-1:] == (document.captions.split()[-1:])
    )


def said_text(frame: Frame) -> str:
    caption = caption_of(frame)
    assert caption is not None
    return caption.text


def frames_made(make_assets: MakeAssets, *colours: str) -> list[Asset]:
    assets = make_assets(*colours)
    runner.drain(stages.lane_of(pipeline.FRAMES))
    return assets
