"""Queries whose right photos are not there: all that anybody says show a thing are taken away, and it is asked for.

Beside them the same queries with the photos in place, and what people wrote of all the photos: what is called "nothing
close" there hides right answers. All are asked through the code that serves people.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from django.db import transaction
from tqdm import tqdm

from core.errors import InvalidInput
from library.models import Asset
from search import keywords
from search.active import active_models, spaces
from search.evaluation.concepts import Concept
from search.evaluation.ingest import Query
from search.evaluation.modes import Figures, query_vectors
from search.index.base import Vectors
from search.services import Question, answer
from search.verdict import cutoff_for

#: A right answer further down is not on the first page, with or without a divider.
FIRST_PAGE = 20
#: Of a thing that several photos show, one is found where the first few hold it.
FIRST_FEW = 5
SENTENCE = "sentence"


@dataclass(frozen=True)
class Verdict:
    """close: what the answer says of itself. found: whether a right photo is where a person would see it."""

    close: bool
    found: bool


def forms_of(concept: Concept) -> dict[str, str]:
    """How a thing is asked for, by the name of the form."""
    return {
        "phrase": concept.phrase,
        "word": concept.word,
        "photo_of": f"a photo of {concept.phrase}",
        SENTENCE: concept.sentence,
    }


def evaluate_absence(queries: Sequence[Query], concepts: Sequence[Concept]) -> Figures:
    """Shares of queries that are answered with "nothing close".

    hidden: of what people wrote of photos that are there (ordinary), and of things that are there (there), all of them
    and those whose right photo is on the first page or among the first few; caught: of things taken away (absent).
    InvalidInput where searches give no verdict.
    """
    if cutoff_for(active_models()) is None:
        raise InvalidInput(
            "There is no cut-off for the active models: fit one by `manage.py fit_cutoff`, with SEARCH_CUTOFF on."
        )
    assets = list(dict.fromkeys(query.asset_id for query in queries))
    asked = [list(forms_of(concept).values()) for concept in concepts]
    ordinary = _verdicts(
        [query.text for query in queries], ([query.asset_id] for query in queries), FIRST_PAGE, "ordinary"
    )
    there: dict[str, list[Verdict]] = {name: [] for name in forms_of(concepts[0])}
    absent: dict[str, list[Verdict]] = {name: [] for name in there}
    vectors = _vectors([text for texts in asked for text in texts])
    for concept, texts in zip(tqdm(concepts, desc="things taken away"), asked, strict=True):
        shown = [asset_id for asset_id, shows in zip(assets, concept.shown, strict=True) if shows]
        for name, text in zip(there, texts, strict=True):
            there[name].append(_verdict(text, vectors[text], shown, FIRST_FEW))
        with _without(shown):
            for name, text in zip(absent, texts, strict=True):
                absent[name].append(_verdict(text, vectors[text], (), FIRST_FEW))
    return {
        "asked": {"ordinary": float(len(ordinary)), "concepts": float(len(concepts))},
        "ordinary_hidden": _hidden(ordinary),
        **{f"there_{name}_hidden": _hidden(verdicts) for name, verdicts in there.items()},
        "absent_caught": {name: _far(verdicts) for name, verdicts in absent.items()},
    }


def _verdicts(
    texts: Sequence[str], right: Iterable[Collection[int]], within: int, told: str
) -> list[Verdict]:
    vectors = _vectors(texts)
    return [
        _verdict(text, vectors[text], ids, within)
        for text, ids in zip(tqdm(texts, desc=f"{told} queries"), right, strict=True)
    ]


def _vectors(texts: Sequence[str]) -> dict[str, Mapping[str, Vectors]]:
    """Of each text its vector in each space."""
    distinct = list(dict.fromkeys(texts))
    rows = {space: query_vectors(distinct, space) for space in spaces()}
    return {text: {space: rows[space][at] for space in rows} for at, text in enumerate(distinct)}


def _verdict(text: str, vectors: Mapping[str, Vectors], right: Collection[int], within: int) -> Verdict:
    question = Question("text", "evaluation:absence", vectors, keywords.query_words(text))
    page = answer(None, question, limit=FIRST_PAGE)
    # A text of stop words alone has no verdict, and so hides nothing.
    return Verdict(page.close is not False, any(one.asset_id in right for one in page.matches[:within]))


@contextmanager
def _without(asset_ids: Collection[int]) -> Iterator[None]:
    """While active these photos are deleted, as far as any search can tell."""
    with transaction.atomic():
        Asset.objects.filter(pk__in=asset_ids).delete()
        yield
        transaction.set_rollback(True)


def _hidden(verdicts: Sequence[Verdict]) -> dict[str, float]:
    found = [one for one in verdicts if one.found]
    return {"all": _far(verdicts), "found": _far(found), "share_found": len(found) / len(verdicts)}


def _far(verdicts: Sequence[Verdict]) -> float:
    return round(float(np.mean([not one.close for one in verdicts])), 4) if verdicts else 0.0
