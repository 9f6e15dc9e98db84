"""One rebuild: rows stream into a fresh index, which is written, opened again, verified and only then published."""

from typing import Any

import numpy as np

from core.errors import EngineUnavailable
from search.index.base import Hits, Ids, Position, Progress, RebuildReport, RowSource, Vectors
from search.index.faiss import recipes
from search.index.faiss.generations import About, GenerationStore, Sealed
from search.index.faiss.recall import SAMPLE_SIZE, RecallProbe
from search.index.scan import positions_of


def rebuild(
    source: RowSource, store: GenerationStore, name: str, flat_up_to: int, progress: Progress | None
) -> RebuildReport:
    """Puts a generation of all rows numbered so far live. Rows numbered meanwhile are the new tail."""
    before = store.current()
    store.prune(keep={before} if before else set())
    position = source.position()
    probe = RecallProbe(source.sample(SAMPLE_SIZE, position.number))
    index, frame_ids = _filled(source, position, probe, flat_up_to, progress)
    recall = _tune(index, frame_ids, probe)
    about = About(source.model_id, position.token, index.d, len(frame_ids), position.number, recall, {})
    store.write(name, index, frame_ids, about)
    _verify(store.open(name), source, position, probe)
    store.publish(name)
    store.prune(keep={name, before} if before else {name})
    return RebuildReport(index.d, len(frame_ids), position.number, recall)


def _filled(
    source: RowSource, position: Position, probe: RecallProbe, flat_up_to: int, progress: Progress | None
) -> tuple[Any, Ids]:
    total = source.count(position.number)
    index: Any = None
    ids: list[Ids] = []
    done = 0
    for rows in source.rows(0, position.number):
        if index is None:
            index = recipes.empty_index(total, rows.vectors.shape[1], flat_up_to)
        if rows.vectors.shape[1] != index.d:
            raise EngineUnavailable("Rows of one model differ in length: embed the photos again.")
        index.add(rows.vectors)
        ids.append(rows.frame_ids)
        probe.observe(rows)
        done += len(rows)
        if progress:
            progress(min(done, total), total)
    if index is None:
        index = recipes.empty_index(0, 1, flat_up_to)
    return index, np.concatenate(ids) if ids else np.empty(0, dtype=np.int64)


def _tune(index: Any, frame_ids: Ids, probe: RecallProbe) -> float:
    """The least search effort that reaches the floor, and the recall it gives."""
    recall = 0.0
    for effort in recipes.search_efforts(index):
        recipes.set_search_effort(index, effort)
        recall = probe.recall_of(lambda query, k: recipes.nearest(index, frame_ids, query, k))
        if recall >= recipes.RECALL_FLOOR:
            break
    return recall


def _verify(sealed: Sealed, source: RowSource, position: Position, probe: RecallProbe) -> None:
    """Judges the file as a reader will see it: opened again, mapped, against the rows."""

    def found(query: Vectors, k: int) -> Hits:
        return recipes.nearest(sealed.index, sealed.frame_ids, query, k)

    if len(sealed.frame_ids) > 1 and not bool((np.diff(sealed.frame_ids) > 0).all()):
        raise _refused(sealed, "its frame ids don't rise")
    # Rows may be deleted or renumbered while they stream, so the count can only have shrunk since.
    if sealed.about.count < source.count(position.number):
        raise _refused(sealed, "rows are missing")
    if not _holds(sealed, probe):
        raise _refused(sealed, "its vectors are not those of the rows")
    if (recall := probe.recall_of(found)) < recipes.RECALL_FLOOR:
        raise _refused(sealed, f"it finds only {recall:.2f} of the true nearest")


def _holds(sealed: Sealed, probe: RecallProbe) -> bool:
    """Whether the sampled rows that are still in the index have their own vectors there."""
    sample = probe.sample
    wanted = np.isin(sample.frame_ids, sealed.frame_ids)
    positions = positions_of(sample.frame_ids[wanted], sealed.frame_ids)
    return not len(positions) or bool(np.array_equal(sealed.vectors[positions], sample.vectors[wanted]))


def _refused(sealed: Sealed, why: str) -> EngineUnavailable:
    return EngineUnavailable(f"The new index generation {sealed.name} was not published: {why}.")
