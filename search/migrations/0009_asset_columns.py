from datetime import UTC, datetime, timedelta
from typing import Any

import django.db.models.deletion
from django.db import migrations, models

_BATCH_SIZE = 2_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def fill(apps: Any, schema_editor: Any) -> None:
    """Of all assets: what is numbered already keeps its number. Indexes learn of them when they are built anew."""
    columns, assets = apps.get_model("search", "AssetColumns"), apps.get_model("library", "Asset")
    fields = ("pk", "owner_id", "visibility", "taken_at", "created_at")
    last = 0
    while found := list(assets.objects.filter(pk__gt=last).order_by("pk").values_list(*fields)[:_BATCH_SIZE]):
        columns.objects.bulk_create(_rows(columns, found))
        last = found[-1][0]


def _rows(columns: Any, found: list[Any]) -> list[Any]:
    return [
        columns(
            asset_id=asset_id,
            owner=owner_id,
            public=int(visibility == "public"),
            moment=((taken_at or created_at) - _EPOCH) // timedelta(microseconds=1),
        )
        for asset_id, owner_id, visibility, taken_at, created_at in found
    ]


class Migration(migrations.Migration):
    dependencies = [
        ("library", "0004_narrow_sets"),
        ("search", "0008_spelling"),
    ]

    operations = [
        migrations.CreateModel(
            name="AssetColumns",
            fields=[
                (
                    "asset",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="index_columns",
                        serialize=False,
                        to="library.asset",
                    ),
                ),
                ("owner", models.BigIntegerField(help_text="Id of the user")),
                ("public", models.BigIntegerField(help_text="1 where everybody may see it, else 0")),
                (
                    "moment",
                    models.BigIntegerField(help_text="Taken, else uploaded: microseconds since 1970"),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["owner", "public", "moment", "asset"], name="columns_by_owner"),
                    models.Index(fields=["moment", "public", "owner", "asset"], name="columns_by_moment"),
                ],
            },
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
