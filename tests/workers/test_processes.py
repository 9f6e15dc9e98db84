"""Real workers on a real Redis: killed, poisoned, cut off, and nothing is lost and nothing done twice."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from captioning.models import Caption, FrameText
from config.stack.processes import Child, start, stop
from config.stack.redis_server import start_redis
from library.models import Asset, Frame
from search.models import Embedding
from tests.workers.conftest import MakeAssets
from tests.workers.deadly import POISON
from tests.workers.waiting import QUEUES, all_done, until
from workers import messages, pipeline
from workers.models import StageRun
from workers.selectors import stages_of_assets
from workers.tasks import upkeep

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

SLOW = {"BACKBONE": "tests.workers.deadly.SlowBackbone", "DESCRIBE_BATCH_SIZE": "8"}
DEADLY = {"BACKBONE": "tests.workers.deadly.DeadlyBackbone", "DESCRIBE_BATCH_SIZE": "8"}

StartWorker = Callable[..., Child]


def assert_each_exactly_once(count: int) -> None:
    assert Asset.objects.count() == Frame.objects.count() == count
    captions = Counter(Caption.objects.values_list("frame_id", flat=True))
    assert len(captions) == count
    assert set(captions.values()) == {1}
    spaces = Counter(Embedding.objects.values_list("space", flat=True))
    assert spaces == {"image": count, "caption": count, "texture": count}
    numbers = list(Embedding.objects.values_list("number", flat=True))
    assert None not in numbers
    assert len(set(numbers)) == 3 * count
    assert not StageRun.objects.exists()


def busy_child(worker: Child) -> psutil.Process:
    (child,) = psutil.Process(worker.process.pid).children()
    return child


def wait_for_claim() -> None:
    until(lambda: StageRun.objects.filter(stage="describe", state="running").exists())


def test_a_child_killed_in_the_middle_of_a_batch_costs_nothing(
    redis: Any, start_worker: StartWorker, make_assets: MakeAssets
) -> None:
    make_assets(*["red", "blue", "green", "white"] * 6)
    worker = start_worker(*QUEUES, pipeline.TEXT.queue, env=SLOW)
    pipeline.wake()
    wait_for_claim()
    time.sleep(0.1)
    busy_child(worker).send_signal(signal.SIGKILL)
    until(all_done, meanwhile=pipeline.wake)
    until(lambda: FrameText.objects.count() == 24 and not StageRun.objects.exists())
    assert_each_exactly_once(24)
    assert FrameText.objects.exclude(text="").count() == 6


def test_a_worker_killed_with_all_its_processes_is_healed_by_another_s_sweep(
    redis: Any, start_worker: StartWorker, make_assets: MakeAssets
) -> None:
    make_assets(*["red", "blue", "green", "white"] * 4)
    first = start_worker(*QUEUES, env=SLOW | {"SLOW_BATCH_S": "60"})  # however late the kill comes
    pipeline.wake()
    wait_for_claim()
    os.killpg(first.process.pid, signal.SIGKILL)
    first.process.wait()
    held = StageRun.objects.filter(stage="describe", state="running").count()
    assert held > 0, "it died with pictures in its hands"
    redis.flushdb()  # the message it had not acknowledged is lost, too
    start_worker(*QUEUES, env=SLOW | {"SLOW_BATCH_S": "0"})
    upkeep.sweep()
    until(all_done, meanwhile=pipeline.wake)
    assert_each_exactly_once(16)


def test_a_picture_that_kills_its_worker_is_parked_and_takes_nobody_with_it(
    redis: Any, start_worker: StartWorker, make_assets: MakeAssets
) -> None:
    *good, poison = make_assets(*["red", "blue", "green", "white", "black"], POISON)
    start_worker(*QUEUES, env=DEADLY)
    pipeline.wake()

    def settled() -> bool:
        states = stages_of_assets([*good, poison])
        return states[poison.pk]["describe"] == "parked" and all(
            set(states[asset.pk].values()) == {"done"} for asset in good
        )

    until(settled, meanwhile=pipeline.wake)
    run = StageRun.objects.get()
    assert (run.subject_id, run.deliveries) == (poison.frames.get().pk, 3)
    assert "3 workers died" in run.error


def test_redis_goes_away_and_comes_back(
    start_worker: StartWorker,
    make_assets: MakeAssets,
    tmp_path: Path,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(messages, "PATIENCE_S", 10.0)
    child, url = start_redis(tmp_path / "own", tmp_path)
    settings.REDIS_URL = url
    messages.client.cache_clear()
    try:
        start_worker(*QUEUES, env={"REDIS_URL": url})
        make_assets("red")
        assert pipeline.wake()
        until(all_done)
        stop([child])
        make_assets("blue", "green")
        assert not pipeline.wake(), "the upload is accepted, and nobody is told"
        messages.breaker = messages._Breaker()
        child = restarted(child, tmp_path)
        until(all_done, meanwhile=upkeep.sweep)
        assert_each_exactly_once(3)
    finally:
        stop([child])


def restarted(child: Child, folder: Path) -> Child:
    """Redis again, on the port it had, and empty."""
    command = [str(part) for part in child.process.args]  # type: ignore[union-attr]
    return start("redis-again", command, log_dir=folder)


def test_a_burst_of_uploads_is_a_few_model_calls(
    redis: Any, start_worker: StartWorker, make_assets: MakeAssets, tmp_path: Path
) -> None:
    log = tmp_path / "batches"
    start_worker(
        *QUEUES, env={**SLOW, "SLOW_BATCH_S": "0.1", "DESCRIBE_BATCH_SIZE": "16", "BATCH_LOG": str(log)}
    )
    for asset in make_assets(*["red", "blue"] * 40):
        pipeline.added([asset])
    until(all_done)
    assert_each_exactly_once(80)
    sizes = [int(line.split()[1]) for line in log.read_text().splitlines()]
    assert sum(sizes) == 80
    assert len(sizes) <= 20


def test_models_are_loaded_in_the_child_and_never_in_the_parent(
    redis: Any, start_worker: StartWorker
) -> None:
    worker = start_worker("gpu", env={"BACKBONE": "captioning.vision.backbone.EfficientNetLite2"})

    def maps_torch(process: psutil.Process) -> bool:
        return any("torch" in region.path for region in process.memory_maps())

    until(lambda: maps_torch(busy_child(worker)), timeout_s=200)
    assert not maps_torch(psutil.Process(worker.process.pid))
