"""Fit the weights of the fused ranking on a calibration split."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.arguments import count
from core.errors import SightlineError
from search.active import CHECKPOINTS

_FILE = "fusion.json"


class Command(BaseCommand):
    help = "Fits the fusion weights of text search on a split that nothing was trained on."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dataset", type=Path, required=True, help="folder with images/ and captions.csv"
        )
        parser.add_argument("--split", default="calib", help="to fit on; default: calib")
        parser.add_argument("--limit", type=count, help="only the first N images")
        parser.add_argument(
            "--output", type=Path, default=CHECKPOINTS / _FILE, help="default: what searches are fused by"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        from captioning.training.dataset import read_dataset
        from library.models import Frame
        from search.evaluation.fitting import fitted, fused_matrix, score_matrices
        from search.evaluation.ingest import ingest
        from search.evaluation.sandbox import sandbox
        from search.training.recall import recall_at

        try:
            images = read_dataset(options["dataset"]).split(options["split"])[: options["limit"]]
            with sandbox():
                queries = ingest(images)
                scores, owners = score_matrices(queries, dict(Frame.objects.values_list("pk", "asset_id")))
        except SightlineError as error:
            raise CommandError(str(error)) from error
        weights = fitted(scores, owners)
        for name, figures in {
            **{signal: recall_at(matrix, owners) for signal, matrix in scores.items()},
            "hybrid": recall_at(fused_matrix(scores, weights), owners),
        }.items():
            self.stdout.write(
                f"{name:10}" + "".join(f"  {key} {value:.4f}" for key, value in figures.items())
            )
        kept = json.loads((CHECKPOINTS / _FILE).read_text("utf-8"))
        kept["note"] = (
            f"text: fitted by `manage.py fit_fusion` on {len(images)} images of {options['split']}."
        )
        kept["weights"]["text"] = {signal: asdict(one) for signal, one in weights.items()}
        options["output"].write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
        self.stdout.write(f"Written to {options['output']}")
