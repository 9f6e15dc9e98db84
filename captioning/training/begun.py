"""With what a run in a folder was begun: it goes on with that alone, else nobody could tell how its weights came."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from textwrap import shorten
from typing import Any

from captioning.training.checkpoint import PROGRESS, damaged
from captioning.training.config import FinetuneConfig
from captioning.training.dataset import CaptionDataset, CaptionedImage
from core.errors import InvalidInput

CONFIG, DATA = "config.json", "data.json"
#: What may change while a run goes on.
_FREE = ("device", "tracker", "checkpoint_every_s")
_TOLD_CHARS = 60


def begin(
    run_dir: Path, config: FinetuneConfig, dataset: CaptionDataset, reviews: Sequence[CaptionedImage] = ()
) -> None:
    """Keep configuration and data, by hash, in the run's folder.

    InvalidInput where a run that began with others is under way there, or its files are damaged.
    """
    data = {
        "dataset": _digest(image for name in sorted(dataset.splits) for image in dataset.splits[name]),
        "reviews": _digest(reviews) if reviews else "",
    }
    if (run_dir / PROGRESS).is_file():
        try:
            _check_data(run_dir, data)
            _check_config(run_dir, config)
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise damaged(run_dir, error) from error
    (run_dir / CONFIG).write_text(config.to_json())
    (run_dir / DATA).write_text(json.dumps(data))


def _check_data(run_dir: Path, data: dict[str, str]) -> None:
    if not (run_dir / DATA).is_file():  # begun by a former version of this code
        return
    before = json.loads((run_dir / DATA).read_text("utf-8"))
    if before["dataset"] != data["dataset"]:
        began = "another dataset"
    elif before["reviews"] == data["reviews"]:
        return
    elif not before["reviews"]:
        began = "no reviews"
    else:
        began = "other reviews" if data["reviews"] else "reviews"
    raise InvalidInput(_goes_on(run_dir, began), field="dataset")


def _check_config(run_dir: Path, config: FinetuneConfig) -> None:
    # What a former version of this code did not know was as it usually is.
    before = _flat(FinetuneConfig().to_json()) | _flat((run_dir / CONFIG).read_text("utf-8"))
    now = _flat(config.to_json())
    other = sorted(key for key, value in now.items() if key not in _FREE and before[key] != value)
    if other:
        told = ", ".join(f"{key}={shorten(json.dumps(before[key]), _TOLD_CHARS)}" for key in other)
        raise InvalidInput(_goes_on(run_dir, told), field="set")


def _flat(text: str) -> dict[str, Any]:
    """The keys of a configuration's JSON, those of the architecture among the others."""
    values: dict[str, Any] = json.loads(text)
    architecture: dict[str, Any] = values.pop("architecture", {})
    return values | architecture


def _goes_on(run_dir: Path, began: str) -> str:
    return f"The run in {run_dir} began with {began}. It goes on with the same; for others take another folder (--run)."


def _digest(images: Iterable[CaptionedImage]) -> str:
    """Of names, captions and context; pictures are known by the features that are kept of them."""
    digest = hashlib.sha256()
    for image in images:
        digest.update(json.dumps([image.path.name, image.captions, image.context]).encode())
    return digest.hexdigest()
