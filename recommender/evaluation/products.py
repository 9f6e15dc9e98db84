"""A folder of products: `images/` and `items.csv`, with a name and the labels by which relations are judged."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import InvalidInput

IMAGE, NAME = "image", "productDisplayName"
#: The same first label is a related product, the same in all three a closely related one. No arm reads them.
LABELS = ("articleType", "gender", "baseColour")
_MOST_SHOWN = 20
_FIRST_LINE = 2


@dataclass(frozen=True)
class Products:
    """N products. gains: (N, N), of each as an answer to each: 2, 1 or 0, and 0 for itself."""

    pictures: tuple[Path, ...]
    names: tuple[str, ...]
    gains: NDArray[np.float32]

    @property
    def queries(self) -> NDArray[np.int64]:
        """Rows of the products that have a related one: (Q,)."""
        return np.flatnonzero(self.gains.any(axis=1))


def read_products(folder: Path) -> Products:
    """InvalidInput with one list of everything that is wrong: missing file, columns, pictures, empty labels."""
    table = folder / "items.csv"
    rows = _rows_of(table)
    present = {path.name for path in (folder / "images").glob("*")}
    problems = [
        f"line {line}: {said}"
        for line, row in enumerate(rows, start=_FIRST_LINE)
        if (said := _problem(row, present))
    ]
    if problems or len(rows) < _FIRST_LINE:
        shown = problems[:_MOST_SHOWN] or ["it holds fewer than two products"]
        more = ["..."] if len(problems) > len(shown) else []
        raise InvalidInput(f"{table} can't be used:\n" + "\n".join(shown + more), field="dataset")
    pictures = tuple(folder / "images" / row[IMAGE] for row in rows)
    return Products(pictures, tuple(row[NAME] for row in rows), gains_of(rows))


def gains_of(rows: list[dict[str, str]]) -> NDArray[np.float32]:
    """What each product is worth as an answer to each other, by their labels: (N, N)."""
    kinds = _numbered([row[LABELS[0]] for row in rows])
    wholes = _numbered(["\n".join(row[label] for label in LABELS) for row in rows])
    gains = (kinds[:, None] == kinds).astype(np.float32) + (wholes[:, None] == wholes)
    np.fill_diagonal(gains, 0.0)
    return np.asarray(gains, dtype=np.float32)


def _rows_of(table: Path) -> list[dict[str, str]]:
    if not table.is_file():
        raise InvalidInput(
            f"{table} does not exist. A folder of products has images/ and items.csv.", field="dataset"
        )
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = {IMAGE, NAME, *LABELS} - set(reader.fieldnames or ())
            if missing:
                raise InvalidInput(
                    f"{table} lacks the columns {', '.join(sorted(missing))}.", field="dataset"
                )
            return [{name: (value or "").strip() for name, value in row.items() if name} for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(f"{table} is not a CSV file in UTF-8: {error}.", field="dataset") from error


def _problem(row: dict[str, str], present: set[str]) -> str:
    if row[IMAGE] not in present:
        return f"images/{row[IMAGE]} does not exist"
    empty = [name for name in (NAME, *LABELS) if not row[name]]
    return f"{', '.join(empty)} is empty" if empty else ""


def _numbered(values: list[str]) -> NDArray[np.int64]:
    numbers = {value: number for number, value in enumerate(dict.fromkeys(values))}
    return np.array([numbers[value] for value in values])
