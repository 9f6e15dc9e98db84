"""Removes stored files that belong to no asset: what a crash or the deletion of an account left behind."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from library.storage_sweep import sweep


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only count them")

    def handle(self, *args: Any, dry_run: bool, **options: Any) -> None:
        swept = sweep(dry_run=dry_run)
        found = f"{swept.contents} contents without an asset, {swept.scratch_files} half-written files"
        self.stdout.write(f"{found}: {'nothing removed' if dry_run else 'removed'}.")
