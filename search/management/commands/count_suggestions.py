"""`manage.py count_suggestions`: what is suggested while typing, counted afresh."""

from typing import Any

from django.core.management.base import BaseCommand

from search.suggesting import recount


class Command(BaseCommand):
    help = "Counts the words and tags that are suggested while typing afresh; beat does so every night."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{recount()} words and tags.")
