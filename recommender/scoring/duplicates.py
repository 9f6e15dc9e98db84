"""One picture, one place in a list."""

from collections.abc import Mapping, Sequence, Set
from typing import Protocol, TypeVar


class Ranked(Protocol):
    @property
    def asset_id(self) -> int: ...


R = TypeVar("R", bound=Ranked)


def without_copies(ranked: Sequence[R], contents: Mapping[int, str], shown: Set[str]) -> list[R]:
    """The ranking without assets whose content (asset id -> hash) is shown already or stands higher up.

    An asset of unknown content is left out: it was deleted since it was ranked.
    """
    seen = set(shown)
    kept = []
    for one in ranked:
        content = contents.get(one.asset_id)
        if content is not None and content not in seen:
            seen.add(content)
            kept.append(one)
    return kept
