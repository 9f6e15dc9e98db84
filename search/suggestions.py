"""What a query that is being typed may become: its last word completed from captions and tags.

Each suggestion is proved by a photo that the viewer may see at this moment and that holds it, if possible beside the
words already typed: counts only say what to try first.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Q, Sum

from library.selectors import Viewer, listed_assets
from search.ids import any_of
from search.keywords.words import MAX_QUERY_WORDS, query_words, words_of
from search.language import MAX_CHARS, OPERATORS, term
from search.models import SuggestedWords, Suggestion

LIMIT = 8
_TRIED = 24
#: Photos that may prove one suggestion: the first may have become private since it was counted.
_PROOFS = 3
_LAST = re.compile(r"(?P<sign>-?)(?:(?P<operator>[A-Za-z]+):)?(?P<start>[^\s\"\u201c\u201d]*)\Z")
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
    kinds = {"tag": [Suggestion.Kind.TAG], "text": [Suggestion.Kind.WORD]}.get(operator)
    candidates = _candidates(viewer, start, kinds)
    context = [] if operator or sign else query_words(before)
    proved = _proved(viewer, candidates, context, limit)
    if context and not proved:
        proved = _proved(viewer, candidates, [], limit)
    return [Completion(before + _written(one, sign, operator), one[1], one[0]) for one in proved[:limit]]


def _written(candidate: _Candidate, sign: str, operator: str) -> str:
    kind, text = candidate
    if kind == Suggestion.Kind.TAG:
        return term("tag", text, without=bool(sign))
    return f"{sign}{operator}:{text}" if operator else f"{sign}{text}"


def _candidates(viewer: Viewer, start: str, kinds: Sequence[Suggestion.Kind] | None) -> list[_Candidate]:
    beginnings = _begins(start.lower())
    if words := words_of(start):
        beginnings |= _begins(words[0]) if len(words) == 1 else Q()
    counted = Suggestion.objects.filter(beginnings, audience__in=_audiences(viewer), count__gt=0)
    if kinds is not None:
        counted = counted.filter(kind__in=kinds)
    summed = counted.values("kind", "text").annotate(total=Sum("count")).order_by("-total", "text")
    return list(summed.values_list("kind", "text")[:_TRIED])


def _begins(text: str) -> Q:
    """By a range on SQLite, whose LIKE looks at every row; PostgreSQL has an index for LIKE."""
    if not text:
        return Q()
    if connection.vendor == "postgresql":
        return Q(text__startswith=text)
    return Q(text__gte=text, text__lt=text + "\U0010ffff")


def _audiences(viewer: Viewer) -> list[int]:
    everybody = SuggestedWords.EVERYBODY
    return [everybody] if viewer is None or not viewer.is_authenticated else [everybody, viewer.pk]


def _proved(
    viewer: Viewer, candidates: Sequence[_Candidate], context: Sequence[str], limit: int
) -> list[_Candidate]:
    """Those candidates that stand, beside the words of the context, on a photo that the viewer may see."""
    proved: list[_Candidate] = []
    # Most are proved, so a few at a time: the rest need not be tried.
    for start in range(0, len(candidates), limit):
        if len(proved) >= limit:
            break
        proved += _proved_at_once(viewer, candidates[start : start + limit], context)
    return proved


def _proved_at_once(
    viewer: Viewer, candidates: Sequence[_Candidate], context: Sequence[str]
) -> list[_Candidate]:
    asked = [(one, words) for one in candidates if (words := words_of(one[1]))]
    if not asked:
        return []
    selects: list[str] = []
    parameters: list[Any] = []
    for at, (one, words) in enumerate(asked):
        sql, given = _proof(at, one, [*words, *context][:MAX_QUERY_WORDS], _audiences(viewer))
        selects.append(sql)
        parameters += given
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(selects), parameters)
        proofs: list[tuple[int, int]] = cursor.fetchall()
    visible = set(
        listed_assets(viewer)
        .filter(pk__in=any_of({asset_id for _, asset_id in proofs}))
        .values_list("pk", flat=True)
    )
    proved = {at for at, asset_id in proofs if asset_id in visible}
    return [one for at, (one, _) in enumerate(asked) if at in proved]


def _proof(
    at: int, candidate: _Candidate, words: Sequence[str], audiences: Sequence[int]
) -> tuple[str, list[Any]]:
    """A few photos of these audiences that hold the words, the candidate's own as it stands."""
    kind, text = candidate
    column, exact = ("tags", f"\n{text}\n") if kind == Suggestion.Kind.TAG else ("words", f" {text} ")
    known = ", ".join(["%s"] * len(audiences))
    if connection.vendor == "postgresql":
        source, key, position = "search_keyworddocument AS d", "d.asset_id", "strpos"
        holds, query = "d.words @@ to_tsquery('english', %s)", " & ".join(f"'{word}'" for word in words)
    else:
        # CROSS JOIN: from the words to their photos, and no further than to the first few.
        source, key, position = "search_keyword_fts", "search_keyword_fts.rowid", "instr"
        holds, query = "search_keyword_fts MATCH %s", " AND ".join(f'"{word}"' for word in words)
    sql = f"""
        SELECT * FROM (
            SELECT {at} AS at, s.asset_id FROM {source} CROSS JOIN search_suggestedwords AS s
            WHERE {holds} AND s.asset_id = {key} AND s.audience IN ({known})
            AND {position}(s.{column}, %s) > 0 LIMIT {_PROOFS}
        ) AS proof_{at}
    """  # noqa: S608 - names and numbers of our own
    return sql, [query, *audiences, exact]
