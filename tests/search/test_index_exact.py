"""The oracle keeps the contract."""

from collections.abc import Callable

import pytest

from search.index.base import VectorIndex
from search.index.exact import ExactIndex
from tests.search.index_contract import IndexContract
from tests.search.listed_rows import ListedRows


class TestExact(IndexContract):
    @pytest.fixture
    def open_engine(self) -> Callable[[ListedRows], VectorIndex]:
        return ExactIndex
