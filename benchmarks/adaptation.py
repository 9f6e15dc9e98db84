"""Adapting a captioner to a second domain as reviews would, and what that costs in the first.

    python benchmarks/fashion_captions.py --items $DATASETS/fashion --output var/fashion
    python benchmarks/adaptation.py --dataset $DATASETS/flickr8k --second var/fashion

The active captioner is fine-tuned on the base data with the second folder as its reviews, by the configuration of
`captioning/training/learn_again.json`. Each arm changes one key of it and gets the same number of pictures. CIDEr on
dev of both, with the captioner's own decoding, before and after; the interval of the difference is a bootstrap over
pictures, paired. An arm that was shown known context in training is measured with it and without. Finished arms are
kept in --run, so that it goes on where it was stopped.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.embedded import REPOSITORY

#: By name, what differs from the configuration.
ARMS: dict[str, tuple[str, ...]] = {
    "half": (),
    "quarter": ("review_share=0.25",),
    "context": ("context_share=0.5",),
}
_BATCH = 32


@dataclass(frozen=True)
class Domain:
    """Dev pictures of one dataset, and their features."""

    name: str
    images: Sequence[Any]
    features: Any


def main() -> int:
    arguments = parsed()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    from captioning.active import checkpoint_dir

    start, run = checkpoint_dir(), arguments.run
    domains = [domain(folder, arguments.photos) for folder in (arguments.dataset, arguments.second)]
    measured = {"before": measure(start, domains, run / "before.json", context=False)}
    for arm in arguments.arms:
        checkpoint = trained(arguments, arm, start)
        measured[arm] = measure(checkpoint, domains, run / f"{arm}.json", context=False)
        if arm == "context":
            told = measure(checkpoint, domains, run / f"{arm}-told.json", context=True)
            measured["context, told"] = told
    rows = [row(name, figures, measured["before"]) for name, figures in measured.items()]
    print("\n".join(table(rows, domains)))
    return 0


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = Path(os.environ["DATASETS"]) / "flickr8k" if "DATASETS" in os.environ else None
    parser.add_argument("--dataset", type=Path, default=default, required=default is None)
    parser.add_argument("--second", type=Path, default=REPOSITORY / "var" / "fashion")
    parser.add_argument("--run", type=Path, default=REPOSITORY / "var" / "runs" / "adaptation")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--samples", type=int, default=1280, help="pictures shown to each arm")
    parser.add_argument("--photos", type=int, default=400, help="of dev of each, spread evenly")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    return parser.parse_args()


def domain(folder: Path, photos: int) -> Domain:
    """An even sample of dev."""
    from django.conf import settings

    from captioning.training.dataset import read_dataset
    from captioning.training.features import cached_features
    from captioning.vision.frames import Features

    images = read_dataset(folder).split("dev")
    features = cached_features([image.path for image in images], settings.MODEL_CACHE_DIR / "features")
    chosen = np.linspace(0, len(images) - 1, min(photos, len(images))).astype(int)
    some = Features(features.grid[chosen], features.logits[chosen])
    return Domain(folder.name, [images[at] for at in chosen], some)


def trained(arguments: argparse.Namespace, arm: str, start: Path) -> Path:
    """The checkpoint of one arm, trained unless it is there."""
    from django.conf import settings

    from captioning.training.config import FinetuneConfig
    from captioning.training.dataset import read_dataset
    from captioning.training.finetune import finetune_and_export

    run: Path = arguments.run / arm
    if (run / "checkpoint" / "model.json").is_file():
        return run / "checkpoint"
    config = FinetuneConfig.load(REPOSITORY / "captioning" / "training" / "learn_again.json")
    config = replace(config, start_from=str(start), images_per_epoch=arguments.samples // 2, epochs=2)
    config = config.with_overrides([*arguments.overrides, *ARMS[arm]])
    began = time.perf_counter()
    finetune_and_export(
        read_dataset(arguments.dataset),
        config,
        run,
        settings.MODEL_CACHE_DIR,
        run / "checkpoint",
        read_dataset(arguments.second),
    )
    print(f"{arm}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
    return run / "checkpoint"


def measure(
    checkpoint: Path, domains: Sequence[Domain], kept: Path, *, context: bool
) -> list[NDArray[np.float64]]:
    """CIDEr of every picture of each domain; captions are kept, to be read."""
    from captioning.evaluation.metrics import best_tokenizer, cider_of_each

    if not kept.is_file():
        written = [captions(checkpoint, each, context=context) for each in domains]
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(written, indent=1), encoding="utf-8")
    tokenizer = best_tokenizer()
    return [
        cider_of_each(texts, [image.captions for image in each.images], tokenizer=tokenizer)
        for texts, each in zip(json.loads(kept.read_text("utf-8")), domains, strict=True)
    ]


def captions(checkpoint: Path, domain: Domain, *, context: bool) -> list[str]:
    """As workers would write them. context: tell what is known of each picture."""
    from captioning.services import captioner_named
    from captioning.vision.frames import Features, FrameBatch
    from core import backends

    backends.clear()  # one model at a time is enough for the memory
    captioner = captioner_named(str(checkpoint))
    written: list[str] = []
    for at in range(0, len(domain.images), _BATCH):
        part = slice(at, at + _BATCH)
        features = Features(domain.features.grid[part], domain.features.logits[part])
        known = [image.context for image in domain.images[part]] if context else []
        blank = np.zeros((len(features), 1, 1, 3), np.uint8)  # ours reads the features only
        written += [draft.text for draft in captioner.caption(FrameBatch(blank, features, (), known))]
    return written


def row(
    name: str, figures: Sequence[NDArray[np.float64]], before: Sequence[NDArray[np.float64]]
) -> list[str]:
    """CIDEr of each domain with its interval, and by how much it differs from before."""
    from captioning.evaluation.bootstrap import interval

    cells = [name]
    for after, former in zip(figures, before, strict=True):
        low, high = interval(after)
        cells.append(f"{after.mean():.3f} ({low:.3f} to {high:.3f})")
        low, high = interval(after - former)
        cells.append("" if after is former else f"{(after - former).mean():+.3f} ({low:+.3f} to {high:+.3f})")
    return cells


def table(rows: Sequence[Sequence[str]], domains: Sequence[Domain]) -> list[str]:
    heads = [head for each in domains for head in (f"{each.name} CIDEr", "change")]
    lines = ["| arm | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    return lines + ["| " + " | ".join(cells) + " |" for cells in rows]


if __name__ == "__main__":
    sys.exit(main())
