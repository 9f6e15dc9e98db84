"""Dates that no photo has were taken from files once: on PostgreSQL every list that held such a row failed."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("library", "0004_narrow_sets")]

    operations = [
        migrations.RunSQL(
            "UPDATE library_asset SET taken_at = NULL WHERE taken_at < '1826-01-01' OR taken_at >= '2100-01-01'",
            migrations.RunSQL.noop,
        )
    ]
