"""Screen captions again: after thresholds changed, or those that were written before there was a screen."""

from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from captioning import services
from core.errors import SightlineError


class Command(BaseCommand):
    help = "Decides anew which captions a person must see. What people decided stays as it is."

    def handle(self, *args: Any, **options: Any) -> None:
        states: Counter[str] = Counter()
        reasons: Counter[str] = Counter()
        try:
            for captions in services.screen_undecided():
                states.update(caption.get_state_display() for caption in captions)
                reasons.update(doubt for caption in captions for doubt in caption.doubts)
        except SightlineError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{states.total()} captions screened.")
        for name, count in (*states.most_common(), *reasons.most_common()):
            self.stdout.write(f"{name:24} {count}")
