"""Photos through the running stack, against the same models in a bare batch loop of the same run.

    python benchmarks/pipeline.py --dataset $DATASETS/flickr8k [--limit N] [--json]

Starts a stack of its own (SQLite, Redis, real workers, real models) in a scratch folder, imports the split's photos,
waits until all can be searched, and checks every one: captioned, found by its own vectors, none lost, none twice.
Before and after it runs the bare loop: decode, backbone, captions, vectors; no database, no queue, no thumbnails.
Fails where a photo is missing, or where the stack reaches less than --least (0.8) of the bare loop's pace.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.embedded import (
    REPOSITORY,
    dataset_arguments,
    figures_apart,
    folder_of,
    photos_of,
    prepare_environment,
    scratch_folder,
    searchable,
    shown,
    wait_for,
)


def main() -> int:
    arguments = parsed()
    photos = photos_of(arguments.dataset, arguments.split, arguments.limit)
    bare_photos = photos[: arguments.bare_limit]
    with scratch_folder() as scratch:
        prepare_environment(scratch / "var")
        if arguments.bare_only:
            print(json.dumps({"photos_per_s": bare_pace(bare_photos)}))
            return 0
        paces = [bare_pace_apart(arguments)]
        took_s, problems = through_the_stack(photos, scratch)
        paces.append(bare_pace_apart(arguments))
    bare = sum(paces) / len(paces)
    result = {
        "n_photos": len(photos),
        "stack_photos_per_s": round(len(photos) / took_s, 3),
        "bare_photos_per_s": round(bare, 3),
        "bare_runs": [round(pace, 3) for pace in paces],
        "ratio": round(len(photos) / took_s / bare, 3),
        "problems": problems,
        "cores": os.cpu_count(),
    }
    print(shown(result, as_json=arguments.json))
    return 1 if problems or result["ratio"] < arguments.least else 0


def parsed() -> argparse.Namespace:
    parser = dataset_arguments(__doc__)
    parser.add_argument("--limit", type=int, help="use the first N photos of the split")
    parser.add_argument("--bare-limit", type=int, default=320, help="photos of each of the two bare runs")
    parser.add_argument("--least", type=float, default=0.8, help="ratio below which the benchmark fails")
    parser.add_argument("--bare-only", action="store_true", help="run the bare loop alone, in this process")
    return parser.parse_args()


def through_the_stack(photos: list[Path], scratch: Path) -> tuple[float, list[str]]:
    """Seconds from the first photo's import to the last one's being searchable, and what is wrong with the outcome."""
    from django.contrib.auth.models import User

    from config.stack.ports import free_port
    from config.stack.stack import running_stack

    first, rest = folder_of(photos[:1], scratch / "first"), folder_of(photos, scratch / "all")
    with running_stack(host="127.0.0.1", port=free_port(), say=note) as stack:
        User.objects.create_user("bench")
        manage = [sys.executable, str(REPOSITORY / "manage.py"), "import_media"]
        # One photo first: the models are loaded before either clock starts.
        stack.run("The first photo", [*manage, str(first), "--owner", "bench"])
        wait_for(lambda: searchable() == 1, stack.check)
        note("The models are loaded; importing ...")
        started = time.perf_counter()
        stack.run("The import", [*manage, str(rest), "--owner", "bench"])
        note(f"Imported after {time.perf_counter() - started:.1f} s")
        wait_for(lambda: searchable() >= len(photos) or gave_up(), stack.check, every_s=0.5)
        took_s = time.perf_counter() - started
        # The first photo was there already: its share is taken off.
        return took_s * len(photos) / max(len(photos) - 1, 1), problems_with(photos)


def gave_up() -> bool:
    """Whether nothing waits any more though not everything is searchable."""
    stuck = open_runs().filter(state__in=["failed", "parked"]).count()
    return stuck > 0 and not open_runs().exclude(state__in=["failed", "parked"]).exists()


def open_runs() -> Any:
    """Run records of what leads to searching; what comes afterwards may still be at work."""
    from workers.models import StageRun
    from workers.pipeline import STAGES

    return StageRun.objects.filter(stage__in=[stage.name for stage in STAGES])


def problems_with(photos: list[Path]) -> list[str]:
    """Everything that is not as it should be after the import; empty where all is well."""
    import numpy as np

    import search.services
    from library.models import Asset, Frame
    from search.index.base import EVERYTHING
    from search.models import Embedding

    problems: list[str] = []
    counts = {
        "assets": Asset.objects.count(),
        "frames": Frame.objects.count(),
        "searchable frames": searchable(),
    }
    problems += [
        f"{found} {what}, not {len(photos)}" for what, found in counts.items() if found != len(photos)
    ]
    from captioning.models import Caption

    if (captions := Caption.objects.count()) != len(photos):
        problems.append(f"{captions} captions, not one for each photo")
    problems += [f"{run}: {run.error}" for run in open_runs()[:20]]
    for space in search.services.spaces():
        vectors = dict(Embedding.objects.filter(space=space).values_list("frame_id", "vector"))
        index = search.services.index(space)
        for frame_id, raw in vectors.items():
            # Its own vector scores 1; a photo of the same caption may come first.
            hits = index.search(np.frombuffer(bytes(raw), dtype="<f4"), 50, EVERYTHING)
            if frame_id not in hits.frame_ids.tolist():
                problems.append(f"frame {frame_id} is not found by its own {space} vector")
    return problems


def bare_pace_apart(arguments: argparse.Namespace) -> float:
    """The bare loop in a process of its own, with the threads that the model worker has."""
    threads = {name: str(os.cpu_count() or 1) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    command = [__file__, "--bare-only", "--dataset", arguments.dataset.resolve(), "--split", arguments.split]
    command += ["--bare-limit", arguments.bare_limit]
    note("The bare loop ...")
    return figures_apart(command, threads)["photos_per_s"]


def bare_pace(photos: list[Path]) -> float:
    """Photos per second of decode, backbone, captions and vectors in batches, decoding ahead as the worker does."""
    from django.conf import settings
    from django.core.management import call_command

    from workers import stages
    from workers.describe import look_at

    call_command("migrate", verbosity=0)  # promotions say which captioner is active
    stages.step_back()  # as the worker does: beside other programs both get the same share
    size = settings.DESCRIBE_BATCH_SIZE
    for pixels in decoded_batches(photos[:2], 2):
        look_at(pixels, [None] * len(pixels))  # loads the models
    started = time.perf_counter()
    for pixels in decoded_batches(photos, size):
        look_at(pixels, [None] * len(pixels))
    return len(photos) / (time.perf_counter() - started)


def decoded_batches(photos: list[Path], size: int) -> Iterator[Any]:
    import numpy as np
    from PIL import Image

    from captioning.vision.pixels import square_pixels

    def decode(photo: Path) -> Any:
        with Image.open(photo) as picture:
            return square_pixels(picture)

    with ThreadPoolExecutor(2) as threads:
        ahead: list[Future[Any]] = []
        for start in range(0, len(photos) + size, size):
            current, ahead = ahead, [threads.submit(decode, photo) for photo in photos[start : start + size]]
            if current:
                yield np.stack([picture.result() for picture in current])


def note(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
