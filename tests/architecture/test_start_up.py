"""Starting Django imports no heavy library: commands answer at once, and the web process stays small."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
CONTRACTS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
    "contracts"
]
#: What has cupboards of its own, and what these libraries or learning by behaviour bring along.
HEAVY = (
    *next(contract["forbidden_modules"] for contract in CONTRACTS if contract["id"] == "cupboards"),
    *("scipy", "sklearn", "implicit"),
)

START = """
import sys
import django
django.setup()
from django.core.management import get_commands, load_command_class
from django.urls import get_resolver
get_resolver().url_patterns
import config.wsgi
import workers.celery
workers.celery.app.loader.import_default_modules()
ours = ("config", "library", "captioning", "search", "recommender", "workers")
for name, app in get_commands().items():
    if app in ours:
        load_command_class(app, name)
print(",".join(sorted(name for name in sys.argv[1].split(",") if name in sys.modules)))
"""


def test_start_up_imports_no_heavy_library() -> None:
    """Pages, API, commands, admin and the workers' tasks, all imported; models are not."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"}
    result = subprocess.run(
        [sys.executable, "-c", START, ",".join(HEAVY)],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == ""
