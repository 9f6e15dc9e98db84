"""`manage.py move_index`: fill another engine with all vectors, so that VECTOR_ENGINE can be set to it."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.errors import SightlineError
from core.progress import progress_bar
from search.engines import ENGINES
from search.services import rebuild_index


class Command(BaseCommand):
    help = "Builds the index of all spaces in another engine, from the rows, while the present one goes on answering."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--to", choices=ENGINES, required=True, help="the engine to fill")

    def handle(self, *args: Any, to: str, **options: Any) -> None:
        try:
            with progress_bar("vectors", verbosity=options["verbosity"]) as progress:
                generations = rebuild_index(progress=progress, engine=to)
        except SightlineError as error:
            raise CommandError(str(error)) from error
        for row in generations:
            self.stdout.write(f"{row.space}: {row.count} vectors of {row.model_id} in {to}")
        if to != settings.VECTOR_ENGINE:
            self.stdout.write(
                f"Set VECTOR_ENGINE={to} and restart web and workers. Rows numbered meanwhile are found from the first "
                f"search on; the way back is move_index --to {settings.VECTOR_ENGINE}."
            )
