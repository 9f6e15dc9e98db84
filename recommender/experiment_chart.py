"""The results of an experiment as rows of a table and bars of a chart."""

from collections.abc import Sequence
from dataclasses import dataclass

from recommender.experiments import Result

WIDTH_PX, BAR_PX, LEFT_PX = 640, 30, 180
_LEAST_SCALE = 0.01


@dataclass(frozen=True)
class Bar:
    """One variant: what the table says of it, and where its bar and its interval stand, in pixels."""

    result: Result
    share: str
    interval: str
    certain: str
    left: int
    width: int
    low: int
    high: int
    top: int
    middle: int
    text_y: int


def bars_of(results: Sequence[Result]) -> list[Bar]:
    """A bar for each variant, all on one scale."""
    scale = scale_of(results)
    return [_bar(result, number, scale) for number, result in enumerate(results)]


def scale_of(results: Sequence[Result]) -> float:
    """The share that the right edge stands for: the highest end of an interval that rests on anything."""
    return max([_LEAST_SCALE, *(one.high for one in results if one.impressions)])


def _bar(result: Result, number: int, scale: float) -> Bar:
    def at(share: float) -> int:
        return LEFT_PX + round(min(share / scale, 1.0) * (WIDTH_PX - LEFT_PX))

    shown, top = result.impressions > 0, number * BAR_PX + 8
    return Bar(
        result,
        share=f"{result.rate:.2%}" if shown else "",
        interval=f"{result.low:.2%} to {result.high:.2%}" if shown else "",
        certain="control" if result.certain is None else f"{result.certain:.0%}",
        left=LEFT_PX,
        width=at(result.rate) - LEFT_PX,
        low=at(result.low) if shown else LEFT_PX,
        high=at(result.high) if shown else LEFT_PX,
        top=top,
        middle=top + 7,
        text_y=top + 12,
    )
