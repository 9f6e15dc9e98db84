"""What a query that is being typed may become: its last word completed from captions and tags.

Each suggestion is proved by a photo that the viewer may see at this moment and that holds it, if possible beside the
words already typed: counts only say what to try first.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q, Sum

from library.selectors import Viewer
from search.keywords import Term
from search.keywords.words import MAX_QUERY_WORDS, query_words, words_of
from search.language import MAX_CHARS, OPERATORS, term
from search.models import Suggestion
from search.proving import Claim, audiences, begins, proved

LIMIT = 8
_TRIED = 24
_LAST = re.compile(r"(?P<sign>-?)(?:(?P<operator>[A-Za-z]+):)?(?P<start>[^\s\"\u201c\u201d]*)\Z")
#: What completes a word, and behind which operator alone.
_OPERATOR_OF = {Suggestion.Kind.WORD: "text", Suggestion.Kind.TAG: "tag"}
_Candidate = tuple[str, str]


@dataclass(frozen=True)
class Completion:
    """query: all that was typed, completed. text: the word or tag itself. kind: word, tag or operator."""

    query: str
    text: str
    kind: str


def completions(viewer: Viewer, typed: str, limit: int = LIMIT) -> list[Completion]:
    """The likeliest completions, the commonest first; none where nothing can be completed."""
    found = _LAST.search(typed)
    if len(typed) > MAX_CHARS or found is None or typed.count('"') % 2:
        return []
    before, sign = typed[: found.start()], found["sign"]
    operator, start = (found["operator"] or "").lower(), found["start"]
    if operator in {"is", "type", "colour"}:
        values = [value for value in OPERATORS[operator].allowed if value.startswith(start.lower())]
        written = [(f"{before}{sign}{term(operator, value)}", value) for value in values[:limit]]
        return [Completion(query, value, "operator") for query, value in written]
    if operator not in {"", "tag", "text"} or not (operator == "tag" or words_of(start)):
        return []
    kinds = [kind for kind, name in _OPERATOR_OF.items() if operator in {"", name}]
    candidates = _candidates(viewer, start, kinds)
    context = [] if operator or sign else query_words(before)
    found_there = _proved(viewer, candidates, context, limit)
    if context and not found_there:
        found_there = _proved(viewer, candidates, [], limit)
    return [Completion(before + _written(one, sign, operator), one[1], one[0]) for one in found_there[:limit]]


def _written(candidate: _Candidate, sign: str, operator: str) -> str:
    kind, text = candidate
    if kind == Suggestion.Kind.TAG:
        return term("tag", text, without=bool(sign))
    return f"{sign}{operator}:{text}" if operator else f"{sign}{text}"


def _candidates(viewer: Viewer, start: str, kinds: Sequence[Suggestion.Kind]) -> list[_Candidate]:
    beginnings = begins(start.lower())
    if words := words_of(start):
        beginnings |= begins(words[0]) if len(words) == 1 else Q()
    counted = Suggestion.objects.filter(
        beginnings, audience__in=audiences(viewer), kind__in=kinds, count__gt=0
    )
    summed = counted.values("kind", "text").annotate(total=Sum("count")).order_by("-total", "text")
    return list(summed.values_list("kind", "text")[:_TRIED])


def _proved(
    viewer: Viewer, candidates: Sequence[_Candidate], context: Sequence[str], limit: int
) -> list[_Candidate]:
    """Those candidates that stand, beside the words of the context, on a photo that the viewer may see."""
    found: list[_Candidate] = []
    # Most are proved, so a few at a time: the rest need not be tried.
    for start in range(0, len(candidates), limit):
        if len(found) >= limit:
            break
        asked = [one for one in candidates[start : start + limit] if words_of(one[1])]
        at = proved(viewer, [_claim(one, context) for one in asked])
        found += [one for number, one in enumerate(asked) if number in at]
    return found


def _claim(candidate: _Candidate, context: Sequence[str]) -> Claim:
    """The words in any form, and the candidate as it stands."""
    kind, text = candidate
    column, exact = ("tags", f"\n{text}\n") if kind == Suggestion.Kind.TAG else ("words", f" {text} ")
    words = [*words_of(text), *context][:MAX_QUERY_WORDS]
    return Claim(tuple(map(Term, words)), column, exact)
