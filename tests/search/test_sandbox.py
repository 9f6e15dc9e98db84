"""The database that evaluations make for themselves."""

from typing import Any

import pytest
from django.db import connection

from core.errors import Unavailable
from search.evaluation.sandbox import sandbox


def test_where_none_can_be_made_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Django ends the process, as of a test run that can't begin."""

    def create(**_: Any) -> None:
        raise SystemExit(2)

    monkeypatch.setattr(connection.creation, "create_test_db", create)
    with pytest.raises(Unavailable, match="CREATEDB"), sandbox():
        pass
