from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("captioning", "0009_no_author_of_versions"),
        ("library", "0007_dated"),
    ]

    operations = [
        migrations.AddField(
            model_name="caption",
            name="reviewed",
            field=models.GeneratedField(
                db_persist=True,
                expression=models.Case(
                    models.When(
                        models.Q(
                            ("source", "human"),
                            ("state__in", ("accepted", "edited", "rejected")),
                            _connector="OR",
                        ),
                        then=True,
                    ),
                    default=False,
                ),
                help_text="A person accepted, corrected or rejected it, or wrote it",
                output_field=models.BooleanField(),
            ),
        ),
        migrations.AddIndex(
            model_name="caption",
            index=models.Index(
                condition=models.Q(("reviewed", True)), fields=["frame"], name="captions_reviewed"
            ),
        ),
    ]
