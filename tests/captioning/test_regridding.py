"""A checkpoint that goes on with another number of visual tokens."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from captioning.captioners.architecture import Architecture
from captioning.captioners.checkpoint import save_checkpoint
from captioning.captioners.projectors import regridded
from captioning.training.config import FinetuneConfig
from captioning.training.model import build_model
from captioning.vision.backbone import CHANNELS, GRID_SIDE
from core.errors import InvalidInput
from tests.captioning.tiny import save_tiny_lm

HIDDEN = 3
ARCHITECTURE = Architecture(visual_side=2, projector_width=16, tags_in_prompt=0, lora_rank=2)


def places(side: int) -> torch.Tensor:
    """Each says where it is, from the top left corner 0, 0 to the opposite one; the whole picture says 7."""
    middles = (torch.arange(side) + 0.5) / side
    rows, columns = torch.meshgrid(middles, middles, indexing="ij")
    grid = torch.stack([rows, columns, torch.ones(side, side)], dim=-1).reshape(-1, HIDDEN)
    return torch.cat([grid, torch.full((1, HIDDEN), 7.0)])


def test_places_of_a_finer_grid_lie_between_those_of_the_coarser_one() -> None:
    finer = regridded(places(4), 6)
    torch.testing.assert_close(finer, places(6), rtol=0, atol=0.06)  # flatter beyond the outermost middles
    torch.testing.assert_close(finer[-1], torch.full((HIDDEN,), 7.0))
    torch.testing.assert_close(regridded(places(4), 4), places(4))


@pytest.fixture
def config(tmp_path: Path) -> FinetuneConfig:
    """To go on from a checkpoint of four places."""
    base = str(save_tiny_lm(tmp_path / "lm"))
    fresh = FinetuneConfig(base=base, architecture=ARCHITECTURE, device="cpu")
    model = build_model(fresh, tmp_path)
    with torch.no_grad():
        model.projector.place.normal_()
    start = tmp_path / "start"
    save_checkpoint(start, model.trained_state(), base=base, architecture=ARCHITECTURE, decoding={})
    return replace(fresh, start_from=str(start))


def test_a_checkpoint_goes_on_with_more_visual_tokens_and_keeps_them(
    config: FinetuneConfig, tmp_path: Path
) -> None:
    finer = config.with_overrides(["regrid_side=3"]).resolved()
    before, model = build_model(config.resolved(), tmp_path), build_model(finer, tmp_path)
    seen = torch.rand(1, 1, CHANNELS).expand(1, GRID_SIDE**2, CHANNELS)  # the same everywhere
    assert model.eval().visual_tokens(seen).shape[1] == 3**2 + 1
    torch.testing.assert_close(
        model.visual_tokens(seen)[:, -1], before.eval().visual_tokens(seen)[:, -1], check_dtype=False
    )
    torch.testing.assert_close(model.projector.place, regridded(before.projector.place, 3))
    folder = tmp_path / "finer"
    save_checkpoint(
        folder, model.trained_state(), base=finer.base, architecture=finer.architecture, decoding={}
    )
    assert replace(config, start_from=str(folder)).resolved().architecture.visual_side == 3


def test_what_has_no_places_is_refused(config: FinetuneConfig, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="visual_side is from 1 to 9, not 10"):
        replace(config, regrid_side=10).resolved()
    with pytest.raises(InvalidInput, match="regrid_side needs start_from"):
        FinetuneConfig(regrid_side=3).resolved()
    looking = replace(ARCHITECTURE, projector="resampler")
    fresh = replace(config, start_from="", architecture=looking)
    folder = tmp_path / "looking"
    save_checkpoint(
        folder,
        build_model(fresh, tmp_path).trained_state(),
        base=fresh.base,
        architecture=looking,
        decoding={},
    )
    with pytest.raises(InvalidInput, match="a resampler's queries have no places"):
        replace(fresh, start_from=str(folder), regrid_side=3).resolved()
