"""One rebuild: rows stream to the disk, codes are made of them as planned, and what is found good is published."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.errors import EngineUnavailable
from core.progress import Progress
from search.index.base import Budget, Position, RebuildReport, Rows, RowSource
from search.index.faiss import planning, recipes
from search.index.faiss.generations import About, Draft, GenerationStore, Sealed
from search.index.faiss.lookup import Lookup
from search.index.faiss.planning import Kind, Plan
from search.index.recall import FAR_OFF_THE_ROWS, SAMPLE_SIZE, RecallProbe
from search.index.scan import positions_of

#: What asks an index of each kind.
Probes = Mapping[Kind, RecallProbe]


@dataclass(frozen=True)
class Choice:
    """The plan that was kept, as it is searched, and what was measured of it."""

    plan: Plan
    lookup: Lookup
    recall: float
    latency_ms: float
    why: str


def rebuild(
    source: RowSource, store: GenerationStore, name: str, budget: Budget, progress: Progress | None
) -> RebuildReport:
    """Puts a generation of all rows numbered so far live. Rows numbered meanwhile are the new tail."""
    before = store.current()
    store.prune(keep={before} if before else set())
    position = source.position()
    sample = source.sample(SAMPLE_SIZE, position.number)
    plans = planning.plans(source.count(position.number), sample.vectors.shape[1], budget)
    probes = _probes(sample, plans)
    with closing(store.begin(name)) as draft:
        exact = _filled(draft, source, position, probes, progress)
        choice = _chosen(draft, exact, plans, probes, budget)
        draft.describe(_about(choice, source, position))
    sealed = store.open(name)
    if sealed is None:
        raise EngineUnavailable(f"The new index generation {name} was written in another format.")
    _verify(sealed, source, position, probes[sealed.lookup.kind], budget)
    if progress:  # who wants to stop it is heard once more
        progress(sealed.about.count, sealed.about.count)
    store.publish(name)
    store.prune(keep={name, before} if before else {name})
    return _report(sealed.about)


def _probes(sample: Rows, plans: Sequence[Plan]) -> Probes:
    near = RecallProbe(sample)
    graph = any(plan.kind is Kind.HNSW for plan in plans)
    return dict.fromkeys(Kind, near) | ({Kind.HNSW: RecallProbe(sample, FAR_OFF_THE_ROWS)} if graph else {})


def _filled(
    draft: Draft, source: RowSource, position: Position, probes: Probes, progress: Progress | None
) -> Lookup:
    total = source.count(position.number)
    done = 0
    for rows in source.rows(0, position.number):
        draft.append(rows)
        for probe in set(probes.values()):
            probe.observe(rows)
        done += len(rows)
        if progress:
            progress(min(done, total), total)
    return draft.finish_rows()


def _chosen(draft: Draft, exact: Lookup, plans: Sequence[Plan], probes: Probes, budget: Budget) -> Choice:
    """The first planned kind that reaches the floor. The last is FLAT, which does."""
    failed = ""
    for plan in plans:
        probe = probes[plan.kind]
        if plan.kind is Kind.FLAT or not len(exact):
            draft.drop_codes()
            recall, latency_ms = probe.measured(exact.nearest)
            return Choice(plan, exact, recall, latency_ms, plan.why + failed)
        lookup, recall, latency_ms = _tuned(
            draft.keep_codes(_coded(plan.kind, exact), plan.kind), probe, budget
        )
        if recall >= budget.recall_floor:
            return Choice(plan, lookup, recall, latency_ms, plan.why + failed)
        failed += f"; {plan.kind} was built and found only {recall:.3f} of the true nearest"
    raise AssertionError("the last plan is FLAT")


def _coded(kind: Kind, exact: Lookup) -> Any:
    vectors = exact.stored.array
    index = recipes.trained(kind, vectors)
    for start, end in recipes.batches(len(vectors)):
        index.add(np.ascontiguousarray(vectors[start:end]))
    return index


def _tuned(lookup: Lookup, probe: RecallProbe, budget: Budget) -> tuple[Lookup, float, float]:
    """The least effort that reaches the aim, the recall that it gives, and the time of a query.

    The aim lies a quarter of the way from the floor to one, since other samples may be harder by a few thousandths.
    """
    aim = budget.recall_floor + (1 - budget.recall_floor) / 4
    best = lookup, -1.0, 0.0
    for effort in recipes.efforts(lookup.codes, lookup.kind):
        tried = replace(lookup, effort=effort)
        recall, latency_ms = probe.measured(tried.nearest)
        if recall > best[1]:
            best = tried, recall, latency_ms
        if recall >= aim:
            break
    return best


def _about(choice: Choice, source: RowSource, position: Position) -> About:
    return About(
        model_id=source.model_id,
        token=position.token,
        dimension=choice.lookup.stored.array.shape[1],
        count=len(choice.lookup),
        last_number=position.number,
        recall_at_10=choice.recall,
        kind=choice.lookup.kind,
        effort=choice.lookup.effort,
        latency_ms=round(choice.latency_ms, 3),
        memory_bytes=choice.plan.memory_bytes,
        why=choice.why,
        checksums={},
    )


def _report(about: About) -> RebuildReport:
    return RebuildReport(
        dimension=about.dimension,
        count=about.count,
        last_number=about.last_number,
        recall_at_10=about.recall_at_10,
        kind=about.kind,
        latency_ms=about.latency_ms,
        memory_bytes=about.memory_bytes,
        why=about.why,
    )


def _verify(
    sealed: Sealed, source: RowSource, position: Position, probe: RecallProbe, budget: Budget
) -> None:
    """Judges the files as a reader will see them: opened again, mapped, against the rows."""
    frame_ids = sealed.lookup.frame_ids
    if len(frame_ids) > 1 and not bool((np.diff(frame_ids) > 0).all()):
        raise _refused(sealed, "its frame ids don't rise")
    # Rows may be deleted or renumbered while they stream, so the count can only have shrunk since.
    if sealed.about.count < source.count(position.number):
        raise _refused(sealed, "rows are missing")
    if not _holds(sealed.lookup, probe):
        raise _refused(sealed, "its vectors are not those of the rows")
    recall, _ = probe.measured(sealed.lookup.nearest)
    if recall < budget.recall_floor:
        raise _refused(sealed, f"it finds only {recall:.3f} of the true nearest")


def _holds(lookup: Lookup, probe: RecallProbe) -> bool:
    """Whether the sampled rows that are still in the index have their own vectors there."""
    sample = probe.sample
    wanted = np.isin(sample.frame_ids, lookup.frame_ids)
    positions = positions_of(sample.frame_ids[wanted], lookup.frame_ids)
    return not len(positions) or bool(np.array_equal(lookup.stored.rows(positions), sample.vectors[wanted]))


def _refused(sealed: Sealed, why: str) -> EngineUnavailable:
    return EngineUnavailable(f"The new index generation {sealed.name} was not published: {why}.")
