"""Make a captioner's confidence a probability, choose the screen's thresholds, and measure both."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from captioning import services
from captioning.active import checkpoint_dir
from captioning.captioners.confidence import CONFIDENCE
from core.arguments import count, share
from core.errors import SightlineError


class Command(BaseCommand):
    help = "Calibrates confidence and screen on one split of a folder with images/ and captions.csv; tests on another."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dataset", type=Path, required=True, help="folder with images/ and captions.csv"
        )
        parser.add_argument(
            "--split", default="calib", help="to fit on, where nothing was trained; default: calib"
        )
        parser.add_argument("--test", default="dev", help="to measure on; default: dev")
        parser.add_argument("--captioner", help="a checkpoint folder; default: the active captioner")
        parser.add_argument(
            "--review",
            type=share,
            default=0.3,
            help="wanted share of captions to review; default: 0.3",
        )
        parser.add_argument("--limit", type=count, help="only the first N images of each split")
        parser.add_argument("--output", type=Path, help=f"default: {CONFIDENCE} in the checkpoint's folder")
        parser.add_argument("--plot", type=Path, help="a PNG: told against true, of the test split")
        parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")

    def handle(self, *args: Any, **options: Any) -> None:
        from captioning.evaluation.calibration import draw_reliability, probabilities
        from captioning.training.dataset import read_dataset
        from search.evaluation.confidence import figures_of, fit, observed

        names, limit = (options["split"], options["test"]), options["limit"]
        try:
            dataset = read_dataset(options["dataset"], needed_splits=names)
            captioner = services.captioner_named(options["captioner"])
            calib, test = (observed(dataset.split(name)[:limit], captioner) for name in names)
            fitted = fit(calib, options["review"])
            figures = figures_of(calib, test, fitted)
        except SightlineError as error:
            raise CommandError(str(error)) from error
        note = (
            f"manage.py calibrate_captions: fitted on {len(calib.drafts)} captions of {names[0]}, of which "
            f"{options['review']:g} were to be sent to review; of {names[1]} {figures['screen']['sent']:.3f} are."
        )
        folder = Path(options["captioner"]) if options["captioner"] else checkpoint_dir()
        output: Path = options["output"] or folder / CONFIDENCE
        kept = {"model_id": captioner.model_id, **fitted.as_json(), "note": note}
        output.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
        if options["plot"]:
            curves = {"before": test.raw, "after": probabilities(fitted.confidence, test.evidence)}
            draw_reliability(curves, test.right, options["plot"])
        if options["json"]:
            self.stdout.write(json.dumps({"captioner": captioner.model_id, **figures}))
            return
        self.stdout.write(json.dumps(figures, indent=2))
        self.stdout.write(f"Written to {output}")
