"""Which documents hold a word or a phrase, as a condition and not as a ranking: the same on both databases.

A single word holds in any of its forms, by the database's stemmer; several words hold as they stand, in this order,
since that is what quotation marks ask for.
"""

from collections.abc import Sequence

from django.db import connection
from django.db.models.expressions import RawSQL

from search.keywords.words import STOP_WORDS, words_of

#: The columns of a document, and the weight by which PostgreSQL tells them apart.
_LABELS = {"names": "A", "captions": "B", "auto_tags": "C", "description": "D"}
EVERYWHERE = tuple(_LABELS)
#: What was written about a photo, by people and by the captioner, and in it.
WRITTEN = ("names", "captions", "description")
_TABLE = "search_keyworddocument"


def holding(text: str, fields: Sequence[str] = EVERYWHERE) -> RawSQL:
    """For `filter(pk__in=holding("a phrase"))`: ids of the assets in whose documents the text stands."""
    words = words_of(text)
    if len(words) == 1 and words[0] not in STOP_WORDS:
        return RawSQL(*_with_words(words, fields))  # noqa: S611 - the SQL is our own, words are parameters
    return RawSQL(*_with_phrase(words, fields))  # noqa: S611


def holding_all(words: Sequence[str], fields: Sequence[str] = EVERYWHERE) -> RawSQL:
    """The same for documents that hold all of these words of `words.query_words`, in any form and order."""
    return RawSQL(*_with_words(words, fields))  # noqa: S611 - as above


def _with_words(words: Sequence[str], fields: Sequence[str]) -> tuple[str, list[str]]:
    """All of these words, none of which is a stop word. Letters and digits only: nothing in them is an operator."""
    if connection.vendor == "postgresql":
        labels = "".join(_LABELS[name] for name in fields)
        query = " & ".join(f"'{word}':{labels}" for word in words)
        return f"SELECT asset_id FROM {_TABLE} WHERE words @@ to_tsquery('english', %s)", [query]  # noqa: S608
    quoted = " AND ".join(f'"{word}"' for word in words)
    columns = f"{{{' '.join(fields)}}}"
    matching = "SELECT rowid FROM search_keyword_fts WHERE search_keyword_fts MATCH %s"
    return matching, [f"{columns} : ({quoted})"]


def _with_phrase(words: Sequence[str], fields: Sequence[str]) -> tuple[str, list[str]]:
    """Documents are words between single spaces, so a phrase is a piece of the text."""
    if not words:
        return f"SELECT asset_id FROM {_TABLE} WHERE 1 = 0", []  # noqa: S608 - no value in it
    position = "strpos" if connection.vendor == "postgresql" else "instr"
    stands = " OR ".join(f"{position}(' ' || {name} || ' ', %s) > 0" for name in fields)
    sql = f"SELECT asset_id FROM {_TABLE} WHERE ({stands})"  # noqa: S608 - names of our own
    parameters = [f" {' '.join(words)} "] * len(fields)
    # The index first, where it knows any of the words.
    if telling := [word for word in dict.fromkeys(words) if word not in STOP_WORDS]:
        inner, given = _with_words(telling, fields)
        return f"{sql} AND asset_id IN ({inner})", [*parameters, *given]
    return sql, parameters
