"""`manage.py score_unsafe`: the unsafe-content score of photos that were described before there was one."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from captioning.unsafe import active_scorer_id, frames_without_unsafe_score, score_missing
from core.errors import SightlineError


class Command(BaseCommand):
    help = (
        "Scores frames that the active scorer has not scored. New photos are scored when they are described."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if active_scorer_id() is None:
            raise CommandError("UNSAFE_SCORER is empty, so nothing scores photos: name a scorer there.")
        waiting = frames_without_unsafe_score().count()
        try:
            for _ in tqdm(score_missing(), total=waiting, unit=" photos", disable=options["verbosity"] == 0):
                pass
        except SightlineError as error:
            raise CommandError(str(error)) from error
        left = frames_without_unsafe_score().count()
        self.stdout.write(f"{waiting - left} photos scored, {left} could not be read.")
