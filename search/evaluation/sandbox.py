"""A library of its own for an evaluation: an empty database and index, gone afterwards."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection
from django.test.utils import override_settings

from core.errors import Unavailable

#: Beside others of the same kind, and never that of a test run.
_NAME = f"sightline_evaluation_{os.getpid()}"


@contextmanager
def sandbox() -> Iterator[None]:
    """While active, the default database is a fresh one of the configured kind, and INDEX_DIR an empty folder.

    Meant for commands: the process must not serve anything else meanwhile. Unavailable where the database's role may
    not make one; why stands on stderr.
    """
    former = connection.settings_dict["NAME"]
    with tempfile.TemporaryDirectory(prefix="sightline-evaluation-") as folder:
        if connection.vendor == "postgresql":  # that of SQLite lies in memory
            connection.settings_dict["TEST"]["NAME"] = _NAME
        try:
            connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        except SystemExit as error:  # Django's way to say so
            raise Unavailable(
                "An evaluation needs a database of its own, which this one's role could not make. Let it "
                f"(ALTER ROLE {connection.settings_dict['USER']} CREATEDB), or set "
                "DATABASE_URL=sqlite:///evaluation.sqlite3 for this command."
            ) from error
        try:
            with override_settings(INDEX_DIR=Path(folder), VAR_DIR=Path(folder)):
                yield
        finally:
            connection.creation.destroy_test_db(former, verbosity=0)
