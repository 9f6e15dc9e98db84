"""One picture, one place."""

from dataclasses import dataclass

from recommender.scoring.duplicates import without_copies


@dataclass(frozen=True)
class Ranked:
    asset_id: int


def test_the_best_copy_stands_and_the_order_stays() -> None:
    ranked = [Ranked(asset_id) for asset_id in (5, 3, 9, 1, 7)]
    contents = {5: "b", 3: "a", 9: "b", 1: "c", 7: "seed"}
    assert without_copies(ranked, contents, shown={"seed"}) == [Ranked(5), Ranked(3), Ranked(1)]


def test_what_is_gone_is_left_out() -> None:
    assert without_copies([Ranked(1), Ranked(2)], {2: "a"}, shown=set()) == [Ranked(2)]
