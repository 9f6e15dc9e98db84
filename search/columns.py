"""What filters ask of an asset, kept as every index has it beside its frames' vectors: `index.where.COLUMNS`."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from django.db import connection

from captioning.colours import colours_of
from captioning.selectors import assets_reviewed
from library.models import Asset
from library.selectors import tags_of
from search import labels
from search.index.where import COLUMNS, Comparison, Where
from search.models import AssetColumns

_BATCH_SIZE = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TABLE = AssetColumns._meta.db_table
_FIELDS = ("pk", "owner_id", "visibility", "taken_at", "created_at")

#: In the order of COLUMNS.
Numbers = tuple[int, ...]


def refresh(asset_ids: Iterable[int]) -> list[int]:
    """Writes the columns of these assets afresh; returns the assets of which they changed. Safe to repeat.

    For a transaction that holds the assets locked, as `keywords.refresh` leaves them.
    """
    ids = sorted(set(asset_ids))
    changed = []
    for start in range(0, len(ids), _BATCH_SIZE):
        rows = [
            AssetColumns(asset_id=asset_id, **dict(zip(COLUMNS, numbers, strict=True)))
            for asset_id, numbers in _outdated(ids[start : start + _BATCH_SIZE]).items()
        ]
        AssetColumns.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["asset"], update_fields=COLUMNS
        )
        changed += [row.asset_id for row in rows]
    return changed


def outdated(asset_ids: Sequence[int]) -> list[int]:
    """Those of these assets whose columns are not what is kept of them, or of which none are kept."""
    batches = range(0, len(asset_ids), _BATCH_SIZE)
    return [asset_id for start in batches for asset_id in _outdated(asset_ids[start : start + _BATCH_SIZE])]


def assets_where(where: Where, at_most: int) -> list[int] | None:
    """The assets whose columns meet a condition, in no order; None where there are more than `at_most`."""
    sql = f"SELECT asset_id FROM {_TABLE} WHERE {_sql(where)} LIMIT {at_most + 1}"  # noqa: S608 - numbers of our own
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":  # an array, which costs no work for each, or nothing
            sql = f"SELECT array_agg(asset_id) FROM ({sql}) AS those HAVING count(*) <= {at_most}"  # noqa: S608
            cursor.execute(sql)
            counted = cursor.fetchone()
            return None if counted is None else counted[0] or []
        cursor.execute(sql)
        found = [asset_id for (asset_id,) in cursor.fetchall()]
    return found if len(found) <= at_most else None


def condition(where: Where, column: str) -> str:
    """In SQL, that it holds of the asset whose id stands in a column of another table: for who asks of few of many."""
    return f"EXISTS (SELECT 1 FROM {_TABLE} WHERE asset_id = {column} AND {_sql(where)})"  # noqa: S608


def microseconds(moment: datetime) -> int:
    """Since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def moment_at(number: int) -> datetime:
    """So many microseconds after 1970 began."""
    return _EPOCH + number * _MICROSECOND


def _outdated(asset_ids: Sequence[int]) -> dict[int, Numbers]:
    """What should be kept of those of which something else is, or nothing."""
    assets, called = Asset.objects.filter(pk__in=asset_ids), _labels_of(asset_ids)
    told = {
        asset_id: (
            *(owner_id, int(visibility == Asset.Visibility.PUBLIC), microseconds(taken_at or created_at)),
            *labels.bits_of(called[asset_id]),
        )
        for asset_id, owner_id, visibility, taken_at, created_at in assets.values_list(*_FIELDS)
    }
    known = AssetColumns.objects.filter(asset_id__in=asset_ids).values_list("asset_id", *COLUMNS)
    kept = {asset_id: tuple(numbers) for asset_id, *numbers in known}
    return {asset_id: numbers for asset_id, numbers in told.items() if kept.get(asset_id) != numbers}


def _labels_of(asset_ids: Sequence[int]) -> dict[int, set[str]]:
    found: dict[int, set[str]] = defaultdict(set)
    for asset_id, name in tags_of(asset_ids):
        found[asset_id].add(labels.of_tag(name))
    for asset_id, name in colours_of(asset_ids):
        found[asset_id].add(labels.of_colour(name))
    for asset_id in assets_reviewed().filter(frame__asset_id__in=asset_ids):
        found[asset_id].add(labels.REVIEWED)
    return found


def _sql(where: Where) -> str:
    """There are only numbers in it, and names of our own."""
    return where.written(_comparison)


def _comparison(one: Comparison) -> str:
    if one.operator == "has":
        return f"({one.column} & {one.value}) = {one.value}"
    return f"{one.column} {'=' if one.operator == '==' else one.operator} {one.value}"
