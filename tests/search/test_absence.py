"""How often "nothing comes close" is right is measured with photos taken away, and fitted by a command."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User

from core.errors import InvalidInput
from library.models import Asset
from search import verdict
from search.closeness import read_cutoff
from search.evaluation.absence import evaluate_absence
from search.evaluation.concepts import Concept
from search.evaluation.ingest import Query
from tests.fakes import PALETTE
from tests.search.datasets import coloured_dataset
from tests.search.photos import photo
from tests.search.processes import manage


@pytest.mark.django_db
class TestMeasuring:
    @pytest.fixture
    def asked(self, alice: User) -> tuple[list[Query], list[Concept]]:
        """Two red photos and two blue ones, a sentence of each, and both colours as things."""
        names = ["red", "red", "blue", "blue"]
        queries = [Query(f"a {name} picture", photo(alice, f"a {name} picture").pk) for name in names]
        things = [
            Concept(name, f"a {name}", f"a {name} picture", np.array([name == one for one in names]))
            for name in ("red", "blue")
        ]
        return queries, things

    @pytest.fixture
    def limit(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
        def fitted(base: float) -> None:
            told = {
                "models": {"image": "fake-image", "caption": "fake-caption"},
                "weights": {"image": 1.0},
                "limits": [{"base": base, "growth": 0.0}],
            }
            (tmp_path / verdict.CUTOFF).write_text(json.dumps(told))
            monkeypatch.setattr(verdict, "CHECKPOINTS", tmp_path)

        return fitted

    def test_what_is_taken_away_is_missed_and_comes_back(
        self, asked: tuple[list[Query], list[Concept]], limit: Any
    ) -> None:
        limit(0.5)
        figures = evaluate_absence(*asked)
        assert figures["asked"] == {"ordinary": 4.0, "concepts": 2.0}
        assert figures["absent_caught"] == {"phrase": 1.0, "word": 1.0, "photo_of": 1.0, "sentence": 1.0}
        assert figures["ordinary_hidden"] == {"all": 0.0, "found": 0.0, "share_found": 1.0}
        assert figures["there_word_hidden"] == {"all": 0.0, "found": 0.0, "share_found": 1.0}
        assert Asset.objects.count() == 4

    def test_a_limit_that_nothing_reaches_hides_everything(
        self, asked: tuple[list[Query], list[Concept]], limit: Any
    ) -> None:
        limit(2.0)
        figures = evaluate_absence(*asked)
        assert figures["ordinary_hidden"]["found"] == 1.0
        assert figures["there_phrase_hidden"]["all"] == 1.0

    def test_without_a_cutoff_there_is_nothing_to_measure(
        self, asked: tuple[list[Query], list[Concept]]
    ) -> None:
        with pytest.raises(InvalidInput, match="fit_cutoff"):
            evaluate_absence(*asked)


def test_the_command_fits_a_cutoff_for_the_models_in_use(tmp_path: Path) -> None:
    coloured_dataset(tmp_path, "calib", ["A {} .", "Some {} ."], each=3)
    output = tmp_path / "cutoff.json"
    done = manage("fit_cutoff", "--dataset", str(tmp_path), "--output", str(output))
    assert done.returncode == 0, done.stderr
    assert f"{len(PALETTE)} things" in done.stdout
    cutoff = read_cutoff(output)
    assert cutoff is not None
    assert cutoff.models == {"image": "fake-image", "caption": "fake-caption"}
    assert cutoff.is_close(
        {"image": 1.0, "image_several": 1.0, "caption_several": 1.0, "keyword_several": 1.0}, 30
    )
    refused = manage("evaluate_search", "--dataset", str(tmp_path), "--split", "calib", "--absent")
    assert refused.returncode == 1
    assert "manage.py fit_cutoff" in refused.stderr
