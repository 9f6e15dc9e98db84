from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("workers", "0004_learn_behaviour"),
    ]

    operations = [
        migrations.AlterField(
            model_name="job",
            name="kind",
            field=models.CharField(
                choices=[
                    ("rebuild_index", "rebuild the index"),
                    ("recaption", "caption again"),
                    ("follow_captioner", "follow a change of captioner"),
                    ("learn_again", "learn from reviews"),
                    ("learn_behaviour", "learn from visitors"),
                    ("delete_account", "delete the account of who asks"),
                ],
                max_length=32,
            ),
        ),
    ]
