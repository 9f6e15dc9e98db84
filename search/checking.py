"""Rows, records and index files against each other: what differs, named, and healed on request."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Max, QuerySet
from django.db.models.functions import Length

from core.errors import EngineUnavailable
from core.locks import named_lock
from library.models import Frame
from search import columns
from search.active import active_model_id, spaces
from search.indexing import REBUILD_TIMEOUT_S, index, index_frames, rebuild_index
from search.models import Embedding, Generation, IndexPosition, KeywordDocument
from search.selectors import frames_to_index

_NAMED = 5
_HEALED_AT_ONCE = 500


@dataclass(frozen=True)
class Difference:
    """where: `rows` or a space. heal: what puts it right, several of which may be one and the same call."""

    where: str
    text: str
    heal: Callable[[], object]


def check_index() -> list[Difference]:
    """All that differs; Conflict while a rebuild is under way, since its files are half written by right."""
    with named_lock("index-rebuild", REBUILD_TIMEOUT_S):
        return [*_of_rows(), *(found for space in spaces() for found in _of_space(space))]


def heal(found: list[Difference]) -> list[Difference]:
    """Puts right what was found, each cure once, and returns what differs afterwards."""
    for cure in dict.fromkeys(difference.heal for difference in found):
        cure()
    return check_index()


def _of_rows() -> Iterator[Difference]:
    numbered = Embedding.objects.exclude(number=None)
    highest = numbered.aggregate(last=Max("number"))["last"] or 0
    position = IndexPosition.objects.first()
    if highest > (position.last_number if position else 0):
        told = position.last_number if position else 0
        yield Difference(
            "rows", f"rows are numbered up to {highest}, the position says {told}", _move_position
        )
    for space in spaces():
        if odd := list(_of_odd_length(space).values_list("frame_id", flat=True)[: _NAMED + 1]):
            count = _of_odd_length(space).count()
            yield Difference(
                "rows",
                f"{count} vectors of {space} differ in length from most (frames {_some(odd)})",
                _drop_odd_vectors,
            )
    if outdated := columns.outdated(_indexed_assets()):
        text = f"columns of {len(outdated)} photos are not what these are (photos {_some(outdated)})"
        yield Difference("rows", text, _refresh_columns)
    if waiting := frames_to_index().count():
        yield Difference("rows", f"{waiting} frames are described and not yet findable", _index_waiting)


def _some(ids: Sequence[int]) -> str:
    return ", ".join(map(str, ids[:_NAMED])) + (", ..." if len(ids) > _NAMED else "")


def _of_space(space: str) -> Iterator[Difference]:
    building = _generations(space).filter(state=Generation.State.BUILDING)
    if count := building.count():
        yield Difference(space, f"{count} rebuilds ended without saying how", _cure(_settle_building))
    rebuilt = _cure(rebuild_index, space)
    try:
        texts = index(space).differences() or list(_of_records(space, index(space).describe().generation))
    except EngineUnavailable as error:
        texts = [str(error)]
    yield from (Difference(space, text, rebuilt) for text in texts)


def _of_records(space: str, published: str) -> Iterator[str]:
    """published: name of the generation that searches read, empty where there is none."""
    live = _generations(space).filter(state=Generation.State.LIVE).first()
    if live and live.file_name != published:
        yield f"generation {live.file_name} is recorded as live, " + (
            f"published is {published}" if published else "and its files are gone"
        )
    if published and not live:
        yield f"generation {published} is published and not recorded as live"


@dataclass(frozen=True)
class _Cure:
    """A call that equals another of the same, so that one rebuild heals all that it can."""

    call: Callable[..., object]
    arguments: tuple[str, ...]

    def __call__(self) -> object:
        return self.call(*self.arguments)


def _cure(call: Callable[..., object], *arguments: str) -> _Cure:
    return _Cure(call, arguments)


def _generations(space: str) -> QuerySet[Generation]:
    return Generation.objects.filter(
        space=space, model_id=active_model_id(space), engine=settings.VECTOR_ENGINE
    )


def _of_odd_length(space: str) -> QuerySet[Embedding]:
    rows = Embedding.objects.filter(space=space, model_id=active_model_id(space)).annotate(
        size=Length("vector")
    )
    lengths = rows.values("size").annotate(rows=Count("pk")).order_by("-rows")
    if len(lengths) < 2:
        return rows.none()
    return rows.exclude(size=lengths[0]["size"])


def _drop_odd_vectors() -> None:
    """The describe stage embeds these frames again."""
    for space in spaces():
        Embedding.objects.filter(pk__in=list(_of_odd_length(space).values_list("pk", flat=True))).delete()


def _move_position() -> None:
    with named_lock("index-writer", REBUILD_TIMEOUT_S):
        highest = Embedding.objects.exclude(number=None).aggregate(last=Max("number"))["last"] or 0
        position = IndexPosition.objects.first() or IndexPosition()
        position.last_number = max(position.last_number, highest)
        position.save()


def _indexed_assets() -> list[int]:
    return list(KeywordDocument.objects.order_by("pk").values_list("pk", flat=True))


def _refresh_columns() -> None:
    outdated = columns.outdated(_indexed_assets())
    for start in range(0, len(outdated), _HEALED_AT_ONCE):
        some = outdated[start : start + _HEALED_AT_ONCE]
        # Frames of which nothing is numbered wait for vectors of theirs: only their columns are put right.
        numbered = Frame.objects.filter(asset_id__in=some, embeddings__number__gt=0).distinct()
        index_frames(numbered.values_list("pk", flat=True))
        with transaction.atomic():
            columns.refresh(some)


def _index_waiting() -> None:
    index_frames(frames_to_index().values_list("pk", flat=True))


def _settle_building() -> None:
    with named_lock("index-rebuild", REBUILD_TIMEOUT_S):
        Generation.objects.filter(state=Generation.State.BUILDING).update(state=Generation.State.FAILED)
