"""Train the dual encoder on a folder with images/ and captions.csv."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.arguments import count
from core.errors import SightlineError


class Command(BaseCommand):
    help = (
        "Trains the image space: two towers over backbone and sentence encoder. The same command resumes it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dataset", type=Path, required=True, help="folder with images/ and captions.csv"
        )
        parser.add_argument("--run", type=Path, help="folder of the run; default: VAR_DIR/runs/dual")
        parser.add_argument(
            "--start-from",
            type=Path,
            metavar="FOLDER",
            help="go on from these towers, with last layers of backbone and sentence encoder of their own",
        )
        parser.add_argument("--epochs", type=count, help="default: 12, with --start-from 8")
        parser.add_argument("--seed", type=int, help="default: 0")

    def handle(self, *args: Any, **options: Any) -> None:
        from captioning.training.alone import alone_in
        from captioning.training.dataset import read_dataset
        from core.devices import flushed_denormals, keep_large_blocks
        from search.training.dual import DualConfig, train

        keep_large_blocks()
        run = options["run"] or settings.VAR_DIR / "runs" / "dual"
        chosen = {name: options[name] for name in ("epochs", "seed") if options[name] is not None}
        try:
            start = options["start_from"]
            config = DualConfig.with_last_stage(start) if start else DualConfig()
            config = replace(config, device=settings.DEVICE, **chosen)
            with alone_in(run), flushed_denormals():
                best = train(read_dataset(options["dataset"]), config, run, settings.MODEL_CACHE_DIR)
        except SightlineError as error:
            raise CommandError(str(error)) from error
        figures = ", ".join(f"{name} {value:.3f}" for name, value in best.items())
        self.stdout.write(f"Best: {figures}. The towers are in {run / 'best'}.")
