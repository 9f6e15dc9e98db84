"""From a question to the assets that might answer it, each with its score in every signal.

Signals are asked without a filter first, and only their few hundred hits are checked against the database.
Where too few of them are in scope, and the columns of an index tell what is, the engine narrows by these. Where
they don't, a signal is asked more widely, and where the scope proves to be narrow it is listed and scanned exactly:
so the cost follows what is found, and nothing in scope is cut off by what is not.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from search.fusion import Hit
from search.scope import Scope
from search.signals import Found, KeywordSignal, Signal

#: Ask for more than needed, since some hits will be out of scope.
_SPARE = 1.25
_WIDENING = 4
_WIDEST = 5_000
#: Below this share of hits in scope, listing the scope is cheaper than asking on.
_NARROW_SHARE = 0.1


@dataclass(frozen=True)
class Candidates:
    """rankings: by signal, the scores of all candidates that have one.
    ranks: of each candidate its best place in any signal, from 0.
    complete: nothing in scope is missing, so asking deeper would add nothing.
    documents: how many photos have words at all, whoever may see them; 0 where no words were looked for.
    """

    rankings: dict[str, list[Hit]]
    ranks: dict[int, int]
    complete: bool
    documents: int = 0


def gather(signals: Sequence[Signal], scope: Scope, depth: int) -> Candidates:
    """The `depth` best in scope of each signal, as one set of candidates, scored by every signal."""
    ranks, complete = nearest(signals, scope, depth)
    frames = scope.frames_of(ranks)
    documents = max((one.documents for one in signals if isinstance(one, KeywordSignal)), default=0)
    return Candidates({signal.name: signal.scores(frames) for signal in signals}, ranks, complete, documents)


def nearest(signals: Sequence[Signal], scope: Scope, depth: int) -> tuple[dict[int, int], bool]:
    """The `depth` best in scope of each signal, not scored: ranks and completeness as in `Candidates`."""
    width = int(depth * _SPARE)
    first = _first_look(signals, scope, width, depth)
    _begin_narrowed(signals, scope, first, width, depth)
    ranks: dict[int, int] = {}
    complete = True
    # Words first: vectors are compared meanwhile.
    for signal in sorted(signals, key=lambda one: one.ranks_frames):
        if (found := first.get(signal.name)) is None:
            assets, exhausted = _narrowed(signal, scope, depth)
        else:
            assets, exhausted = _in_scope(signal, scope, found, width, depth)
        complete = complete and exhausted
        for rank, asset_id in enumerate(assets):
            ranks[asset_id] = min(rank, ranks.get(asset_id, rank))
    return ranks, complete


def _first_look(signals: Sequence[Signal], scope: Scope, width: int, depth: int) -> dict[str, Found]:
    """What each signal finds; what all of them found is checked in one query.

    Without words where the database can look for them within a filter: it has the time while vectors are compared.
    """
    vectors = [signal for signal in signals if signal.ranks_frames]
    words = [signal for signal in signals if not signal.ranks_frames]
    for signal in vectors:
        signal.begin(width)
    if scope.is_filtered:
        for signal in words:
            signal.begin_in_scope(depth + 1)
        words = []
    for signal in words:
        signal.begin(width)
    of_frames = {signal.name: signal.best(width) for signal in vectors}
    scope.find(frame_ids=_ids(of_frames.values()))
    # Afterwards, so that words are looked for in what the vectors found in the same go.
    of_assets = {signal.name: signal.best(width, beside=scope.found_assets) for signal in words}
    scope.find(asset_ids=_ids(of_assets.values()))
    scope.check()
    return of_frames | of_assets


def _begin_narrowed(
    signals: Sequence[Signal], scope: Scope, first: Mapping[str, Found], width: int, depth: int
) -> None:
    """Begins to look within a narrow scope, for the signals that found too little without."""
    for signal in signals:
        found = first.get(signal.name, ())
        assets = _assets(signal, scope, found)
        if len(found) >= width and len(assets) < depth and _is_narrow(scope, found, assets):
            signal.begin_in_scope(depth + 1)


def _is_narrow(scope: Scope, found: Found, assets: Sequence[int]) -> bool:
    """Whether looking within the scope is cheaper than asking on; assets: those in scope of what was found."""
    return scope.is_told or len(assets) < _NARROW_SHARE * len(found)


def _ids(found: Iterable[Found]) -> set[int]:
    return {found_id for hits in found for found_id, _ in hits}


def _in_scope(signal: Signal, scope: Scope, found: Found, width: int, depth: int) -> tuple[list[int], bool]:
    """The assets of the `depth` best in scope, best first, and whether these are all that there are."""
    while True:
        assets = _assets(signal, scope, found)
        if len(found) < width:
            return assets[:depth], len(assets) <= depth
        if len(assets) >= depth:
            return assets[:depth], False
        if _is_narrow(scope, found, assets) or width * _WIDENING > _WIDEST:
            break
        width *= _WIDENING
        found = signal.best(width)
        _look_up(signal, scope, found)
    return _narrowed(signal, scope, depth)


def _narrowed(signal: Signal, scope: Scope, depth: int) -> tuple[list[int], bool]:
    """The same where the signal narrows by itself."""
    wanted = depth + 1
    while True:
        found = signal.best_in_scope(wanted)
        _look_up(signal, scope, found)
        assets = _assets(signal, scope, found)
        if len(found) < wanted or len(assets) > depth:
            return assets[:depth], len(assets) <= depth
        if scope.is_told and (wanted >= _WIDEST or len(assets) < _NARROW_SHARE * len(found)):
            # Columns let nearly all through that is out of scope, or nothing is known of them yet.
            scope.list_from_now_on()
            wanted = depth + 1
        elif wanted < _WIDEST:
            wanted = min(wanted * _WIDENING, _WIDEST)
        else:
            return assets, False


def _look_up(signal: Signal, scope: Scope, found: Found) -> None:
    scope.find(**{"frame_ids" if signal.ranks_frames else "asset_ids": _ids([found])})
    scope.check()


def _assets(signal: Signal, scope: Scope, found: Found) -> list[int]:
    asset_of = scope.asset_of_frame if signal.ranks_frames else scope.asset
    in_scope = (asset_of(found_id) for found_id, _ in found)
    return list(dict.fromkeys(asset_id for asset_id in in_scope if asset_id is not None))
