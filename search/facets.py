"""How many photos each year, tag, type, colour and owner has among those that a query allows."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Func, IntegerField, Min, QuerySet
from django.db.models.functions import Lower

from captioning.models import FrameColour
from captioning.vision.colours import MODEL_ID
from library.models import DATED_AT, Asset, AssetTag
from search.language import TYPES, term

#: Of each facet the commonest, except for years, which are few.
SHOWN = 12


@dataclass(frozen=True)
class Choice:
    """One value of a facet. terms: what narrows a query to its photos, `count` of them."""

    label: str
    count: int
    terms: tuple[str, ...]


@dataclass(frozen=True)
class Facet:
    """replaces: the operators of which a photo has one value, so that choosing another one replaces them.

    Counts of such a facet are of the photos that the other conditions allow.
    """

    name: str
    replaces: tuple[str, ...]
    choices: Callable[[QuerySet[Asset]], Iterable[Choice]]


class _Year(Func):
    """Of a moment, in UTC as the site is. Django's own asks Python about each row on SQLite."""

    output_field = IntegerField()
    template = "EXTRACT(YEAR FROM %(expressions)s AT TIME ZONE 'UTC')"

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, Any]:
        template = "CAST(strftime('%%%%Y', %(expressions)s) AS INTEGER)"
        return self.as_sql(compiler, connection, template=template, **context)


def years(assets: QuerySet[Asset]) -> list[Choice]:
    """By when they were taken, else uploaded; the newest first."""
    counted = assets.order_by().values(year=_Year(DATED_AT)).annotate(count=Count("pk"))
    return [
        Choice(str(year), count, (term("after", f"{year:04}"), *_until(year)))
        for year, count in counted.order_by("-year").values_list("year", "count")
    ]


def tags(assets: QuerySet[Asset]) -> list[Choice]:
    """Tags that people gave, in whatever case."""
    given = AssetTag.objects.filter(asset__in=assets.order_by().values("pk"))
    counted = given.order_by().values(folded=Lower("name"))
    found = counted.annotate(count=Count("asset", distinct=True), shown=Min("name"))
    ordered = found.order_by("-count", "folded").values_list("shown", "count")[:SHOWN]
    return [Choice(name, count, (term("tag", name),)) for name, count in ordered]


def types(assets: QuerySet[Asset]) -> list[Choice]:
    """Kinds of file."""
    names: dict[str, str] = {}
    for name, mime_type in TYPES.items():
        names.setdefault(mime_type, name)
    counted = (
        assets.order_by().values("mime_type").annotate(count=Count("pk")).order_by("-count", "mime_type")
    )
    return [
        Choice(names[mime_type].upper(), count, (term("type", names[mime_type]),))
        for mime_type, count in counted.values_list("mime_type", "count")
        if mime_type in names
    ]


def colours(assets: QuerySet[Asset]) -> list[Choice]:
    """Colours of which the photos have much; a photo may have several."""
    rows = FrameColour.objects.filter(model_id=MODEL_ID, frame__asset__in=assets.order_by().values("pk"))
    counted = rows.order_by().values("name").annotate(count=Count("frame__asset", distinct=True))
    ordered = counted.order_by("-count", "name").values_list("name", "count")
    return [Choice(name, count, (term("colour", name),)) for name, count in ordered]


def owners(assets: QuerySet[Asset]) -> list[Choice]:
    """Whose photos they are: nobody is named of whom the viewer may see nothing."""
    counted = assets.order_by().values("owner__username").annotate(count=Count("pk"))
    ordered = counted.order_by("-count", "owner__username").values_list("owner__username", "count")[:SHOWN]
    return [Choice(name, count, (term("by", name),)) for name, count in ordered]


FACETS = (
    Facet("year", ("after", "before"), years),
    Facet("tag", (), tags),
    Facet("type", ("type",), types),
    Facet("colour", (), colours),
    Facet("owner", ("by",), owners),
)


def _until(year: int) -> list[str]:
    return [term("before", f"{year + 1:04}")] if year < 9999 else []
