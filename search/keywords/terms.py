"""The words of a query as both databases weigh them, and where they are looked for. No Django here."""

import math
from collections.abc import Collection
from dataclasses import dataclass

from search.index.where import Where

PREFIX_MIN_CHARS = 2
#: How much a word counts where it stands: names people gave, captions, auto-tags, descriptions.
FIELD_WEIGHTS = (4.0, 2.0, 2.0, 1.0)
#: BM25's k1: how soon more of the same word stops mattering.
SATURATION = 1.2


@dataclass(frozen=True)
class Term:
    """A word of the query; with `prefix` it stands for all words that begin so."""

    word: str
    prefix: bool = False

    @property
    def as_tsquery(self) -> str:
        """For PostgreSQL: letters and digits only, so nothing in it can be an operator."""
        return f"'{self.word}'" + (":*" if self.prefix else "")

    @property
    def as_fts5(self) -> str:
        """For SQLite, likewise."""
        return f'"{self.word}"' + ("*" if self.prefix else "")


#: Assets whose documents may be found: listed, or those of whose columns this holds.
Assets = Collection[int] | Where
#: Which documents to rank: of these assets, holding any of these words, or all.
Among = Assets | Collection[Term] | None


@dataclass(frozen=True)
class Weighed:
    """A word with how many of how many documents hold it."""

    term: Term
    holding: int
    total: int

    @property
    def weight(self) -> float:
        """BM25's inverse document frequency, in the form that never falls to zero."""
        return math.log(1 + (self.total - self.holding + 0.5) / (self.holding + 0.5))
