"""Suggestions while typing: what each letter costs.

    python benchmarks/suggestions.py [--assets 100000] [--queries 500] [--limit-ms 20] [--json]

Fills a database of its own with synthetic photos: captions of a few thousand words, and tags of which thousands are
rare. Then asks, through Django and the HTTP API but without a socket, as people type: one to five letters of a word,
alone or behind another word, half of them by a stranger and half by somebody with 1,000 private photos. Exits with 1
where the median, by the processor's clock, is over the limit: SQLite computes in this very process.
"""

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from benchmarks.embedded import own_database, shown  # noqa: E402 - after the path is set

WARM_UP = 20
PRIVATE = 1_000
SEED = 11


def main() -> int:
    asked = _arguments()
    with own_database("testserver"):
        from benchmarks import synthetic

        synthetic.fill_words(asked.assets)
        make_private()
        figures = _measured(asked.queries)
    figures = {"assets": asked.assets, "queries": asked.queries, **figures, "limit_ms": asked.limit_ms}
    print(shown(figures, as_json=asked.json))
    return 0 if figures["processor_p50_ms"] <= asked.limit_ms else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--assets", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--limit-ms", type=float, default=20.0)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def make_private() -> None:
    """Some photos are somebody's own, so that two audiences are asked."""
    from django.contrib.auth.models import User
    from django.db import transaction

    from library.models import Asset
    from search.suggesting import count_words

    owner = User.objects.create_user("private")
    ids = list(Asset.objects.order_by("pk").values_list("pk", flat=True)[:PRIVATE])
    with transaction.atomic():
        Asset.objects.filter(pk__in=ids).update(owner=owner, visibility=Asset.Visibility.PRIVATE)
        count_words(ids)


def _measured(count: int) -> dict[str, float]:
    from django.contrib.auth.models import User
    from django.test import Client

    from search.models import Suggestion

    stranger, member = Client(), Client()
    member.force_login(User.objects.get(username="private"))
    took_ms, computed_ms, found = [], [], 0
    for at, typed in enumerate(_typed(WARM_UP + count)):
        client = member if at % 2 else stranger
        started, computed = time.perf_counter(), time.process_time()
        answer = client.get("/api/v1/suggest", {"q": typed})
        took_ms.append((time.perf_counter() - started) * 1000)
        computed_ms.append((time.process_time() - computed) * 1000)
        if answer.status_code != 200:
            raise SystemExit(f"{typed!r} was answered with {answer.status_code}: {answer.content[:300]!r}")
        found += bool(answer.json()["suggestions"])
    counted = sorted(took_ms[WARM_UP:])
    return {
        "suggestions": Suggestion.objects.count(),
        "answered": round(found / len(took_ms), 3),
        "p50_ms": round(statistics.median(counted), 2),
        "p95_ms": round(statistics.quantiles(counted, n=20)[-1], 2),
        "p99_ms": round(statistics.quantiles(counted, n=100)[-1], 2),
        "worst_ms": round(counted[-1], 2),
        # On a machine that others use, too, the clock also counts their turns; this doesn't.
        "processor_p50_ms": round(statistics.median(computed_ms[WARM_UP:]), 2),
        "processor_p95_ms": round(statistics.quantiles(computed_ms[WARM_UP:], n=20)[-1], 2),
        "load_average": round(os.getloadavg()[0], 1),
    }


def _typed(count: int) -> list[str]:
    """Beginnings of words that there are, one to five letters long, every second one behind a common word."""
    import numpy as np

    from search.models import Suggestion

    random = np.random.default_rng(SEED)
    known = list(Suggestion.objects.order_by("-count", "text").values_list("text", flat=True)[:5_000])
    typed = []
    for at in range(count):
        word = known[int(random.integers(len(known)))][: int(random.integers(1, 6))]
        typed.append(f"{known[int(random.integers(50))]} {word}" if at % 2 else word)
    return typed


if __name__ == "__main__":
    sys.exit(main())
