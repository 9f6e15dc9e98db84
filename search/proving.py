"""What the viewer may see at this moment, asked of words: so that counts, which follow later, tell nobody's secrets.

A word of somebody else's private photo is, to everybody else, a word that is not there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Q

from library.selectors import Viewer, listed_keys
from search.keywords import Term
from search.models import SuggestedWords

#: Photos that may prove one claim: the first may have become private since it was counted.
_PROOFS = 3


@dataclass(frozen=True)
class Claim:
    """That a photo holds all of these words in any form, and `exact`, where given, in a column of SuggestedWords."""

    words: tuple[Term, ...]
    column: str = "words"
    exact: str = ""


def audiences(viewer: Viewer) -> list[int]:
    """Whose counts the viewer may know."""
    everybody = SuggestedWords.EVERYBODY
    return [everybody] if viewer is None or not viewer.is_authenticated else [everybody, viewer.pk]


def begins(text: str) -> Q:
    """Counted texts that begin so: by a range on SQLite, whose LIKE looks at every row; PostgreSQL's has an index."""
    if not text:
        return Q()
    if connection.vendor == "postgresql":
        return Q(text__startswith=text)
    return Q(text__gte=text, text__lt=text + "\U0010ffff")


def proved(viewer: Viewer, claims: Sequence[Claim]) -> set[int]:
    """The places, in the sequence, of those claims that a photo proves which the viewer may see."""
    if not claims:
        return set()
    known = audiences(viewer)
    selects: list[str] = []
    parameters: list[Any] = []
    for at, claim in enumerate(claims):
        sql, given = _proof(at, claim, known)
        selects.append(sql)
        parameters += given
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(selects), parameters)
        proofs: list[tuple[int, int]] = cursor.fetchall()
    if not proofs:
        return set()
    visible = set(listed_keys(viewer).among({asset_id for _, asset_id in proofs}))
    return {at for at, asset_id in proofs if asset_id in visible}


def _proof(at: int, claim: Claim, known: Sequence[int]) -> tuple[str, list[Any]]:
    """A few photos of these audiences that hold the words."""
    if connection.vendor == "postgresql":
        source, key, position = "search_keyworddocument AS d", "d.asset_id", "strpos"
        holds = "d.words @@ to_tsquery('english', %s)"
        query = " & ".join(term.as_tsquery for term in claim.words)
    else:
        # CROSS JOIN: from the words to their photos, and no further than to the first few.
        source, key, position = "search_keyword_fts", "search_keyword_fts.rowid", "instr"
        holds = "search_keyword_fts MATCH %s"
        query = " AND ".join(term.as_fts5 for term in claim.words)
    exactly = f"AND {position}(s.{claim.column}, %s) > 0" if claim.exact else ""
    sql = f"""
        SELECT * FROM (
            SELECT {at} AS at, s.asset_id FROM {source} CROSS JOIN search_suggestedwords AS s
            WHERE {holds} AND s.asset_id = {key} AND s.audience IN ({", ".join(["%s"] * len(known))})
            {exactly} LIMIT {_PROOFS}
        ) AS proof_{at}
    """  # noqa: S608 - names and numbers of our own
    return sql, [query, *known, *([claim.exact] if claim.exact else [])]
