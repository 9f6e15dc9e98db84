"""Vector engines against each other, on the same real and multiplied vectors of 384 numbers.

    python benchmarks/engines.py --dataset $DATASETS/flickr8k [--sizes 10000 100000] [--only NAME ...] [--again]

Each engine is built in one process and measured in a fresh one, so that memory is its own. What was measured is kept
as one JSON file for each size and engine under var/benchmarks/engines: a run that was stopped goes on where it was.
Prints the tables of docs/benchmarks.md.

Memory is what the process has resident above what it had before it opened the index, mapped pages included.
Latencies are of one client; a figure takes as many of the 500 queries as fit into --seconds. On a machine that others
use, too, what a query computed says more than the clock. Freshness: a row is inserted every 20 ms, and searched until
it is found. Rebuild under load: while a new generation is built and published and rows come in, stored vectors are
searched, each of which must find its own row first.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

import numpy as np  # noqa: E402 - after the number of threads is set
import psutil  # noqa: E402

from benchmarks import vectors  # noqa: E402
from benchmarks.contender import Contender, Ids, is_found_within, recall_of  # noqa: E402
from benchmarks.contenders import CONTENDERS, Sightline  # noqa: E402
from benchmarks.engines_table import table  # noqa: E402

QUERIES = 500
WIDTHS = {"10%": 100, "1%": 10, "0.1%": 1}
CLIENTS = 8
_WARM_UP = 10
_INSERTS = 100
_INSERT_EVERY_S = 0.02
_SAME = 0.9999
_SEED = 20_26
_PARTS = ("build", "ask", "rebuild")


def main() -> int:
    asked = _arguments()
    if asked.part:
        print(json.dumps(_part(asked)))
        return 0
    for size in asked.sizes:
        _prepared(asked, size)
        for name in asked.only or CONTENDERS:
            _measured(asked, size, name)
        measured = {name: _file(asked, size, name) for name in CONTENDERS}
        print(table(f"{size:,} vectors", {name: file for name, file in measured.items() if file.exists()}))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = Path(os.environ["DATASETS"]) / "flickr8k" if "DATASETS" in os.environ else None
    parser.add_argument(
        "--dataset", type=Path, default=default, required=default is None, help="folder with captions.csv"
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--only", nargs="+", choices=list(CONTENDERS))
    parser.add_argument("--again", action="store_true", help="measure anew what was measured")
    parser.add_argument("--seconds", type=float, default=10.0, help="at most so long for each latency")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "var" / "benchmarks")
    parser.add_argument("--part", choices=_PARTS, help=argparse.SUPPRESS)
    return parser.parse_args()


def _measured(asked: argparse.Namespace, size: int, name: str) -> None:
    """Builds, asks and rebuilds one engine, each in a process of its own, and keeps the figures after each."""
    file = _file(asked, size, name)
    if size > CONTENDERS[name].up_to:
        return
    figures: dict[str, Any] = {} if asked.again or not file.exists() else json.loads(file.read_text("utf-8"))
    for part in _PARTS:
        if part in figures.get("done", []):
            continue
        command = [sys.executable, __file__, "--part", part, "--sizes", str(size), "--only", name]
        command += ["--dataset", str(asked.dataset), "--output", str(asked.output)]
        command += ["--seconds", str(asked.seconds)]
        done = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            print(f"{name} at {size:,}: {part} failed", file=sys.stderr)
            return
        figures |= json.loads(done.stdout.splitlines()[-1])
        figures["done"] = [*figures.get("done", []), part]
        figures["load_average"] = round(os.getloadavg()[0], 1)
        file.write_text(json.dumps(figures, indent=2), "utf-8")
        print(f"{name} at {size:,}, {part}: {json.dumps(figures)}", flush=True)


def _part(asked: argparse.Namespace) -> dict[str, Any]:
    (size,), (name,) = asked.sizes, asked.only
    rows, queries, truth = _prepared(asked, size)
    folder = asked.output / "engines" / str(size) / name
    if asked.part == "build":
        _emptied(folder)
        contender = CONTENDERS[name](folder, rows, _draws(size))
        started = time.perf_counter()
        said = contender.build(queries[:QUERIES], truth["all"])
        return {
            "build_s": round(time.perf_counter() - started, 2),
            "disk_mb": round(
                sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6, 1
            ),
            **said,
        }
    contender = CONTENDERS[name](folder, rows, _draws(size))
    if asked.part == "ask":
        return _asked(contender, queries, truth, asked.seconds)
    return _rebuilt_under_load(contender) if isinstance(contender, Sightline) else {}


def _asked(
    contender: Contender, queries: vectors.Vectors, truth: dict[str, Ids], limit_s: float
) -> dict[str, Any]:
    queries, inserted = queries[:QUERIES], queries[QUERIES : QUERIES + _INSERTS]
    import search.index.faiss.engine  # noqa: F401 - so that what it imports does not count as what the index takes

    before = _resident()
    contender.open()
    for query in queries[:_WARM_UP]:
        contender.search(query, None)
    figures: dict[str, Any] = {}
    for width, bound in {"all": None, **WIDTHS}.items():
        figures |= _latency(contender, queries, truth[width], bound, width, limit_s)
        if width == "all":
            after = _resident()
            figures |= {f"{kind}_mb": round((after[kind] - before[kind]) / 1e6, 1) for kind in after}
    for clients in (1, CLIENTS):
        figures[f"qps_{clients}"] = round(_rate(contender, queries, clients, limit_s / 2), 1)
    return figures | _freshness(contender, inserted)


def _latency(
    contender: Contender, queries: vectors.Vectors, truth: Ids, bound: int | None, width: str, limit_s: float
) -> dict[str, Any]:
    times: list[float] = []
    computed: list[float] = []
    found: list[list[int]] = []
    contender.search(queries[0], bound)
    started = time.perf_counter()
    for query in queries:
        before, computed_before = time.perf_counter(), time.process_time()
        found.append(contender.search(query, bound))
        computed.append(1000 * (time.process_time() - computed_before))
        times.append(1000 * (time.perf_counter() - before))
        if time.perf_counter() - started > limit_s and len(times) >= _WARM_UP:
            break
    name = "" if width == "all" else f"_{width}"
    return {
        f"p50_ms{name}": round(float(np.percentile(times, 50)), 3),
        f"p50_cpu_ms{name}": round(float(np.percentile(computed, 50)), 3),
        f"p99_ms{name}": round(float(np.percentile(times, 99)), 3),
        f"recall{name}": round(recall_of(found, truth[: len(found)]), 4),
        f"asked{name}": len(times),
    }


def _rate(contender: Contender, queries: vectors.Vectors, clients: int, for_s: float) -> float:
    """Queries per second of so many threads."""
    done, until = [0] * clients, time.perf_counter() + for_s

    def ask(client: int) -> None:
        at = client
        while time.perf_counter() < until:
            contender.search(queries[at % len(queries)], None)
            done[client] += 1
            at += 1

    started = time.perf_counter()
    _together([partial(ask, client) for client in range(clients)])
    return sum(done) / (time.perf_counter() - started)


def _freshness(contender: Contender, vectors_to_insert: vectors.Vectors) -> dict[str, Any]:
    """From the call that inserts to the answer that holds the row."""
    first = len(contender.vectors)
    waits: list[float] = []
    lost = 0
    for at, vector in enumerate(vectors_to_insert):
        started = time.perf_counter()
        contender.insert(first + at, vector)
        lost += not is_found_within(contender, first + at, vector)
        waits.append(1000 * (time.perf_counter() - started))
        time.sleep(_INSERT_EVERY_S)
    return {
        "fresh_p50_ms": round(float(np.percentile(waits, 50)), 2),
        "fresh_p99_ms": round(float(np.percentile(waits, 99)), 2),
        "fresh_lost": lost,
    }


def _rebuilt_under_load(contender: Sightline) -> dict[str, Any]:
    contender.open()
    random, count = np.random.default_rng(_SEED + 8), len(contender.vectors)
    done, wrong, failed, times = threading.Event(), [0], [0], []

    def ask() -> None:
        while not done.is_set():
            row = int(random.integers(count))
            before = time.perf_counter()
            try:
                query = np.asarray(contender.vectors[row])
                (first, *_) = contender.search(query, None)
                # Of sentences that differ only in their capitals either may be first.
                if first >= count or float(contender.vectors[first] @ query) < _SAME:
                    wrong[0] += 1
            except Exception:
                failed[0] += 1
            times.append(1000 * (time.perf_counter() - before))

    def insert() -> None:
        row = count + 10 * _INSERTS
        while not done.is_set():
            vector = np.random.default_rng(row).standard_normal((1, contender.vectors.shape[1]))
            contender.insert(row, (vector / np.linalg.norm(vector))[0].astype(np.float32))
            row += 1
            done.wait(_INSERT_EVERY_S)

    def rebuild() -> None:
        try:
            contender.engine.rebuild("again")
            contender.engine.describe()
        finally:
            done.set()

    started = time.perf_counter()
    _together([ask, insert, rebuild])
    return {
        "rebuild_s": round(time.perf_counter() - started, 1),
        "rebuild_asked": len(times),
        "rebuild_wrong": wrong[0],
        "rebuild_failed": failed[0],
        "rebuild_p50_ms": round(float(np.percentile(times, 50)), 3),
        "rebuild_p99_ms": round(float(np.percentile(times, 99)), 3),
    }


def _together(tasks: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=task) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _resident() -> dict[str, int]:
    """Bytes resident: all, and of these the pages of mapped files."""
    about = psutil.Process().memory_info()
    return {"resident": about.rss, "mapped": about.shared}


def _prepared(
    asked: argparse.Namespace, size: int
) -> tuple[vectors.Vectors, vectors.Vectors, dict[str, Ids]]:
    """Rows (mapped), queries, and the true ten nearest of each of the first 500 at every width."""
    cache = asked.output / "vectors"
    found = vectors.real(asked.dataset, cache)
    rows, _ = vectors.multiplied(found, size, cache)
    queries = found.queries[:QUERIES]
    file = cache / f"truth-{size}.npz"
    if not file.exists():
        draws = _draws(size)
        truth = {width: _truth(rows, queries, draws < bound) for width, bound in WIDTHS.items()}
        np.savez(file, all=_truth(rows, queries, np.ones(size, dtype=np.bool_)), **truth)  # type: ignore[arg-type]
    return rows, found.queries, dict(np.load(file))


def _truth(rows: vectors.Vectors, queries: vectors.Vectors, allowed: Any) -> Ids:
    positions = np.flatnonzero(allowed)
    scores = np.full((len(queries), vectors.K), -2, dtype=np.float32)
    ids = np.full((len(queries), vectors.K), -1, dtype=np.int64)
    for start in range(0, len(positions), 20_000):
        chunk = positions[start : start + 20_000]
        joined = np.concatenate([scores, queries @ np.asarray(rows[chunk]).T], axis=1)
        known = np.concatenate([ids, np.broadcast_to(chunk, (len(queries), len(chunk)))], axis=1)
        best = np.argpartition(-joined, vectors.K - 1, axis=1)[:, : vectors.K]
        scores, ids = np.take_along_axis(joined, best, 1), np.take_along_axis(known, best, 1)
    return ids


def _draws(size: int) -> Any:
    return np.random.default_rng(_SEED + 3).integers(0, 1000, size)


def _file(asked: argparse.Namespace, size: int, name: str) -> Path:
    file: Path = asked.output / "engines" / f"{name}-{size}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def _emptied(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


if __name__ == "__main__":
    sys.exit(main())
