"""Text search over HTTP: what it costs beside the models and the engine.

    python benchmarks/search.py [--assets 10000] [--queries 200] [--limit-ms 15] [--keep FOLDER [--database URL]]
        [--narrow] [--json]

Fills a database of its own with synthetic photos (captions and auto-tags from a vocabulary with the usual few
common and many rare words, unit vectors around the nouns), seals most of the vectors and leaves some as the tail,
starts gunicorn as `manage.py serve` does, and sends distinct queries, so that no cache helps. Each query is then
encoded and looked up in the engine in this process, one thing after the other: the difference of the two medians is
what everything else adds for who waits, HTTP, Django, permissions, keywords, fusion and captions, of which the server
does a part meanwhile. Exits with 1 where that is over the limit.

The same is then asked within narrow sets: by somebody who owns a hundredth of the photos in private, of all that they
may see and of their own, and by everybody of a tag, of a month and of a year. What the engine compares there is counted
to what everything else costs.
"""

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psutil

# Before anything loads numpy or torch: a web process computes on one core, as the stack starts it.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from benchmarks.embedded import (  # noqa: E402 - after the path is set
    START_TIMEOUT_S,
    filled,
    own_database,
    shown,
    wait_until_served,
)

WARM_UP = 20
NARROW_QUERIES = 40


def main() -> int:
    asked = _arguments()
    if asked.narrow:
        from benchmarks import narrowed

        narrowed.use()
    with own_database("127.0.0.1", asked.keep, asked.database) as there:
        from benchmarks import synthetic

        words = synthetic.known_nouns() if there else synthetic.fill(asked.assets)
        filled(asked.keep)
        questions, first, each = _narrow(), WARM_UP + asked.queries, WARM_UP + NARROW_QUERIES
        queries = synthetic.queries(words, first + each * len(questions))
        with web_server() as (port, server):
            figures = _measured(port, server, queries[:first], EVERYBODY)
            figures["within"] = {
                question.name: _measured(port, server, queries[first + each * at :][:each], question)
                for at, question in enumerate(questions)
            }
    figures = {"assets": asked.assets, "queries": asked.queries, **figures, "limit_ms": asked.limit_ms}
    print(shown(figures, as_json=asked.json))
    return 0 if figures["overhead_p50_ms"] <= asked.limit_ms else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--assets", type=int, default=10_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--limit-ms", type=float, default=15.0)
    parser.add_argument("--keep", type=Path, help="a folder for the library, filled once and used again")
    parser.add_argument(
        "--database", metavar="URL", help="an empty PostgreSQL for it; default: a SQLite file"
    )
    parser.add_argument("--narrow", action="store_true", help="vectors of 64 numbers; see narrowed.py")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


@dataclass(frozen=True)
class Asking:
    """Who asks, and within what."""

    name: str
    token: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)


EVERYBODY = Asking("everybody")


def _narrow() -> list[Asking]:
    """Questions within a hundredth of the library, or about that, and within a tenth."""
    from django.contrib.auth.models import User

    from benchmarks import synthetic
    from library.api_keys import create_key
    from search.models import Suggestion

    member = User.objects.get(username=synthetic.MEMBER)
    token = create_key(member, name="benchmark", scopes=["read"]).token
    tags = Suggestion.objects.filter(kind=Suggestion.Kind.TAG, audience=0).order_by("-count")
    names = list(tags.values_list("text", flat=True)[:10])
    return [
        Asking("a member's and public ones", token),
        Asking("a member's own", token, {"mine": "true"}),
        Asking("a tag", "", {"tag": names[9]}),
        Asking("a common tag", "", {"tag": names[2]}),
        Asking("a month", "", {"taken_after": "2020-01-01", "taken_before": "2020-02-01"}),
        Asking("a year", "", {"taken_after": "2020-01-01", "taken_before": "2021-01-01"}),
    ]


@dataclass(frozen=True)
class Sample:
    """One query. `processor` is what the server's process computed; the rest are milliseconds on the clock."""

    http_ms: float
    encode_ms: float
    engine_ms: float
    server_processor_ms: float
    own_processor_ms: float

    @property
    def inside_ms(self) -> float:
        return self.encode_ms + self.engine_ms


def _measured(port: int, server: psutil.Process, queries: list[str], asking: Asking) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_TIMEOUT_S)
    samples = [_sample(connection, server, query, asking) for query in queries][WARM_UP:]

    def median(name: str) -> float:
        return float(statistics.median(getattr(sample, name) for sample in samples))

    beside = [sample.http_ms - sample.inside_ms for sample in samples]
    overheads = [sample.server_processor_ms - sample.own_processor_ms for sample in samples]
    return {
        "http_p50_ms": round(median("http_ms"), 2),
        "http_p95_ms": round(statistics.quantiles([sample.http_ms for sample in samples], n=20)[-1], 2),
        "encode_p50_ms": round(median("encode_ms"), 2),
        "engine_p50_ms": round(median("engine_ms"), 2),
        "overhead_p50_ms": round(median("http_ms") - median("inside_ms"), 2),
        # On a machine that others use, too, the clock also counts their turns: fewer in the quickest tenth, here none.
        "overhead_p10_ms": round(statistics.quantiles(beside, n=10)[0], 2),
        "overhead_processor_mean_ms": round(statistics.mean(overheads), 2),
        "load_average": round(os.getloadavg()[0], 1),
    }


def _sample(
    connection: http.client.HTTPConnection, server: psutil.Process, query: str, asking: Asking
) -> Sample:
    """A query over HTTP, then at once by itself, so that both see the same moods of the machine."""
    before = server.cpu_times()
    http_ms = _asked(connection, query, asking)
    after = server.cpu_times()
    started = time.process_time()
    encode_ms, engine_ms = _by_itself(query)
    own_ms = (time.process_time() - started) * 1000
    server_ms = (after.user + after.system - before.user - before.system) * 1000
    return Sample(http_ms, encode_ms, engine_ms, server_ms, own_ms)


def _asked(connection: http.client.HTTPConnection, query: str, asking: Asking) -> float:
    started = time.perf_counter()
    parameters = urlencode({"q": query, "limit": 20, **asking.parameters})
    headers = {"Authorization": f"Bearer {asking.token}"} if asking.token else {}
    connection.request("GET", f"/api/v1/search?{parameters}", headers=headers)
    response = connection.getresponse()
    body = response.read()
    took_ms = (time.perf_counter() - started) * 1000
    if response.status != 200 or len(json.loads(body)["results"]) != 20:
        raise SystemExit(f"{query!r} was answered with {response.status}: {body[:500]!r}")
    return took_ms


def _by_itself(query: str) -> tuple[float, float]:
    """Milliseconds of the models and of the engine, with nothing around them."""
    from search.index.base import EVERYTHING
    from search.paging import FIRST_DEPTH
    from search.services import embedder, index, spaces

    started = time.perf_counter()
    vectors = {space: embedder(space).embed_queries([query])[0] for space in spaces()}
    encoded = time.perf_counter()
    for space, vector in vectors.items():
        index(space).search(vector, FIRST_DEPTH, EVERYTHING)
    return (encoded - started) * 1000, (time.perf_counter() - encoded) * 1000


@contextmanager
def web_server() -> Iterator[tuple[int, psutil.Process]]:
    """gunicorn as the stack runs it, with one process, so that the warm-up reaches the one that is measured."""
    from config.stack.ports import free_port

    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", f"127.0.0.1:{port}"]
    command += ["--worker-class", "gthread", "--workers", "1", "--threads", "4", "--log-level", "warning"]
    server = subprocess.Popen([*command, "--keep-alive", "60"], cwd=REPOSITORY)
    try:
        wait_until_served(port, server)
        (worker,) = psutil.Process(server.pid).children()
        yield port, worker
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:  # on a crowded machine; what was measured is not lost for that
            server.kill()
            server.wait()


if __name__ == "__main__":
    sys.exit(main())
