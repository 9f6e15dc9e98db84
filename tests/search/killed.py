"""A process that forks one child for each line it reads, in which a rebuild or the index stage is killed.

    python -m tests.search.killed

A line names the moment, one of MOMENTS; the answer is the signal that ended the child. Forking costs a hundredth of
starting Django anew, and each child is a process like any other, killed by SIGKILL.
"""

import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import django

#: Where the child dies: a function, as module and path in it, and whether before, within (at its second call) or
#: after it; and what the child is doing.
MOMENTS = {
    "build: before any row is written": ("search.index.faiss.generations:Draft.append", "before", "rebuild"),
    "build: between two chunks of rows": ("search.index.faiss.generations:Draft.append", "within", "rebuild"),
    "build: rows written, ids not": ("search.index.faiss.generations:Draft.finish_rows", "before", "rebuild"),
    "build: codes made, not described": (
        "search.index.faiss.generations:Draft.describe",
        "before",
        "rebuild",
    ),
    "publish: whole, the pointer not written": (
        "search.index.faiss.generations:GenerationStore.publish",
        "before",
        "rebuild",
    ),
    "publish: the pointer written, not in place": ("pathlib:Path.replace", "before", "rebuild"),
    "publish: in place, not recorded": ("pathlib:Path.replace", "after", "rebuild"),
    "prune: the files removed, their folder not": ("os:rmdir", "before", "rebuild"),
    "tail merge: between two spaces": ("search.indexing:_rebuild", "after", "rebuild"),
    "index stage: numbered, not committed": ("search.indexing:_number", "after", "index"),
    "index stage: committed, not applied": ("search.indexing:_apply", "before", "index"),
}


def main() -> None:
    django.setup()
    from django.db import connections

    import search.rows

    search.rows._CHUNK = 20
    print("ready", flush=True)  # noqa: T201 - read by the test
    for line in sys.stdin:
        # A database connection belongs to one process.
        connections.close_all()
        child = os.fork()
        if child == 0:
            _die_at(line.strip())
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, flush=True)  # noqa: T201


def _die_at(moment: str) -> None:
    from search.selectors import frames_to_index
    from search.services import index_frames, rebuild_index

    place, when, task = MOMENTS[moment]
    _arm(place, when)
    if task == "index":
        index_frames(frames_to_index().values_list("pk", flat=True))
    else:
        rebuild_index()


def _arm(place: str, when: str) -> None:
    """Replaces a function by one that kills this process."""
    module, _, path = place.partition(":")
    owner: Any = import_module(module)
    *within, name = path.split(".")
    for part in within:
        owner = getattr(owner, part)
    kept: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def deadly(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if when == "before" or (when == "within" and calls == 2):
            os.kill(os.getpid(), signal.SIGKILL)
        done = kept(*args, **kwargs)
        if when == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    setattr(owner, name, deadly)


if __name__ == "__main__":
    main()
