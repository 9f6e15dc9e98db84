"""Cross-encoders over query and caption (Nogueira and Cho 2019, "Passage Re-ranking with BERT")."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import CrossEncoder

from core.devices import best_device
from core.errors import ModelUnavailable
from search.rerankers.base import Candidate

#: Captions and queries are short; a page of text typed as a query is cut.
_MAX_TOKENS = 256
_BATCH_SIZE = 32


class CaptionCrossEncoder:
    """A folder or an id of the hub, with one output. Safetensors only, no code of the model's."""

    def __init__(
        self,
        model: str = "",
        revision: str = "",
        download: str = "false",
        floor: str = "-11",
        ceiling: str = "11",
        device: str | None = None,
    ) -> None:
        """floor and ceiling: the raw outputs that count as 0 and as 1; the defaults suit those trained on MS MARCO.

        ModelUnavailable says which option is wrong, or how to get the weights.
        """
        if not model:
            raise ModelUnavailable(
                "RERANKER is a cross-encoder, but RERANKER_OPTIONS does not say which: set model=FOLDER there, or "
                "model=ID of one of the hub, such as model=cross-encoder/ms-marco-MiniLM-L6-v2."
            )
        self.model_id = f"{Path(model).name}@{revision}" if revision else Path(model).name
        self._floor, self._range = _scale(floor, ceiling)
        self._model = _load(model, revision, download.lower() == "true", str(best_device(device)))

    @torch.inference_mode()
    def score(self, query: str, candidates: Sequence[Candidate]) -> NDArray[np.float32]:
        """(N,): the outputs, floor as 0 and ceiling as 1, and 0 for candidates without a caption."""
        scores = np.zeros(len(candidates), dtype=np.float32)
        told = [at for at, one in enumerate(candidates) if one.caption]
        if told:
            raw = self._model.predict(
                [(query, candidates[at].caption) for at in told],
                batch_size=_BATCH_SIZE,
                show_progress_bar=False,
                activation_fn=torch.nn.Identity(),
            )
            scores[told] = (np.asarray(raw, dtype=np.float32) - self._floor) / self._range
        return scores


def _scale(floor: str, ceiling: str) -> tuple[float, float]:
    try:
        low, high = float(floor), float(ceiling)
    except ValueError as error:
        raise ModelUnavailable("floor and ceiling in RERANKER_OPTIONS must be numbers.") from error
    if not high > low:
        raise ModelUnavailable("ceiling in RERANKER_OPTIONS must be above floor.")
    return low, high - low


def _load(model: str, revision: str, download: bool, device: str) -> Any:
    try:
        loaded = CrossEncoder(
            model,
            revision=revision or None,
            device=device,
            max_length=_MAX_TOKENS,
            local_files_only=not download,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )
    except Exception as error:  # transformers, fed what it can't read, raises nearly anything
        raise ModelUnavailable(_how_to_get(model, error)) from error
    if loaded.num_labels != 1:
        raise ModelUnavailable(
            f"The reranker that RERANKER_OPTIONS names, {model}, has {loaded.num_labels} outputs, and not one score."
        )
    return loaded


def _how_to_get(model: str, error: Exception) -> str:
    problem = f"The reranker that RERANKER_OPTIONS names as model, {model}, can't be loaded: {error}"
    remedy = (
        "The folder must hold config, tokenizer, and weights in safetensors."
        if Path(model).is_dir()
        else f"Get its weights by `hf download {model}`, name a folder that holds them, or add download=true to "
        "RERANKER_OPTIONS on a machine that reaches the hub."
    )
    return " ".join(f"{problem} {remedy}".split())
