"""`manage.py read_texts`: the text in photos that no worker has read yet, without waiting for one."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from captioning.picture_text import active_reader_id
from core.errors import SightlineError
from workers.pipeline import TEXT
from workers.reading import read_frames
from workers.selectors import todo

_AT_ONCE = 8


class Command(BaseCommand):
    help = (
        "Reads the text in photos that can be searched and that the active reader has not read, such as those from "
        "before there was one. Workers of the queue `enrich` do the same by themselves. Safe to stop and begin again."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if active_reader_id() is None:
            raise CommandError(
                "TEXT_READER is empty, so nothing reads text in pictures: name a reader there."
            )
        waiting = list(todo(TEXT).order_by("-pk").values_list("pk", flat=True))
        left = 0
        try:
            with tqdm(total=len(waiting), unit=" photos", disable=options["verbosity"] == 0) as bar:
                for start in range(0, len(waiting), _AT_ONCE):
                    chunk = waiting[start : start + _AT_ONCE]
                    left += len(read_frames(chunk))
                    bar.update(len(chunk))
        except SightlineError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{len(waiting) - left} photos read, {left} could not be.")
