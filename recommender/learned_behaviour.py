"""Learning from what visitors did, and reading what was learned: by a scheduled job, for each site by itself."""

import io
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from django.utils import timezone
from numpy.typing import NDArray

from core.progress import Progress
from recommender.models import LearnedBehaviour, Site
from recommender.scoring.covisitation import Neighbours, neighbours
from recommender.scoring.factors import FACTORS, item_factors
from recommender.scoring.popularity import popularity
from recommender.visitor_selectors import STRENGTHS, actions_of

#: With fewer persons than factors, factors repeat what each of them did.
_LEAST_PERSONS = 2 * FACTORS
#: Of a visitor so many things are learned from, the newest. Each goes together with each other one, so that what there
#: is to learn grows by their square; a person turns to some dozens, and who says to have done more may be a machine.
_SUBJECTS_MAX = 500
_SITES_REMEMBERED = 16
_ROWS_AT_ONCE = 10_000
_log = logging.getLogger(__name__)


class _Actions(NamedTuple):
    """Who turned to what, how much that says, and how long ago: each (R,), one row an action."""

    persons: NDArray[np.int64]
    subjects: NDArray[np.int64]
    strengths: NDArray[np.float64]
    ages_s: NDArray[np.float64]


@dataclass(frozen=True)
class Learned:
    """Of I subjects: their codes, popularity (I,), neighbours, and factors (I, F); F is 0 where there was too
    little to learn factors from."""

    codes: NDArray[np.int64]
    popularity: NDArray[np.float32]
    neighbours: Neighbours
    factors: NDArray[np.float32]

    def rows_of(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where these subjects stand, -1 for those that nobody turned to: (N,) -> (N,)."""
        if not len(self.codes):
            return np.full(len(codes), -1, dtype=np.int64)
        at = np.searchsorted(self.codes, codes).clip(max=len(self.codes) - 1)
        return np.where(self.codes[at] == codes, at, -1)


NOTHING = Learned(
    np.empty(0, np.int64),
    np.empty(0, np.float32),
    Neighbours(np.zeros(1, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)),
    np.empty((0, 0), np.float32),
)


def learn_all(progress: Progress, ends: tuple[type[Exception], ...] = ()) -> int:
    """Learns every site's behaviour anew where something was done since; how many sites that were.

    What fails of one site is raised when the others have had their turn. ends: errors that are no site's, such as that
    time is up: after one nothing more is learned.
    """
    sites = list(Site.objects.order_by("pk"))
    due = 0
    failed: dict[str, Exception] = {}
    for done, site in enumerate(sites):
        progress(done, len(sites))
        try:
            due += _learn_if_due(site)
        except ends:
            raise
        except Exception as error:
            _log.exception("Nothing was learned of the site %s", site)
            failed[site.slug] = error
    progress(len(sites), len(sites))
    if failed:
        told = ", ".join(f"{slug} ({error!r})" for slug, error in failed.items())
        raise ExceptionGroup(f"Nothing was learned of {told}", list(failed.values()))
    return due


def anything_to_learn() -> bool:
    """Whether a site has actions newer than what was learned."""
    return any(_is_due(site) for site in Site.objects.all())


def learn(site: Site, now: datetime | None = None) -> LearnedBehaviour:
    """From what is kept of the site's visitors, of each the newest; replaces what was learned before."""
    now = now or timezone.now()
    # Counted before they are read: who is forgotten meanwhile is missed at the next look, and it is learned again.
    count = actions_of(site).count()
    learned = _learned(_actions_read(site, now))
    kept, _ = LearnedBehaviour.objects.update_or_create(
        site=site, defaults={"learned_at": now, "interactions": count, "arrays": _written(learned)}
    )
    return kept


def learned_of(site: Site) -> Learned:
    """What was learned of a site last; `NOTHING` before the first time. Kept in memory until it is learned anew."""
    learned_at = LearnedBehaviour.objects.filter(site=site).values_list("learned_at", flat=True).first()
    return NOTHING if learned_at is None else _read(site.pk, learned_at)


def _learn_if_due(site: Site) -> bool:
    due = _is_due(site)
    if due:
        learn(site)
    return due


def _is_due(site: Site) -> bool:
    actions = actions_of(site)
    newest = actions.order_by("-received_at").values_list("received_at", flat=True).first()
    known = LearnedBehaviour.objects.filter(site=site).values_list("learned_at", "interactions").first()
    if newest is None:
        return known is not None and known[1] > 0
    # Fewer than were learned from: a visitor was forgotten, or what is old was dropped.
    return known is None or newest >= known[0] or actions.count() != known[1]


def _actions_read(site: Site, now: datetime) -> _Actions:
    """Each visitor's newest actions. As objects there is never more than a chunk of them: a site has millions."""
    rows = actions_of(site).values_list("visitor", "item_id", "asset_id", "kind", "at")
    newest = _newest(rows.iterator(chunk_size=_ROWS_AT_ONCE))
    chunks = [_actions([], now)]
    while chunk := list(islice(newest, _ROWS_AT_ONCE)):
        chunks.append(_actions(chunk, now))
    return _Actions(*(np.concatenate(column) for column in zip(*chunks, strict=True)))


def _newest(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[int, int, str, datetime]]:
    """Of rows in the order of `actions_of` those with each visitor's newest subjects: person, subject, kind, time.

    Persons are numbered as they come, by name, so that the same visitors are numbered the same.
    """
    for person, (_, done) in enumerate(groupby(rows, key=itemgetter(0))):
        subjects: set[int] = set()
        for _, item_id, asset_id, kind, at in done:
            subject = item_id if item_id is not None else -asset_id
            if len(subjects) < _SUBJECTS_MAX:
                subjects.add(subject)
            if subject in subjects:
                yield person, subject, kind, at


def _actions(rows: Sequence[tuple[int, int, str, datetime]], now: datetime) -> _Actions:
    return _Actions(
        np.array([person for person, _, _, _ in rows], dtype=np.int64),
        np.array([subject for _, subject, _, _ in rows], dtype=np.int64),
        np.array([STRENGTHS[kind] for _, _, kind, _ in rows], dtype=np.float64),
        np.array([(now - at).total_seconds() for _, _, _, at in rows], dtype=np.float64),
    )


def _learned(actions: _Actions) -> Learned:
    if not len(actions.subjects):
        return NOTHING
    persons, strengths = actions.persons, actions.strengths
    codes, items = np.unique(actions.subjects, return_inverse=True)
    shape = (int(persons.max()) + 1, len(codes))
    enough = shape[0] >= _LEAST_PERSONS and len(codes) > FACTORS
    return Learned(
        codes,
        popularity(items, strengths, actions.ages_s, len(codes)),
        neighbours(persons, items, strengths, shape),
        item_factors(persons, items, strengths, shape) if enough else np.empty((len(codes), 0), np.float32),
    )


def _written(learned: Learned) -> bytes:
    file = io.BytesIO()
    near = learned.neighbours
    np.savez_compressed(
        file,
        codes=learned.codes,
        popularity=learned.popularity,
        factors=learned.factors.astype(np.float16),
        indptr=near.indptr,
        indices=near.indices.astype(np.int32),
        values=near.values.astype(np.float16),
    )
    return file.getvalue()


@lru_cache(maxsize=_SITES_REMEMBERED)
def _read(site_id: int, learned_at: datetime) -> Learned:
    row = LearnedBehaviour.objects.filter(site_id=site_id).first()
    if row is None:  # gone with its site since
        return NOTHING
    with np.load(io.BytesIO(bytes(row.arrays))) as held:
        near = Neighbours(held["indptr"], held["indices"].astype(np.int64), held["values"].astype(np.float32))
        return Learned(held["codes"], held["popularity"], near, held["factors"].astype(np.float32))
