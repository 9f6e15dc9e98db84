"""Caption and index a split in a library of its own, ask every human caption, and report recall by mode."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.arguments import count
from core.errors import SightlineError


class Command(BaseCommand):
    help = "Text-to-image recall of each search mode on a split of a folder with images/ and captions.csv."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dataset", type=Path, required=True, help="folder with images/ and captions.csv"
        )
        parser.add_argument(
            "--captions", type=Path, help="another captions file for the same images: the queries"
        )
        parser.add_argument("--source", help="only captions of this source, by the column of that name")
        parser.add_argument("--split", default="dev", help="to measure on; default: dev")
        parser.add_argument("--limit", type=count, help="only the first N images")
        parser.add_argument(
            "--misspelt",
            type=int,
            help="instead: N of the queries with one edit each, as they are and as they are read",
        )
        parser.add_argument(
            "--absent",
            action="store_true",
            help="instead: how often it is told that nothing comes close, of things taken away and of others",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")

    def handle(self, *args: Any, **options: Any) -> None:
        from captioning.training.dataset import read_dataset
        from search.evaluation.absence import evaluate_absence
        from search.evaluation.concepts import concepts_of
        from search.evaluation.ingest import ingest
        from search.evaluation.misspelling import evaluate_spelling
        from search.evaluation.modes import evaluate_modes
        from search.evaluation.sandbox import sandbox

        try:
            dataset = read_dataset(options["dataset"], options["captions"], source=options["source"])
            images = dataset.split(options["split"])[: options["limit"]]
            with sandbox():
                queries = ingest(images)
                figures: Mapping[str, Mapping[str, Any]]
                if options["misspelt"] is not None:
                    figures = evaluate_spelling(queries, options["misspelt"])
                elif options["absent"]:
                    figures = evaluate_absence(queries, concepts_of(images))
                else:
                    figures = evaluate_modes(queries)
        except SightlineError as error:
            raise CommandError(str(error)) from error
        report = {"n_images": len(images), "n_queries": len(queries), **figures}
        if options["json"]:
            self.stdout.write(json.dumps(report))
            return
        self.stdout.write(f"{len(images)} images, {len(queries)} queries")
        for name, values in figures.items():
            self._tell(name, values)

    def _tell(self, name: str, values: Mapping[str, Any]) -> None:
        """A line for each row of figures, those of several kinds of query under the kind's name."""
        if any(isinstance(value, Mapping) for value in values.values()):
            self.stdout.write(f"{name}:")
            for inner, row in values.items():
                self._tell(inner, row)
        else:
            told = "".join(f"  {figure} {value:.4f}" for figure, value in values.items())
            self.stdout.write(f"{name:10}{told}")
