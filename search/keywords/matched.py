"""Which words of a document made it match, in the forms in which they stand there, told by the database's stemmer."""

import re
from collections.abc import Iterable, Sequence

from django.db import connection

from core.ids import Prepared
from search.keywords.forms import meant_by
from search.keywords.holding import EVERYWHERE
from search.keywords.terms import Term
from search.models import KeywordDocument

_DOCUMENTS = Prepared(
    lambda ids: KeywordDocument.objects.filter(asset_id__in=ids).values_list("asset_id", *EVERYWHERE)
)
#: Documents are letters, digits and spaces, so these stand in none of them.
_OPEN, _CLOSE = "<", ">"
_MARKED = re.compile(f"{_OPEN}([^{_CLOSE}]*){_CLOSE}")
_POSTGRESQL = f"""
    SELECT asset_id, ts_headline(
        'english', concat_ws(' ', names, captions, auto_tags, description), to_tsquery('english', %s),
        'HighlightAll=true, StartSel={_OPEN}, StopSel={_CLOSE}'
    ) FROM search_keyworddocument WHERE words @@ to_tsquery('english', %s) AND asset_id = ANY(%s)
"""  # noqa: S608 - names of our own


def matched_words(asset_ids: Iterable[int], terms: Sequence[Term]) -> dict[int, frozenset[str]]:
    """Of each of these assets the words that one of the terms means, normalised; assets without one are left out."""
    ids = list(asset_ids)
    if not ids or not terms:
        return {}
    if connection.vendor == "postgresql":
        return _marked(ids, terms)
    documents = _DOCUMENTS.rows(ids)
    words = {asset_id: {word for text in texts for word in text.split()} for asset_id, *texts in documents}
    meant = meant_by(terms, set[str]().union(*words.values()))
    return {asset_id: frozenset(said & meant) for asset_id, said in words.items() if said & meant}


def _marked(ids: Sequence[int], terms: Sequence[Term]) -> dict[int, frozenset[str]]:
    query = " | ".join(term.as_tsquery for term in terms)
    with connection.cursor() as cursor:
        cursor.execute(_POSTGRESQL, [query, query, list(ids)])
        return {asset_id: _words_in(marked) for asset_id, marked in cursor.fetchall()}


def _words_in(marked: str) -> frozenset[str]:
    return frozenset(word for piece in _MARKED.findall(marked) for word in piece.split())
