"""Rank products by look, caption, text and the blend of all, and judge the lists by labels that no arm reads."""

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.errors import SightlineError


class Command(BaseCommand):
    help = (
        "Related products: nDCG@10 of each signal and of the blend, on a folder with images/ and items.csv."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dataset", type=Path, required=True, help="folder with images/ and items.csv")
        parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")

    def handle(self, *args: Any, **options: Any) -> None:
        from recommender.evaluation.arms import SETTINGS, evaluate
        from recommender.evaluation.products import read_products
        from recommender.evaluation.seen import seen

        try:
            products = read_products(options["dataset"])
            report = evaluate(products, seen(products, Path(settings.VAR_DIR) / "evaluation" / "products"))
        except SightlineError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(report))
            return
        self.stdout.write(f"{report['n_queries']} queries")
        for setting in SETTINGS:
            self.stdout.write(f"\n{setting}")
            for arm, figures in report[setting].items():
                self.stdout.write(
                    f"{arm:10}" + "".join(f"  {name} {value}" for name, value in figures.items())
                )
