"""From text to words, the same for documents and queries and for every database. Plain Python.

Case, accents and punctuation go here, so that the databases' own parsers meet nothing but words between spaces
and have nothing to differ about; what is left to them is the stemming.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator

#: A query's words beyond these don't narrow anything; a pasted page must not become a hundred look-ups.
MAX_QUERY_WORDS = 32

#: PostgreSQL's list for English, so that both databases ignore the same words.
_STOP_WORDS = """
    i me my myself we our ours ourselves you your yours yourself yourselves he him his himself she her hers
    herself it its itself they them their theirs themselves what which who whom this that these those am is are was
    were be been being have has had having do does did doing a an the and but if or because as until while of at by
    for with about against between into through during before after above below to from up down in out on off over
    under again further then once here there when where why how all any both each few more most other some such no
    nor not only own same so than too very s t can will just don should now
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())

#: Letters and digits; in Indic scripts also the vowel signs, which Python doesn't count as letters.
_WORD = re.compile("(?:[^\\W_]|[\u0900-\u0963\u0966-\u0dff])+")
_APOSTROPHE_S = re.compile("['\u2019][sS]\\b")
#: Scripts written without spaces: each sign is a word of its own, in documents and queries alike.
_UNSPACED = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])"
)
_STRETCH = re.compile(f"{_UNSPACED.pattern}|(?:(?!{_UNSPACED.pattern})[\\w\u0300-\u036f\u0900-\u0dff])+")
_ACCENTS = re.compile("[\u0300-\u036f]")
_ASKING = re.compile(
    r"^\s*(?:(?:please\s+)?(?:show(?:\s+me)?|find(?:\s+me)?|search\s+for)\s+)?(?:an?\s+|the\s+|some\s+|all\s+)?"
    r"(?:photo(?:graph)?s?|pictures?|images?|pics?)\s+(?:of|with|showing)\s+(?=\S)",
    re.IGNORECASE,
)


def words_of(text: str) -> list[str]:
    """The words of a text, lower case and without accents, in order."""
    if text.isascii():  # most are, and nothing below but the apostrophe is found in them
        return _WORD.findall(_APOSTROPHE_S.sub("", text).lower())
    text = _APOSTROPHE_S.sub("", unicodedata.normalize("NFKC", text))
    # A dotless i is one that lost an accent: so a tag is the same words in capitals, of which there is one I for both.
    decomposed = unicodedata.normalize("NFKD", text.casefold().replace("\u0131", "i"))
    # Only accents over Latin, Greek and Cyrillic letters go: elsewhere a mark is part of the spelling.
    bare = _ACCENTS.sub("", decomposed)
    return _WORD.findall(_UNSPACED.sub(r" \1 ", unicodedata.normalize("NFC", bare)))


def places_of_words(text: str) -> Iterator[tuple[int, int, list[str]]]:
    """Each stretch of a text that is one word to its reader: start, end, and the normalised words that it makes."""
    for found in _STRETCH.finditer(text):
        yield found.start(), found.end(), words_of(found.group())


def normalised(texts: Iterable[str]) -> str:
    """Texts as one line of words between spaces: what a document keeps."""
    return " ".join(word for text in texts for word in words_of(text))


def query_words(text: str) -> list[str]:
    """The words to look for, each once, in order: "a photo of two dogs" looks for two and dogs.

    Stop words go; a query of nothing else ("The Who") has no keywords, and vectors answer it.
    """
    words = words_of(_ASKING.sub("", text))
    return list(dict.fromkeys(word for word in words if word not in STOP_WORDS))[:MAX_QUERY_WORDS]
