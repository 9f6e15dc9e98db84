"""Fit below what nothing counts as close to a query, on a calibration split."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.arguments import count
from core.errors import SightlineError
from search.active import CHECKPOINTS
from search.verdict import CUTOFF

_DECIMALS = 4


class Command(BaseCommand):
    help = "Fits the cut-off of text search on a split that nothing was trained on, for the active models."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dataset", type=Path, required=True, help="folder with images/ and captions.csv"
        )
        parser.add_argument("--split", default="calib", help="to fit on; default: calib")
        parser.add_argument("--limit", type=count, help="only the first N images")
        parser.add_argument(
            "--output", type=Path, default=CHECKPOINTS / CUTOFF, help="default: what searches are judged by"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        from captioning.training.dataset import read_dataset
        from library.models import Frame
        from search.active import active_models
        from search.evaluation.concepts import concepts_of
        from search.evaluation.cutoff import fitted_cutoff, questions
        from search.evaluation.fitting import score_matrices
        from search.evaluation.ingest import ingest
        from search.evaluation.sandbox import sandbox
        from search.services import fusion_weights

        try:
            images = read_dataset(options["dataset"]).split(options["split"])[: options["limit"]]
            concepts = concepts_of(images)
            with sandbox():
                asked = questions(ingest(images), concepts)
                scores, owners = score_matrices(asked, dict(Frame.objects.values_list("pk", "asset_id")))
                models = active_models()
            cutoff = fitted_cutoff(scores, owners, concepts, fusion_weights("text"), models)
        except SightlineError as error:
            raise CommandError(str(error)) from error
        note = f"fitted by `manage.py fit_cutoff` on {len(images)} images of {options['split']}"
        told = {
            "note": note,
            "models": dict(cutoff.models),
            "weights": {name: round(weight, _DECIMALS) for name, weight in cutoff.weights.items()},
            "limits": [
                {name: round(value, _DECIMALS) for name, value in asdict(limit).items()}
                for limit in cutoff.limits
            ],
        }
        options["output"].write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
        self.stdout.write(f"{len(concepts)} things, {len(asked)} queries; written to {options['output']}")
