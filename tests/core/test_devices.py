"""Devices by name."""

import pytest
import torch

from core.devices import best_device
from core.errors import ModelUnavailable


def test_a_device_that_is_there_is_taken() -> None:
    assert best_device("cpu") == torch.device("cpu")
    assert best_device("auto") == best_device(None) == best_device("")


@pytest.mark.parametrize("wanted", ["tpu", "gpu:0", "cuda:99", "xla"])
def test_where_there_is_no_such_device_it_says_what_to_set(wanted: str) -> None:
    """As of missing weights: what waits for the model goes on waiting and does not fail."""
    with pytest.raises(ModelUnavailable, match=rf"'{wanted}'.*Set DEVICE to auto, cpu"):
        best_device(wanted)
