"""Settings are read from the environment, and a wrong one stops the process with its name and the rule."""

import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from captioning.captioners.decoding import Decoding
from config import environment as env

REPOSITORY = Path(__file__).resolve().parents[2]
SHOW = "from config import settings; print(repr(getattr(settings, '{}')))"
SHOW_ALL = """
from config import settings
for name, value in vars(settings).items():
    if name.isupper():
        print(name, value)
"""
PLACES = ("VAR_DIR", "MEDIA_ROOT", "INDEX_DIR", "MODEL_CACHE_DIR", "STATIC_ROOT", "DATABASE_URL")


def python(code: str, tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "VAR_DIR": str(tmp_path / "var"), **variables}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


WRONG: dict[str, tuple[Callable[[], object], str, str]] = {
    "flag": (lambda: env.flag("X", default=False), "perhaps", "X must be one of true, false"),
    "integer": (lambda: env.integer("X", 5), "50MB", "X must be a whole number"),
    "zero": (lambda: env.integer("X", 5), "0", "X must be at least 1"),
    "number": (lambda: env.number("X", 1.0), "soon", "X must be a number"),
    "negative": (lambda: env.number("X", 1.0), "-1", "X must be at least 0"),
    "optional number": (lambda: env.optional_number("X"), "high", "X must be a number"),
    "mapping": (lambda: env.mapping("X", {}), "image", "X must be pairs"),
    "parsed": (lambda: env.parsed("X", "", Decoding.parse), "beams", "X: 'beams' is no decoding"),
    "choice": (lambda: env.choice("X", "a", ("a", "b")), "c", "X must be one of a, b"),
    "engine": (
        lambda: env.database("X", Path()),
        "mysql://root:secret@localhost/photos",
        "X must start with",
    ),
    "no database": (
        lambda: env.database("X", Path()),
        "postgresql://u:secret@localhost/",
        "X names no database",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_value_names_the_variable_and_the_rule(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read, value, rule = WRONG[case]
    monkeypatch.setenv("X", value)
    with pytest.raises(ImproperlyConfigured) as caught:
        read()
    assert rule in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_wrong_value_stops_the_process(tmp_path: Path) -> None:
    result = python("import config.settings", tmp_path, UPLOAD_MAX_BYTES="50MB")
    assert result.returncode != 0
    assert "UPLOAD_MAX_BYTES must be a whole number, not '50MB'" in result.stderr.splitlines()[-1]


RIGHT: dict[str, tuple[Callable[[], object], str, object]] = {
    "flag": (lambda: env.flag("X", default=False), "Yes", True),
    "no flag": (lambda: env.flag("X", default=True), "off", False),
    "empty means default": (lambda: env.flag("X", default=True), "", True),
    "integer": (lambda: env.integer("X", 5), " 1000 ", 1000),
    "names": (lambda: env.names("X", []), "a.example, b.example,", ["a.example", "b.example"]),
    "mapping": (lambda: env.mapping("X", {}), "image=a.B, caption=c.D", {"image": "a.B", "caption": "c.D"}),
    "parsed": (lambda: env.parsed("X", "", Decoding.parse), "beam5", Decoding(num_beams=5)),
    "empty switches off": (lambda: env.switchable("X", "a.B"), " ", ""),
    "no text": (lambda: env.optional_text("X"), " ", None),
    "path": (lambda: env.path("X", Path()), "/tmp/../etc", Path("/etc")),
}


@pytest.mark.parametrize("case", RIGHT)
def test_values_are_typed(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read, value, expected = RIGHT[case]
    monkeypatch.setenv("X", value)
    assert read() == expected


def test_a_socket_of_postgresql_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", "postgresql://me@%2Frun%2Fpg/photos?sslmode=disable")
    config = env.database("X", Path())
    assert (config["HOST"], config["NAME"], config["USER"]) == ("/run/pg", "photos", "me")
    assert config["OPTIONS"] == {"sslmode": "disable"}


def test_dotenv_fills_gaps_and_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("X=from file\nY_OF_TEST=from file\n")
    monkeypatch.setenv("X", "from environment")
    monkeypatch.setenv("Y_OF_TEST", "")
    monkeypatch.delenv("Y_OF_TEST")
    env.load_dotenv(tmp_path / ".env")
    assert (env.text("X", ""), env.text("Y_OF_TEST", "")) == ("from environment", "from file")


@pytest.mark.parametrize("name", ["TEXT_READER", "UNSAFE_SCORER"])
def test_an_empty_variable_switches_a_model_off(name: str, tmp_path: Path) -> None:
    assert python(SHOW.format(name), tmp_path, **{name: ""}).stdout.strip() == "''"
    assert python(SHOW.format(name), tmp_path).stdout.startswith("'captioning.vision.")


def test_a_secret_key_is_made_once_and_kept_from_others(tmp_path: Path) -> None:
    first, second = (python(SHOW.format("SECRET_KEY"), tmp_path).stdout.strip() for _ in range(2))
    assert len(first) > 50
    assert first == second
    assert stat.S_IMODE((tmp_path / "var" / "secret_key").stat().st_mode) == 0o600


def test_processes_that_start_together_share_one_key(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "VAR_DIR": str(tmp_path)}
    command = [sys.executable, "-c", SHOW.format("SECRET_KEY")]
    started = [
        subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE) for _ in range(4)
    ]
    assert len({process.communicate()[0] for process in started}) == 1


def test_every_setting_is_documented_in_the_example() -> None:
    source = (REPOSITORY / "config" / "settings.py").read_text()
    read = set(re.findall(r"env\.\w+\(\s*\"([A-Z_]+)\"", source))
    documented = set(re.findall(r"^#?([A-Z_]+)=", (REPOSITORY / ".env.example").read_text(), re.MULTILINE))
    assert read == documented
    assert len(read) > 20


def test_every_default_in_the_example_is_the_one_that_holds(tmp_path: Path) -> None:
    example = (REPOSITORY / ".env.example").read_text()
    told = dict(re.findall(r"^#?([A-Z_]+)=(\S.*)$", example, re.MULTILINE))
    for name in PLACES:  # told by the folder that they lie in, where the code says VAR_DIR
        told.pop(name)
    assert len(told) > 50
    unset = python(SHOW_ALL, tmp_path)
    assert unset.returncode == 0, unset.stderr
    assert python(SHOW_ALL, tmp_path, **told).stdout == unset.stdout


def test_the_deployment_checks_would_notice(tmp_path: Path) -> None:
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", "VAR_DIR": str(tmp_path)}
    result = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode != 0
    assert "SECURE_SSL_REDIRECT" in result.stderr
