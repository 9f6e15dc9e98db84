"""The two switches of tests/conftest.py do what CI relies on."""

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
TESTS = """
import pytest

def test_plain(): pass

@pytest.mark.skip(reason="no Java here")
def test_skipped(): pass

@pytest.mark.xfail(strict=True)
def test_expected_to_fail(): assert False

@pytest.mark.django_db
def test_rows(): pass

def test_fixture(transactional_db): pass
"""


def run(tmp_path: Path, *arguments: str, **variables: str) -> str:
    (tmp_path / "test_sample.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    # Loading every plug-in that is installed takes longer than the tests.
    plugins = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "SIGHTLINE_NO_SKIPS": "", "PYTHONPATH": str(REPOSITORY)}
    environment = {**os.environ, **plugins, **variables}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "pytest_django.plugin",
        "-p",
        "tests.conftest",
        *arguments,
    ]
    result = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    return result.stdout + result.stderr


def test_a_skip_is_a_failure_where_skips_are_forbidden(tmp_path: Path) -> None:
    chosen = [f"test_sample.py::test_{name}" for name in ("plain", "skipped", "expected_to_fail")]
    assert "1 passed, 1 skipped, 1 xfailed" in run(tmp_path, *chosen)
    forbidden = run(tmp_path, *chosen, SIGHTLINE_NO_SKIPS="1")
    assert "1 passed, 1 xfailed, 1 error" in forbidden
    assert "no Java here" in forbidden


def test_a_module_that_skips_itself_is_a_failure_too(tmp_path: Path) -> None:
    (tmp_path / "test_module.py").write_text("import pytest\npytest.importorskip('no_such_library')\n")
    assert "1 error" in run(tmp_path, "test_module.py", SIGHTLINE_NO_SKIPS="1")
    assert "1 skipped" in run(tmp_path, "test_module.py")


def test_database_only_keeps_what_touches_the_database(tmp_path: Path) -> None:
    output = run(tmp_path, "--database-only", "--collect-only", "-q")
    assert "test_rows" in output
    assert "test_fixture" in output
    assert "2/5 tests collected (3 deselected)" in output
