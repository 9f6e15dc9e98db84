"""Writing vectors of frames. They become searchable when the index stage numbers them."""

from collections.abc import Sequence

import numpy as np
from django.db import transaction
from numpy.typing import NDArray

from library.models import Frame
from search.models import Embedding

_LENGTH_TOLERANCE = 1e-3
#: Cosine above which two vectors say the same: batches of other sizes differ in the last bits.
_SAME = 0.9999


def record(space: str, model_id: str, frame_ids: Sequence[int], vectors: NDArray[np.float32]) -> None:
    """Keeps one vector for each frame, vectors (N, dimension) of unit length; a second run replaces the first.

    A vector that changes loses its number and gets a new one; the same bytes again change nothing, so a stage
    that runs twice costs the index nothing. Where it says something else than before, what other models of the space
    made of the frame is of before, too, and goes. Frames deleted meanwhile are left out.
    """
    stored = dict(zip(frame_ids, _as_bytes(vectors, len(frame_ids)), strict=True))
    with transaction.atomic():
        # Locked, so that none is deleted between being seen and being named by a foreign key.
        here = Frame.objects.select_for_update(no_key=True).filter(pk__in=stored).order_by("pk")
        kept = dict(
            Embedding.objects.filter(space=space, model_id=model_id, frame_id__in=stored).values_list(
                "frame_id", "vector"
            )
        )
        changed = [
            Embedding(frame_id=frame_id, space=space, model_id=model_id, vector=stored[frame_id], number=None)
            for frame_id in here.values_list("pk", flat=True)
            if bytes(kept.get(frame_id, b"")) != stored[frame_id]
        ]
        Embedding.objects.bulk_create(
            changed,
            update_conflicts=True,
            unique_fields=["frame", "space", "model_id"],
            update_fields=["vector", "number"],
        )
        outdated = [
            row.frame_id
            for row in changed
            if row.frame_id in kept and not says_the_same(kept[row.frame_id], row.vector)
        ]
        Embedding.objects.filter(space=space, frame_id__in=outdated).exclude(model_id=model_id).delete()


def says_the_same(one: bytes | memoryview, other: bytes | memoryview) -> bool:
    """Whether two stored vectors of one model are of the same picture or sentence."""
    first, second = (np.frombuffer(bytes(stored), dtype="<f4") for stored in (one, other))
    return len(first) == len(second) and float(first @ second) >= _SAME


def _as_bytes(vectors: NDArray[np.float32], count: int) -> list[bytes]:
    matrix = np.ascontiguousarray(vectors, dtype="<f4")
    if matrix.ndim != 2 or len(matrix) != count:
        raise ValueError(f"{count} frames need vectors of shape ({count}, dimension), not {matrix.shape}.")
    lengths = np.linalg.norm(matrix, axis=1)
    # Also false for NaN, which would make every comparison with it meaningless.
    if not bool((np.abs(lengths - 1) < _LENGTH_TOLERANCE).all()):
        raise ValueError("Vectors must be of unit length: their scores could not be compared otherwise.")
    return [row.tobytes() for row in matrix]
