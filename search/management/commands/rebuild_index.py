"""`manage.py rebuild_index`: a fresh index beside the live one, without stopping anything."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.errors import SightlineError
from core.progress import progress_bar
from search.services import rebuild_index, spaces


class Command(BaseCommand):
    help = "Builds the vector index anew beside the live one, verifies it and publishes it. Searches go on."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--space", choices=spaces(), help="only this space (default: all)")

    def handle(self, *args: Any, space: str | None = None, **options: Any) -> None:
        try:
            with progress_bar("vectors", verbosity=options["verbosity"]) as progress:
                generations = rebuild_index(space, progress)
        except SightlineError as error:
            raise CommandError(str(error)) from error
        for row in generations:
            self.stdout.write(
                f"{row.space}: {row.count} vectors of {row.model_id}, recall@10 {row.recall_at_10:.3f}, live; "
                f"{row.kind}: {row.why}"
            )
