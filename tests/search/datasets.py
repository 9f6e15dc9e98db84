"""Folders of pictures with captions, as the commands read them."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image

from tests.fakes import PALETTE


def coloured_dataset(
    folder: Path, split: str, said: Sequence[str], *, colours: Iterable[str] = PALETTE, each: int = 1
) -> Path:
    """Plain pictures of these colours, so many of `each`, in one split. said: captions, with `{}` for the colour."""
    (folder / "images").mkdir()
    rows = ["image,split,caption"]
    for name in colours:
        for number in range(each):
            file = f"{name}{number or ''}.png"
            Image.new("RGB", (64, 64), PALETTE[name][0]).save(folder / "images" / file)
            rows += [f"{file},{split},{text.format(name)}" for text in said]
    (folder / "captions.csv").write_text("\n".join(rows))
    return folder
