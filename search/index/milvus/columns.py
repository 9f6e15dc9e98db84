"""Columns of frames as Milvus keeps them, and conditions on them as it reads them.

It compares no bits: those of the labels stand in an array, too, each by its place in all columns of labels.
"""

from collections.abc import Iterator
from typing import Any, Final

from pymilvus import DataType

from search.index.base import Ids, Rows
from search.index.where import COLUMNS, LABEL_BITS, LABELS, Comparison, Where

_BITS: Final = "bits"
#: Of a collection that filters can ask.
FIELDS: Final = (*COLUMNS, _BITS)


def add_to(schema: Any) -> None:
    """The fields, to the schema of a new collection."""
    for column in COLUMNS:
        schema.add_field(column, DataType.INT64)
    schema.add_field(
        _BITS, DataType.ARRAY, element_type=DataType.INT16, max_capacity=LABEL_BITS * len(LABELS)
    )


def written(rows: Rows, note: str) -> Iterator[dict[str, Any]]:
    """Rows with all of their fields."""
    numbered = zip(rows.frame_ids.tolist(), rows.vectors, rows.columns.T.tolist(), strict=True)
    for frame_id, vector, numbers in numbered:
        columns = dict(zip(COLUMNS, numbers, strict=True))
        bits = [place for label in LABELS for place in _places(label, columns[label])]
        yield {"id": frame_id, "note": note, "vector": vector, **columns, _BITS: bits}


def expression(among: Ids | Where | None) -> str:
    """These frames, those of which it holds, or all."""
    if among is None:
        return "id >= 0"
    if isinstance(among, Where):
        return f"id >= 0 and {among.written(_comparison)}"
    return f"id in {among.tolist()}"


def _comparison(one: Comparison) -> str:
    if one.operator != "has":
        return f"{one.column} {one.operator} {one.value}"
    return f"array_contains_all({_BITS}, {_places(one.column, one.value)})"


def _places(column: str, bits: int) -> list[int]:
    first = LABELS.index(column) * LABEL_BITS
    return [first + bit for bit in range(LABEL_BITS) if bits >> bit & 1]
