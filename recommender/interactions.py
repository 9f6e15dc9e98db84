"""What visitors did, as sites tell it: checked line by line, kept once, and committed before it is acknowledged."""

import hashlib
import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from core.errors import InvalidInput, NotFound, Unavailable
from core.ids import MAX_ID
from core.texts import has_control
from recommender import recommendation_ids
from recommender.item_content import ID_MAX_CHARS
from recommender.models import Interaction, Item, Site
from recommender.recommendation_ids import Recommendation
from recommender.site_selectors import assets_shown_by

BATCH_MAX = 1000
_ATTEMPTS = 5
VISITOR_MAX_CHARS, KEY_MAX_CHARS = 64, 64
#: Clocks of browsers are minutes off; what is further ahead is wrong.
_AHEAD = timedelta(minutes=10)
_DWELL_MAX_S = 86_400.0
_VISITOR = re.compile(r"[A-Za-z0-9._~:-]+")
_FIELDS = ("visitor", "kind", "item", "asset", "recommendation", "at", "key", "seconds")


class Refused(NamedTuple):
    """A line that was not taken. line: from 0, as it stood in the batch."""

    line: int
    field: str
    reason: str


@dataclass(frozen=True)
class Received:
    """accepted: kept now. repeated: kept before. Refused lines are named."""

    accepted: int
    repeated: int
    refused: list[Refused]


@dataclass(frozen=True)
class _Known:
    """What the lines of a batch name, looked up at once."""

    site: Site
    items: Mapping[str, int]
    assets: frozenset[int]
    now: datetime


def receive(site: Site, lines: Sequence[Any]) -> Received:
    """Keeps the lines that are right, however often and in whatever order they come. InvalidInput for too many.

    Committed when this returns, unless the caller holds a transaction open. NotFound where the site is deleted
    meanwhile, Unavailable where what is named goes on being deleted.
    """
    if not 1 <= len(lines) <= BATCH_MAX:
        raise InvalidInput(f"interactions: from 1 to {BATCH_MAX} at once.", field="interactions")
    for _ in range(_ATTEMPTS):
        try:
            return _received(site, lines)
        except IntegrityError as error:
            # An item or a photo was deleted since it was looked up, and now its lines are refused; or the site was.
            if not Site.objects.filter(pk=site.pk).exists():
                raise NotFound("There is no such site.") from error
    raise Unavailable("What these interactions name is being deleted. Send them again in a moment.")


def _received(site: Site, lines: Sequence[Any]) -> Received:
    known = _look_up(site, lines)
    rows: dict[str, Interaction] = {}
    refused: list[Refused] = []
    for number, line in enumerate(lines):
        try:
            row = _checked(line, known)
        except InvalidInput as error:
            refused.append(Refused(number, error.field or "", str(error)))
        else:
            rows.setdefault(row.key, row)
    kept = _kept(site, rows)
    return Received(kept, len(lines) - len(refused) - kept, refused)


def checked_visitor(value: Any) -> str:
    """The name that a site gives a visitor. InvalidInput for an address of the network, which names a person."""
    if (
        not isinstance(value, str)
        or not 1 <= len(value) <= VISITOR_MAX_CHARS
        or not _VISITOR.fullmatch(value)
    ):
        raise InvalidInput(
            f"visitor: 1 to {VISITOR_MAX_CHARS} letters, digits and . _ ~ : - that your site chose for the visitor.",
            field="visitor",
        )
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return value
    raise InvalidInput("visitor must not be an IP address: choose a random id.", field="visitor")


def forget(site: Site, visitor: str) -> int:
    """Everything that is known of a visitor goes, at once. Returns how many interactions that were.

    What was learned from many holds nobody, and is learned anew from those that are left.
    """
    return Interaction.objects.filter(site=site, visitor=checked_visitor(visitor)).delete()[0]


def drop_outdated() -> int:
    """Removes what is older than INTERACTIONS_KEEP_DAYS; returns how many."""
    return _outdated().delete()[0]


def any_outdated() -> bool:
    """Whether something is kept that is older than it may be."""
    return _outdated().exists()


def _outdated() -> QuerySet[Interaction]:
    """Asked of each site, as the index by time is made."""
    before = timezone.now() - timedelta(days=settings.INTERACTIONS_KEEP_DAYS)
    return Interaction.objects.filter(site__in=list(Site.objects.values_list("pk", flat=True)), at__lt=before)


def _look_up(site: Site, lines: Sequence[Any]) -> _Known:
    told = [line for line in lines if isinstance(line, dict)]
    named = {line["item"] for line in told if isinstance(line.get("item"), str)}
    items = {name for name in named if not has_control(name)}  # which no database looks for
    assets = {line["asset"] for line in told if _is_id(line.get("asset"))}
    return _Known(
        site,
        dict(Item.objects.filter(site=site, external_id__in=items).values_list("external_id", "pk"))
        if items
        else {},
        frozenset(assets_shown_by(site).filter(pk__in=assets).values_list("pk", flat=True))
        if assets
        else frozenset(),
        timezone.now(),
    )


def _kept(site: Site, rows: Mapping[str, Interaction]) -> int:
    """How many of these are new. Where two requests with the same key meet, the constraint lets one in."""
    if len(rows) == 1:
        return int(_kept_alone(*rows.values()))
    present = Interaction.objects.filter(site=site, key__in=rows)
    before = set(present.values_list("key", flat=True)) if rows else set()
    new = [row for key, row in rows.items() if key not in before]
    if new:
        Interaction.objects.bulk_create(new, ignore_conflicts=True)
    return len(new)


def _kept_alone(row: Interaction) -> bool:
    """Most requests carry one line: it is not asked for before it is written."""
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        if not Interaction.objects.filter(site=row.site_id, key=row.key).exists():
            raise
        return False
    return True


def _checked(line: Any, known: _Known) -> Interaction:
    if not isinstance(line, dict):
        raise InvalidInput("an interaction is an object.")
    unknown = sorted(set(line) - set(_FIELDS))
    if unknown:
        raise InvalidInput(
            f"{unknown[0][:40]}: there is no such field; there are {', '.join(_FIELDS)}.",
            field=unknown[0][:40],
        )
    kind = line.get("kind")
    if kind not in Interaction.Kind.values:
        raise InvalidInput(f"kind must be one of {', '.join(Interaction.Kind.values)}.", field="kind")
    item_id, asset_id = _subject(line, known)
    answer = _recommendation(line.get("recommendation"), known.site)
    row = Interaction(
        site=known.site,
        visitor=checked_visitor(line.get("visitor")),
        kind=kind,
        item_id=item_id,
        asset_id=asset_id,
        seconds=_seconds(line.get("seconds"), kind),
        at=_moment(line.get("at"), known.now),
        recommendation=answer.nonce if answer else "",
        scenario=answer.scenario if answer else "",
        arm=answer.arm if answer else "",
    )
    row.key = _key(line.get("key"), row, dated=line.get("at") is not None)
    return row


def _subject(line: dict[str, Any], known: _Known) -> tuple[int | None, int | None]:
    item, asset = line.get("item"), line.get("asset")
    if (item is None) == (asset is None):
        raise InvalidInput("name either item or asset, and not both.", field="item")
    if item is not None:
        if not isinstance(item, str) or not 1 <= len(item) <= ID_MAX_CHARS:
            raise InvalidInput("item must be the external_id of an item.", field="item")
        if item not in known.items:
            raise InvalidInput(f"item: this site has no item {item[:80]!r}.", field="item")
        return known.items[item], None
    if not _is_id(asset) or asset not in known.assets:
        raise InvalidInput(f"asset: there is no photo {str(asset)[:40]} that this site shows.", field="asset")
    return None, asset


def _recommendation(value: Any, site: Site) -> Recommendation | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise InvalidInput("recommendation is the id that an answer carried.", field="recommendation")
    answer = recommendation_ids.read(value)
    if answer.site != site.pk:
        raise InvalidInput("recommendation was given to another site.", field="recommendation")
    return answer


def _moment(value: Any, now: datetime) -> datetime:
    if value is None:
        return now
    moment = _parsed(value)
    if moment is None or timezone.is_naive(moment):
        raise InvalidInput("at: a time with its zone, such as 2026-11-25T10:15:00Z.", field="at")
    if moment > now + _AHEAD:
        raise InvalidInput(f"at lies in the future: it is {now:%Y-%m-%dT%H:%M:%SZ} here.", field="at")
    if moment < now - timedelta(days=settings.INTERACTIONS_KEEP_DAYS):
        raise InvalidInput(
            f"at is longer ago than the {settings.INTERACTIONS_KEEP_DAYS} days that are kept.", field="at"
        )
    return min(moment, now)


def _parsed(value: Any) -> datetime | None:
    try:
        return parse_datetime(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _seconds(value: Any, kind: str) -> float | None:
    if kind != Interaction.Kind.DWELL:
        if value is not None:
            raise InvalidInput("seconds belongs to dwell alone.", field="seconds")
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 < value <= _DWELL_MAX_S:
        raise InvalidInput(f"seconds: how long, up to {_DWELL_MAX_S:.0f}.", field="seconds")
    return float(value)


def _key(value: Any, row: Interaction, *, dated: bool) -> str:
    """What makes an interaction the same again: the site's own key, or else all that it said.

    Without a key and a time, the same within a minute is a repetition.
    """
    if value is not None:
        if not isinstance(value, str) or not 1 <= len(value) <= KEY_MAX_CHARS or not value.isprintable():
            raise InvalidInput(
                f"key: 1 to {KEY_MAX_CHARS} characters that name this interaction.", field="key"
            )
        return value
    moment = row.at if dated else row.at.replace(second=0, microsecond=0)
    said = (
        row.visitor,
        row.kind,
        row.item_id,
        row.asset_id,
        row.recommendation,
        moment.isoformat(),
        row.seconds,
    )
    return hashlib.sha256(repr(said).encode()).hexdigest()


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_ID
