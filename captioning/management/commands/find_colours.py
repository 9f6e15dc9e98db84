"""`manage.py find_colours`: the colours of photos that were described before colours were looked for."""

from typing import Any

from django.core.management.base import BaseCommand
from tqdm import tqdm

from captioning.colours import find_missing_colours, frames_without_colours


class Command(BaseCommand):
    help = (
        "Looks for the colours of frames that have none yet. New photos get theirs when they are described."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        waiting = frames_without_colours().count()
        for _ in tqdm(
            find_missing_colours(), total=waiting, unit=" photos", disable=options["verbosity"] == 0
        ):
            pass
        left = frames_without_colours().count()
        self.stdout.write(f"{waiting - left} photos done, {left} could not be read.")
