"""Shares of clicks: intervals, and whether two differ. Plain Python: no Django."""

import math

_Z95 = 1.959964
#: How large a difference of two shares is thought of beforehand, as a standard deviation: a percentage point. It sets
#: how soon the test can be certain, not whether it is right.
_EXPECTED = 0.01


def wilson(hits: int, tries: int) -> tuple[float, float]:
    """The 95% interval of a share (Wilson 1927); (0, 1) where nothing was tried."""
    if not tries:
        return 0.0, 1.0
    share, z2 = hits / tries, _Z95**2
    middle = (share + z2 / (2 * tries)) / (1 + z2 / tries)
    half = _Z95 / (1 + z2 / tries) * math.sqrt(share * (1 - share) / tries + z2 / (4 * tries**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def certainty(one: tuple[int, int], other: tuple[int, int]) -> float:
    """How certain it is that two shares (hits, tries) differ, from 0 to 1.

    One minus the always-valid p-value of the mixture sequential probability ratio test (Johari, Pekelis and Walsh
    2017): one may look after every click and stop at 0.95, and is wrong in one case of twenty at most.
    """
    if not one[1] or not other[1]:
        return 0.0
    difference = other[0] / other[1] - one[0] / one[1]
    pooled = (one[0] + other[0]) / (one[1] + other[1])
    variance = pooled * (1 - pooled) * (1 / one[1] + 1 / other[1])
    if variance <= 0.0:
        return 0.0
    prior = _EXPECTED**2
    exponent = prior * difference**2 / (2 * variance * (variance + prior))
    log_ratio = 0.5 * math.log(variance / (variance + prior)) + exponent
    return max(0.0, 1.0 - math.exp(-max(0.0, log_ratio)))
