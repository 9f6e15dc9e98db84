"""The photographs of the demo: those that scikit-image and scikit-learn carry inside their packages."""

import shutil
from importlib import util
from pathlib import Path

from config.stack.errors import StackError

# Photographs only: no diagrams, drawings or microscope slides. Their names would give away what they show, so
# the copies are numbered: whatever the demo finds, it finds by the pixels.
_PHOTOS = {
    "skimage/data": (
        "astronaut.png",
        "chelsea.png",
        "coffee.png",
        "motorcycle_left.png",
        "rocket.jpg",
        "camera.png",
        "coins.png",
        "hubble_deep_field.jpg",
        "moon.png",
        "brick.png",
        "grass.png",
        "gravel.png",
        "page.png",
    ),
    "sklearn/datasets/images": ("china.jpg", "flower.jpg"),
}


def demo_photos(folder: Path) -> Path:
    """`folder`, filled with copies; those that are there already stay as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, source in enumerate(_sources(), start=1):
        target = folder / f"photo-{number:02}{source.suffix}"
        if not target.exists():
            scratch = target.with_suffix(".part")
            shutil.copyfile(source, scratch)
            scratch.rename(target)
    return folder


def _sources() -> list[Path]:
    """Those that the installed versions have: a release may leave one out."""
    found = []
    for place, names in _PHOTOS.items():
        package, _, inside = place.partition("/")
        spec = util.find_spec(package)
        for root in (spec.submodule_search_locations or []) if spec else []:
            found += [path for name in names if (path := Path(root) / inside / name).is_file()]
    if not found:
        raise StackError(
            "The demo's photos are missing. Run `make setup`, or give a folder: make demo PHOTOS=folder"
        )
    return found
