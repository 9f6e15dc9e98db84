"""Photos for tests of pages: stored, described by the fake models and searchable, without a worker process."""

import io
from typing import Any

from django.contrib.auth.models import User
from PIL import Image

from library.asset_store import store_upload
from library.models import Asset
from tests.fakes import PALETTE
from workers import pipeline, runner, stages

PASSWORD = "correct-horse-7"


def png(colour: str, *, seed: int = 0, size: tuple[int, int] = (64, 48)) -> io.BytesIO:
    """A picture of one colour; the seed changes a pixel, so that no two have the same bytes."""
    picture = Image.new("RGB", size, PALETTE[colour][0])
    picture.putpixel((seed % size[0], seed // size[0] % size[1]), (seed % 256, 3, 7))
    file = io.BytesIO()
    picture.save(file, "PNG")
    file.seek(0)
    return file


def store(
    owner: User, colour: str, *, seed: int = 0, size: tuple[int, int] = (64, 48), **words: Any
) -> Asset:
    """Public unless said otherwise; not described yet."""
    words.setdefault("visibility", "public")
    name = words.pop("name", f"{colour}-{seed}.png")
    return store_upload(owner, png(colour, seed=seed, size=size), name=name, **words).asset


def describe_all() -> None:
    """What the workers do, here and now."""
    for stage in pipeline.STAGES:
        runner.drain(stages.lane_of(stage))
        runner.drain(stages.lane_of(stage, express=True))
