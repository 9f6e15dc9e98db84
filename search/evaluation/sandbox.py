"""A library of its own for an evaluation: an empty database and index, gone afterwards."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection
from django.test.utils import override_settings


@contextmanager
def sandbox() -> Iterator[None]:
    """While active, the default database is a fresh one of the configured kind, and INDEX_DIR an empty folder.

    Meant for commands: the process must not serve anything else meanwhile.
    """
    former = connection.settings_dict["NAME"]
    with tempfile.TemporaryDirectory(prefix="sightline-evaluation-") as folder:
        connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        try:
            with override_settings(INDEX_DIR=Path(folder), VAR_DIR=Path(folder)):
                yield
        finally:
            connection.creation.destroy_test_db(former, verbosity=0)
