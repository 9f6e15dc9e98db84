"""Misspelt words of a query, read as words that the library knows.

Only a word that no photo holds, of those the viewer may see, is taken for misspelt; it is read as the nearest word of
such photos, by the edit distance of Damerau (1964), in which two letters that changed places are one edit. Among the
nearest come those that begin with the same letter, for people seldom miss the first one (Pollock and Zamora 1984,
"Automatic spelling correction in scientific and scholarly text"), then those that most photos hold.
"""

from collections.abc import Callable, Sequence

from django.db.models import Q, Sum
from django.db.models.functions import Length
from rapidfuzz import process
from rapidfuzz.distance import DamerauLevenshtein

from library.selectors import Viewer
from search.keywords import Term, query_words
from search.keywords.terms import PREFIX_MIN_CHARS
from search.keywords.words import places_of_words
from search.language import MAX_CHARS, Query
from search.models import Suggestion
from search.proving import Claim, audiences, begins, proved

#: From so many letters on so many edits are forgiven; shorter words have too many neighbours.
_FORGIVEN = ((8, 2), (4, 1))
#: More unknown words than these are no slips but another language, or a pasted text; and each costs some milliseconds.
_MOST = 4
#: Counts run ahead of what may be seen; the nearest words are rarely all out of sight.
_TRIED = 8
#: Latin, Greek and Cyrillic: scripts that are typed letter by letter.
_LAST_LETTER = "\u052f"
_COLUMNS = {Suggestion.Kind.WORD: "words", Suggestion.Kind.OTHER: "others"}

#: Of these words those that need no correction, whatever the library holds.
Knows = Callable[[Sequence[str]], set[str]]


def corrected(viewer: Viewer, typed: str, query: Query, knows: Knows) -> str:
    """The query as typed, its misspelt plain words corrected; the very same where there are none, or too many.

    query: what `typed` was parsed to. Phrases, operators' values and words left out stay as they are.
    """
    places = _places(typed, query)
    readings = _readings(viewer, query_words(query.text), {word for _, _, word in places}, knows)
    read = typed
    for start, end, word in reversed(places):
        read = read[:start] + readings.get(word, read[start:end]) + read[end:]
    return read if len(read) <= MAX_CHARS else typed


def forgiven(word: str) -> int:
    """How many edits a word may be away from the one that was meant."""
    if not word.isalpha() or max(word) > _LAST_LETTER:
        return 0
    return next((edits for letters, edits in _FORGIVEN if len(word) >= letters), 0)


def _places(typed: str, query: Query) -> list[tuple[int, int, str]]:
    """Where plain words stand that may be corrected: start, end and the normalised word."""
    return [
        (offset + start, offset + end, words[0])
        for offset, stop in query.plain
        for start, end, words in places_of_words(typed[offset:stop])
        # A word that becomes one before a colon might become an operator.
        if len(words) == 1 and forgiven(words[0]) and typed[offset + end : offset + end + 1] != ":"
    ]


def _readings(viewer: Viewer, asked: Sequence[str], words: set[str], knows: Knows) -> dict[str, str]:
    """Each misspelt word with the one that it is read as. asked: the words that are looked for, in order."""
    terms = [Term(word) for word in asked if word in words]
    if not terms:
        return {}
    held = proved(viewer, [Claim((term,)) for term in terms])
    unknown = [term.word for at, term in enumerate(terms) if at not in held]
    if unknown[-1:] == [asked[-1]] and _begins_a_word(viewer, asked[-1]):
        unknown.pop()
    known = knows(unknown) if unknown else set()
    unknown = [word for word in unknown if word not in known]
    if len(unknown) > _MOST:
        return {}
    nearest = ((word, _nearest(viewer, word)) for word in unknown)
    return {word: found for word, found in nearest if found}


def _begins_a_word(viewer: Viewer, last: str) -> bool:
    """Whether the last word may be one that is still being typed: a beginning is no mistake.

    Asked only of what is no whole word, since FTS5 puts together all documents of all words that begin so.
    """
    return len(last) >= PREFIX_MIN_CHARS and bool(proved(viewer, [Claim((Term(last, prefix=True),))]))


def _nearest(viewer: Viewer, word: str) -> str:
    """The likeliest word that a photo holds which the viewer may see; empty where none is near."""
    edits = forgiven(word)
    # Nothing is nearer than one edit, and the same first letter wins among equals: most need no further look.
    near = [one for one in _counted(viewer, word, edits, begins(word[0])) if one[0] == 1]
    near = near or _counted(viewer, word, edits, Q())
    tried = [(text, kind) for _, _, _, text, kind in sorted(near)[:_TRIED]]
    claims = [Claim((Term(text),), _COLUMNS[Suggestion.Kind(kind)], f" {text} ") for text, kind in tried]
    held = proved(viewer, claims)
    return next((text for at, (text, _) in enumerate(tried) if at in held), "")


def _counted(viewer: Viewer, word: str, edits: int, beginning: Q) -> list[tuple[int, bool, int, str, str]]:
    """Counted words within so many edits: distance, whether the first letter differs, -count, text and kind."""
    counted = Suggestion.objects.alias(letters=Length("text")).filter(
        beginning,
        audience__in=audiences(viewer),
        kind__in=list(_COLUMNS),
        count__gt=0,
        letters__gte=len(word) - edits,
        letters__lte=len(word) + edits,
    )
    rows = list(counted.values_list("text", "kind").annotate(total=Sum("count")))
    texts = [text for text, _, _ in rows]
    found = process.extract(
        word, texts, scorer=DamerauLevenshtein.distance, processor=None, score_cutoff=edits, limit=None
    )
    return [
        (int(distance), text[0] != word[0], -rows[at][2], text, rows[at][1]) for text, distance, at in found
    ]
