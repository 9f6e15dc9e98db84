"""From a dotted path in settings to the one instance of this process: built at first use, then kept.

This is what keeps heavy libraries out of start-up: a settings entry is only a string until somebody loads it.
"""

import gc
import os
import threading
from collections.abc import Hashable
from importlib import import_module
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from core.errors import ModelUnavailable

_instances: dict[tuple[str, Hashable], Any] = {}
# Re-entrant, since building one backend may load another (a dual encoder loads its sentence encoder).
_building = threading.RLock()


def load(dotted_path: str, **kwargs: Any) -> Any:
    """The instance of the class or factory at `dotted_path`, built once per process and set of arguments.

    ImproperlyConfigured where the path names nothing; ModelUnavailable where a library or a file that it
    needs is missing. A failure is not kept: the next call tries again.
    """
    key = (dotted_path, tuple(sorted(kwargs.items())))
    if key in _instances:
        return _instances[key]
    with _building:
        if key not in _instances:
            _instances[key] = _build(dotted_path, kwargs)
            # A model's many objects stay. Walking through them again and again in search of what nobody uses took
            # Python's collector 2 ms of a request of 80.
            gc.freeze()
        return _instances[key]


def forget_others(dotted_path: str, **kwargs: Any) -> None:
    """Forgets the instances of a dotted path that were built with other arguments: their memory is needed.

    Who holds one still may go on with it.
    """
    keep = (dotted_path, tuple(sorted(kwargs.items())))
    with _building:
        if others := [key for key in _instances if key[0] == dotted_path and key != keep]:
            for key in others:
                del _instances[key]
            gc.unfreeze()


def named(dotted_path: str) -> Any:
    """The class or factory at `dotted_path`, imported but not called."""
    module_path, _, attribute = dotted_path.rpartition(".")
    if not module_path:
        raise ImproperlyConfigured(f"{dotted_path!r} is no dotted path such as package.module.Class.")
    try:
        return getattr(import_module(module_path), attribute)
    except AttributeError as error:
        raise ImproperlyConfigured(f"The module {module_path} has no {attribute!r}.") from error
    except ModuleNotFoundError as error:
        if error.name and (module_path == error.name or module_path.startswith(f"{error.name}.")):
            raise ImproperlyConfigured(f"There is no module {module_path} (from {dotted_path!r}).") from error
        raise ModelUnavailable(f"{dotted_path} needs the package {error.name}, which is missing.") from error


def clear() -> None:
    """Forgets every instance. For tests, and for a fork: its parent's models are not its own."""
    _instances.clear()
    gc.unfreeze()


def _build(dotted_path: str, kwargs: dict[str, Any]) -> Any:
    try:
        return named(dotted_path)(**kwargs)
    except ModuleNotFoundError as error:
        raise ModelUnavailable(f"{dotted_path} needs the package {error.name}, which is missing.") from error
    except OSError as error:
        raise ModelUnavailable(f"{dotted_path} can't read its files: {error}") from error


def _after_fork() -> None:
    global _building
    _building = threading.RLock()
    clear()


os.register_at_fork(after_in_child=_after_fork)
