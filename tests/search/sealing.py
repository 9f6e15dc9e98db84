"""An index of FAISS whose rows are in its files."""

from pathlib import Path

from search.index.base import Budget
from search.index.faiss.engine import FaissIndex
from tests.search.listed_rows import ListedRows


def sealed(rows: ListedRows, folder: Path, name: str = "first", budget: Budget | None = None) -> FaissIndex:
    """An index of these rows, with a generation of this name built and published."""
    rows.generations.add(name)
    engine = FaissIndex(rows, folder, budget)
    engine.rebuild(name)
    return engine
