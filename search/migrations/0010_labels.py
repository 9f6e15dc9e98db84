import hashlib
import unicodedata
from typing import Any

from django.db import migrations, models

_BATCH_SIZE = 2_000
_LABELS = ("labels_a", "labels_b", "labels_c", "labels_d")
_COLOURS = "palette-12-v1"


def fill(apps: Any, schema_editor: Any) -> None:
    """Of all assets: what is numbered already keeps its number. Indexes learn of them when they are built anew."""
    columns = apps.get_model("search", "AssetColumns").objects
    last = 0
    while rows := list(columns.filter(pk__gt=last).order_by("pk")[:_BATCH_SIZE]):
        labels = _labels(apps, last, rows[-1].pk)
        for row in rows:
            for name, number in zip(_LABELS, _numbers(labels.get(row.pk, set())), strict=True):
                setattr(row, name, number)
        columns.bulk_create(rows, update_conflicts=True, unique_fields=["asset"], update_fields=_LABELS)
        last = rows[-1].pk


def _labels(apps: Any, after: int, last: int) -> dict[int, set[str]]:
    tags = apps.get_model("library", "AssetTag").objects.filter(asset_id__gt=after, asset_id__lte=last)
    colours = apps.get_model("captioning", "FrameColour").objects.filter(
        model_id=_COLOURS, frame__asset_id__gt=after, frame__asset_id__lte=last
    )
    found: dict[int, set[str]] = {}
    for asset_id, name in tags.values_list("asset_id", "name"):
        found.setdefault(asset_id, set()).add(f"tag:{_capitals(name)}")
    for asset_id, name in colours.values_list("frame__asset_id", "name"):
        found.setdefault(asset_id, set()).add(f"colour:{name}")
    return found


def _capitals(name: str) -> str:
    letters = unicodedata.normalize("NFD", name.upper())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def _numbers(labels: set[str]) -> list[int]:
    numbers = [0] * len(_LABELS)
    for label in labels:
        hashed = hashlib.blake2b(label.encode(), digest_size=16).digest()
        for at in range(len(_LABELS)):
            numbers[at] |= 1 << int.from_bytes(hashed[4 * at :][:4]) % 63
    return numbers


class Migration(migrations.Migration):
    dependencies = [
        ("captioning", "0006_frame_colours"),
        ("library", "0004_narrow_sets"),
        ("search", "0009_asset_columns"),
    ]

    operations = [
        *(
            migrations.AddField(
                "assetcolumns",
                name,
                models.BigIntegerField(
                    db_default=-1,
                    **({"help_text": "Bits of its tags and colours"} if name == "labels_a" else {}),
                ),
            )
            for name in _LABELS
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
