"""`manage.py demo`: the whole site with real photos in it, from nothing, and a look at what it can do."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import CommandError
from django.db import connection

from captioning.models import Caption
from config.demo.account import demo_user
from config.demo.photos import demo_photos
from config.demo.site import FOLDER, demo_site
from config.demo.tour import QUERIES, own_queries, tour
from config.demo.waiting import failures_of, wait_until_searchable
from config.management.commands import serve
from config.stack.ports import free_port
from config.stack.processes import start
from config.stack.stack import Stack

_CAPTIONS_READ = 1000


class Command(serve.Command):
    help = "Starts everything, imports photos, waits until they can be searched, and shows three searches."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--photos", type=Path, help="A folder or zip file of your own (default: 15 photos)"
        )
        parser.add_argument("--exit", action="store_true", help="Stop when everything was shown")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["photos"] is not None and not options["photos"].exists():
            raise CommandError(f"There is no {options['photos']}.")
        super().handle(*args, **options)

    def use(self, stack: Stack, **options: Any) -> None:
        var_dir, photos = Path(settings.VAR_DIR), options["photos"]
        owner, password = demo_user(var_dir / "demo-password")
        self._import(stack, photos or demo_photos(var_dir / "demo-photos"), owner)
        standing = wait_until_searchable(stack, owner)
        for line in failures_of(owner):
            self.stderr.write(f"Not described: {line}")
        self._say(f"{standing.searchable} of {standing.total} photos are captioned and searchable.")
        for line in tour(stack.url, QUERIES if photos is None else own_queries(_captions(owner))):
            self._say(line)
        self._say(f"\nSign in as {owner.username} with the password {password} to upload and edit.")
        if options["exit"]:
            self._say(f"Sightline was at {stack.url}")
        else:
            self._say(f"A content site that shows what is related: {self._serve_site(stack, owner)}")
            super().use(stack, **options)

    def _serve_site(self, stack: Stack, owner: User) -> str:
        """Starts the demo site beside the stack, on an origin of its own; returns its address."""
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        site = demo_site(owner, url)
        command = [sys.executable, "-m", "config.demo.site_server", str(FOLDER), "--port", str(port)]
        command += ["--service", stack.url, "--key", site.key]
        stack.children.append(start("demo-site", command, log_dir=stack.log_dir, env=stack.env))
        connection.close()  # nothing more to ask of it while the site runs
        return url

    def _import(self, stack: Stack, photos: Path, owner: User) -> None:
        self._say(f"Importing {photos}")
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "import_media", str(photos)]
        stack.run("The import", [*command, "--owner", owner.username, "--visibility", "public"])


def _captions(owner: User) -> list[str]:
    captions = Caption.objects.filter(frame__asset__owner=owner).order_by("frame_id")
    return list(captions.values_list("text", flat=True)[:_CAPTIONS_READ])
