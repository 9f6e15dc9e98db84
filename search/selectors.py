"""Reading what is embedded, what still is to do, and which index is live."""

from collections.abc import Mapping, Sequence

import numpy as np
from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet

from library.models import Asset, Frame
from search import keywords
from search.active import active_model_id, spaces
from search.index.base import Vectors
from search.models import Embedding, Generation

#: A tail is merged when it is both this long and this share of what is sealed.
_TAIL_WORTH_MERGING = 5_000
_TAIL_SHARE = 0.1


def frames_without_embedding(space: str, model_id: str) -> QuerySet[Frame]:
    """Frames that have no vector of this model in this space."""
    return Frame.objects.filter(~Exists(_embeddings(space, model_id)))


def frames_to_index() -> QuerySet[Frame]:
    """Frames with a vector in every space, of which one has no number, or whose words changed, or without columns."""
    complete = Q(*(Exists(_embeddings(space, active_model_id(space))) for space in spaces()))
    unnumbered = Embedding.objects.filter(number=None).filter(_active()).values("frame_id")
    return Frame.objects.filter(
        complete
        & (
            Q(pk__in=unnumbered)
            | Q(asset_id__in=keywords.stale_asset_ids())
            | Q(asset__keyword_document=None)
            | Q(asset__index_columns=None)
        )
    )


def vectors_of(frame_ids: Sequence[int], space: str, model_id: str) -> Vectors | None:
    """A model's vectors of these frames, (N, dimension) without those that have none; None for N = 0."""
    rows = Embedding.objects.filter(frame_id__in=frame_ids, space=space, model_id=model_id)
    found = [np.frombuffer(bytes(vector), dtype="<f4") for vector in rows.values_list("vector", flat=True)]
    return np.stack(found) if found else None


def vectors_of_asset(asset: Asset, models: Mapping[str, str]) -> dict[str, Vectors]:
    """One vector for each space in which the asset has any: the middle of its frames', of unit length.

    models: ids of the models whose vectors are wanted, by space.
    """
    frame_ids = list(asset.frames.values_list("pk", flat=True))
    vectors: dict[str, Vectors] = {}
    for space, model_id in models.items():
        found = vectors_of(frame_ids, space, model_id)
        if found is None:
            continue
        middle = found.mean(axis=0)
        length = float(np.linalg.norm(middle))
        vectors[space] = np.asarray(middle / length, dtype=np.float32) if length else found[0]
    return vectors


def live_generation(space: str) -> Generation | None:
    """The newest published one of the active model."""
    return Generation.objects.filter(
        space=space,
        model_id=active_model_id(space),
        engine=settings.VECTOR_ENGINE,
        state=Generation.State.LIVE,
    ).first()


def spaces_due_for_rebuild() -> list[str]:
    """Spaces whose tail has grown so long that scanning it on every query is waste."""
    return [space for space in spaces() if _is_due(space)]


def _is_due(space: str) -> bool:
    live = live_generation(space)
    sealed_count, last_number = (live.count, live.last_number) if live else (0, 0)
    least = max(_TAIL_WORTH_MERGING, int(sealed_count * _TAIL_SHARE))
    newer = Embedding.objects.filter(space=space, model_id=active_model_id(space), number__gt=last_number)
    # Counts no further than it must.
    return newer[:least].count() >= least


def _embeddings(space: str, model_id: str) -> QuerySet[Embedding]:
    return Embedding.objects.filter(frame=OuterRef("pk"), space=space, model_id=model_id)


def _active() -> Q:
    condition = Q()
    for space in spaces():
        condition |= Q(space=space, model_id=active_model_id(space))
    return condition
