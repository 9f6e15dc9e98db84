import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

STYLES = [("short", "Short"), ("normal", "Normal"), ("detailed", "Detailed")]


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("captioning", "0004_captions_of_people_are_decided"),
    ]
    operations = [
        migrations.AddField(
            model_name="caption",
            name="style",
            field=models.CharField(
                choices=STYLES,
                default="normal",
                help_text="Of a model's caption: how it was asked",
                max_length=8,
            ),
        ),
        migrations.CreateModel(
            name="CaptionPreference",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("style", models.CharField(choices=STYLES, max_length=8)),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="caption_preference",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
    ]
