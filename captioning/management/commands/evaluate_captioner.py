"""Caption a split of a dataset folder and score the captions against the human ones."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from captioning import services
from captioning.captioners.decoding import Decoding
from captioning.captioners.styles import NORMAL, STYLES
from core.arguments import count
from core.errors import SightlineError


class Command(BaseCommand):
    help = "Scores a captioner: BLEU, ROUGE-L, METEOR, CIDEr on a split of a folder with images/ and captions.csv."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dataset", type=Path, required=True, help="folder with images/ and captions.csv"
        )
        parser.add_argument("--captions", type=Path, help="another captions file for the same images")
        parser.add_argument("--split", default="dev", help="to measure on; default: dev")
        parser.add_argument(
            "--captioner", help="a checkpoint folder, or a dotted path; default: the active one"
        )
        parser.add_argument(
            "--decoding", help="greedy, beamN or nucleusP, and key=value; default: the captioner's own"
        )
        parser.add_argument("--style", default=NORMAL, choices=STYLES, help="of the captions")
        parser.add_argument("--limit", type=count, help="only the first N images")
        parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")

    def handle(self, *args: Any, **options: Any) -> None:
        from captioning.evaluation.captioner import caption_images, report
        from captioning.training.dataset import read_dataset

        try:
            images = read_dataset(options["dataset"], options["captions"]).split(options["split"])[
                : options["limit"]
            ]
            decoding = Decoding.parse(options["decoding"]) if options["decoding"] else None
            captioner = services.captioner_named(options["captioner"], decoding)
            captioned = caption_images(images, services.backbone(), captioner, style=options["style"])
        except SightlineError as error:
            raise CommandError(str(error)) from error
        figures = report(captioner, images, captioned, split=options["split"], limit=options["limit"])
        if options["json"]:
            self.stdout.write(json.dumps(figures))
            return
        for name, value in figures.items():
            self.stdout.write(f"{name:18} {value}")
        for image, draft in list(zip(images, captioned.drafts, strict=True))[:8]:
            self.stdout.write(f"\n{image.path.name}\n  model: {draft.text} ({draft.confidence:.2f})")
            self.stdout.write(f"  human: {image.captions[0]}")
