"""`manage.py check_index`: rows, records and index files against each other."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.errors import SightlineError
from search.checking import check_index, heal


class Command(BaseCommand):
    help = "Compares rows, index and files, and names what differs. Exits with 1 where something does."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--fix", action="store_true", help="put right what differs; searches go on")

    def handle(self, *args: Any, fix: bool = False, **options: Any) -> None:
        try:
            found = check_index()
            for difference in found:
                self.stdout.write(f"{difference.where}: {difference.text}")
            if found and fix:
                found = heal(found)
                for difference in found:
                    self.stdout.write(f"still {difference.where}: {difference.text}")
        except SightlineError as error:
            raise CommandError(str(error)) from error
        if found:
            raise CommandError(
                "Not everything could be put right." if fix else "Run it again with --fix to put this right."
            )
        self.stdout.write("Rows, records and index files agree.")
