from django.db import migrations


def decide(apps, schema_editor):
    """What people wrote or brought before there were states needs no review."""
    captions = apps.get_model("captioning", "Caption").objects
    captions.filter(source="human").update(state="edited")
    captions.filter(source="imported").update(state="accepted")


class Migration(migrations.Migration):
    dependencies = [("captioning", "0003_review")]
    operations = [migrations.RunPython(decide, migrations.RunPython.noop)]
