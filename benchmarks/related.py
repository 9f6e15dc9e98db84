"""Related content over HTTP among many photos and items: what it costs beside its engines.

    python benchmarks/related.py [--things 100000] [--queries 100] [--limit-ms 15] [--json]

Fills a database of its own with so many synthetic photos (see benchmarks/synthetic.py) and as many items of one site,
with unit vectors around the same nouns, starts gunicorn as `manage.py serve` does, and asks for what belongs beside
distinct items, `kind=any`. The searches of the indexes that such a request makes are then made in this process by
themselves: the difference of the two medians is what everything else costs. Exits with 1 where that is over the limit.
"""

import argparse
import http.client
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import psutil

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from benchmarks.embedded import filled, own_database, shown  # noqa: E402 - after the path is set

WARM_UP = 10
LIMIT = 12
_CHUNK = 1000


def main() -> int:
    asked = _arguments()
    if asked.narrow:
        from benchmarks import narrowed

        narrowed.use()
    with own_database("127.0.0.1", asked.keep) as there:
        from benchmarks import synthetic
        from benchmarks.search import web_server

        if not there:
            _fill_items(asked.things, synthetic.fill(asked.things))
            filled(asked.keep)
        key = _key()
        with web_server() as (port, server):
            figures = _measured(port, server, key, asked.things, asked.queries)
    figures = {"photos": asked.things, "items": asked.things, "queries": asked.queries, **figures}
    print(shown(figures, as_json=asked.json))
    return 0 if figures["overhead_p50_ms"] <= asked.limit_ms else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--things", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--limit-ms", type=float, default=15.0)
    parser.add_argument("--keep", type=Path, help="a folder for photos and items, filled once and used again")
    parser.add_argument("--narrow", action="store_true", help="vectors of 64 numbers; see narrowed.py")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _fill_items(count: int, nouns: list[str]) -> None:
    """Items without pictures, their vectors around two nouns each."""
    import numpy as np
    from django.contrib.auth.models import User
    from django.db import transaction

    from benchmarks.bulk import insert, own_sequences
    from recommender.models import Item, ItemPosition, ItemVector
    from recommender.sites import create_site
    from search.active import active_model_id, spaces
    from search.encoding import embedder

    random = np.random.default_rng(2026)
    site = create_site(User.objects.get(username="benchmark"), "bench", requests_per_minute=0)
    dimensions = {space: embedder(space).dimension for space in spaces()}
    centres = {
        space: random.standard_normal((len(nouns), dimension), dtype=np.float32)
        for space, dimension in dimensions.items()
    }
    number, at = 0, site.created_at
    for start in range(0, count, _CHUNK):
        keys = range(start + 1, min(start + _CHUNK, count) + 1)
        seen = random.integers(len(nouns), size=(len(keys), 2))
        with transaction.atomic():
            insert(
                Item,
                (
                    {
                        "id": key,
                        "site_id": site.pk,
                        "external_id": f"i{key - 1}",
                        "title": f"{nouns[one]} and {nouns[other]} {key}",
                        "content_sha256": str(key),
                        "created_at": at,
                        "updated_at": at,
                    }
                    for key, (one, other) in zip(keys, seen.tolist(), strict=True)
                ),
            )
            for space, dimension in dimensions.items():
                noise = random.standard_normal((len(keys), dimension), dtype=np.float32)
                vectors = centres[space][seen].sum(axis=1) + noise
                vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
                model_id = active_model_id(space)
                insert(
                    ItemVector,
                    (
                        {
                            "item_id": key,
                            "space": space,
                            "model_id": model_id,
                            "vector": vector.astype("<f4").tobytes(),
                            "words_sha256": "bench",
                            "number": number + place,
                        }
                        for place, (key, vector) in enumerate(zip(keys, vectors, strict=True), start=1)
                    ),
                )
                number += len(keys)
    ItemPosition.objects.create(pk=1, last_number=number)
    own_sequences(Item, ItemVector)


def _key() -> str:
    """A secret key of the site."""
    from recommender.models import Site, SiteKey
    from recommender.site_keys import create_site_key

    SiteKey.objects.all().delete()  # of former runs
    return create_site_key(Site.objects.get(slug="bench"), kind="secret", name="bench").token


def _measured(port: int, server: psutil.Process, key: str, things: int, count: int) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    http_ms, engine_ms, processor_ms = [], [], []
    for at in range(WARM_UP + count):
        name = f"i{at * (things // (WARM_UP + count))}"
        before = server.cpu_times()
        http_ms.append(_asked(connection, key, name))
        after = server.cpu_times()
        took_ms, own_s = _by_itself(name)
        engine_ms.append(took_ms)
        processor_ms.append((after.user + after.system - before.user - before.system - own_s) * 1000)
    http_ms, engine_ms = http_ms[WARM_UP:], engine_ms[WARM_UP:]
    return {
        "http_p50_ms": round(statistics.median(http_ms), 1),
        "http_p95_ms": round(statistics.quantiles(http_ms, n=20)[-1], 1),
        "engine_p50_ms": round(statistics.median(engine_ms), 1),
        "overhead_p50_ms": round(statistics.median(http_ms) - statistics.median(engine_ms), 1),
        # On a machine that others use, too, the clock also counts their turns; this doesn't.
        "overhead_processor_mean_ms": round(statistics.mean(processor_ms[WARM_UP:]), 2),
        "load_average": round(os.getloadavg()[0], 1),
    }


def _asked(connection: http.client.HTTPConnection, key: str, name: str) -> float:
    started = time.perf_counter()
    path = f"/api/v1/sites/bench/items/{name}/related?kind=any&limit={LIMIT}"
    connection.request("GET", path, headers={"Authorization": f"Bearer {key}"})
    response = connection.getresponse()
    body = response.read()
    took_ms = (time.perf_counter() - started) * 1000
    if response.status != 200 or len(json.loads(body)["results"]) != LIMIT:
        raise SystemExit(f"{name} was answered with {response.status}: {body[:500]!r}")
    return took_ms


def _by_itself(name: str) -> tuple[float, float]:
    """The searches that the request makes, items and photos, in both spaces: milliseconds, and seconds of processor."""
    from recommender.item_index import item_index
    from recommender.models import Item
    from search.index.base import EVERYTHING
    from search.indexing import index
    from search.paging import FIRST_DEPTH

    item = Item.objects.get(external_id=name)
    vectors = {space: item_index(space).vectors([item.pk])[item.pk] for space in ("image", "caption")}
    started, computed = time.perf_counter(), time.process_time()
    for space, vector in vectors.items():
        item_index(space).search(vector, item.site_id, FIRST_DEPTH)
        index(space).search(vector, FIRST_DEPTH, EVERYTHING)
    return (time.perf_counter() - started) * 1000, time.process_time() - computed


if __name__ == "__main__":
    sys.exit(main())
