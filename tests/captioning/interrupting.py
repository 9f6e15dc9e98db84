"""Trainings that Ctrl-C stops at known steps, and that go on each time."""

import signal
from collections.abc import Callable

from captioning.training.loop import Progress, Told


def trained_in_pieces(train: Callable[[Told | None], Progress], *stops: int) -> None:
    """`train(told)` is called once for each step at which Ctrl-C must stop it, then once more, which must end it."""
    for step in stops:
        progress = train(_interrupt_at(step))
        assert not progress.finished
        assert progress.step == step
    assert train(None).finished


def _interrupt_at(wanted: int) -> Told:
    def told(step: int, _total: int) -> None:
        if step == wanted:
            assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler, "it would end the tests"
            signal.raise_signal(signal.SIGINT)

    return told
