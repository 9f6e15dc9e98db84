"""Three searches and one list of related photos, asked of the running site over HTTP like anybody would."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

from config.stack.errors import StackError

QUERIES = ("a cat", "a cup of coffee", "an astronaut")
_SHOWN = 3
# The first query of a web process loads its text encoders.
_TIMEOUT_S = 120


def tour(url: str, queries: tuple[str, ...] = QUERIES) -> Iterator[str]:
    """Lines to print."""
    best: dict[str, Any] | None = None
    for query in queries:
        yield ""
        yield f"Search: {query}"
        results = _ask(f"{url}/api/v1/search?{urllib.parse.urlencode({'q': query, 'limit': _SHOWN})}")
        best = best or (results[0]["asset"] if results else None)
        yield from _lines(results)
    if best is not None:
        yield ""
        yield f"Related to photo {best['id']} ({best['caption']}):"
        yield from _lines(_ask(f"{url}/api/v1/assets/{best['id']}/related?limit={_SHOWN}"))


def own_queries(captions: list[str]) -> tuple[str, ...]:
    """For photos that we know nothing of: captions from the beginning, the middle and the end."""
    if not captions:
        return QUERIES
    places = sorted({0, len(captions) // 2, len(captions) - 1})
    return tuple(captions[place] for place in places)


def _lines(results: list[dict[str, Any]]) -> Iterator[str]:
    if not results:
        yield "  (nothing)"
    for rank, result in enumerate(results, start=1):
        asset = result["asset"]
        shares = ", ".join(f"{signal} {share:.2f}" for signal, share in result["why"].items())
        why = result.get("reason") or f"{result['score']:.2f}: {shares}"  # related photos say it in words
        yield f"  {rank}. photo {asset['id']}: {asset['caption'] or '(no caption)'}  [{why}]"


def _ask(url: str) -> list[dict[str, Any]]:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response:  # noqa: S310 - our own address
            results: list[dict[str, Any]] = json.load(response)["results"]
            return results
    except urllib.error.HTTPError as error:
        with error:
            raise StackError(
                f"{url} answered {error.code}: {error.read().decode(errors='replace')}"
            ) from error
    except OSError as error:
        raise StackError(f"{url} does not answer: {error}") from error
