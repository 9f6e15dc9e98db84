"""Fixtures that every test may use, and two switches: no skips in CI, and only what touches the database."""

import os
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from core import backends
from tests.clock import stopped_clock  # noqa: F401 - fixture
from tests.services.fixtures import (  # noqa: F401 - fixtures
    database_url,
    own_database_url,
    process_env,
    redis_url,
    served_site,
    stack,
    start_worker,
)
from tests.services.web import serve  # noqa: F401 - fixture

NO_SKIPS = os.environ.get("SIGHTLINE_NO_SKIPS", "") not in {"", "0"}
_DATABASE_FIXTURES = {"db", "transactional_db", "live_server", "django_db_setup", "stack", "own_database_url"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database-only",
        action="store_true",
        help="Only tests that touch the database (for another DATABASE_URL), but those of models and pages",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--database-only"):
        return
    kept = [item for item in items if _touches_database(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
    items[:] = kept


def _touches_database(item: pytest.Item) -> bool:
    fixtures = set(getattr(item, "fixturenames", ()))
    if item.get_closest_marker("models"):  # minutes of arithmetic, which is the same over every database
        return False
    if (
        item.get_closest_marker("browser") and "stack" not in fixtures
    ):  # minutes of pages, whose views are tested, too
        return False
    return item.get_closest_marker("django_db") is not None or bool(fixtures & _DATABASE_FIXTURES)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    report = yield
    return _failed_if_skipped(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    report = yield
    return _failed_if_skipped(report)


def _failed_if_skipped(report: Any) -> Any:
    """A test that did not run proves nothing: in CI a skip is a failure. (An expected failure is no skip.)"""
    if NO_SKIPS and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"Skipped, which SIGHTLINE_NO_SKIPS forbids: {report.longrepr}"
    return report


@pytest.fixture(autouse=True)
def _fresh_backends() -> Iterator[None]:
    """No model or index of one test is seen by the next."""
    yield
    backends.clear()
