"""Recommend to made-up visitors whose preferences are known, and count what they click afterwards."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser


class Command(BaseCommand):
    help = (
        "Personal recommendations against popularity and content only, on simulated visitors (no real ones)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")

    def handle(self, *args: Any, **options: Any) -> None:
        from recommender.evaluation.behaviour import evaluate
        from recommender.evaluation.simulation import read_parameters

        report = evaluate(read_parameters())
        self.stdout.write(json.dumps(report, indent=None if options["json"] else 2))
