"""A hub model behind the setting: what it is shown, and what becomes of uploads where it is missing."""

import base64
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import captioning.services
from captioning import on_demand
from captioning.active import active_caption_model_id, picture_px
from captioning.captioners.base import CaptionDraft
from captioning.captioners.decoding import Decoding
from captioning.captioners.hub_options import HUB_CAPTIONER, HubOptions
from captioning.models import Caption
from captioning.selectors import caption_of
from captioning.vision.frames import FrameBatch
from config.stack.processes import Child
from core.errors import ModelUnavailable
from tests.captioning.tiny_hub import save_tiny_hub_model
from tests.workers.conftest import MakeAssets, alice, make_assets, redis  # noqa: F401 - fixtures
from tests.workers.waiting import QUEUES, until
from tests.workers.words import run_stages
from workers import interactive, messages, pipeline
from workers.models import StageRun
from workers.selectors import stages_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


@pytest.fixture
def hub(settings: Any, tmp_path: Path) -> dict[str, str]:
    """This process's settings, and the variables that give them to a worker; the model's folder is not there yet."""
    folder, decoding = str(tmp_path / "blip"), "beam2,max_new_tokens=6"
    settings.CAPTIONER, settings.CAPTIONER_MODEL_ID = HUB_CAPTIONER, None
    settings.CAPTIONER_HUB = HubOptions(model=folder, picture_px=96)
    settings.CAPTIONER_DECODING = Decoding.parse(decoding)
    return {
        "CAPTIONER": HUB_CAPTIONER,
        "CAPTIONER_MODEL_ID": "",
        "CAPTIONER_HUB_MODEL": folder,
        "CAPTIONER_HUB_PICTURE_PX": "96",
        "CAPTIONER_DECODING": decoding,
    }


def test_uploads_wait_for_a_missing_model_and_are_captioned_once_it_is_there(
    redis: Any,  # noqa: F811
    start_worker: Callable[..., Child],
    make_assets: MakeAssets,  # noqa: F811
    hub: dict[str, str],
) -> None:
    start_worker(*QUEUES, env=hub)
    (asset,) = make_assets("red")
    pipeline.wake()
    until(lambda: StageRun.objects.filter(stage="describe", state="retry").exists())
    held = StageRun.objects.get(stage="describe")
    assert "CAPTIONER_HUB_MODEL" in held.error
    assert hub["CAPTIONER_HUB_MODEL"] in held.error
    assert stages_of(asset)["describe"] == "retry", "it waits, and has not failed"
    with pytest.raises(ModelUnavailable, match="CAPTIONER_HUB_MODEL"):
        pipeline.caption_picture(Image.new("RGB", (64, 48), "red"))

    whole = save_tiny_hub_model("blip", Path(hub["CAPTIONER_HUB_MODEL"]).with_name("coming"))
    shutil.move(whole, hub["CAPTIONER_HUB_MODEL"])
    StageRun.objects.update(not_before=None)
    until(lambda: set(stages_of(asset).values()) == {"done"}, meanwhile=pipeline.wake)
    caption = caption_of(asset.frames.get())
    assert caption is not None
    assert caption.model_id == active_caption_model_id()
    assert caption.model_id.endswith("-beam2-max6")
    assert Caption.objects.count() == 1

    seen = pipeline.caption_picture(Image.new("RGB", (64, 48), "red"))
    assert seen.model_id == caption.model_id
    assert 0 < seen.confidence <= 1


def test_a_model_that_is_not_named_is_said_by_its_setting(hub: dict[str, str], settings: Any) -> None:
    settings.CAPTIONER_HUB = HubOptions()
    with pytest.raises(ModelUnavailable, match="CAPTIONER_HUB_MODEL does not say which"):
        active_caption_model_id()


def test_only_a_hub_model_is_sent_whole_pictures(hub: dict[str, str], settings: Any) -> None:
    assert picture_px() == 96
    settings.CAPTIONER = "tests.fakes.FakeCaptioner"
    assert picture_px() is None


class Looking:
    """Writes down the shapes of what it is shown."""

    model_id = "looking"
    styles = ("normal",)

    def __init__(self) -> None:
        self.shapes: list[list[tuple[int, ...]]] = []

    def caption(self, frames: FrameBatch, style: str = "normal") -> list[CaptionDraft]:
        self.shapes.append([picture.shape for picture in frames.pictures])
        return [CaptionDraft("a picture", 0.5) for _ in range(len(frames))]


def test_whole_pictures_in_their_own_shape_go_with_the_squares(
    make_assets: MakeAssets,  # noqa: F811
    hub: dict[str, str],
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.CAPTIONER_HUB = HubOptions(model="x", picture_px=32)
    looking = Looking()
    monkeypatch.setattr(captioning.services, "captioner", lambda: looking)
    make_assets("red", "blue")
    run_stages()
    assert looking.shapes == [[(24, 32, 3), (24, 32, 3)]]


def test_on_demand_the_whole_picture_follows_as_jpeg(
    redis: Any,  # noqa: F811
    hub: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The message as it was sent, handed to what the task calls."""
    looking = Looking()
    monkeypatch.setattr(on_demand, "captioner", lambda: looking)
    sent: list[Any] = []

    def publish(task: str, queue: str, *, args: list[Any], expires: float) -> None:
        sent.append(args)
        interactive.answer_caption(*args)

    monkeypatch.setattr(messages, "publish", publish)
    seen = pipeline.caption_picture(Image.new("RGB", (640, 320), "red"))
    assert (seen.caption, seen.model_id) == ("a picture", "looking")
    assert looking.shapes == [[(48, 96, 3)]]
    assert base64.b64decode(sent[0][2])[:2] == b"\xff\xd8"
