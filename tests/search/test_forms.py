"""Forms of a word, told without the index."""

import pytest

from search.keywords.forms import Meaning, meant_by
from search.keywords.terms import Term


@pytest.mark.parametrize(
    "forms",
    [
        ["happy", "happiness"],  # y becomes i
        ["puppy", "puppies"],
        ["file", "filed", "files", "filing"],  # an e is put back
        ["hop", "hops", "hopped", "hopping"],
        ["visible", "visibility"],  # bility becomes ble
        ["relate", "related", "relation", "relational"],
        ["2024"],
        ["\u732b"],
    ],
)
def test_any_form_means_all_of_them_though_their_ends_differ(forms: list[str]) -> None:
    for asked in forms:
        assert meant_by([Term(asked)], [*forms, "other", "words"]) == set(forms)


def test_a_beginning_means_all_that_begin_so() -> None:
    terms = [Term("red"), Term("cat", prefix=True)]
    asked = ["cat", "cats", "caterpillar", "red", "car"]
    assert meant_by(terms, asked) == {"cat", "cats", "caterpillar", "red"}
    meaning = Meaning([*terms, Term("cats")])
    assert [meaning[word] for word in asked] == [(1, 2), (1, 2), (1,), (0,), ()]
