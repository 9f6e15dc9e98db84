"""The very scores that FTS5 gives to documents, computed from their words: for a few documents of many.

FTS5 goes through all documents that hold a word before it scores the first one, so what is asked of a common word
grows with the library. BM25 as FTS5 has it: k1 = 1.2, b = 0.75, each occurrence counting as much as its column
(https://www.sqlite.org/fts5.html#the_bm25_function).
"""

from collections.abc import Iterable, Sequence

from search.keywords.forms import meant_by
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
    read = [(asset_id, [text.split() for text in texts]) for asset_id, *texts in documents]
    words = set[str]().union(*(text for _, texts in read for text in texts))
    wanted = meant_by([one.term for one in terms], words)
    weights = [one.weight for one in terms]
    found = []
    for asset_id, texts in read:
        frequencies: dict[int, float] = {}
        for text, counts_for in zip(texts, FIELD_WEIGHTS, strict=True):
            for word in text:
                if word in wanted:
                    for term in wanted[word]:
                        frequencies[term] = frequencies.get(term, 0.0) + counts_for
        if frequencies:
            length = sum(map(len, texts)) / words_each if words_each else 0.0
            room = SATURATION * (1 - _LENGTH_SHARE + _LENGTH_SHARE * length)
            score = sum([weights[term] * often / (often + room) for term, often in frequencies.items()])
            found.append((asset_id, score))
    found.sort(key=lambda one: (one[1], one[0]), reverse=True)
    return found
