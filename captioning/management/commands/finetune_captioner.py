"""Fine-tune the language model to read pictures, on a folder with images/ and captions.csv."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from captioning.learning import frozen_reviews, read_reviews
from core.errors import SightlineError


class Command(BaseCommand):
    help = (
        "Trains a captioner (docs/finetuning.md); Ctrl-C leaves a checkpoint that the same command resumes."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dataset", type=Path, required=True, help="folder with images/ and captions.csv"
        )
        parser.add_argument(
            "--skip-broken",
            action="store_true",
            help="go on without rows that lack a caption or a picture that can be decoded, and without a dev split",
        )
        parser.add_argument(
            "--include-reviews",
            action="store_true",
            help="train on what people accepted, edited or wrote, too; frozen in RUN/reviews when the run begins",
        )
        parser.add_argument("--config", type=Path, help="JSON file of configuration keys")
        parser.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="KEY=VALUE",
            dest="overrides",
            help="a configuration key, over the file's; may be repeated",
        )
        parser.add_argument("--run", type=Path, help="folder of the run; default: VAR_DIR/runs/captioner")
        parser.add_argument(
            "--output", type=Path, help="folder of the finished checkpoint; default: RUN/checkpoint"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        from captioning.training.config import FinetuneConfig
        from captioning.training.dataset import read_dataset
        from captioning.training.finetune import finetune_and_export

        run = options["run"] or settings.VAR_DIR / "runs" / "captioner"
        output = options["output"] or run / "checkpoint"
        try:
            config = FinetuneConfig.load(options["config"]) if options["config"] else FinetuneConfig()
            config = config.with_overrides([f"device={settings.DEVICE}", *options["overrides"]])
            skip = options["skip_broken"]
            dataset = read_dataset(
                options["dataset"],
                needed_splits=("train",) if skip else ("train", "dev"),
                decode=True,
                skip_broken=skip,
            )
            reviews = read_reviews(frozen_reviews(run), dataset) if options["include_reviews"] else None
            skipped = [*dataset.skipped, *(reviews.skipped if reviews else ())]
            if skipped:
                self.stderr.write(f"Left out {len(skipped)}: {'; '.join(skipped[:5])} ...")
            manifest = finetune_and_export(dataset, config, run, settings.MODEL_CACHE_DIR, output, reviews)
        except (SightlineError, OSError) as error:  # the folder that can't be written, the disk that is full
            raise CommandError(str(error)) from error
        except KeyboardInterrupt as error:
            raise CommandError(
                "Stopped before the first step. The same command begins anew, and keeps what was read of pictures."
            ) from error
        if manifest is None:
            self.stdout.write(f"Stopped; the run is kept in {run}. The same command goes on from there.")
            return
        self.stdout.write(
            f"{manifest.model_id} is in {output}. Use it: `manage.py captioner register {output}`, then "
            f"`manage.py captioner promote {manifest.model_id}`."
        )
