"""Learning again as a job: asked for, killed, resumed, cancelled, offered and never promoted."""

import json
import os
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError
from django.test import Client
from django.utils import timezone

from captioning import active, learning, services, versions
from captioning.captioners.architecture import Architecture
from captioning.models import CaptionerVersion, Promotion
from captioning.training.config import FinetuneConfig
from captioning.training.dataset import read_dataset
from captioning.training.finetune import finetune_and_export
from config.stack.processes import Child
from core.errors import Conflict, InvalidInput
from core.progress import Progress
from library.frames import make_frames
from library.models import Asset
from tests.captioning.checkpoints import save_version
from tests.captioning.tiny import four_walls, save_tiny_lm
from tests.workers.conftest import MakeAssets
from tests.workers.waiting import until
from tests.workers.words import captioner
from workers import jobs, pipeline
from workers import learning as learning_job
from workers.models import Job
from workers.tasks import upkeep

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

VERSIONS = "/admin/captioning/captionerversion/"
#: A worker's process loads torch and two models and then trains: a minute and a half where others want the processors.
_TRAINS_S = 400


@pytest.fixture
def base(tmp_path: Path, settings: Any) -> Path:
    """Four walls as the dataset to learn with."""
    folder = four_walls(tmp_path / "walls", "A {} wall.")
    settings.LEARN_AGAIN_DATASET = str(folder)
    return folder


def reviewed(assets: list[Asset], owner: User) -> None:
    """Their owner has written of each, and shows them to everybody."""
    for asset in assets:
        Asset.objects.filter(pk=asset.pk).update(visibility="public")
        (frame,) = make_frames(asset)
        services.edit_caption(frame, f"A picture with the number {asset.pk}.", owner)


@pytest.fixture
def asked(base: Path, make_assets: MakeAssets, alice: User) -> Job:
    """A job that a worker named `gone` has begun."""
    reviewed(make_assets("red", "blue"), alice)
    job = pipeline.start_learning(alice)
    Job.objects.filter(pk=job.pk).update(state="running", worker="gone", deliveries=1)
    return job


def fresh(job: Job) -> Job:
    job.refresh_from_db()
    return job


def promoted_start(base: Path, folder: Path) -> str:
    """The id of a captioner of toy size, barely trained, that is the active one."""
    config = FinetuneConfig(
        base=str(save_tiny_lm(folder / "lm")),
        architecture=Architecture(visual_side=2, projector_width=32, lora_rank=8),
        epochs=1,
        images_per_batch=2,
        views=("plain",),
        device="cpu",
        tracker="none",
    )
    made = finetune_and_export(read_dataset(base), config, folder / "run", folder / "cache", folder / "start")
    assert made is not None
    versions.register(folder / "start")
    versions.promote(made.model_id, force=True)
    return made.model_id


@pytest.mark.models
@pytest.mark.timeout(900)
def test_a_run_survives_its_worker_and_ends_in_a_version_that_is_offered(
    redis: Any,
    start_worker: Callable[..., Child],
    make_assets: MakeAssets,
    alice: User,
    base: Path,
    shipped: str,
    settings: Any,
    tmp_path: Path,
) -> None:
    settings.CAPTIONER = "captioning.captioners.visual.VisualCaptioner"
    settings.MODEL_CACHE_DIR = tmp_path / "cache"
    start = promoted_start(base, tmp_path)
    learn: dict[str, Any] = {
        "epochs": 20,
        "images_per_batch": 2,
        "learning_rate": 1e-2,
        "projector_learning_rate": 1e-2,
    }
    learn |= {
        "warmup_steps": 2,
        "views": ["plain"],
        "dropout": 0.0,
        "tracker": "none",
        "checkpoint_every_s": 0,
    }
    (tmp_path / "learn.json").write_text(json.dumps(learn))
    reviewed(make_assets("red", "blue"), alice)
    env = {
        "CAPTIONER": settings.CAPTIONER,
        "CAPTIONER_MODEL_ID": "",
        "BACKBONE": "captioning.vision.backbone.EfficientNetLite2",
        "LEARN_AGAIN_DATASET": str(base),
        "LEARN_AGAIN_CONFIG": str(tmp_path / "learn.json"),
        "MODEL_CACHE_DIR": str(settings.MODEL_CACHE_DIR),
        "VAR_DIR": str(settings.VAR_DIR),  # another than when the fixtures were made
        "MEDIA_ROOT": str(settings.MEDIA_ROOT),
    }
    first = start_worker("jobs", env=env)
    captioner("learn", "--by", "alice")
    job = Job.objects.get(kind="learn_again")
    progress = learning_job.run_of(job.pk) / "progress.json"

    def is_under_way() -> bool:
        assert fresh(job).state != "failed", job.error
        return progress.is_file() and json.loads(progress.read_text())["step"] >= 4

    until(is_under_way, timeout_s=_TRAINS_S)
    os.killpg(first.process.pid, signal.SIGKILL)
    first.process.wait()
    reached = json.loads(progress.read_text())["step"]
    assert fresh(job).state == "running", "nobody has noticed yet"
    reviewed(make_assets("green"), alice)  # too late for this run

    redis.flushdb()
    start_worker("jobs", env=env)
    until(lambda: fresh(job).state in {"done", "failed"}, meanwhile=upkeep.sweep, timeout_s=_TRAINS_S)
    assert (job.state, job.error) == ("done", ""), (learning_job.run_of(job.pk) / "log.txt").read_text()
    assert job.done == job.total > reached
    version = CaptionerVersion.objects.exclude(model_id__in=[start, shipped]).get()
    assert version.note == "learned from 2 reviews"
    assert version.metrics["learned_from"]["captioner"] == start
    assert version.metrics["cider"] > version.metrics["learned_from"]["cider"]
    assert version.metrics["reviews"]["n_images"] == version.data["reviews"]["splits"]["dev"] == 1
    assert version.configuration["start_from"]
    assert "on 1 reviewed photos" in versions.offer(version)
    assert Promotion.objects.count() == 1
    assert active.active_caption_model_id() == start
    assert "offered for promotion: CIDEr on dev" in captioner("list")
    versions.promote(version.model_id)
    assert versions.offer(version) == ""


def test_the_process_tells_how_far_it_is_and_settles_the_job(
    asked: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def learn(run: Path, dataset: Path, told: Progress) -> learning.Learned:
        told(3, 8)
        held = Job.objects.get(pk=asked.pk)
        assert held.worker not in {"", "gone"}, "it holds the job under its own name"
        return learning.Learned(None, "No epoch was better.")

    monkeypatch.setattr(learning, "learn_again", learn)
    learning_job.take_over(asked.pk, "gone")
    job = fresh(asked)
    assert (job.state, job.error, job.done, job.total, job.worker) == (
        *("done", "No epoch was better.", 8, 8),
        "",
    )


def test_an_interrupted_run_waits_and_loses_no_try(asked: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "learn_again", lambda *_: None)
    learning_job.take_over(asked.pk, "gone")
    assert (fresh(asked).state, asked.deliveries, asked.worker) == ("waiting", 0, "")


def test_what_went_wrong_is_told(asked: Job, base: Path) -> None:
    (base / "captions.csv").write_text("image,caption\n")
    learning_job.take_over(asked.pk, "gone")
    assert fresh(asked).state == "failed"
    assert "lacks the columns split" in asked.error


def test_a_job_that_another_worker_holds_is_left_alone(asked: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "learn_again", lambda *_: pytest.fail("not ours"))
    learning_job.take_over(asked.pk, "somebody-else")
    assert (fresh(asked).state, asked.worker) == ("running", "gone")


def test_a_cancelled_run_stops(asked: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    def learn(*_: Any) -> None:
        pipeline.cancel_job(asked)
        time.sleep(60)

    monkeypatch.setattr(learning, "learn_again", learn)
    began = time.monotonic()
    learning_job.take_over(asked.pk, "gone")
    assert time.monotonic() - began < 30
    assert fresh(asked).state == "cancelled"
    with pytest.raises(Conflict, match="is cancelled"):
        pipeline.cancel_job(asked)


def test_a_process_that_can_t_start_fails_the_job_and_others_are_not_held_up(
    base: Path, make_assets: MakeAssets, alice: User, settings: Any, tmp_path: Path
) -> None:
    reviewed(make_assets("red"), alice)
    learn = pipeline.start_learning()
    settings.BASE_DIR = tmp_path
    assert jobs.run_next() == learn
    assert fresh(learn).state == "failed"
    assert "can't open file" in learn.error
    Job.objects.filter(pk=learn.pk).update(state="running", worker="training")
    rebuild = pipeline.start_job("rebuild_index")
    assert jobs.run_next() == rebuild


def test_it_is_asked_for_by_the_clock_after_so_many_reviews(
    base: Path, make_assets: MakeAssets, alice: User, settings: Any
) -> None:
    reviewed(make_assets("red", "blue"), alice)
    upkeep.learn_if_due()
    assert not Job.objects.exists(), "off unless a setting says how often"
    settings.LEARN_AGAIN_EVERY_H, settings.LEARN_AGAIN_MIN_REVIEWS = 24.0, 3
    upkeep.learn_if_due()
    assert not Job.objects.exists(), "two are too few"
    reviewed(make_assets("green"), alice)
    upkeep.learn_if_due()
    job = Job.objects.get()
    assert (job.kind, job.state) == ("learn_again", "waiting")
    Job.objects.update(state="done", created_at=timezone.now() - timedelta(hours=25))
    upkeep.learn_if_due()
    assert Job.objects.count() == 2, "three again: all are newer than the last run"
    Job.objects.update(state="done")
    upkeep.learn_if_due()
    assert Job.objects.count() == 2, "not twice in 24 hours"


def test_what_is_missing_is_told_before_anything_is_begun(
    base: Path, make_assets: MakeAssets, alice: User, settings: Any
) -> None:
    with pytest.raises(CommandError, match="accepted, edited or written"):
        captioner("learn")
    reviewed(make_assets("red"), alice)
    settings.LEARN_AGAIN_DATASET = str(base / "images")
    with pytest.raises(CommandError, match=r"no captions\.csv"):
        captioner("learn")
    settings.LEARN_AGAIN_DATASET = None
    with pytest.raises(InvalidInput, match="Set LEARN_AGAIN_DATASET"):
        pipeline.start_learning()
    settings.LEARN_AGAIN_EVERY_H, settings.LEARN_AGAIN_MIN_REVIEWS = 1.0, 1
    upkeep.learn_if_due()
    assert not Job.objects.exists()


def test_the_admin_asks_for_it_shows_what_is_offered_and_cancels(
    client: Client, base: Path, make_assets: MakeAssets, alice: User, shipped: str, tmp_path: Path
) -> None:
    root = User.objects.create_superuser("root")
    client.force_login(root)
    assert "accepted, edited or written" in client.post(f"{VERSIONS}learn/", follow=True).content.decode()
    reviewed(make_assets("red"), alice)
    elm = save_version(tmp_path / "elm", "elm").model_id
    reviews = {"n_images": 40, "cider": 1.5}
    before = {"captioner": shipped, "cider": 0.5, "reviews": {"n_images": 40, "cider": 0.25}}
    versions.register(
        tmp_path / "elm",
        metrics={"captioner": elm, "cider": 0.45, "reviews": reviews, "learned_from": before},
    )
    page = client.get(VERSIONS).content.decode()
    assert "CIDEr on dev 0.450, 0.500 before; on 40 reviewed photos 1.500, 0.250 before" in page
    client.post(f"{VERSIONS}learn/")
    job = Job.objects.get(kind="learn_again")
    assert (job.state, job.requested_by) == ("waiting", root)
    client.post("/admin/workers/job/", {"action": "cancel", "_selected_action": [job.pk]})
    assert fresh(job).state == "cancelled"
    assert not Promotion.objects.exists()

    watcher = User.objects.create_user("bob", is_staff=True)
    watcher.user_permissions.set(Permission.objects.filter(codename="view_captionerversion"))
    client.force_login(watcher)
    assert "Learn from reviews" not in client.get(VERSIONS).content.decode()
    assert client.post(f"{VERSIONS}learn/").status_code == 403
