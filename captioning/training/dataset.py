"""A folder of pictures with captions: `images/` and `captions.csv` with the columns image, split, caption.

The columns title and tags may follow: what is known of a picture without looking at it; and source: who wrote the
caption.
"""

import csv
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from captioning.vision.context import context_of
from captioning.vision.picture_files import read_picture
from captioning.vision.pixels import INPUT_SIZE_PX
from core.errors import InvalidInput

COLUMNS = ("image", "split", "caption")
CONTEXT_COLUMNS = ("title", "tags")
_SOURCE = "source"
#: The first line holds the names of the columns.
_FIRST_LINE = 2
_MOST_SHOWN = 20


@dataclass(frozen=True)
class CaptionedImage:
    """One picture and what people wrote about it. context: what is known of it beside, if anything."""

    path: Path
    captions: tuple[str, ...]
    context: str = ""


@dataclass(frozen=True)
class CaptionDataset:
    """A dataset folder, read and checked. skipped: what is wrong with the rows that were left out."""

    folder: Path
    splits: dict[str, tuple[CaptionedImage, ...]]
    skipped: tuple[str, ...] = ()

    def split(self, name: str) -> tuple[CaptionedImage, ...]:
        """The pictures of one split; InvalidInput names the splits there are."""
        if name not in self.splits:
            raise InvalidInput(
                f"{self.folder} has no split {name!r}; it has {', '.join(sorted(self.splits))}.",
                field="split",
            )
        return self.splits[name]


def read_dataset(
    folder: Path,
    captions_file: Path | None = None,
    *,
    needed_splits: Sequence[str] = (),
    source: str | None = None,
    decode: bool = False,
    skip_broken: bool = False,
) -> CaptionDataset:
    """Read `folder`; captions come from `captions_file` where given, with the pictures still in folder/images.

    Raises InvalidInput with one list of everything that is wrong: missing file, columns, splits or images, empty
    captions, with `decode` also pictures that can't be decoded. With `skip_broken`, rows without a caption or a
    picture are left out instead. source: only the captions of this source, by the column of that name.
    """
    table = captions_file or folder / "captions.csv"
    rows = _rows_of(table, needs_source=source is not None)
    wrong = _wrong_rows(rows, folder / "images", decode=decode)
    whole = [
        row
        for line, row in enumerate(rows, start=_FIRST_LINE)
        if line not in wrong and (source is None or row[_SOURCE] == source)
    ]
    dataset = CaptionDataset(folder, _grouped(whole, folder / "images"), tuple(dict.fromkeys(wrong.values())))
    missing = [f"there is no split {name!r}" for name in needed_splits if name not in dataset.splits]
    problems = missing if skip_broken else [*missing, *dataset.skipped]
    if problems:
        shown = "\n".join(problems[:_MOST_SHOWN]) + ("\n..." if len(problems) > _MOST_SHOWN else "")
        raise InvalidInput(f"{len(problems)} problems in {table}:\n{shown}", field="dataset")
    return dataset


def tidy_caption(text: str) -> str:
    """A sentence as a person would type it: no blank before punctuation, a capital first, a full stop last."""
    text = re.sub(r"\s+", " ", text).strip().strip('"').strip()
    text = re.sub(r"\s+([.,;:!?'])", r"\1", text)
    text = text[:1].upper() + text[1:]
    return text if not text or text[-1] in ".!?" else text + "."


def _rows_of(table: Path, *, needs_source: bool) -> list[dict[str, str]]:
    if not table.is_file():
        raise InvalidInput(
            f"{table} does not exist. A dataset folder has images/ and captions.csv.", field="dataset"
        )
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            needed = (*COLUMNS, *((_SOURCE,) if needs_source else ()))
            missing = set(needed) - set(reader.fieldnames or ())
            if missing:
                raise InvalidInput(
                    f"{table} lacks the columns {', '.join(sorted(missing))}; it needs {', '.join(needed)}.",
                    field="dataset",
                )
            return [
                {column: row.get(column) or "" for column in (*needed, *CONTEXT_COLUMNS)} for row in reader
            ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(f"{table} is not a CSV file in UTF-8: {error}.", field="dataset") from error


def _wrong_rows(rows: Sequence[dict[str, str]], images: Path, *, decode: bool) -> dict[int, str]:
    """By line what is wrong with it; a picture is named once, where it first stands."""
    present = {path.name for path in images.iterdir()} if images.is_dir() else set()
    named = dict.fromkeys(row["image"] for row in rows)
    broken = {name: f"images/{name} does not exist" for name in named if name not in present}
    if decode:
        broken |= _undecodable([images / name for name in named if name in present])
    wrong: dict[int, str] = {}
    first: dict[str, str] = {}
    for line, row in enumerate(rows, start=_FIRST_LINE):
        if row["image"] in broken:
            said = first.setdefault(row["image"], f"line {line}: {broken[row['image']]}")
            wrong[line] = said
        elif not row["caption"].strip():
            wrong[line] = f"line {line}: the caption of {row['image']} is empty"
    return wrong


def _undecodable(paths: Sequence[Path]) -> dict[str, str]:
    with ThreadPoolExecutor() as pool:
        said = tqdm(pool.map(_damage, paths), total=len(paths), desc="checking pictures", delay=2)
        return {path.name: damage for path, damage in zip(paths, said, strict=True) if damage}


def _damage(path: Path) -> str:
    try:
        read_picture(path, at_least_px=INPUT_SIZE_PX)
    except (OSError, InvalidInput) as error:
        return str(error)
    return ""


def _grouped(rows: Sequence[dict[str, str]], images: Path) -> dict[str, tuple[CaptionedImage, ...]]:
    captions: dict[tuple[str, str], list[str]] = {}
    contexts: dict[str, str] = {}
    for row in rows:
        captions.setdefault((row["split"], row["image"]), []).append(row["caption"])
        contexts.setdefault(row["image"], context_of(row["title"], row["tags"].split(",")))
    splits: dict[str, list[CaptionedImage]] = {}
    for (split, image), texts in captions.items():
        splits.setdefault(split, []).append(CaptionedImage(images / image, tuple(texts), contexts[image]))
    return {name: tuple(members) for name, members in splits.items()}
