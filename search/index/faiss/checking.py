"""Whether the files of a folder are what the rows say, read from the first vector to the last."""

import numpy as np

from core.errors import EngineUnavailable
from search.index.base import RowSource
from search.index.faiss.generations import GenerationStore, Sealed
from search.index.scan import positions_of

_NAMED = 5


def differences(source: RowSource, store: GenerationStore) -> list[str]:
    """In words, what a rebuild would put right. Nothing where no generation was ever published."""
    try:
        name, sealed = store.current(), store.open_current()
    except EngineUnavailable as error:
        return [str(error)]
    found = _leftovers(store, name)
    if name is None:
        return found
    if sealed is None:
        return [*found, f"generation {name} is of another format, so its rows are scanned"]
    position, about = source.position(), sealed.about
    if about.model_id != source.model_id:
        found.append(f"generation {name} holds vectors of {about.model_id} and not of {source.model_id}")
    elif about.token != position.token or about.last_number > position.number:
        found.append(f"generation {name} was built from another database's rows, so these rows are scanned")
    elif not source.knows(name):
        found.append(f"generation {name} has no record, so its rows are scanned")
    else:
        found += _against_rows(source, sealed)
    return found


def _leftovers(store: GenerationStore, name: str | None) -> list[str]:
    """What a rebuild that was killed left behind. The generation before the live one is kept on purpose."""
    others = sorted(store.names() - {name})
    unfinished = [other for other in others if not store.is_whole(other)]
    found = [f"generation {other} was never finished" for other in unfinished]
    if (spare := len(others) - len(unfinished)) > 1:
        found.append(f"{spare} former generations are kept where one is enough")
    return found + [f"{scratch.name} was never put in place" for scratch in store.scratch()]


def _against_rows(source: RowSource, sealed: Sealed) -> list[str]:
    """Rows renumbered since are the tail's, and deleted ones are asked of the database at each search."""
    missing: list[int] = []
    changed: list[int] = []
    told: list[int] = []
    lookup = sealed.lookup
    for rows in source.rows(0, sealed.about.last_number):
        here = np.isin(rows.frame_ids, lookup.frame_ids)
        missing += rows.frame_ids[~here].tolist()
        positions = positions_of(rows.frame_ids[here], lookup.frame_ids)
        stored = lookup.stored.rows(positions)
        if stored.shape[1:] != rows.vectors.shape[1:]:
            return [f"generation {sealed.name} holds vectors of length {lookup.stored.array.shape[1]}"]
        same = (stored == rows.vectors[here]).all(axis=1)
        changed += rows.frame_ids[here][~same].tolist()
        if lookup.columns is not None:
            alike = (lookup.columns[:, positions] == rows.columns[:, here]).all(axis=0)
            told += rows.frame_ids[here][~alike].tolist()
    found = []
    if missing:
        found.append(f"generation {sealed.name} lacks {_counted(missing)}")
    if changed:
        found.append(f"generation {sealed.name} holds another vector than the row of {_counted(changed)}")
    if told:
        found.append(f"generation {sealed.name} holds other columns than the row of {_counted(told)}")
    if lookup.columns is None:
        found.append(f"generation {sealed.name} lacks columns to filter by")
    return found


def _counted(frame_ids: list[int]) -> str:
    named = ", ".join(map(str, frame_ids[:_NAMED]))
    more = ", ..." if len(frame_ids) > _NAMED else ""
    return f"{len(frame_ids):,} frame{'' if len(frame_ids) == 1 else 's'} ({named}{more})"
