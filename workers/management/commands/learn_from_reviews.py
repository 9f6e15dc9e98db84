"""The process that trains for a job. A worker starts it; people ask for such a job by `captioner learn`."""

import os
import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from workers import learning

#: Visitors and uploads go first.
_NICENESS = 10


class Command(BaseCommand):
    help = "Started by a worker for a job. To have such a job begun, use `manage.py captioner learn`."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("job", type=int)
        parser.add_argument("worker", help="the name of the worker that holds the job")

    def handle(self, *args: Any, **options: Any) -> None:
        os.nice(_NICENESS)
        for number in (
            signal.SIGINT,
            signal.SIGTERM,
        ):  # the worker's pool ignores the first, which is inherited
            signal.signal(number, signal.default_int_handler)
        learning.take_over(options["job"], options["worker"])
