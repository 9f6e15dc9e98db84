"""Tags as bits: what any database may take for the same tag sets the same ones."""

import pytest

from search.labels import bits_of, of_colour, of_tag


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("sea", "SEA"),
        ("straße", "STRASSE"),
        ("İzmir", "izmir"),
        ("ısı", "ISI"),
        ("Ελλάδα", "ΕΛΛΑΔΑ"),
        ("Москва", "МОСКВА"),
    ],
)
def test_in_any_case_and_language_a_tag_is_the_same(name: str, other: str) -> None:
    assert of_tag(name) == of_tag(other)
    assert bits_of([of_tag(name)]) != bits_of([of_tag(f"{name} 2")])


def test_a_tag_that_is_called_like_a_colour_is_another_label() -> None:
    assert bits_of([of_tag("RED")]) != bits_of([of_colour("RED")])
