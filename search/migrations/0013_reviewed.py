from typing import Any

from django.db import migrations, models


def forget(apps: Any, schema_editor: Any) -> None:
    """The columns of what a person reviewed: the index stage writes them afresh, and numbers these vectors anew."""
    captions = apps.get_model("captioning", "Caption").objects
    reviewed = captions.filter(reviewed=True).values("frame__asset_id")
    apps.get_model("search", "AssetColumns").objects.filter(asset_id__in=reviewed).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("captioning", "0010_reviewed"),
        ("search", "0012_keys_that_are_rows"),
    ]

    operations = [
        migrations.AlterField(
            "assetcolumns",
            "labels_a",
            models.BigIntegerField(
                db_default=-1, help_text="Bits of its tags and colours, and of whether it was reviewed"
            ),
        ),
        migrations.RunPython(forget, migrations.RunPython.noop),
    ]
