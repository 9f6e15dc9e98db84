"""The very scores that FTS5 gives to documents, computed from their words: for a few documents of many.

FTS5 goes through all documents that hold a word before it scores the first one, so what is asked of a common word
grows with the library. BM25 as FTS5 has it: k1 = 1.2, b = 0.75, each occurrence counting as much as its column
(https://www.sqlite.org/fts5.html#the_bm25_function).
"""

import re
from collections.abc import Iterable, Sequence

from search.keywords.forms import Meaning
from search.keywords.terms import FIELD_WEIGHTS, SATURATION, Weighed

_LENGTH_SHARE = 0.75

#: (asset id, names, captions, auto_tags, description)
Document = tuple[int, str, str, str, str]


def ranked(
    terms: Sequence[Weighed], documents: Iterable[Document], words_each: float
) -> list[tuple[int, float]]:
    """(asset id, score) of the documents that hold one of the words, the best first, the newest among equals.

    words_each: the mean length of all documents of the library. Scores are not yet divided, as those of SQL are not.
    """
    meaning = Meaning([one.term for one in terms])
    # Texts are words between single spaces: sooner searched for a few beginnings than cut into words.
    likely = re.compile(f" ((?:{'|'.join(map(re.escape, meaning.beginnings))})[^ ]*)")
    weights = [one.weight for one in terms]
    found = []
    for asset_id, *texts in documents:
        frequencies: dict[int, float] = {}
        words = 0
        for text, counts_for in zip(texts, FIELD_WEIGHTS, strict=True):
            if text:
                words += text.count(" ") + 1
                for word in likely.findall(f" {text}"):
                    for term in meaning[word]:
                        frequencies[term] = frequencies.get(term, 0.0) + counts_for
        if frequencies:
            length = words / words_each if words_each else 0.0
            room = SATURATION * (1 - _LENGTH_SHARE + _LENGTH_SHARE * length)
            score = sum([weights[term] * often / (often + room) for term, often in frequencies.items()])
            found.append((asset_id, score))
    found.sort(key=lambda one: (one[1], one[0]), reverse=True)
    return found
