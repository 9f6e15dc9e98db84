"""Backbone features of a dataset, computed once and kept on disk: a frozen backbone need not run every epoch."""

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps
from tqdm import tqdm

from captioning.training.alone import one_after_another
from captioning.vision.backbone import CHANNELS, CLASSES, GRID_SIDE, TRUNK_CHANNELS, EfficientNetLite2
from captioning.vision.frames import Features
from captioning.vision.picture_files import read_picture
from captioning.vision.pixels import square_pixels
from core.packages import file_sha256
from library.media.decoding import on_white

VIEWS = ("plain", "mirror", "crop", "colour", "near", "nearer", "part1", "part2", "part3", "part4")
#: How pictures are read. Another number where that changes: what was kept of them before is then computed anew.
_READ = 2
_BATCH = 32


def cached_features(
    paths: Sequence[Path], cache_dir: Path, *, view: str = "plain", trunk: bool = False, progress: bool = True
) -> Features:
    """Features of the pictures at `paths`, memory-mapped from `cache_dir` where they were computed before.

    view: plain; mirror (flipped left to right); crop (a random three quarters to nine tenths of each side, every
    other one mirrored); colour (brighter or darker, more or less contrast and saturation, never another hue, since
    captions name colours); near, nearer (the middle 85% and 65% of each side); part1 to part4 (a random half to nine
    tenths of the picture in another light, every other one mirrored). The same pictures always give the same views.
    trunk: also the map before the last stage, a sixth of the grid's size.
    """
    pictures = "\n".join(f"{path.name}:{_sha256(path, path.stat().st_mtime_ns)}" for path in paths)
    made = f"{EfficientNetLite2.model_id}\n{_READ}\n{view}\n{pictures}"
    key = hashlib.sha256(made.encode()).hexdigest()[:16]
    parts = ("trunk", "grid", "logits") if trunk else ("grid", "logits")
    files = {name: cache_dir / f"{key}.{name}.npy" for name in parts}
    with one_after_another(cache_dir / f"{key}.lock"):
        if missing := {name: file for name, file in files.items() if not file.is_file()}:
            _compute(paths, missing, view, progress=progress)
    return Features(
        np.load(files["grid"], mmap_mode="r"),
        np.load(files["logits"]),
        np.load(files["trunk"], mmap_mode="r") if trunk else None,
    )


def load_pixels(path: Path, view: str = "plain", turn: str = "") -> NDArray[np.uint8]:
    """Pixels of one picture as the backbone wants them, uint8 (260, 260, 3); each `turn` has crops of its own."""
    return square_pixels(_VIEWS[view](on_white(read_picture(path)), path.name + turn))


@cache
def _sha256(path: Path, _changed_ns: int) -> str:
    return file_sha256(path)


def _compute(paths: Sequence[Path], files: Mapping[str, Path], view: str, *, progress: bool) -> None:
    """Write these parts of the features, each under another name until it is whole."""
    backbone = EfficientNetLite2()
    shapes: dict[str, tuple[int, ...]] = {
        "trunk": (TRUNK_CHANNELS, GRID_SIDE, GRID_SIDE),
        "grid": (GRID_SIDE**2, CHANNELS),
        "logits": (CLASSES,),
    }
    scratch = {name: file.with_suffix(".new") for name, file in files.items()}
    arrays = {
        name: np.lib.format.open_memmap(
            file,
            mode="w+",
            dtype=np.float32 if name == "logits" else np.float16,
            shape=(len(paths), *shapes[name]),
        )
        for name, file in scratch.items()
    }
    starts = range(0, len(paths), _BATCH)

    def decoded(start: int) -> NDArray[np.uint8]:
        return np.stack([load_pixels(path, view) for path in paths[start : start + _BATCH]])

    with (
        ThreadPoolExecutor(1) as ahead,
        tqdm(total=len(paths), desc=f"{view} features", disable=not progress) as bar,
    ):
        coming = ahead.submit(decoded, 0)
        for start in starts:
            pixels = coming.result()
            coming = ahead.submit(decoded, start + _BATCH) if start + _BATCH < len(paths) else coming
            features = backbone.encode(pixels)
            for name, array in arrays.items():
                array[start : start + len(pixels)] = getattr(features, name)
            bar.update(len(pixels))
    for name, array in arrays.items():
        array.flush()
        scratch[name].replace(files[name])


def _plain(image: Image.Image, _name: str) -> Image.Image:
    return image


def _mirror(image: Image.Image, _name: str) -> Image.Image:
    return ImageOps.mirror(image)


def _crop(image: Image.Image, name: str) -> Image.Image:
    choose = random.Random(name)
    share = choose.uniform(0.75, 0.92)
    width, height = round(image.width * share), round(image.height * share)
    left, top = choose.randint(0, image.width - width), choose.randint(0, image.height - height)
    cropped = image.crop((left, top, left + width, top + height))
    return ImageOps.mirror(cropped) if choose.random() < 0.5 else cropped


def _colour(image: Image.Image, name: str) -> Image.Image:
    choose = random.Random(name)
    for kind in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = kind(image).enhance(choose.uniform(0.6, 1.4))
    return image


def _centre(share: float, image: Image.Image, _name: str) -> Image.Image:
    left, top = round(image.width * (1 - share) / 2), round(image.height * (1 - share) / 2)
    return image.crop((left, top, image.width - left, image.height - top))


def _part(number: int, image: Image.Image, name: str) -> Image.Image:
    """Not square, so that the square it becomes is stretched a little (Szegedy et al. 2015 crop so, and wider)."""
    choose = random.Random(f"{name}:{number}")
    share, stretch = choose.uniform(0.55, 0.95), choose.uniform(0.88, 1.13)
    width = min(image.width, round(image.width * share * stretch))
    height = min(image.height, round(image.height * share / stretch))
    left, top = choose.randint(0, image.width - width), choose.randint(0, image.height - height)
    part = image.crop((left, top, left + width, top + height))
    return _colour(ImageOps.mirror(part) if choose.random() < 0.5 else part, f"{name}:{number}")


_VIEWS: dict[str, Callable[[Image.Image, str], Image.Image]] = {
    "plain": _plain,
    "mirror": _mirror,
    "crop": _crop,
    "colour": _colour,
    "near": partial(_centre, 0.85),
    "nearer": partial(_centre, 0.65),
    **{f"part{number}": partial(_part, number) for number in range(1, 5)},
}
