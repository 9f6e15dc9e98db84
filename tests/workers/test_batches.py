"""How the describe stage cuts up and orders its work: batches, suspects, time, and who goes first."""

from types import SimpleNamespace
from typing import Any

import pytest

from captioning.vision.frames import FrameBatch
from library.models import Frame
from tests import fakes
from tests.workers.conftest import MakeAssets
from tests.workers.words import run_stages
from workers import describe, pipeline, runner, stages
from workers.models import StageRun
from workers.selectors import stages_of
from workers.tasks import stages as tasks

pytestmark = pytest.mark.django_db(transaction=True)


def test_one_bad_apple_in_a_batch_fails_alone(
    make_assets: MakeAssets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The captioner raises at a purple picture: nobody can say beforehand which of the batch it is."""
    purple, *others = make_assets("purple", "red", "blue", "green")
    look_at = describe.look_at

    def allergic(pixels: Any, spoken: Any, **shown: Any) -> Any:
        if any("purple" in draft.text for draft in drafts_of(pixels)):
            raise ZeroDivisionError("purple")
        return look_at(pixels, spoken, **shown)

    monkeypatch.setattr(describe, "look_at", allergic)
    run_stages()
    assert all(stages_of(asset)["describe"] == "done" for asset in others)
    assert stages_of(purple)["describe"] == "retry"
    assert "ZeroDivisionError" in StageRun.objects.get(subject_id=purple.frames.get().pk).error


def test_the_models_see_batches_and_the_next_one_is_claimed_meanwhile(
    make_assets: MakeAssets, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.DESCRIBE_BATCH_SIZE = 4
    make_assets(*["red"] * 10)
    runner.drain(stages.lane_of(pipeline.FRAMES))
    sizes: list[int] = []
    in_hand: list[int] = []
    look_at = describe.look_at

    def counting(pixels: Any, spoken: Any, **shown: Any) -> Any:
        sizes.append(len(pixels))
        in_hand.append(StageRun.objects.filter(state="running").count())
        return look_at(pixels, spoken, **shown)

    monkeypatch.setattr(describe, "look_at", counting)
    runner.drain(stages.lane_of(pipeline.DESCRIBE))
    assert sizes == [4, 4, 2]
    assert in_hand == [8, 6, 2]


def test_a_suspect_is_never_in_hand_beside_others(
    make_assets: MakeAssets, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_assets("red", "blue", "green", "white")
    runner.drain(stages.lane_of(pipeline.FRAMES))
    for frame in Frame.objects.order_by("pk")[:2]:
        StageRun.objects.create(stage="describe", subject_id=frame.pk, state="retry", alone=True)
    in_hand: list[int] = []
    look_at = describe.look_at

    def counting(pixels: Any, spoken: Any, **shown: Any) -> Any:
        in_hand.append(StageRun.objects.filter(state="running").count())
        return look_at(pixels, spoken, **shown)

    monkeypatch.setattr(describe, "look_at", counting)
    runner.drain(stages.lane_of(pipeline.DESCRIBE))
    assert in_hand == [1, 1, 2]


def test_batches_shrink_where_a_batch_takes_too_long(
    make_assets: MakeAssets, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.DESCRIBE_BATCH_SIZE = 8
    make_assets(*["red"] * 24)
    runner.drain(stages.lane_of(pipeline.FRAMES))
    monkeypatch.setattr(runner, "MAX_BATCH_S", 2.5)
    sizes: list[int] = []
    a_second_each = SimpleNamespace(monotonic=lambda: float(sum(sizes)))
    monkeypatch.setattr(runner, "time", a_second_each)
    look_at = describe.look_at

    def slow(pixels: Any, spoken: Any, **shown: Any) -> Any:
        sizes.append(len(pixels))
        return look_at(pixels, spoken, **shown)

    monkeypatch.setattr(describe, "look_at", slow)
    runner.drain(stages.lane_of(pipeline.DESCRIBE))
    assert sizes == [8, 8, 2, 2, 2, 2], "the second was claimed while the first was at work"


def test_a_task_ends_when_its_time_is_over_and_queues_itself_again(
    make_assets: MakeAssets, monkeypatch: pytest.MonkeyPatch, settings: Any, redis: Any
) -> None:
    settings.DESCRIBE_BATCH_SIZE = 1
    make_assets("red", "blue", "green")
    runner.drain(stages.lane_of(pipeline.FRAMES))
    redis.flushdb()
    assert runner.drain(stages.lane_of(pipeline.DESCRIBE), budget_s=-1.0) == 1
    assert redis.llen("gpu") == 1
    assert not StageRun.objects.exists(), "nothing stays claimed behind it"


def test_a_fresh_upload_overtakes_through_both_stages(make_assets: MakeAssets, redis: Any) -> None:
    bulk = make_assets("red", "red", "red")
    (fresh,) = make_assets("blue")
    pipeline.added([fresh])
    tasks.frames()
    assert redis.llen("interactive") == 1
    tasks.describe_express()
    assert stages_of(fresh)["describe"] == "done"
    assert {stages_of(asset)["describe"] for asset in bulk} == {"waiting"}


def test_a_flood_of_uploads_does_not_overtake(
    make_assets: MakeAssets, redis: Any, stopped_clock: None
) -> None:
    for _ in range(10):
        pipeline.added(make_assets("red", "blue", "green"))
    assert StageRun.objects.filter(express=True).count() == pipeline.EXPRESS_PER_MINUTE


def drafts_of(pixels: Any) -> Any:
    features = fakes.FakeBackbone().encode(pixels)
    return fakes.FakeCaptioner().caption(FrameBatch(pixels, features))
