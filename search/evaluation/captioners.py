"""Captioners trained, measured and compared: what a language model is worth."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from django.conf import settings
from tqdm import tqdm

from captioning import services as captioning
from captioning.captioners.base import CaptionDraft
from captioning.evaluation.bootstrap import interval
from captioning.evaluation.captioner import frame_batches
from captioning.evaluation.comparison import Row, clip_score, wording
from captioning.evaluation.metrics import best_tokenizer, cider_of_each, score_captions
from captioning.training.arms import Arm, checkpoint_of, run_of, stages
from captioning.training.config import FinetuneConfig
from captioning.training.dataset import CaptionedImage
from core.errors import Conflict
from search.encoding import configured_embedder

_BATCH = 32
#: So many arms get the full budget.
_BEST = 2


@dataclass(frozen=True)
class Training:
    """What an arm cost.

    seconds: wall clock; processor_s: of all cores together, which a busy machine changes less; peak_mb: largest
    resident memory of its processes.
    """

    checkpoint: Path
    seconds: float
    processor_s: float
    peak_mb: float


@dataclass(frozen=True)
class Bench:
    """What all arms share: data to learn from and to be measured on, the configuration they vary, where runs lie."""

    dataset: Path
    shown: Sequence[CaptionedImage]
    images: Sequence[CaptionedImage]
    split: str
    config: FinetuneConfig
    output: Path

    def rows(self, arms: Sequence[Arm], samples: int, full_samples: int | None = None) -> list[Row]:
        """A row for each arm with `samples` pictures shown, then for the two best of these anew with `full_samples`.

        An arm with a budget of its own has that, and does not compete. Arms that were finished and measured before are
        not run again.
        """
        rows = [self._row(arm, arm.samples or samples) for arm in arms]
        if full_samples and full_samples != samples:
            competing = [pair for pair in zip(rows, arms, strict=True) if pair[1].samples is None]
            ranked = sorted(competing, key=lambda pair: -(pair[0].figures["cider"] or 0.0))
            rows += [self._row(arm, full_samples) for _, arm in ranked[:_BEST]]
        return rows

    def _row(self, arm: Arm, samples: int) -> Row:
        folder = self.output / f"{arm.name.replace(' ', '-').replace(',', '')}-{samples}"
        training = train_arm(arm, samples, self.dataset, self.shown, folder, self.config)
        file = folder / f"row-{self.split}-{len(self.images)}.json"
        if file.is_file():
            values = json.loads(file.read_text("utf-8"))
            return Row(**{**values, "captions": tuple(values["captions"])})
        name = f"{arm.name}, {samples:,} samples"
        row = measured(name, arm.what, str(training.checkpoint), self.images, training)
        file.write_text(json.dumps(asdict(row)), "utf-8")
        return row


def train_arm(
    arm: Arm,
    samples: int,
    dataset: Path,
    images: Sequence[CaptionedImage],
    folder: Path,
    config: FinetuneConfig,
) -> Training:
    """Fine-tune an arm, each of its runs in a process of its own, so that its memory is its own; finished runs stay.

    Conflict if a run was interrupted (the same call goes on from there) or had another configuration.
    """
    costs = []
    runs = stages(arm, samples, images, folder, config)
    for number, stage in enumerate(runs, start=1):
        run = run_of(folder, number)
        cost_file, asked = run / "cost.json", run / "asked.json"
        if asked.is_file() and asked.read_text("utf-8") != stage.to_json():
            raise Conflict(f"{run} holds a run of another configuration: choose another --output.")
        if not cost_file.is_file():
            run.mkdir(parents=True, exist_ok=True)
            asked.write_text(stage.to_json(), "utf-8")
            cost = _finetuned(dataset, run)
            cost_file.write_text(json.dumps(cost))
        costs.append(json.loads(cost_file.read_text()))
    return Training(
        checkpoint_of(folder, len(runs)),
        seconds=sum(cost["seconds"] for cost in costs),
        processor_s=sum(cost["processor_s"] for cost in costs),
        peak_mb=max(cost["peak_mb"] for cost in costs),
    )


def measured(
    name: str,
    what: str,
    captioner: str | None,
    images: Sequence[CaptionedImage],
    training: Training | None = None,
) -> Row:
    """One captioner's row: what it writes of the pictures, how good that is, how fast it was, what it cost."""
    loaded, backbone, dual = (
        captioning.captioner_named(captioner),
        captioning.backbone(),
        configured_embedder("image"),
    )
    drafts: list[CaptionDraft] = []
    cosines: list[float] = []
    seconds = 0.0
    batches = tqdm(
        frame_batches(images, backbone, loaded, _BATCH), total=-(-len(images) // _BATCH), desc=name
    )
    for frames in batches:
        started = time.perf_counter()
        written = loaded.caption(frames)
        seconds += time.perf_counter() - started
        texts = [draft.text for draft in written]
        pictures = dual.embed_frames(frames, [draft.sentences for draft in written])
        cosines += (dual.embed_queries(texts) * pictures).sum(axis=1).tolist()
        drafts += written
    captions = tuple(draft.text for draft in drafts)
    references = [image.captions for image in images]
    tokenizer = best_tokenizer()
    low, high = interval(cider_of_each(captions, references, tokenizer=tokenizer))
    figures: dict[str, float | None] = {
        **score_captions(captions, references, tokenizer=tokenizer),
        "cider_low": low,
        "cider_high": high,
        "match": clip_score(np.array(cosines)),
        **wording(captions),
        "captions_per_s": len(images) / seconds,
    }
    if training is not None:
        figures |= {
            "trained_parameters": float(trained_parameters(training.checkpoint)),
            "training_s": training.seconds,
            "training_processor_s": training.processor_s,
            "peak_mb": training.peak_mb,
        }
    return Row(name, what, captions, figures)


def trained_parameters(checkpoint: Path) -> int:
    """How many numbers a checkpoint holds."""
    from safetensors import safe_open

    with safe_open(checkpoint / "weights.safetensors", "np") as weights:
        return sum(int(np.prod(weights.get_slice(name).get_shape())) for name in weights.keys())  # noqa: SIM118


def _finetuned(dataset: Path, run: Path) -> dict[str, float]:
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "finetune_captioner"]
    started = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--dataset", str(dataset), "--config", str(run / "asked.json"), "--run", str(run)]
    )
    try:
        _, status, used = os.wait4(process.pid, 0)
    except KeyboardInterrupt:  # the run hears it too, and leaves a checkpoint
        process.wait()
        raise
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode or not (run / "checkpoint" / "model.json").is_file():
        raise Conflict(f"The run in {run} did not finish. The same command goes on from there.")
    return {
        "seconds": time.perf_counter() - started,
        "processor_s": used.ru_utime + used.ru_stime,
        "peak_mb": used.ru_maxrss / 1024,
    }
