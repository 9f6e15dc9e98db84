"""The people and the index folder of the search tests, a site of alice's, and no broker."""

from typing import Any

import pytest

from tests.recommender.sites import shop  # noqa: F401 - fixture
from tests.search.conftest import alice, bob, own_index_folder  # noqa: F401 - fixtures
from workers import messages


@pytest.fixture
def without_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is told what was spent: that would wait for a broker that is not there."""
    monkeypatch.setattr(messages, "spent", lambda *_, **__: None)


@pytest.fixture
def nothing_explored(settings: Any) -> None:
    settings.RECOMMENDATION_EXPLORATION = 0.0
