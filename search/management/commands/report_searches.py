"""`manage.py report_searches`: which queries found nothing, and which found nothing worth opening."""

from argparse import ArgumentTypeError
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from search.recording import Unanswered, unanswered, unopened


class Command(BaseCommand):
    help = (
        "Lists queries without results, and those of whose results nobody opened any. Needs RECORD_SEARCHES."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=_positive, default=30, help="how far to look back (default: 30)")

    def handle(self, *args: Any, days: int, **options: Any) -> None:
        if not settings.RECORD_SEARCHES:
            self.stderr.write("Searches are not recorded: set RECORD_SEARCHES=true to keep them.")
        self._list(f"Found nothing in {days} days", unanswered(days))
        self._list("Found something that nobody opened", unopened(days))

    def _list(self, title: str, queries: list[Unanswered]) -> None:
        self.stdout.write(f"{title}: {len(queries)}")
        for one in queries:
            self.stdout.write(f"{one.times:>6}  {one.last_at:%Y-%m-%d}  {one.query}")


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise ArgumentTypeError(f"must be a number of days, not {text!r}")
    return int(text)
