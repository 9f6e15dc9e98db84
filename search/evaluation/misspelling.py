"""Queries with one slip of the finger each, asked as they are and as spelling reads them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from tqdm import tqdm

from core.errors import InvalidInput, InvalidQuery
from search.active import active_embedders
from search.encoding import known_words
from search.evaluation.ingest import Query
from search.evaluation.modes import Figures, ranks_by_mode, told
from search.keywords.words import STOP_WORDS
from search.language import parse
from search.spelling import corrected, forgiven

_SEED = 2026
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def evaluate_spelling(queries: Sequence[Query], count: int) -> dict[str, Figures | dict[str, float]]:
    """Figures of all modes for `count` of the queries, drawn at random: as they are (plain) and as spelling reads them
    (plain_read), with one edit (misspelt) and as spelling reads that (misspelt_read).

    shares: of the plain queries those that spelling changed though they were right; of the misspelt ones those put
    right word for word (restored) and those left as they were. InvalidInput where nothing can be misspelt.
    """
    if count < 1:
        raise InvalidInput("Ask for at least one misspelt query.", field="misspelt")
    random = np.random.default_rng(_SEED)
    plain: list[Query] = []
    misspelt: list[Query] = []
    for at in random.permutation(len(queries)):
        query = queries[int(at)]
        if len(plain) < count and (text := misspell(query.text, random)) != query.text:
            plain.append(query)
            misspelt.append(replace(query, text=text))
    if not plain:
        raise InvalidInput("No query has a word of four letters or more that could be misspelt.")
    plain_read, misspelt_read = _read(plain), _read(misspelt)
    asked = {
        "plain": plain,
        "plain_read": plain_read,
        "misspelt": misspelt,
        "misspelt_read": misspelt_read,
    }
    shares = {
        "plain_changed": _share(one.text != other.text for one, other in zip(plain, plain_read, strict=True)),
        "restored": _share(
            one.text.casefold() == other.text.casefold()
            for one, other in zip(plain, misspelt_read, strict=True)
        ),
        "left": _share(one.text == other.text for one, other in zip(misspelt, misspelt_read, strict=True)),
    }
    # Most are asked several times: what spelling leaves alone, and what it puts right.
    distinct = list(dict.fromkeys(query for texts in asked.values() for query in texts))
    place, ranks = {query: at for at, query in enumerate(distinct)}, ranks_by_mode(distinct)
    figures = {
        name: told({mode: r[[place[query] for query in texts]] for mode, r in ranks.items()})
        for name, texts in asked.items()
    }
    return figures | {"shares": shares}


def misspell(text: str, random: np.random.Generator) -> str:
    """One letter left out, put in, changed, or swapped with the next, in one word that is looked for; the same where
    there is no word of four letters or more.
    """
    words = text.split(" ")
    places = [
        at for at, word in enumerate(words) if forgiven(word.lower()) and word.lower() not in STOP_WORDS
    ]
    if not places:
        return text
    at = int(random.choice(places))
    word = changed = words[at]
    while changed == word:
        place, letter = int(random.integers(len(word))), _LETTERS[int(random.integers(len(_LETTERS)))]
        before, here, after = word[:place], word[place], word[place + 1 :]
        changed = (
            before + after,
            before + letter + here + after,
            before + letter + after,
            before + after[:1] + here + after[1:],
        )[int(random.integers(4))]
    return " ".join([*words[:at], changed, *words[at + 1 :]])


def _read(queries: Sequence[Query]) -> list[Query]:
    knows = partial(known_words, models=active_embedders())

    def read(text: str) -> str:
        try:
            return corrected(None, text, parse(text), knows)
        except InvalidQuery:  # a sentence may hold a single quotation mark
            return text

    return [replace(query, text=read(query.text)) for query in tqdm(queries, desc="spelling")]


def _share(whether: Iterable[bool]) -> float:
    return round(float(np.mean(list(whether))), 4)
