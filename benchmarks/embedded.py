"""What benchmarks share: a database or a stack of their own, a split's photos in a folder, waiting, telling."""

import argparse
import csv
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
START_TIMEOUT_S = 120.0
_FILLED = "filled"


def prepare_environment(var_dir: Path, database: str | None = None) -> None:
    """Settings for a stack of its own with the real models; call it before anything imports Django's.

    database: the URL of one that is there for this; default: a SQLite file in var_dir.
    """
    for name in ("REDIS_URL", "DATABASE_URL", "MEDIA_ROOT", "INDEX_DIR"):
        os.environ.pop(name, None)
    if database is not None:
        os.environ["DATABASE_URL"] = database
    os.environ["VAR_DIR"] = str(var_dir)
    # Converted base weights are kept between runs.
    os.environ.setdefault("MODEL_CACHE_DIR", str(REPOSITORY / "var" / "models"))
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    import django

    django.setup()


@contextmanager
def own_database(host: str, keep: Path | None = None, database: str | None = None) -> Iterator[bool]:
    """A database and collected static files in a folder of their own, asked as `host`; whether it was kept from before.

    keep: a folder that stays, so that what is slow to fill is filled once; `filled` says when it is. database: the URL
    of an empty one, or of the one that was filled with what lies in that folder.
    """
    for name in ("STATIC_ROOT", "HTTPS", "DEBUG"):
        os.environ.pop(name, None)
    os.environ["ALLOWED_HOSTS"] = host
    place: AbstractContextManager[Path] = scratch_folder() if keep is None else nullcontext(keep)
    with place as folder:
        prepare_environment(folder, database)
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        call_command("collectstatic", verbosity=0, interactive=False)
        yield (folder / _FILLED).exists()


def filled(folder: Path | None) -> None:
    """Says of a folder that is kept that all is in it."""
    if folder is not None:
        (folder / _FILLED).touch()


@contextmanager
def scratch_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="sightline-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def dataset_arguments(description: str | None) -> argparse.ArgumentParser:
    """A parser that knows which photos to take, and how to tell the figures."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = Path(os.environ.get("DATASETS", "data")) / "flickr8k"
    parser.add_argument("--dataset", type=Path, default=default, help="folder with images/ and captions.csv")
    parser.add_argument("--split", default="dev")
    parser.add_argument("--json", action="store_true")
    return parser


def photos_of(dataset: Path, split: str, limit: int | None) -> list[Path]:
    """The photos of one split, in the order of the file."""
    with (dataset / "captions.csv").open(newline="", encoding="utf-8") as file:
        names = dict.fromkeys(row["image"] for row in csv.DictReader(file) if row["split"] == split)
    photos = [dataset / "images" / name for name in names][:limit]
    if not photos:
        raise SystemExit(f"{dataset} has no photos of the split {split!r}.")
    return photos


def folder_of(photos: list[Path], folder: Path) -> Path:
    """The photos alone in a folder; hard links where the disk allows."""
    folder.mkdir(parents=True)
    for photo in photos:
        try:
            os.link(photo.resolve(), folder / photo.name)
        except OSError:
            shutil.copyfile(photo, folder / photo.name)
    return folder


def searchable(frame_filter: dict[str, object] | None = None) -> int:
    """How many frames have a caption and a numbered vector in every space."""
    from captioning.active import active_caption_model_id
    from library.models import Frame
    from search.active import active_model_id, spaces

    frames = Frame.objects.filter(**(frame_filter or {}), captions__model_id=active_caption_model_id())
    for space in spaces():
        frames = frames.filter(
            embeddings__space=space,
            embeddings__model_id=active_model_id(space),
            embeddings__number__isnull=False,
        )
    return frames.distinct().count()


def figures_apart(
    command: Sequence[object], environment: Mapping[str, str] | None = None
) -> dict[str, float]:
    """What a benchmark tells as its last line, run in a process of its own; environment: what differs there."""
    arguments = [sys.executable, *map(str, command)]
    env = {**os.environ, **(environment or {})}
    done = subprocess.run(arguments, stdout=subprocess.PIPE, check=True, cwd=REPOSITORY, env=env)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def wait_until_served(port: int, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("The web server did not start; see its messages above.")


def shown(figures: Mapping[str, object], *, as_json: bool) -> str:
    """Figures as one JSON object, or a line each."""
    width = max(map(len, figures))
    return (
        json.dumps(figures)
        if as_json
        else "\n".join(f"{name:>{width}} {value}" for name, value in figures.items())
    )


def wait_for(done: Callable[[], bool], check: Callable[[], None], *, every_s: float = 0.2) -> float:
    """Seconds until `done`; `check` raises where it never will be."""
    started = time.perf_counter()
    while not done():
        check()
        time.sleep(every_s)
    return time.perf_counter() - started
