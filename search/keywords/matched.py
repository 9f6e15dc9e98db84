"""Which words of a document made it match, in the forms in which they stand there, told by the database's stemmer."""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection

from search.keywords.terms import FIELD_WEIGHTS, Term

#: Documents are letters, digits and spaces, so these stand in none of them.
_OPEN, _CLOSE = "<", ">"
_MARKED = re.compile(f"{_OPEN}([^{_CLOSE}]*){_CLOSE}")
_COLUMNS = " || ' ' || ".join(
    f"highlight(search_keyword_fts, {column}, '{_OPEN}', '{_CLOSE}')" for column in range(len(FIELD_WEIGHTS))
)
# By one look-up for each asset of a page: going through all documents that hold the words would grow with the library.
_SQLITE = f"""
    SELECT rowid, {_COLUMNS} FROM search_keyword_fts
    WHERE search_keyword_fts MATCH %s AND rowid IN (SELECT value FROM json_each(%s))
"""  # noqa: S608 - names of our own
_POSTGRESQL = f"""
    SELECT asset_id, ts_headline(
        'english', concat_ws(' ', names, captions, auto_tags, description), to_tsquery('english', %s),
        'HighlightAll=true, StartSel={_OPEN}, StopSel={_CLOSE}'
    ) FROM search_keyworddocument WHERE words @@ to_tsquery('english', %s) AND asset_id = ANY(%s)
"""  # noqa: S608


def matched_words(asset_ids: Iterable[int], terms: Sequence[Term]) -> dict[int, frozenset[str]]:
    """Of each of these assets the words that one of the terms means, normalised; assets without one are left out."""
    ids = list(asset_ids)
    if not ids or not terms:
        return {}
    parameters: list[Any]
    if connection.vendor == "postgresql":
        query = " | ".join(f"'{term.word}'" + (":*" if term.prefix else "") for term in terms)
        sql, parameters = _POSTGRESQL, [query, query, ids]
    else:
        query = " OR ".join(f'"{term.word}"' + ("*" if term.prefix else "") for term in terms)
        sql, parameters = _SQLITE, [query, json.dumps(ids)]
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return {asset_id: _words_in(marked) for asset_id, marked in cursor.fetchall()}


def _words_in(marked: str) -> frozenset[str]:
    return frozenset(word for piece in _MARKED.findall(marked) for word in piece.split())
