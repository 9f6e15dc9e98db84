"""What each signal of a photo costs: processor time of one core, beside all that is done until it can be searched.

    python benchmarks/signals.py --dataset $DATASETS/flickr8k [--limit N] [--json]

Decodes the split's photos, then runs, one after the other and each on the same photos: describing with every signal
(what ingest computes), and by themselves a pass of the backbone, the image space's vector, colours, the unsafe-content
score and reading text, at the size in which the photos are stored and at that of a photograph of a telephone
(`--large-px`, the same photos made larger). Processor time and not the clock, so a busy machine changes little. Then it
counts how many of the whole split are taken for unsafe.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.embedded import (
    dataset_arguments,
    photos_of,
    prepare_environment,
    scratch_folder,
    shown,
)


def main() -> None:
    arguments = parsed()
    photos = photos_of(arguments.dataset, arguments.split, arguments.limit)
    with scratch_folder() as scratch:
        prepare_environment(scratch / "var")
        result = measured(photos, arguments.large_px)
        result |= taken_for_unsafe(photos_of(arguments.dataset, arguments.split, None))
    print(shown(result, as_json=arguments.json))


def parsed() -> argparse.Namespace:
    parser = dataset_arguments(__doc__)
    parser.add_argument("--limit", type=int, default=64, help="use the first N photos of the split")
    parser.add_argument("--large-px", type=int, default=4000, help="longer side of the enlarged photos")
    return parser.parse_args()


def measured(photos: list[Path], large_px: int) -> dict[str, Any]:
    """Milliseconds of processor time per photo, and each signal's share of what comes before it can be searched."""
    import numpy as np
    from django.conf import settings
    from django.core.management import call_command
    from PIL import Image

    from captioning.unsafe import score_unsafe
    from captioning.vision.colours import dominant_colours
    from captioning.vision.pixels import square_pixels
    from workers.describe import look_at

    call_command("migrate", verbosity=0)  # promotions say which captioner is active
    pictures = [Image.open(photo).convert("RGB") for photo in photos]
    squares = [square_pixels(picture) for picture in pictures]
    size = settings.DESCRIBE_BATCH_SIZE
    batches = [np.stack(squares[start : start + size]) for start in range(0, len(squares), size)]

    def describe(batch: Any) -> None:
        look_at(batch, [None] * len(batch))

    ms = {
        "ingest: describing, all signals": per_photo(describe, batches, len(photos)),
        **passes(batches, len(photos)),
        "colours": per_photo(lambda batch: list(dominant_colours(batch)), batches, len(photos)),
        "unsafe-content score": per_photo(score_unsafe, batches, len(photos)),
        "text in the picture, as stored": per_photo(reading(), pictures, len(photos)),
    }
    large = [
        picture.resize(scaled(picture.size, large_px)) for picture in pictures[: max(1, len(pictures) // 4)]
    ]
    ms[f"text in the picture, {large_px} px"] = per_photo(reading(), large, len(large))
    whole = ms["ingest: describing, all signals"]
    before = ms["colours"] + ms["unsafe-content score"]
    return {
        "n_photos": len(photos),
        **{f"{name}, ms": round(value, 1) for name, value in ms.items()},
        "signals before it can be searched, share": round(before / (whole - before), 3),
        "cores used": len(os.sched_getaffinity(0)),
    }


def passes(batches: Sequence[Any], photos: int) -> dict[str, float]:
    """One pass of the backbone, and the image space's vector, which takes several looks, once that pass is made."""
    from captioning.services import backbone
    from captioning.vision.frames import FrameBatch
    from search.services import embedder

    seen = [(batch, backbone().encode(batch)) for batch in batches]
    vectors = embedder("image")
    return {
        "a pass of the backbone": per_photo(backbone().encode, batches, photos),
        # A batch of its own each time: it remembers what was made of it.
        "vector of the image space": per_photo(
            lambda one: vectors.embed_frames(FrameBatch(*one), [()] * len(one[0])), seen, photos
        ),
    }


def taken_for_unsafe(photos: list[Path]) -> dict[str, int]:
    """How many of these photos lists and searches would hide."""
    import numpy as np
    from django.conf import settings
    from PIL import Image

    from captioning.unsafe import score_unsafe
    from captioning.vision.pixels import square_pixels

    hidden = 0
    for photo in photos:
        scored = score_unsafe(np.stack([square_pixels(Image.open(photo))]))
        hidden += scored is not None and scored.scores[0] >= settings.UNSAFE_MIN_SCORE
    return {"photos of the split": len(photos), "taken for unsafe": hidden}


def reading() -> Callable[[Any], Any]:
    """From a decoded picture to the text that is kept, by the reader of the settings."""
    from django.conf import settings

    from captioning.vision.pixels import enlarged_pixels
    from captioning.vision.text_reader import MAX_ENLARGEMENT, worth_keeping
    from core import backends

    reader = backends.load(settings.TEXT_READER)
    return lambda picture: worth_keeping(
        reader.read(enlarged_pixels(picture, settings.TEXT_READER_PX, MAX_ENLARGEMENT))
    )


def per_photo(work: Callable[[Any], Any], batches: Sequence[Any], photos: int) -> float:
    """Milliseconds of processor time a photo, the models loaded."""
    work(batches[0])
    started = time.process_time()
    for batch in batches:
        work(batch)
    return (time.process_time() - started) * 1000 / photos


def scaled(size: tuple[int, int], longer_px: int) -> tuple[int, int]:
    scale = longer_px / max(size)
    return round(size[0] * scale), round(size[1] * scale)


if __name__ == "__main__":
    main()
