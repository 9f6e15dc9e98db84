"""The rows of one space and model as the index engines read them: `index.base.RowSource` over the database."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import QuerySet

from core.errors import EngineUnavailable
from core.ids import any_of
from search.index.base import NO_ROWS, Ids, Position, Rows
from search.index.where import COLUMNS
from search.models import Embedding, Generation

_CHUNK = 1000
_NOTHING_YET = Position("", 0)


@dataclass(frozen=True)
class EmbeddingRows:
    """Numbered vectors of one space and model."""

    space: str
    model_id: str

    def position(self) -> Position:
        # Asked several times in every search, so without the ORM, whose share of it is the greater.
        with connection.cursor() as cursor:
            cursor.execute("SELECT token, last_number FROM search_indexposition ORDER BY id LIMIT 1")
            kept = cursor.fetchone()
        return Position(str(kept[0]), kept[1]) if kept else _NOTHING_YET

    def rows(self, after: int, up_to: int) -> Iterator[Rows]:
        # The ids first, which fit in memory for millions: then chunks of vectors by primary key, each a short
        # query, so that a rebuild neither holds a transaction open for minutes nor skips through an offset.
        wanted = (
            self._numbered(up_to).filter(number__gt=after).order_by("frame_id").values_list("pk", flat=True)
        )
        keys = np.fromiter(wanted.iterator(), dtype=np.int64)
        for start in range(0, len(keys), _CHUNK):
            if len(chunk := self._fetched(keys[start : start + _CHUNK], up_to)):
                yield chunk

    def sample(self, size: int, up_to: int) -> Rows:
        keys = np.fromiter(self._numbered(up_to).values_list("pk", flat=True).iterator(), dtype=np.int64)
        chosen = (
            np.random.default_rng(0).choice(keys, min(size, len(keys)), replace=False) if len(keys) else keys
        )
        return self._fetched(chosen, up_to)

    def count(self, up_to: int) -> int:
        return self._numbered(up_to).count()

    def knows(self, generation: str) -> bool:
        return Generation.objects.filter(
            space=self.space, model_id=self.model_id, file_name=generation
        ).exists()

    def _numbered(self, up_to: int) -> QuerySet[Embedding]:
        return Embedding.objects.filter(
            space=self.space, model_id=self.model_id, number__gt=0, number__lte=up_to
        )

    def _fetched(self, keys: Ids, up_to: int) -> Rows:
        """Rows deleted or numbered anew since their keys were listed are left out."""
        # By key alone: with space and number named, SQLite would walk through all of the space for each chunk.
        found = Embedding.objects.filter(pk__in=any_of(keys.tolist())).order_by("frame_id")
        columns = [f"frame__asset__index_columns__{column}" for column in COLUMNS]
        rows = found.values_list("number", "frame_id", "vector", *columns)
        return _stacked([row for number, *row in rows if number is not None and number <= up_to])


def _stacked(found: Sequence[Sequence[Any]]) -> Rows:
    """Of (frame id, vector, columns...)."""
    if not found:
        return NO_ROWS
    if len({len(vector) for _, vector, *_ in found}) > 1:
        raise EngineUnavailable("Vectors of one model differ in length: embed the photos again.")
    flat = np.frombuffer(b"".join(bytes(vector) for _, vector, *_ in found), dtype="<f4").astype(
        np.float32, copy=False
    )
    # Nothing is told of an asset whose vectors something else than the index stage has numbered.
    told = [(frame_id, *(number or 0 for number in columns)) for frame_id, _, *columns in found]
    numbers = np.ascontiguousarray(np.array(told, dtype=np.int64).T)
    return Rows(numbers[0], flat.reshape(len(found), -1), numbers[1:])
