"""Forms of a word, told without the index."""

import pytest

from search.keywords.forms import meant_by
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
        assert meant_by([Term(asked)], [*forms, "other", "words"]) == dict.fromkeys(forms, (0,))


def test_a_beginning_means_all_that_begin_so() -> None:
    assert meant_by(
        [Term("red"), Term("cat", prefix=True)], ["cat", "cats", "caterpillar", "red", "car"]
    ) == {
        "cat": (1,),
        "cats": (1,),
        "caterpillar": (1,),
        "red": (0,),
    }
