"""Commands that fit what ships write where they are told, and say what they lack."""

import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.fakes import PALETTE
from tests.search.datasets import coloured_dataset
from tests.search.processes import manage


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return coloured_dataset(tmp_path, "calib", ["A {} picture ."])


def test_fusion_is_fitted_to_a_file_of_ones_own(dataset: Path, tmp_path: Path) -> None:
    output = tmp_path / "fusion.json"
    done = manage("fit_fusion", "--dataset", str(dataset), "--output", str(output))
    assert done.returncode == 0, done.stderr
    assert f"Written to {output}" in done.stdout
    told = json.loads(output.read_text())
    assert {"image", "caption", "keyword"} <= set(told["weights"]["text"])
    assert f"on {len(PALETTE)} images of calib" in told["note"]


@pytest.mark.models
def test_too_few_photos_calibrate_no_tags(dataset: Path, tmp_path: Path) -> None:
    output = tmp_path / "tags.json"
    with pytest.raises(CommandError, match=f"{len(PALETTE)} images are too few"):
        call_command("calibrate_tags", dataset=dataset, output=output)
    assert not output.exists()
