"""Typed reading of environment variables: a wrong value stops the process and names variable and rule."""

import math
import os
import secrets
from collections.abc import Callable, Collection
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

import environ
from django.core.exceptions import ImproperlyConfigured

from core.errors import InvalidInput

T = TypeVar("T")
_env = environ.Env()


def load_dotenv(file: Path) -> None:
    """Reads `.env` where there is one; what the environment already says wins."""
    if file.is_file():
        environ.Env.read_env(file, overwrite=False)


def text(name: str, default: str) -> str:
    return os.environ.get(name, default).strip() or default


def switchable(name: str, default: str) -> str:
    """A dotted path; set to nothing it stays empty, which says that nothing of the kind is wanted."""
    return os.environ.get(name, default).strip()


def optional_text(name: str) -> str | None:
    return os.environ.get(name, "").strip() or None


def choice(name: str, default: str, allowed: Collection[str]) -> str:
    value = text(name, default)
    if value not in allowed:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(allowed)}, not {value!r}.")
    return value


def flag(name: str, *, default: bool) -> bool:
    return _read(name, default, _parse_flag, "must be one of true, false, 1, 0, yes, no, on, off")


def integer(name: str, default: int, *, at_least: int = 1) -> int:
    return _at_least(name, _read(name, default, int, "must be a whole number"), at_least)


def number(name: str, default: float, *, at_least: float = 0.0, at_most: float = math.inf) -> float:
    value = _at_least(name, _read(name, default, float, "must be a number"), at_least)
    if value > at_most:
        raise ImproperlyConfigured(f"{name} must be at most {at_most:g}, not {value:g}.")
    return value


def optional_number(name: str) -> float | None:
    return _read(name, None, float, "must be a number")


def optional_integer(name: str) -> int | None:
    return _read(name, None, int, "must be a whole number")


def parsed(name: str, default: str, parse: Callable[[str], T]) -> T:
    """What `parse` makes of the text; its InvalidInput says the rule."""
    try:
        return parse(text(name, default))
    except InvalidInput as error:
        raise ImproperlyConfigured(f"{name}: {error}") from error


def path(name: str, default: Path) -> Path:
    return Path(text(name, str(default))).expanduser().resolve()


def names(name: str, default: list[str]) -> list[str]:
    """A comma-separated list."""
    return _read(name, default, lambda raw: [part.strip() for part in raw.split(",") if part.strip()], "")


def networks(name: str) -> list[IPv4Network | IPv6Network]:
    """A comma-separated list such as `10.0.0.0/8,fc00::/7`."""
    return _read(
        name,
        [],
        lambda raw: [ip_network(part.strip()) for part in raw.split(",")],
        "must be networks such as 10.0.0.0/8",
    )


def mapping(name: str, default: dict[str, str]) -> dict[str, str]:
    """Pairs such as `image=a.b.C,caption=d.e.F`."""
    return _read(name, default, _parse_mapping, "must be pairs such as key=value,key=value")


def database(name: str, default: Path) -> dict[str, Any]:
    """A Django database of `sqlite:///file` or `postgresql://user:password@host/name`."""
    url = text(name, f"sqlite:///{default}")
    if not url.startswith(("sqlite:///", "postgres://", "postgresql://")):
        scheme = url.partition(":")[0]  # the rest may hold a password
        raise ImproperlyConfigured(f"{name} must start with sqlite:/// or postgresql://, not {scheme!r}.")
    config: dict[str, Any] = dict(_env.db_url_config(url))
    if not config.get("NAME"):
        raise ImproperlyConfigured(f"{name} names no database.")
    config["HOST"] = unquote(config["HOST"])  # a socket's folder is written %2Frun%2Fpostgresql
    return config


def secret_key(name: str, kept_in: Path) -> str:
    """The variable; else a key made once and kept in a file that only its owner reads.

    So a newcomer's first start needs no ceremony, while processes of one machine still share one key.
    """
    if given := optional_text(name):
        return given
    try:
        kept_in.parent.mkdir(parents=True, exist_ok=True)
        _write_once(kept_in, secrets.token_urlsafe(48))
        return kept_in.read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{name} is not set and none can be kept in {kept_in}: {error}") from error


def _write_once(file: Path, content: str) -> None:
    """Whole or not at all, also when several processes start at once: the first link wins."""
    if file.exists():
        return
    scratch = file.with_name(f".{file.name}.{os.getpid()}")
    scratch.touch(mode=0o600)
    scratch.write_text(content)
    try:
        os.link(scratch, file)
    except FileExistsError:
        pass
    finally:
        scratch.unlink()


def _read(name: str, default: T, parse: Callable[[str], T], rule: str) -> T:
    raw = os.environ.get(name, "").strip()
    if not raw:
        return default
    try:
        return parse(raw)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} {rule}, not {raw!r}.") from error


def _at_least(name: str, value: T, least: float) -> T:
    if value < least:  # type: ignore[operator]  # only called with numbers
        raise ImproperlyConfigured(f"{name} must be at least {least}, not {value}.")
    return value


def _parse_flag(raw: str) -> bool:
    lowered = raw.lower()
    if lowered in {"1", "true", "yes", "on"}:
        return True
    if lowered in {"0", "false", "no", "off"}:
        return False
    raise ValueError(raw)


def _parse_mapping(raw: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in raw.split(",") if part.strip()]
    if not all(key.strip() and equals and value.strip() for key, equals, value in pairs):
        raise ValueError(raw)
    return {key.strip(): value.strip() for key, _, value in pairs}
