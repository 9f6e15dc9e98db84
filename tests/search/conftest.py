"""alice owns photos, bob looks on; every test has an index folder of its own."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from tests.search.listed_rows import ListedRows, unit_vectors
from tests.search.photos import person
from tests.search.processes import env  # noqa: F401 - fixture


@pytest.fixture(autouse=True)
def own_index_folder(settings: Any, tmp_path: Path) -> None:
    settings.INDEX_DIR = tmp_path / "index"


@pytest.fixture
def alice(db: None) -> User:
    return person("alice")


@pytest.fixture
def bob(db: None) -> User:
    return person("bob")


@pytest.fixture
def rows() -> ListedRows:
    """Two hundred vectors, as an index is made of them."""
    filled = ListedRows()
    filled.put(range(1, 201), unit_vectors(200, 1))
    return filled
