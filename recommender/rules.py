"""An editor's wishes for a site: further up, further down, never."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import Q, QuerySet
from numpy.typing import NDArray

from core.errors import InvalidInput
from recommender.models import Item, Rule, Site

RULES_MAX = 200


@dataclass(frozen=True)
class Wishes:
    """lifts: by item id what is added to its score, in standard deviations. hidden: ids of items that never show."""

    lifts: Mapping[int, float]
    hidden: frozenset[int]

    def lifted(self, scores: NDArray[np.float32], item_ids: Sequence[int | None]) -> NDArray[np.float32]:
        """Scores (N,) of these items with what the rules add; None for what is no item."""
        spread = float(scores.std()) or 1.0
        lifts = np.array([self.lifts.get(one, 0.0) if one else 0.0 for one in item_ids], dtype=np.float32)
        return scores + spread * lifts


def wishes_of(site: Site, items: Sequence[Item], now: datetime) -> Wishes:
    """What the rules in force say of these items. Of several rules for one item all count."""
    begun, lasting = Q(from_at=None) | Q(from_at__lte=now), Q(until_at=None) | Q(until_at__gt=now)
    lifts: dict[int, float] = {}
    hidden: set[int] = set()
    for rule in Rule.objects.filter(begun & lasting, site=site):
        for item in items:
            if not (item.external_id == rule.external_id if rule.external_id else rule.tag in item.tags):
                continue
            if rule.effect == Rule.Effect.HIDE:
                hidden.add(item.pk)
            else:
                sign = 1.0 if rule.effect == Rule.Effect.BOOST else -1.0
                lifts[item.pk] = lifts.get(item.pk, 0.0) + sign * rule.strength
    return Wishes(lifts, frozenset(hidden))


def rules_of(site: Site) -> QuerySet[Rule]:
    """All rules of a site, also those not in force."""
    return Rule.objects.filter(site=site)


def replace(site: Site, values: Sequence[dict[str, Any]]) -> list[Rule]:
    """These rules and no others, at once. InvalidInput for one that names both an item and a tag, or neither."""
    for value in values:
        if bool(value["external_id"]) == bool(value["tag"]):
            raise InvalidInput("a rule names either external_id or tag.", field="external_id")
    with transaction.atomic():
        Rule.objects.filter(site=site).delete()
        return Rule.objects.bulk_create(Rule(site=site, **value) for value in values)
