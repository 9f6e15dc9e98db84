"""An editor's wishes for a site: further up, further down, never."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from numpy.typing import NDArray

from core.errors import InvalidInput
from core.ids import Prepared
from core.moments import in_utc
from library.details import TAG_MAX_CHARS, checked_line
from recommender.item_content import ID_MAX_CHARS
from recommender.models import Item, Rule, Site

RULES_MAX = 200
#: Beyond these a date is a slip; for good is no date.
_YEARS = range(1900, 3000)


@dataclass(frozen=True)
class Wishes:
    """lifts: by item id what is added to its score, in standard deviations. hidden: ids of items that never show."""

    lifts: Mapping[int, float]
    hidden: frozenset[int]

    def lifted(self, scores: NDArray[np.float32], item_ids: Sequence[int | None]) -> NDArray[np.float32]:
        """Scores (N,) of these items with what the rules add; None for what is no item."""
        spread = (float(scores.std()) if len(scores) else 0.0) or 1.0
        lifts = np.array([self.lifts.get(one, 0.0) if one else 0.0 for one in item_ids], dtype=np.float32)
        return scores + spread * lifts


@dataclass(frozen=True)
class Rules:
    """The rules of a site that are in force."""

    rules: Sequence[Rule] = ()

    def wishes(self, items: Iterable[Item]) -> Wishes:
        """What they say of these items. Of several rules for one item all count."""
        lifts: dict[int, float] = {}
        hidden: set[int] = set()
        for item in items:
            tags = {tag.casefold() for tag in item.tags}  # as everywhere, capitals make no other tag
            for rule in self.rules:
                if not _is_meant(item, tags, rule):
                    continue
                if rule.effect == Rule.Effect.HIDE:
                    hidden.add(item.pk)
                else:
                    sign = 1.0 if rule.effect == Rule.Effect.BOOST else -1.0
                    lifts[item.pk] = lifts.get(item.pk, 0.0) + sign * rule.strength
        return Wishes(lifts, frozenset(hidden))

    @property
    def boosted_ids(self) -> list[str]:
        """External ids of items that are named to be shown further up: they are considered, however far away."""
        boosts = [rule for rule in self.rules if rule.effect == Rule.Effect.BOOST]
        return [rule.external_id for rule in boosts if rule.external_id]


def _is_meant(item: Item, tags: Set[str], rule: Rule) -> bool:
    if rule.external_id:
        return rule.external_id == item.external_id
    return rule.tag.casefold() in tags


def rules_in_force(site: Site, now: datetime | None = None) -> Rules:
    """Those that have begun and are not over."""
    if not _ANY.rows([site.pk]):  # as most sites
        return Rules()
    now = now or timezone.now()
    begun, lasting = Q(from_at=None) | Q(from_at__lte=now), Q(until_at=None) | Q(until_at__gt=now)
    return Rules(list(Rule.objects.filter(begun & lasting, site=site)))


_ANY = Prepared(lambda ids: Rule.objects.filter(site_id__in=ids).order_by().values_list("pk")[:1])


def rules_of(site: Site) -> QuerySet[Rule]:
    """All rules of a site, also those not in force."""
    return Rule.objects.filter(site=site)


def replace(site: Site, values: Sequence[dict[str, Any]]) -> list[Rule]:
    """These rules and no others, at once. InvalidInput for one that names both an item and a tag, or neither, and
    for names and moments that no database keeps.
    """
    rules = [Rule(site=site, **_checked(value)) for value in values]
    with transaction.atomic():
        Rule.objects.filter(site=site).delete()
        return Rule.objects.bulk_create(rules)


def _checked(value: Mapping[str, Any]) -> dict[str, Any]:
    checked = {
        **value,
        "external_id": checked_line("external_id", value["external_id"], ID_MAX_CHARS),
        "tag": checked_line("tag", value["tag"], TAG_MAX_CHARS),
        "from_at": _moment("from_at", value["from_at"]),
        "until_at": _moment("until_at", value["until_at"]),
    }
    if bool(checked["external_id"]) == bool(checked["tag"]):
        raise InvalidInput("a rule names either external_id or tag.", field="external_id")
    return checked


def _moment(field: str, moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    try:
        at = in_utc(moment)
    except ValueError as error:
        raise InvalidInput(f"{field}: {error}.", field=field) from error
    if at.year not in _YEARS:
        raise InvalidInput(
            f"{field}: {at.year} is out of range; leave it out for a rule without such an end.", field=field
        )
    return at
