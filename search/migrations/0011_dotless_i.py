"""Documents with a dotless i are read anew by the next run of the index stage: their words have a dotted one since."""

from django.db import migrations
from django.db.models import Q

_DOTLESS = "\u0131"
_TEXTS = ("names", "captions", "auto_tags", "description")


def forwards(apps, schema_editor):
    held = Q(*((f"{text}__contains", _DOTLESS) for text in _TEXTS), _connector=Q.OR)
    apps.get_model("search", "KeywordDocument").objects.filter(held).update(asset_updated_at=None)


class Migration(migrations.Migration):
    dependencies = [("search", "0010_labels")]
    operations = [migrations.RunPython(forwards, migrations.RunPython.noop)]
