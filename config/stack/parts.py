"""The programs of the stack beside Redis: what each is called, its command, its share of the processor."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

WEB_PROCESSES = 2
WEB_THREADS = 4


@dataclass(frozen=True)
class Part:
    """One program to start."""

    name: str
    command: list[str]
    env: Mapping[str, str] = field(default_factory=dict)


def parts(*, host: str, port: int, var_dir: Path) -> list[Part]:
    """Web server, workers and beat. Only the model worker computes on all cores; the rest keep to one."""
    return [
        Part("web", _web(host, port), _threads(1)),
        # Text in pictures is read between the batches of an import: a worker of its own would take its processors.
        Part("worker-gpu", _worker("gpu", "enrich"), _threads(os.cpu_count() or 1)),
        # Pictures sent as queries must not wait for a batch of an import to end.
        Part("worker-interactive", _worker("interactive"), _threads(1)),
        Part("worker-cpu", _worker("cpu"), _threads(1)),
        # Neither a rebuild of hours nor a slow site on the network keeps a photo waiting. A process each for a job, the
        # work of the night, and errands.
        Part("worker-jobs", _worker("jobs", "errands", processes=3), _threads(1)),
        Part("worker-index", _worker("index"), _threads(1)),
        Part("beat", [*_celery(), "beat", "--schedule", str(var_dir / "celerybeat-schedule"), "--pidfile="]),
    ]


def _web(host: str, port: int) -> list[str]:
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    workers = os.environ.get("WEB_CONCURRENCY", str(WEB_PROCESSES))
    return [
        *(sys.executable, "-m", "gunicorn", "config.wsgi"),
        *(
            "--bind",
            address,
            "--worker-class",
            "gthread",
            "--workers",
            workers,
            "--threads",
            str(WEB_THREADS),
        ),
        # The first query of a process loads its text encoders; a long upload is still one request.
        *("--timeout", "120", "--graceful-timeout", "5", "--log-level", "warning"),
    ]


def _worker(queue: str, *further: str, processes: int = 1) -> list[str]:
    queues = ",".join((queue, *further))
    return [
        *(*_celery(), "worker", "--queues", queues, "--hostname", f"{queue}@%h"),
        *("--concurrency", str(processes)),
        *("--pool", "prefork", "--loglevel", "INFO", "--without-gossip", "--without-mingle"),
    ]


def _celery() -> list[str]:
    return [sys.executable, "-m", "celery", "--app", "workers", "--quiet"]


def _threads(count: int) -> dict[str, str]:
    return {name: str(count) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
