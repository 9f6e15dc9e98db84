"""Which variant of a running experiment a visitor sees, how often each is clicked, and when that is certain enough.

Who sees what is decided by a hash of experiment and visitor, so that it stays, on every machine, and nothing is kept.
An answer carries its variant in its signed id, and so do the interactions that come from it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Case, Count, Max, Sum, When
from django.utils import timezone

from core.errors import Conflict, InvalidInput
from recommender.models import Experiment, Interaction, Site
from recommender.scoring.proportions import certainty, wilson
from recommender.scoring.relatedness import ASPECTS

VARIANTS_MAX = 6
#: What a variant may change, and between which bounds. diversity is of both kinds of lists; exploration and the four
#: weights behind it are of recommendations; the last four are of related lists, where 1 is as usual.
CHANGES: Mapping[str, tuple[float, float]] = {
    "diversity": (0.0, 1.0),
    "exploration": (0.0, 1.0),
    "content": (0.0, 10.0),
    "factors": (0.0, 10.0),
    "together": (0.0, 10.0),
    "popularity": (0.0, 10.0),
    **dict.fromkeys(sorted(set(ASPECTS.values())), (0.0, 10.0)),
}
_NAME_MAX_CHARS = 40
#: An experiment stops by itself when a difference this certain was seen, however often one looks.
CERTAIN = 0.95

State = Experiment.State


@dataclass(frozen=True)
class Variant:
    """share: of visitors, against the others' shares. changes: what it does otherwise than the site."""

    name: str
    share: float
    changes: Mapping[str, float]


@dataclass(frozen=True)
class Result:
    """How a variant fares. rate: clicks of what was shown, with its 95% interval. certain: how sure it is, from 0 to 1,
    that it differs from the control, valid however often one looks; None of the control itself."""

    variant: Variant
    impressions: int
    clicks: int
    rate: float
    low: float
    high: float
    certain: float | None


def variants_of(experiment: Experiment) -> list[Variant]:
    return [
        Variant(one["name"], float(one.get("share", 1.0)), one.get("changes", {}))
        for one in experiment.variants
    ]


def checked_variants(value: Any) -> list[dict[str, Any]]:
    """Variants as they are kept. InvalidInput says what is wrong with them."""
    if not isinstance(value, list) or not 2 <= len(value) <= VARIANTS_MAX:
        raise InvalidInput(
            f'variants: a list of 2 to {VARIANTS_MAX}, such as [{{"name": "as now"}}, '
            '{"name": "more variety", "changes": {"diversity": 0.6}}].',
            field="variants",
        )
    checked = [_checked_variant(one) for one in value]
    if len({one["name"] for one in checked}) < len(checked):
        raise InvalidInput("variants: each name once.", field="variants")
    return checked


def start(experiment: Experiment) -> None:
    """Conflict where it was started before, or another one runs in the same place."""
    checked_variants(experiment.variants)
    if experiment.state != State.DRAFT:
        raise Conflict(f"{experiment} is {experiment.state}: make a new one, so that counts are not mixed.")
    experiment.state, experiment.started_at = State.RUNNING, timezone.now()
    try:
        with transaction.atomic():
            experiment.save(update_fields=["state", "started_at"])
    except IntegrityError as error:
        experiment.state, experiment.started_at = State.DRAFT, None
        raise Conflict("Another experiment runs there; stop it first.") from error


def stop(
    experiment: Experiment, because: str = "stopped by hand", results: Sequence[Result] | None = None
) -> None:
    """Everybody sees what the site does without it. Conflict unless it runs.

    What it showed until then is kept, for interactions go when they are old. results: what it is stopped for; counted
    where it is left out.
    """
    if experiment.state != State.RUNNING:
        raise Conflict(f"{experiment} does not run.")
    results = results_of(experiment) if results is None else results
    experiment.counts = {one.variant.name: [one.impressions, one.clicks] for one in results}
    experiment.state, experiment.stopped_at = State.STOPPED, timezone.now()
    experiment.stopped_because = because
    experiment.save(update_fields=["state", "stopped_at", "stopped_because", "counts"])


def running(site: Site, scenario: str) -> Experiment | None:
    """The experiment of this scenario, or else the one of all scenarios."""
    found = Experiment.objects.filter(site=site, state=State.RUNNING, scenario__in={scenario, ""})
    return max(found, key=lambda one: one.scenario == scenario, default=None)


def variant_for(experiment: Experiment, visitor: str) -> Variant:
    """The same one each time for the same visitor."""
    variants = variants_of(experiment)
    drawn = hashlib.sha256(f"{experiment.pk}:{visitor}".encode()).digest()
    place = int.from_bytes(drawn[:8]) / 2**64 * sum(one.share for one in variants)
    for variant in variants:
        place -= variant.share
        if place < 0:
            return variant
    return variants[-1]


def arm_of(experiment: Experiment, variant: Variant) -> str:
    """How an answer's id names the variant."""
    return f"{experiment.pk}:{variant.name}"


def results_of(experiment: Experiment) -> list[Result]:
    """In the order of the variants. A thing shown twice in one answer was shown once, and so with clicks.

    Of a stopped one as it was then; those stopped before that was kept are counted in what is left.
    """
    told: list[Result] = []
    kept = experiment.counts
    for variant in variants_of(experiment):
        shown, clicked = _counts(experiment, variant) if kept is None else kept[variant.name]
        low, high = wilson(clicked, shown)
        certain = certainty((told[0].clicks, told[0].impressions), (clicked, shown)) if told else None
        told.append(Result(variant, shown, clicked, clicked / shown if shown else 0.0, low, high, certain))
    return told


def stop_if_certain(experiment: Experiment) -> bool:
    """Stops it where a variant differs from the control for certain and each was shown often enough."""
    results = results_of(experiment)
    if min(one.impressions for one in results) < experiment.least_impressions:
        return False
    # Several variants are several chances of being wrong (Bonferroni).
    needed = 1.0 - (1.0 - CERTAIN) / (len(results) - 1)
    surest = max(results[1:], key=lambda one: one.certain or 0.0)
    if surest.certain is None or surest.certain < needed:
        return False
    better = "more" if surest.rate > results[0].rate else "less"
    stop(
        experiment,
        f"{surest.variant.name} is clicked {better} often than {results[0].variant.name}, certainly",
        results,
    )
    return True


def stop_certain_ones() -> int:
    """Looks at every experiment that stops by itself; how many were stopped."""
    due = Experiment.objects.filter(state=State.RUNNING, stops_by_itself=True)
    return sum(stop_if_certain(one) for one in due)


def _counts(experiment: Experiment, variant: Variant) -> tuple[int, int]:
    """What was shown and what of it was clicked, counted by the database. A click says that it was shown, should that
    be lost.
    """
    told = Interaction.objects.filter(
        site=experiment.site_id,
        arm=arm_of(experiment, variant),
        kind__in=[Interaction.Kind.IMPRESSION, Interaction.Kind.CLICK],
    ).exclude(arm="")  # SQLite looks into the index of arms for who says so
    clicked = Max(Case(When(kind=Interaction.Kind.CLICK, then=1), default=0))
    shown = (
        told.order_by().values("recommendation", "item_id", "asset_id", "visitor").annotate(clicked=clicked)
    )
    counts = shown.aggregate(shown=Count("*"), of_these=Sum("clicked", default=0))
    return counts["shown"], counts["of_these"]


def _checked_variant(one: Any) -> dict[str, Any]:
    if not isinstance(one, dict) or set(one) - {"name", "share", "changes"}:
        raise InvalidInput("variants: each has name, and may have share and changes.", field="variants")
    name, share, changes = one.get("name"), one.get("share", 1.0), one.get("changes", {})
    if not isinstance(name, str) or not name.strip() or len(name) > _NAME_MAX_CHARS:
        raise InvalidInput(f"variants: a name of 1 to {_NAME_MAX_CHARS} characters.", field="variants")
    if not _is_number(share) or not 0.0 < share <= 1000.0:
        raise InvalidInput(f"variants: share of {name} must be above 0.", field="variants")
    if not isinstance(changes, dict):
        raise InvalidInput(f"variants: changes of {name} must be an object.", field="variants")
    for key, value in changes.items():
        low, high = CHANGES.get(key, (0.0, -1.0))
        if not _is_number(value) or not low <= value <= high:
            allowed = ", ".join(f"{what} ({least:g} to {most:g})" for what, (least, most) in CHANGES.items())
            raise InvalidInput(f"variants: {name} may change {allowed}.", field="variants")
    return {"name": name.strip(), "share": float(share), "changes": dict(changes)}


def _is_number(value: Any) -> bool:
    """Whether it can be compared with limits, which what is infinite or no number at all never keeps to."""
    return isinstance(value, int | float) and not isinstance(value, bool)
