"""Whether a picture came with items was said of each item, and whether a person had a hand in it since was read from
two times of its asset; the asset says both now.
"""

from datetime import timedelta
from typing import Any

from django.db import migrations, models

_AS_MADE = timedelta(milliseconds=100)


def tell_guests(apps: Any, _: Any) -> None:
    untouched = models.Q(visibility="private", updated_at__lte=models.F("created_at") + _AS_MADE)
    guests = apps.get_model("library", "Asset").objects.filter(untouched, items__owns_asset=True)
    guests.update(in_gallery=False)


class Migration(migrations.Migration):
    dependencies = [("recommender", "0003_item_by_picture"), ("library", "0006_in_gallery")]

    operations = [
        migrations.RunPython(tell_guests, migrations.RunPython.noop),
        migrations.RemoveField("item", "owns_asset"),
    ]
