"""Which forms of a word are one word, told by the very tokenizer of SQLite's index, without asking the index.

An index is quick to say which documents hold a word; what stands in a document at hand is read sooner than looked up.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from functools import lru_cache
from threading import Lock

from search.keywords.terms import Term

_REMEMBERED = 50_000
#: As in the migration that made the index.
_TOKENIZER = "porter unicode61 remove_diacritics 0 categories 'L* N* Co Mn Mc'"


class Meaning(dict[str, tuple[int, ...]]):
    """The places of the terms that a word, normalised, stands for: of each word that was asked about."""

    def __init__(self, terms: Sequence[Term]) -> None:
        super().__init__()
        self._asked = [(stem(term.word), term.prefix, at) for at, term in enumerate(terms)]
        #: How words begin that may stand for one. Porter's rules change how words end, by one letter of what is left at
        #: most: few need to be asked about.
        self.beginnings = tuple({whole[:-1] or whole for whole, _, _ in self._asked})

    def __missing__(self, word: str) -> tuple[int, ...]:
        form = stem(word)
        places = tuple(
            at for whole, prefix, at in self._asked if form == whole or (prefix and form.startswith(whole))
        )
        self[word] = places
        return places


def meant_by(terms: Sequence[Term], words: Iterable[str]) -> set[str]:
    """Of these words, normalised, those that stand for one of the terms."""
    meaning = Meaning(terms)
    return {word for word in words if word.startswith(meaning.beginnings) and meaning[word]}


@lru_cache(maxsize=_REMEMBERED)
def stem(word: str) -> str:
    """What all forms of the word have in common, as the index keeps it."""
    return _tokenizer().stem(word)


class _Tokenizer:
    """An empty table in memory that is given one word at a time."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        self._database.execute(f'CREATE VIRTUAL TABLE words USING fts5(word, tokenize="{_TOKENIZER}")')
        self._database.execute("CREATE VIRTUAL TABLE stems USING fts5vocab(words, row)")

    def stem(self, word: str) -> str:
        with self._lock:
            self._database.execute("INSERT INTO words VALUES (?)", (word,))
            found = [kept for (kept,) in self._database.execute("SELECT term FROM stems")]
            self._database.rollback()
        return str(found[0]) if len(found) == 1 else word


@lru_cache(maxsize=1)
def _tokenizer() -> _Tokenizer:
    return _Tokenizer()
