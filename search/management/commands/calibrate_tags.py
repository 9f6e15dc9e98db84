"""Choose how sure the classifier must be before a class becomes an auto-tag."""

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from captioning.tagging import CALIBRATION
from core.arguments import share
from core.errors import SightlineError


class Command(BaseCommand):
    help = (
        "Calibrates the least confidence of auto-tags on a split of a folder with images/ and captions.csv."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dataset", type=Path, required=True, help="folder with images/ and captions.csv"
        )
        parser.add_argument("--split", default="calib", help="to fit on; default: calib")
        parser.add_argument(
            "--agreement",
            type=share,
            default=0.8,
            help="wanted share of tags that agree; default: 0.8",
        )
        parser.add_argument(
            "--output", type=Path, default=CALIBRATION, help="default: what tags are chosen by"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        from captioning.training.dataset import read_dataset
        from captioning.training.features import cached_features
        from search.evaluation.tags import LEAST_TAGS, lowest, thresholds

        try:
            images = read_dataset(options["dataset"]).split(options["split"])
        except SightlineError as error:
            raise CommandError(str(error)) from error
        features = cached_features([image.path for image in images], settings.MODEL_CACHE_DIR / "features")
        found = thresholds(images, features.logits)
        if not found:
            raise CommandError(
                f"{len(images)} images are too few to tell: at least {LEAST_TAGS} tags are needed."
            )
        for one in found:
            self.stdout.write(
                f"at least {one.min_confidence:.2f}: {one.tags:4} tags, {one.agreement:.3f} agree"
            )
        chosen = lowest(found, options["agreement"])
        options["output"].parent.mkdir(parents=True, exist_ok=True)
        note = (
            f"manage.py calibrate_tags: {chosen.agreement:.2f} of {chosen.tags} tags on {len(images)} images of "
            f"{options['split']} agree with the human captions; {options['agreement']} was wanted."
        )
        values = {"min_confidence": chosen.min_confidence, "temperature": 1.0, "note": note}
        options["output"].write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
        self.stdout.write(f"Chosen: {chosen.min_confidence}. Written to {options['output']}")
