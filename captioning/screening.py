"""The automatic screen: which captions a person must see, and which of them first. Plain values, no Django here."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from captioning.captioners.confidence import Logistic

CONFIDENCE, MATCH, REPETITION, LENGTH, WORDS = "confidence", "match", "repetition", "length", "words"
#: A run of so many words says the same thing when it comes again, however far behind.
_LONG_RUN = 5


@dataclass(frozen=True)
class Thresholds:
    """From where on nobody needs to look. Confidence in [0, 1], match as a cosine, lengths in words.

    The defaults are for a captioner that nobody calibrated, whose confidence is the mean probability of its tokens.
    They are cautious: what is sent to review in vain costs a glance, what is accepted in vain nobody sees.
    """

    min_confidence: float = 0.8
    min_match: float = 0.12
    min_words: int = 3
    max_words: int = 40


def doubts(
    text: str, confidence: float | None, match_score: float | None, thresholds: Thresholds
) -> tuple[str, ...]:
    """Why a person should see this caption; nothing where nobody needs to. What was not measured is no doubt."""
    words = words_of(text)
    found = {
        CONFIDENCE: confidence is not None and confidence < thresholds.min_confidence,
        MATCH: match_score is not None and match_score < thresholds.min_match,
        REPETITION: _repeats(words),
        LENGTH: not thresholds.min_words <= len(words) <= thresholds.max_words,
        WORDS: not _unsafe_words().isdisjoint(words),
    }
    return tuple(name for name, is_so in found.items() if is_so)


def priority(
    found: tuple[str, ...],
    confidence: float | None,
    match_score: float | None,
    wrong: Logistic | None = None,
) -> float:
    """How much a correction would teach, in [0, 1]: how likely the caption is wrong; unsafe words before all else.

    wrong: fitted on `confidence` and `match`. Without it, or without a match, it is the confidence that tells.
    """
    if WORDS in found:
        return 1.0
    if confidence is None:
        return 0.5
    if wrong is None or match_score is None:
        return 1 - confidence
    return wrong({"confidence": confidence, "match": match_score})


def words_of(text: str) -> list[str]:
    """In one spelling: full-width letters and capitals are no disguise."""
    return re.findall(r"\w+(?:['’]\w+)*", unicodedata.normalize("NFKC", text).casefold())


def _repeats(words: list[str]) -> bool:
    """Whether some run of words follows upon itself, or a long one comes twice."""
    for size in range(1, len(words) // 2 + 1):
        runs = [tuple(words[at : at + size]) for at in range(len(words) - size + 1)]
        if any(run == again for run, again in zip(runs, runs[size:], strict=False)):
            return True
        if size >= _LONG_RUN and len(set(runs)) < len(runs):
            return True
    return False


@cache
def _unsafe_words() -> frozenset[str]:
    lines = (Path(__file__).parent / "unsafe_words.txt").read_text("utf-8").splitlines()
    return frozenset(line for line in map(str.strip, lines) if line and not line.startswith("#"))
