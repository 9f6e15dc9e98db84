"""Numbers that commands take."""

from argparse import ArgumentTypeError

import pytest

from core.arguments import count, share


@pytest.mark.parametrize("text", ["0", "-3", "1.5", "many", "", "²"])
def test_a_count_is_a_whole_number_from_1_on(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="whole number from 1 on"):
        count(text)
    assert count("12") == 12


@pytest.mark.parametrize("text", ["-0.1", "1.1", "nan", "half", ""])
def test_a_share_is_a_number_from_0_to_1(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="from 0 to 1"):
        share(text)
    assert [share(each) for each in ("0", "0.25", "1")] == [0, 0.25, 1]
