"""`manage.py serve`: all of Sightline on this machine, until Ctrl-C."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.stack.errors import StackError
from config.stack.signals import Terminated, raising_on_termination
from config.stack.stack import Stack, running_stack


def add_address(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--host", default="127.0.0.1", help="Address to listen on (default: this machine only)"
    )
    parser.add_argument("--port", type=int, default=8000, help="Port of the web server (default 8000)")


class Command(BaseCommand):
    help = "Starts Redis, the web server, all workers and beat; Ctrl-C stops them all."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_address(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        host, port = options["host"], options["port"]
        try:
            with raising_on_termination(), running_stack(host=host, port=port, say=self._say) as stack:
                self.use(stack, **options)
        except StackError as error:
            raise CommandError(str(error)) from error
        except (KeyboardInterrupt, Terminated):
            self._say("Stopped.")

    def use(self, stack: Stack, **options: Any) -> None:
        self._say(f"Sightline is at {stack.url}  (logs in {stack.log_dir}; Ctrl-C stops it)")
        stack.wait_until(lambda: False)

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
