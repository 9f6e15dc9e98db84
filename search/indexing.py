"""The index stage, and rebuilding: the only code that numbers rows, writes documents and publishes generations."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from uuid import uuid4

from django.conf import settings
from django.db import connection, transaction

from core.locks import named_lock
from core.progress import Progress
from library.models import Frame
from search import columns, keywords
from search.active import active_model_id, spaces
from search.engines import engine_of
from search.index.base import VectorIndex
from search.models import Embedding, Generation, IndexPosition, KeywordDocument
from search.rows import EmbeddingRows
from search.suggesting import count_words

_WRITER_TIMEOUT_S = 60.0
REBUILD_TIMEOUT_S = 5.0
#: Per index; enough for a guess, and done in milliseconds.
_ROWS_COUNTED = 1000


def index(space: str) -> VectorIndex:
    """The engine over the active model's vectors in this space: one per process."""
    return engine_of(space, active_model_id(space))


def index_frames(frame_ids: Iterable[int]) -> int:
    """Makes these frames findable in every process, and returns how many they were. Safe to repeat.

    Numbers and documents are committed together: nobody finds a photo by its words and not by its look. The
    lock is held beyond the commit, so numbers are committed in the order in which they were given.
    """
    with named_lock("index-writer", _WRITER_TIMEOUT_S):
        with transaction.atomic():
            indexed, numbered = _index(frame_ids)
        if numbered:
            _apply()
    return indexed


def index_within(frame_ids: Iterable[int]) -> None:
    """Has searches follow a change of these frames from the commit of the caller's transaction on, no later.

    The writer's lock, which another may hold for a minute, is not waited for: the row of the last number is locked
    until the commit, which keeps numbers in the order of commits by itself. Only where nothing was ever numbered
    there is no such row; then no search finds anything, and the index stage does it all.
    """
    if not IndexPosition.objects.exists():
        return
    _, numbered = _index(frame_ids)
    if numbered:
        transaction.on_commit(_apply, robust=True)


def mark_stale(asset_ids: Iterable[int]) -> None:
    """Has the words of these assets read again by the next index stage, whatever their times say."""
    KeywordDocument.objects.filter(asset_id__in=list(asset_ids)).update(asset_updated_at=None)


def rebuild_index(
    space: str | None = None, progress: Progress | None = None, *, engine: str | None = None
) -> list[Generation]:
    """A fresh generation of one space, or of all: built beside the live one, verified, published.

    Searches and the index stage go on meanwhile. Conflict where another rebuild is under way. engine: another one than
    searches read, which so gets all rows and can take over.
    """
    chosen = spaces() if space is None else (space,)
    totals = [EmbeddingRows(one, active_model_id(one)).count(_newest_number()) for one in chosen]
    generations = []
    with named_lock("index-rebuild", REBUILD_TIMEOUT_S):
        for at, one in enumerate(chosen):
            shifted = _shifted(progress, sum(totals[:at]), sum(totals))
            generations.append(_rebuild(one, active_model_id(one), engine or settings.VECTOR_ENGINE, shifted))
        _count_for_the_planner()
    return generations


def _index(frame_ids: Iterable[int]) -> tuple[int, int]:
    """How many frames there were, and how many vectors got a number."""
    asked = set(frame_ids)
    # Frames, vectors, assets: whoever else changes several of these of a photo locks them in this order, too.
    frames = _locked_with_siblings(asked)
    here = asked & frames.keys()
    vectors = Embedding.objects.filter(frame_id__in=frames).select_for_update().order_by("pk")
    known = list(vectors.values_list("pk", "frame_id", "number"))
    keywords.refresh(frames.values())
    changed = set(columns.refresh(frames.values()))
    # Of every space: textures are searched by nobody, but what has no number is what the stage is asked about.
    numbered = _number(
        [
            key
            for key, frame_id, number in known
            if (frame_id in here if number is None else frames[frame_id] in changed)
        ]
    )
    count_words(frames.values())
    return len(here), numbered


def _locked_with_siblings(frame_ids: Iterable[int]) -> dict[int, int]:
    """All frames of the assets of these frames, each with its asset."""
    assets = set(Frame.objects.filter(pk__in=list(frame_ids)).values_list("asset_id", flat=True))
    frames = Frame.objects.select_for_update(no_key=True).filter(asset_id__in=assets).order_by("pk")
    return dict(frames.values_list("pk", "asset_id"))


def _apply() -> None:
    """For engines that hold copies of the rows. A lock of its own: not all who number hold the writer's."""
    with named_lock("index-apply", _WRITER_TIMEOUT_S):
        for space in spaces():
            index(space).apply()


def _number(keys: Sequence[int]) -> int:
    if not keys:
        return 0
    position = IndexPosition.objects.select_for_update().first() or IndexPosition()
    rows = [
        Embedding(pk=key, number=number) for number, key in enumerate(keys, start=position.last_number + 1)
    ]
    Embedding.objects.bulk_update(rows, ["number"], batch_size=500)
    position.last_number += len(rows)
    position.save()
    return len(rows)


def build_for(space: str, model_id: str, progress: Progress | None = None) -> Generation:
    """A fresh generation of a model that is not active, so that it is ready to be switched to."""
    with named_lock("index-rebuild", REBUILD_TIMEOUT_S):
        return _rebuild(space, model_id, settings.VECTOR_ENGINE, progress)


def _rebuild(space: str, model_id: str, engine: str, progress: Progress | None) -> Generation:
    generations = Generation.objects.filter(space=space, model_id=model_id, engine=engine)
    # Ends the rows of rebuilds that were killed: no other is under way while the lock is held. One that was killed
    # after it was published is live all the same, and is superseded in a moment.
    generations.filter(state=Generation.State.BUILDING).update(state=Generation.State.FAILED)
    name = f"{space}-{uuid4().hex}"
    # The row first: readers take up a published file only if its name is known here.
    row = Generation.objects.create(
        space=space, model_id=model_id, engine=engine, dimension=0, file_name=name
    )
    try:
        report = engine_of(space, model_id, engine).rebuild(name, progress)
    except BaseException:
        Generation.objects.filter(pk=row.pk).update(state=Generation.State.FAILED)
        raise
    with transaction.atomic():
        generations.filter(state=Generation.State.LIVE).update(state=Generation.State.RETIRED)
        for field, value in asdict(report).items():
            setattr(row, field, value)
        row.state = Generation.State.LIVE
        row.save()
    return row


def _count_for_the_planner() -> None:
    """SQLite plans by guesses until it is told to count: it would walk through all public photos to check fifty.

    PostgreSQL counts by itself.
    """
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA analysis_limit = {_ROWS_COUNTED}")
            cursor.execute("ANALYZE")


def _newest_number() -> int:
    return IndexPosition.objects.values_list("last_number", flat=True).first() or 0


def _shifted(progress: Progress | None, before: int, total: int) -> Progress | None:
    """Progress of one space as progress of all."""
    if progress is None:
        return None
    return lambda done, _: progress(min(before + done, total), total)
