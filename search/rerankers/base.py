"""What every reranker offers. A new kind is one file beside this one and a dotted path in settings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Candidate:
    """One frame among the best of a ranking. caption: the sentence that stands for it; empty where there is none.

    A reranker that reads more than the caption finds what is stored of the frame by its id.
    """

    frame_id: int
    caption: str


class Reranker(Protocol):
    """Reads a query and each candidate together, which is dearer than comparing vectors and sees more."""

    @property
    def model_id(self) -> str:
        """Names the model."""

    def score(self, query: str, candidates: Sequence[Candidate]) -> NDArray[np.float32]:
        """(N,): 0 for what does not fit or is not known, 1 for what fits perfectly; what lies beyond counts as these.

        A candidate's score must not depend on which others came along: pages are ranked one by one.
        """
