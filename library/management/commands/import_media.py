"""Imports photos from a folder, a file or a zip file. Run it again to go on where it was stopped."""

import sys
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from core.errors import InvalidInput
from library.details import Details
from library.importers.batch import Outcome, store_all
from library.importers.folder import LocalFile, files_under, looks_like
from library.importers.imports import import_archive
from library.models import Asset
from workers import pipeline

#: Workers begin while the import goes on; more messages than this would tell them nothing new.
_WAKE_EVERY_S = 2.0
_FAILURES_SHOWN = 20


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "path", type=Path, help="a folder (with all folders in it), a photo, or a zip file"
        )
        parser.add_argument("--owner", help="user name; may be left out where there is only one user")
        parser.add_argument(
            "--visibility", default=Asset.Visibility.PRIVATE, help="private (default) or public"
        )
        parser.add_argument(
            "--tag", action="append", default=[], help="a tag for every photo; may be repeated"
        )

    def handle(
        self, *args: Any, path: Path, owner: str | None, visibility: str, tag: list[str], **options: Any
    ) -> None:
        if not path.exists():
            raise CommandError(f"There is no {path}.")
        try:
            details = Details.checked(tags=tag, visibility=visibility)
        except InvalidInput as error:
            raise CommandError(str(error)) from error
        started = time.monotonic()
        counts = self._run(_owner(owner), path, details, quiet=options["verbosity"] < 1)
        seconds = time.monotonic() - started
        accepted = counts["created"] + counts["duplicate"]
        self.stdout.write(
            f"{counts['created']} new, {counts['duplicate']} there before, {counts['error']} failed, "
            f"{counts['other']} not pictures; {accepted / max(seconds, 1e-3):.1f} photos/s"
        )
        if counts["error"] and not accepted:
            raise CommandError("No photo was imported.")

    def _run(self, owner: User, path: Path, details: Details, *, quiet: bool) -> Counter[str]:
        kinds: dict[str, list[LocalFile]] = {"picture": [], "zip": [], "other": []}
        for file in files_under(path):
            kinds[looks_like(file)].append(file)
        counts = Counter(other=len(kinds["other"]))
        woken_at = 0.0
        with tqdm(total=len(kinds["picture"]), unit="photo", disable=quiet, file=sys.stderr) as bar:
            try:
                for outcome in _outcomes(owner, kinds, details, bar):
                    counts[outcome.status] += 1
                    self._tell(bar, counts, outcome)
                    if outcome.created and time.monotonic() - woken_at > _WAKE_EVERY_S:
                        pipeline.wake(pipeline.FRAMES)
                        woken_at = time.monotonic()
            except KeyboardInterrupt:
                raise CommandError("Stopped. Run the same command again to go on.", returncode=130) from None
            finally:
                if counts["created"]:
                    pipeline.wake()
        return counts

    def _tell(self, bar: "tqdm[Any]", counts: Counter[str], outcome: Outcome) -> None:
        bar.update()
        if outcome.error is None:
            return
        bar.set_postfix(failed=counts["error"])
        if counts["error"] <= _FAILURES_SHOWN:
            with bar.external_write_mode(file=sys.stderr):
                # Linux allows names that are no text; a report must not die of one.
                self.stderr.write(f"{outcome.name}: {outcome.error}".encode("utf-8", "replace").decode())
        if counts["error"] == _FAILURES_SHOWN:
            self.stderr.write("More failures are only counted.")


def _outcomes(
    owner: User, kinds: dict[str, list[LocalFile]], details: Details, bar: "tqdm[Any]"
) -> Iterator[Outcome]:
    yield from store_all(owner, kinds["picture"], details)
    for archive in kinds["zip"]:
        with archive.open() as file:
            for outcome in import_archive(owner, file, archive.name, details):
                bar.total = (bar.total or 0) + 1
                yield outcome


def _owner(name: str | None) -> User:
    if name is not None:
        owner = User.objects.filter(username=name).first()
        if owner is None:
            raise CommandError(f"There is no user {name!r}. Make one with `manage.py createsuperuser`.")
        return owner
    users = list(User.objects.order_by("pk")[:2])
    if len(users) != 1:
        raise CommandError(
            "Say whose photos these are: --owner NAME."
            if users
            else "There is no user yet. Make one with `manage.py createsuperuser`."
        )
    return users[0]
