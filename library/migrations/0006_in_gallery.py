from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("library", "0005_believable_dates")]

    operations = [
        migrations.AddField(
            "asset",
            "in_gallery",
            models.BooleanField(
                default=True,
                editable=False,
                help_text="A person put it there; false: it only came with something else, and goes with that",
            ),
        ),
    ]
