"""What a language model is worth here: ways to make a captioner, trained within one budget and compared."""

import platform
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.arguments import count
from core.errors import SightlineError


class Command(BaseCommand):
    help = "Trains captioners in several ways with the same budget, and writes a report that compares them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dataset", type=Path, required=True, help="folder with images/ and captions.csv"
        )
        parser.add_argument("--split", default="dev", help="to measure on; default: dev")
        parser.add_argument("--limit", type=count, help="only the first N images of the split")
        parser.add_argument(
            "--samples",
            type=count,
            default=4800,
            help="pictures shown to each arm in training; default: 4800",
        )
        parser.add_argument(
            "--full-samples", type=count, help="pictures shown to the two best arms once more, anew"
        )
        parser.add_argument(
            "--arm",
            action="append",
            default=[],
            metavar="NAME[=SAMPLES]",
            help="only this arm, perhaps with a budget of its own; may be repeated",
        )
        parser.add_argument(
            "--captioner",
            action="append",
            default=[],
            help="also this one: a checkpoint folder or a dotted path",
        )
        parser.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="KEY=VALUE",
            dest="overrides",
            help="a configuration key of every arm; may be repeated",
        )
        parser.add_argument(
            "--output", type=Path, help="folder of runs and report; default: VAR_DIR/runs/comparison"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        from captioning.evaluation.comparison import Comparison, write_report
        from captioning.evaluation.metrics import best_tokenizer
        from captioning.training.arms import arms_named
        from captioning.training.config import FinetuneConfig
        from captioning.training.dataset import read_dataset
        from search.evaluation.captioners import Bench, measured

        output: Path = options["output"] or settings.VAR_DIR / "runs" / "comparison"
        folder: Path = options["dataset"].resolve()
        try:
            arms = arms_named(options["arm"])
            config = FinetuneConfig().with_overrides([f"device={settings.DEVICE}", *options["overrides"]])
            dataset = read_dataset(folder, needed_splits=("train", options["split"]))
            shown = dataset.split("train")
            images = dataset.split(options["split"])[: options["limit"]]
            bench = Bench(folder, shown, images, options["split"], config, output)
            rows = bench.rows(arms, options["samples"], options["full_samples"])
            rows += [measured(name, "as it is", name, images) for name in options["captioner"]]
        except SightlineError as error:
            raise CommandError(str(error)) from error
        conditions = {
            "data": f"{folder.name}: {len(shown):,} pictures to learn from, {len(images):,} of {options['split']}",
            "seed": config.seed,
            "tokenizer": best_tokenizer(),
            "machine": f"{platform.processor() or platform.machine()}, device {settings.DEVICE}",
        }
        write_report(Comparison(conditions, images, tuple(rows)), output)
        self.stdout.write((output / "report.md").read_text("utf-8"))
        self.stdout.write(f"The report is in {output}: report.md, report.html, report.json, report.png")
