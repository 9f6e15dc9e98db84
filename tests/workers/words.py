"""What stands for a frame, whether search agrees, and the steps that bring it there."""

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
