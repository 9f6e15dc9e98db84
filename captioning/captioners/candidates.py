"""The sentences that a decoding kept of one picture, and what they tell of how right the best of them is."""

import math
from collections.abc import Sequence
from typing import NamedTuple


class Candidate(NamedTuple):
    """A sentence that the decoding kept. log_probability: of all its tokens together. agreement: in nats, how much
    likelier than elsewhere its words are here; 0 without a concept head. rank: the highest is the best. match: the
    cosine of sentence and picture to a judge; 0 without one."""

    text: str
    log_probability: float
    tokens: float
    agreement: float
    rank: float
    match: float = 0.0

    @property
    def confidence(self) -> float:
        """Geometric mean of its token probabilities."""
        return math.exp(self.log_probability / self.tokens)


def evidence_of(candidates: Sequence[Candidate]) -> dict[str, float]:
    """What tells a right sentence from a wrong one, of those that the decoding kept of one picture, the best first.

    margin: how far the best ranks before the next, in the ranks' own unit; 0 where there is no next.
    """
    best = candidates[0]
    return {
        "log_confidence": best.log_probability / best.tokens,
        "log_probability": best.log_probability,
        "tokens": best.tokens,
        "agreement": best.agreement,
        "match": best.match,
        "margin": best.rank - candidates[1].rank if len(candidates) > 1 else 0.0,
    }
