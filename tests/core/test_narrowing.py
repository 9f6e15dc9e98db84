"""Weights of 8 bits."""

import torch

from core.narrowing import narrowed, widened


def test_stored_weights_are_off_by_half_a_step_of_their_row_at_most() -> None:
    torch.manual_seed(0)
    state = {
        "kernel": torch.randn(6, 2, 3, 3),
        "matrix": torch.randn(5, 7) * torch.logspace(-4, 2, 5)[:, None],
    }
    state |= {"vector": torch.randn(9), "nothing": torch.zeros(2, 4)}
    stored = narrowed(state)
    assert stored["matrix"].dtype == torch.int8
    for name, weight in widened(stored).items():
        rows = state[name].flatten(1) if state[name].dim() > 1 else state[name][:, None]
        step = rows.abs().amax(dim=1) / 127
        off = (weight - state[name]).abs().reshape(len(rows), -1).amax(dim=1)
        assert bool((off <= 0.51 * step + 1e-3 * rows.abs().amax(dim=1) + 1e-12).all()), name


def test_what_was_stored_and_read_is_stored_as_the_same_again() -> None:
    torch.manual_seed(0)
    state = {"matrix": torch.randn(50, 70) * torch.logspace(-6, 3, 50)[:, None], "vector": torch.randn(9)}
    stored = narrowed(state)
    again = narrowed(widened(stored))
    assert stored.keys() == again.keys()
    assert all(torch.equal(stored[name], again[name]) for name in stored)
