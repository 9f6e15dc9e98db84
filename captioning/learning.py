"""Learning again: the active captioner goes on from what people reviewed, and is measured; nothing is promoted."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import close_old_connections

from captioning import active, versions
from captioning.caption_export import MANIFEST, ReviewedCaptions, export_captions
from captioning.captioners.hub_options import HUB_CAPTIONER
from captioning.models import CaptionerVersion
from core.errors import InvalidInput
from core.packages import file_sha256
from core.progress import Progress

if TYPE_CHECKING:
    from captioning.training.config import FinetuneConfig
    from captioning.training.dataset import CaptionDataset, CaptionedImage

REVIEWS = "reviews"
_CONFIGURATION = Path(__file__).parent / "training" / "learn_again.json"


@dataclass(frozen=True)
class Learned:
    """What became of a run. version: None where no epoch was better than the start."""

    version: CaptionerVersion | None
    told: str


def base_dataset() -> Path:
    """The folder to learn with. InvalidInput where a setting or the active captioner rules learning again out."""
    if not settings.LEARN_AGAIN_DATASET:
        raise InvalidInput("Set LEARN_AGAIN_DATASET to the dataset folder that the captioner was trained on.")
    folder = Path(settings.LEARN_AGAIN_DATASET)
    if not (folder / "captions.csv").is_file():
        raise InvalidInput(f"LEARN_AGAIN_DATASET is {folder}, where there is no captions.csv.")
    if settings.CAPTIONER == HUB_CAPTIONER:
        raise InvalidInput("A captioner of the hub is active: only our own learn again.")
    return folder


def check_ready() -> None:
    """InvalidInput where `base_dataset` says so, or nothing was reviewed."""
    base_dataset()
    if not ReviewedCaptions().query().exists():
        raise InvalidInput("No caption of a public photo was accepted, edited or written by a person yet.")


def frozen_reviews(run: Path) -> Path:
    """What was reviewed when this run began, whatever is decided while it goes on: in its folder, exported once."""
    folder = run / REVIEWS
    done = folder / MANIFEST
    if not (done.is_file() and json.loads(done.read_text("utf-8"))):
        export_captions(folder)
    return folder


def read_reviews(folder: Path, base: "CaptionDataset") -> "CaptionDataset":
    """Exported reviews, without pictures that the base has on the other side. InvalidInput where none is left."""
    from captioning.training.dataset import read_dataset
    from captioning.training.reviews import without_leaks

    reviews = without_leaks(read_dataset(folder, decode=True, skip_broken=True), base)
    if "train" not in reviews.splits:
        raise InvalidInput(f"None of the reviewed photos in {folder} can be trained on: see its {MANIFEST}.")
    return reviews


def learn_again(run: Path, dataset: Path, told: Progress) -> Learned | None:
    """Train in `run`, or go on there, measure, and register what came out; None if it was interrupted.

    The start, the configuration and the reviews are those of the run's beginning. told: called with steps done and
    in all. Reviewed photos of the split dev are measured by, as is the base's dev; both figures are kept, with those
    of the captioner it started from.
    """
    from captioning.training.config import FinetuneConfig
    from captioning.training.dataset import read_dataset
    from captioning.training.finetune import finetune_and_export

    run.mkdir(parents=True, exist_ok=True)
    base = read_dataset(dataset, needed_splits=("train", versions.DEV), decode=True)
    reviews = read_reviews(frozen_reviews(run), base)
    kept = run / "start.json"
    if not kept.is_file():
        kept.write_text(_start_configuration().to_json(), encoding="utf-8")
    config = FinetuneConfig.load(kept)
    checkpoint = run / "checkpoint"
    made = finetune_and_export(base, config, run, settings.MODEL_CACHE_DIR, checkpoint, reviews, told)
    if made is None:
        return None
    progress = json.loads((run / "best" / "progress.json").read_text("utf-8"))
    start = active.model_id_in(Path(config.start_from))
    if progress["best_epoch"] == 0:
        return Learned(None, f"No epoch was better than {start}, from which it started: nothing is offered.")
    metrics = _measured(checkpoint, base, reviews)
    metrics["learned_from"] = _measured(Path(config.start_from), base, reviews)
    (checkpoint / "config.json").write_text((run / "config.json").read_text("utf-8"), encoding="utf-8")
    close_old_connections()  # that of hours ago may be gone
    version = versions.register(
        checkpoint, metrics=metrics, data=_described(dataset, base, run / REVIEWS), note=_note(run)
    )
    return Learned(version, f"{version} is offered for promotion.")


def _start_configuration() -> "FinetuneConfig":
    from captioning.training.config import FinetuneConfig

    given = settings.LEARN_AGAIN_CONFIG
    config = FinetuneConfig.load(Path(given) if given else _CONFIGURATION)
    start = active.active_captioner().checkpoint
    return replace(config, start_from=str(start.resolve()), device=settings.DEVICE)


def _measured(checkpoint: Path, base: "CaptionDataset", reviews: "CaptionDataset") -> dict[str, Any]:
    """What evaluate_captioner prints of the base's dev, and under `reviews` of the reviewed photos held back."""
    from captioning.captioners.decoding import Decoding
    from captioning.captioners.visual import VisualCaptioner
    from captioning.evaluation.captioner import caption_images, report
    from captioning.services import backbone

    captioner = VisualCaptioner(
        str(checkpoint),
        str(settings.MODEL_CACHE_DIR),
        settings.DEVICE,
        decoding=Decoding(),
        judge=settings.CAPTIONER_JUDGE,
    )

    def measured(images: "Sequence[CaptionedImage]") -> dict[str, Any]:
        captioned = caption_images(images, backbone(), captioner)
        return report(captioner, images, captioned, split=versions.DEV)

    metrics = measured(base.split(versions.DEV))
    if held_back := reviews.splits.get(versions.DEV):
        metrics["reviews"] = measured(held_back)
    return metrics


def _described(dataset: Path, base: "CaptionDataset", reviews: Path) -> Mapping[str, Any]:
    return {
        "name": dataset.resolve().name,
        "splits": {name: len(images) for name, images in base.splits.items()},
        "captions_sha256": file_sha256(dataset / "captions.csv"),
        "reviews": _manifest(reviews),
    }


def _note(run: Path) -> str:
    return f"learned from {_manifest(run / REVIEWS)['captions']} reviews"


def _manifest(reviews: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((reviews / MANIFEST).read_text("utf-8"))
    return manifest
