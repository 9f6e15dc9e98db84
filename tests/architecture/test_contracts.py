"""The import contracts hold, and each of them fails where somebody breaks it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("config", "core", "library", "captioning", "search", "recommender", "workers")

# What is broken, by one line in one file, and the contract that must notice.
BREACHES = {
    "an app imports one above it": ("library/selectors.py", "import captioning.models", "Data flows down"),
    "captioning imports search": ("captioning/services.py", "import search.models", "Data flows down"),
    "core imports an app, lazily": ("core/locks.py", "def f(): import library.models", "Data flows down"),
    "a service wakes the pipeline": ("captioning/services.py", "import workers.pipeline", "Data flows down"),
    "a door uses more of the workers": ("search/api.py", "import workers.claims", "Data flows down"),
    "a selector imports a service": (
        "captioning/selectors.py",
        "import captioning.services",
        "Inside captioning",
    ),
    "a model imports a selector": ("library/models.py", "import library.selectors", "Inside library"),
    "a selector of the search writes": ("search/rows.py", "import search.indexing", "Inside search"),
    "scoring reads a service": (
        "recommender/scoring/__init__.py",
        "import recommender.related",
        "Inside recomm",
    ),
    "the pipeline claims": ("workers/pipeline.py", "import workers.claims", "Inside workers"),
    "a service imports a door": (
        "captioning/services.py",
        "import captioning.admin",
        "Nobody imports a door",
    ),
    "another app imports a door": ("recommender/related.py", "import search.api", "Nobody imports a door"),
    "a service imports torch": ("search/services.py", "import torch", "Heavy libraries"),
    "a door imports faiss, lazily": ("search/api.py", "def f(): import faiss", "Heavy libraries"),
    "the core imports transformers": ("core/backends.py", "import transformers", "Heavy libraries"),
    "fusion imports Django": ("search/fusion.py", "import django.conf", "know no Django"),
    "media reads a model": ("library/media/probe.py", "import library.models", "know no Django"),
}


def lint(folder: Path) -> tuple[int, str]:
    program = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([program], cwd=folder, capture_output=True, text=True, check=False)
    return result.returncode, result.stdout + result.stderr


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The modules and the contracts, without what neither of them needs."""
    folder = tmp_path_factory.mktemp("tree")
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__", "static", "templates", "checkpoints")
        shutil.copytree(REPOSITORY / package, folder / package, ignore=ignored)
    shutil.copy(REPOSITORY / "pyproject.toml", folder)
    return folder


def test_the_code_keeps_every_contract() -> None:
    status, output = lint(REPOSITORY)
    assert status == 0, output
    assert re.search(r"Contracts: \d+ kept, 0 broken", output)


@pytest.mark.parametrize("breach", BREACHES)
def test_a_breach_is_noticed(breach: str, copy: Path) -> None:
    file_name, line, contract = BREACHES[breach]
    file = copy / file_name
    before = file.read_text("utf-8")
    try:
        file.write_text(f"{before}\n\n{line}\n", "utf-8")
        status, output = lint(copy)
    finally:
        file.write_text(before, "utf-8")
    assert status != 0, f"nobody noticed that {breach}"
    broken = re.findall(r"^(.+) BROKEN", output, re.MULTILINE)
    assert any(contract in name for name in broken), output
