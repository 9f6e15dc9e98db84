"""Words drawn by chance, and yet the same ones when the same pictures come again: every stage may run twice."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def repeatable(arguments: Mapping[str, Any], device: torch.device) -> Iterator[None]:
    """Where these arguments of `generate` draw words, draw them from one seed, and leave the caller's chance alone.

    A batch is repeatable as a whole: what one picture gets depends on its place in it.
    """
    if not arguments.get("do_sample"):
        yield
        return
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(0)
        yield
