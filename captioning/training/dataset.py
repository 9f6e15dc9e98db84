"""A folder of pictures with captions: `images/` and `captions.csv` with the columns image, split, caption."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import InvalidInput

COLUMNS = ("image", "split", "caption")


@dataclass(frozen=True)
class CaptionedImage:
    """One picture and what people wrote about it."""

    path: Path
    captions: tuple[str, ...]


@dataclass(frozen=True)
class CaptionDataset:
    """A dataset folder, read and checked."""

    folder: Path
    splits: dict[str, tuple[CaptionedImage, ...]]

    def split(self, name: str) -> tuple[CaptionedImage, ...]:
        """The pictures of one split; InvalidInput names the splits there are."""
        if name not in self.splits:
            raise InvalidInput(
                f"{self.folder} has no split {name!r}; it has {', '.join(sorted(self.splits))}.",
                field="split",
            )
        return self.splits[name]


def read_dataset(folder: Path, captions_file: Path | None = None) -> CaptionDataset:
    """Read `folder`; captions come from `captions_file` where given, with the pictures still in folder/images.

    Raises InvalidInput with one list of everything that is wrong: missing file, columns, images, empty captions.
    """
    table = captions_file or folder / "captions.csv"
    if not table.is_file():
        raise InvalidInput(
            f"{table} does not exist. A dataset folder has images/ and captions.csv.", field="dataset"
        )
    with table.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        missing = set(COLUMNS) - set(reader.fieldnames or ())
        if missing:
            raise InvalidInput(
                f"{table} lacks the columns {', '.join(sorted(missing))}; it needs {', '.join(COLUMNS)}.",
                field="dataset",
            )
        rows = [{column: row[column] or "" for column in COLUMNS} for row in reader]
    problems = _problems(rows, folder / "images")
    if problems:
        shown = "\n".join(problems[:20]) + ("\n..." if len(problems) > 20 else "")
        raise InvalidInput(f"{len(problems)} problems in {table}:\n{shown}", field="dataset")
    return CaptionDataset(folder, _grouped(rows, folder / "images"))


def tidy_caption(text: str) -> str:
    """A sentence as a person would type it: no blank before punctuation, a capital first, a full stop last."""
    text = re.sub(r"\s+", " ", text).strip().strip('"').strip()
    text = re.sub(r"\s+([.,;:!?'])", r"\1", text)
    text = text[:1].upper() + text[1:]
    return text if not text or text[-1] in ".!?" else text + "."


def _problems(rows: Sequence[dict[str, str]], images: Path) -> list[str]:
    present = {path.name for path in images.iterdir()} if images.is_dir() else set()
    problems = [] if images.is_dir() else [f"{images} is not a folder"]
    unknown: set[str] = set()
    for line, row in enumerate(rows, start=2):
        if not row["caption"].strip():
            problems.append(f"line {line}: the caption of {row['image']} is empty")
        if row["image"] not in present and row["image"] not in unknown:
            unknown.add(row["image"])
            problems.append(f"line {line}: images/{row['image']} does not exist")
    return problems


def _grouped(rows: Sequence[dict[str, str]], images: Path) -> dict[str, tuple[CaptionedImage, ...]]:
    captions: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        captions.setdefault((row["split"], row["image"]), []).append(row["caption"])
    splits: dict[str, list[CaptionedImage]] = {}
    for (split, image), texts in captions.items():
        splits.setdefault(split, []).append(CaptionedImage(images / image, tuple(texts)))
    return {name: tuple(members) for name, members in splits.items()}
