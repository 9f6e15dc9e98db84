"""Write what people accepted, edited or wrote as a dataset folder."""

from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from captioning.caption_export import ReviewedCaptions, export_captions
from core.errors import InvalidInput, SightlineError


class Command(BaseCommand):
    help = "Writes reviewed captions as a folder with images/ and captions.csv; the same command brings it up to date."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="a new folder, or one of a former export")
        parser.add_argument("--include-private", action="store_true", help="private photos, too")
        parser.add_argument("--owner", default="", help="photos of this user only")
        parser.add_argument("--since", help="what was decided since, such as 2026-11-24 or 2026-11-24T18:00")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            since = _moment(options["since"]) if options["since"] else None
            which = ReviewedCaptions(options["include_private"], options["owner"], since)
            made = export_captions(options["folder"], which)
        except SightlineError as error:
            raise CommandError(str(error)) from error
        sides = ", ".join(f"{count} {split}" for split, count in sorted(made["splits"].items()))
        left_out = f"; {made['left_out']} photos can't be read and were left out" if made["left_out"] else ""
        self.stdout.write(
            f"{made['captions']} captions of {made['photos']} photos ({sides}) are in {options['folder']}{left_out}."
        )


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"--since must be a day or a moment such as 2026-11-24, not {text!r}.") from error
    return timezone.make_aware(moment) if timezone.is_naive(moment) else moment
