"""Real vectors, and as many more like them as a benchmark wants.

Real are the sentence vectors of Flickr8k's captions, each sentence once: those of dev are the queries, the others the
rows. A set that is larger than these is made of copies, each moved away from its original along a random
combination of the differences to its 32 nearest neighbours, so that it stays where sentences lie and does not leave
into the empty directions of the space. How far it is moved, in units of the original's own distance to its tenth
neighbour, is found by bisection so that the made set's distances to the tenth neighbour are those of the real one:
more vectors would else stand ever closer, and an index would be measured on a question that nobody asks.
"""

import csv
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

SEED = 20_26
K = 10
QUERIES = 1_000
_NEIGHBOURS = 32
_CHUNK = 2_000
_PROBES = 48
_NEAR_PARENTS = 120
_BISECTIONS = 12
#: How far the made distances may be off; a set outside it is refused.
TOLERANCE = 0.10


@dataclass(frozen=True)
class Real:
    """Rows (R, 384) and queries (Q, 384) of unit length."""

    rows: Vectors
    queries: Vectors

    @cached_property
    def neighbours(self) -> tuple[NDArray[np.int64], Vectors]:
        """Of each row its nearest other rows (R, 32), and its distance to the tenth of them (R,)."""
        ids = np.empty((len(self.rows), _NEIGHBOURS), dtype=np.int64)
        tenth = np.empty(len(self.rows), dtype=np.float32)
        for start in range(0, len(self.rows), _CHUNK):
            scores = self.rows[start : start + _CHUNK] @ self.rows.T
            scores[np.arange(len(scores)), np.arange(start, start + len(scores))] = -2
            near = np.argpartition(-scores, _NEIGHBOURS, axis=1)[:, :_NEIGHBOURS]
            ids[start : start + _CHUNK] = near
            best = -np.sort(-np.take_along_axis(scores, near, axis=1), axis=1)
            tenth[start : start + _CHUNK] = _distance(best[:, K - 1])
        return ids, tenth


def real(dataset: Path, cache: Path) -> Real:
    """Encodes the captions once and keeps the vectors in `cache`."""
    files = cache / "rows.npy", cache / "queries.npy"
    if not all(file.exists() for file in files):
        from search.embedders.minilm import shared

        cache.mkdir(parents=True, exist_ok=True)
        rows, queries = _sentences(dataset)
        for file, texts in zip(files, (rows, queries), strict=True):
            scratch = file.with_suffix(".part.npy")
            np.save(scratch, shared().sentences(texts).numpy())
            scratch.replace(file)
    return Real(*(np.load(file) for file in files))


def multiplied(found: Real, count: int, cache: Path) -> tuple[Vectors, dict[str, float]]:
    """`count` rows, mapped from a file in `cache`, and what was measured of them.

    SystemExit where the made set's distances are not within 10% of the real ones.
    """
    file, about = cache / f"rows-{count}.npy", cache / f"rows-{count}.json"
    if not about.exists():
        if count <= len(found.rows):
            chosen = np.random.default_rng(SEED).permutation(len(found.rows))[:count]
            np.save(file, found.rows[chosen])
            figures = {"made": 0.0}
        else:
            step = _fitting_step(found, count)
            _write(found, count, step, file)
            figures = {
                "made": 1 - len(found.rows) / count,
                "step": step,
                **_compared(found, np.load(file, "r")),
            }
            if any(abs(figures[f"ratio_p{at}"] - 1) > TOLERANCE for at in (10, 50, 90)):
                raise SystemExit(f"The made vectors are not like the real ones: {figures}")
        about.write_text(json.dumps(figures), "utf-8")
    return np.load(file, "r"), json.loads(about.read_text("utf-8"))


def _sentences(dataset: Path) -> tuple[list[str], list[str]]:
    rows: dict[str, None] = {}
    queries: dict[str, None] = {}
    with (dataset / "captions.csv").open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            (queries if line["split"] == "dev" else rows)[line["caption"]] = None
    asked = [text for text in queries if text not in rows]
    chosen = np.random.default_rng(SEED).permutation(len(asked))[:QUERIES]
    return list(rows), [asked[at] for at in chosen]


def _directions(found: Real, parents: NDArray[np.int64], serials: NDArray[np.int64]) -> Vectors:
    """Where copy number `serial` of each parent is moved, unit length. The same call, the same directions.

    Copy number 0 is the parent itself: its direction is zero.
    """
    near, _ = found.neighbours
    directions = np.zeros((len(parents), found.rows.shape[1]), dtype=np.float32)
    for serial in np.unique(serials[serials > 0]):
        at = np.flatnonzero(serials == serial)
        # Drawn for all parents alike, so that which of them are asked for changes nothing.
        drawn = np.random.default_rng([SEED, int(serial)]).standard_normal(near.shape, dtype=np.float32)
        for part in np.array_split(at, max(1, len(at) // _CHUNK)):
            differences = found.rows[near[parents[part]]] - found.rows[parents[part]][:, None, :]
            moves = np.matmul(drawn[parents[part]][:, None, :], differences)[:, 0]
            directions[part] = moves / (np.linalg.norm(moves, axis=1, keepdims=True) + 1e-9)
    return directions


def _moved(found: Real, parents: NDArray[np.int64], directions: Vectors, step: float) -> Vectors:
    _, tenth = found.neighbours
    moved = found.rows[parents] + step * tenth[parents, None] * directions
    return np.asarray(moved / np.linalg.norm(moved, axis=1, keepdims=True), dtype=np.float32)


def _write(found: Real, count: int, step: float, file: Path) -> None:
    scratch = file.with_suffix(".part.npy")
    out = np.lib.format.open_memmap(scratch, "w+", np.float32, (count, found.rows.shape[1]))
    # Shuffled, so that copies do not lie side by side in the file.
    order = np.random.default_rng(SEED).permutation(count)
    for start in range(0, count, len(found.rows)):
        parents = np.arange(min(len(found.rows), count - start))
        serials = np.full(len(parents), start // len(found.rows))
        out[order[start:][: len(parents)]] = _moved(
            found, parents, _directions(found, parents, serials), step
        )
    out.flush()
    scratch.replace(file)


def _fitting_step(found: Real, count: int) -> float:
    """The step at which some made vectors have their tenth neighbour where real ones have it."""
    near_parents, parents, serials = _neighbourhoods(found, count)
    directions, wanted = _directions(found, parents, serials), np.median(found.neighbours[1])
    low, high = 0.05, 3.0
    for _ in range(_BISECTIONS):
        step = (low + high) / 2
        made = _moved(found, parents, directions, step)
        tenth = []
        for nearby in near_parents:
            target = made[np.flatnonzero((parents == nearby[0]) & (serials == 1))[0]]
            scores = -np.sort(-(made[np.isin(parents, nearby)] @ target))
            tenth.append(_distance(scores[K : K + 1])[0])
        low, high = (step, high) if np.median(tenth) < wanted else (low, step)
    return (low + high) / 2


def _neighbourhoods(
    found: Real, count: int
) -> tuple[list[NDArray[np.int64]], NDArray[np.int64], NDArray[np.int64]]:
    """Some originals with the originals around them, and all copies of those: where tenth neighbours come from."""
    origins = np.random.default_rng(SEED + 1).choice(len(found.rows), _PROBES, replace=False)
    scores = found.rows[origins] @ found.rows.T
    near_parents = [np.argsort(-row)[:_NEAR_PARENTS] for row in scores]
    for origin, nearby in zip(origins, near_parents, strict=True):
        nearby[0] = origin
    wanted = np.unique(np.concatenate(near_parents))
    copies = -(-count // len(found.rows))
    parents, serials = np.repeat(wanted, copies), np.tile(np.arange(copies), len(wanted))
    here = serials * len(found.rows) + parents < count
    # The last round of copies does not reach all originals; the target needs its first.
    return near_parents, parents[here | (serials == 1)], serials[here | (serials == 1)]


def _compared(found: Real, rows: Vectors, sample: int = 300) -> dict[str, float]:
    """Distances to the tenth neighbour, made to real, at three quantiles."""
    chosen = np.sort(np.random.default_rng(SEED + 2).choice(len(rows), sample, replace=False))
    targets = np.asarray(rows[chosen])
    best = np.full((sample, K + 1), -2, dtype=np.float32)
    for start in range(0, len(rows), 50_000):
        scores = targets @ np.asarray(rows[start : start + 50_000]).T
        best = -np.sort(-np.concatenate([best, scores], axis=1), axis=1)[:, : K + 1]
    made, tenth = _distance(best[:, K]), found.neighbours[1]
    return {
        f"ratio_p{at}": round(float(np.percentile(made, at) / np.percentile(tenth, at)), 4)
        for at in (10, 50, 90)
    }


def _distance(cosines: Vectors) -> Vectors:
    return np.sqrt(np.maximum(2 - 2 * cosines, 0)).astype(np.float32)
