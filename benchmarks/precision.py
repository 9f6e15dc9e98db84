"""The captioner on a CPU in float32, bfloat16 and int8: speed, quality and memory of each.

    python benchmarks/precision.py --dataset $DATASETS/flickr8k [--photos 200] [--batch 32] [--json]

All three caption the same backbone features of the split calib with the shipped weights and their own decoding.
float32 and bfloat16 are what `core.devices` picks from; int8 quantises the weights of all linear maps of the language
model, and their inputs as they come (torch.ao's dynamic quantisation). Each runs in a process of its own. Memory is the
largest resident size of that process, backbone and libraries included, and the size of the language model's weights.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import time
import warnings
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.embedded import figures_apart

_PRECISIONS = ("float32", "bfloat16", "int8")
_ALONE = 10


def main() -> int:
    arguments = parsed()
    if arguments.precision:
        print(json.dumps(measured(arguments)))
        return 0
    results = {precision: apart(arguments, precision) for precision in _PRECISIONS}
    if arguments.json:
        print(json.dumps(results))
        return 0
    for precision, figures in results.items():
        print(f"{precision:9}", *(f"{name} {value:g}" for name, value in figures.items()), sep="  ")
    return 0


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = Path(os.environ["DATASETS"]) / "flickr8k" if "DATASETS" in os.environ else None
    parser.add_argument("--dataset", type=Path, default=default, required=default is None)
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--precision", choices=_PRECISIONS, help=argparse.SUPPRESS)
    return parser.parse_args()


def apart(arguments: argparse.Namespace, precision: str) -> dict[str, float]:
    """One precision in a process of its own."""
    command = [__file__, "--dataset", arguments.dataset, "--precision", precision]
    command += ["--photos", arguments.photos, "--batch", arguments.batch]
    return figures_apart(command)


def measured(arguments: argparse.Namespace) -> dict[str, float]:
    """Captions per second in batches, seconds for one photo's caption, CIDEr, megabytes."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    from captioning import services
    from captioning.evaluation.captioner import frame_batches
    from captioning.evaluation.metrics import best_tokenizer, cider_of_each
    from captioning.training.dataset import read_dataset

    images = read_dataset(arguments.dataset).split("calib")[: arguments.photos]
    backbone, captioner = services.backbone(), built(arguments.precision)
    batches = list(frame_batches(images, backbone, captioner, arguments.batch))
    captioner.caption(batches[0])  # what is slow only once is not what is asked
    texts: list[str] = []
    started = time.perf_counter()
    for batch in batches:
        texts += [draft.text for draft in captioner.caption(batch)]
    seconds = time.perf_counter() - started
    alone = []
    for batch in list(frame_batches(images[:_ALONE], backbone, captioner, 1)):
        begun = time.perf_counter()
        captioner.caption(batch)
        alone.append(time.perf_counter() - begun)
    references = [image.captions for image in images]
    return {
        "captions_per_s": round(len(texts) / seconds, 2),
        "one_caption_s": round(statistics.median(alone), 3),
        "cider": round(float(cider_of_each(texts, references, tokenizer=best_tokenizer()).mean()), 3),
        "weights_mb": round(weights_bytes(captioner.model.lm) / 2**20),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def built(precision: str) -> Any:
    """The shipped captioner in one precision."""
    import torch
    from django.conf import settings

    from captioning.active import SHIPPED_CHECKPOINT
    from captioning.captioners import visual

    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    with patch.object(visual, "inference_dtype", lambda _: dtype):
        captioner = visual.VisualCaptioner(str(SHIPPED_CHECKPOINT), str(settings.MODEL_CACHE_DIR), "cpu")
    if precision == "int8":
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", DeprecationWarning
            )  # for torchao, which is not among our packages
            captioner.model.lm = torch.ao.quantization.quantize_dynamic(
                captioner.model.lm, {torch.nn.Linear}, dtype=torch.qint8
            )
    return captioner


def weights_bytes(lm: Any) -> int:
    """What the weights take, packed ones of int8 included; a tensor that two names share counts once."""
    import torch

    found: dict[int, int] = {}
    for value in lm.state_dict(keep_vars=True).values():
        parts = value if isinstance(value, tuple) else (value,)
        for part in parts:
            if isinstance(part, torch.Tensor):
                found[part.data_ptr()] = part.numel() * part.element_size()
    return sum(found.values())


if __name__ == "__main__":
    sys.exit(main())
