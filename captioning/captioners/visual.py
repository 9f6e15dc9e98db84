"""The default captioner: the fine-tuned language model behind the backbone's features."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import torch

from captioning.captioners.base import CaptionDraft, draft_of
from captioning.captioners.candidates import Candidate, evidence_of
from captioning.captioners.checkpoint import base_folder, load_checkpoint
from captioning.captioners.confidence import calibration_of
from captioning.captioners.decoding import Decoding, model_id_with
from captioning.captioners.judging import Judge, judged
from captioning.captioners.language_model import load_base
from captioning.captioners.repeatable import repeatable
from captioning.captioners.styles import NORMAL, checked_style, decoded_in
from captioning.captioners.visual_lm import VisualLanguageModel
from captioning.captioners.writing import n_best
from captioning.vision.frames import FrameBatch
from core import backends
from core.devices import best_device, inference_dtype, keep_large_blocks
from core.errors import ModelUnavailable


class VisualCaptioner:
    """A checkpoint of `captioning.captioners.visual_lm`, adapters merged, in the device's fast precision."""

    def __init__(
        self,
        checkpoint: str,
        cache_dir: str,
        device: str | None = None,
        decoding: Decoding | None = None,
        judge: str = "",
    ) -> None:
        """`decoding` is put over the checkpoint's own. judge: dotted path of a `captioning.captioners.judging.Judge`,
        loaded where the decoding has a `match_weight`; without one that weighs nothing, and the id says so.
        ModelUnavailable where weights are missing or do not fit.
        """
        manifest, weights = load_checkpoint(Path(checkpoint))
        decoding = decoding or Decoding()
        if not judge:
            decoding = replace(decoding, match_weight=0.0)
        self.model_id = model_id_with(manifest.model_id, manifest.decoding, decoding)
        self.decoding = decoding.over(manifest.decoding)
        self.calibration = calibration_of(Path(checkpoint), self.model_id)
        self.match_weight = float(self.decoding.pop("match_weight", 0.0))
        self.judge = cast(Judge, backends.load(judge)) if self.match_weight else None
        self.reads_context = manifest.architecture.reads_context
        self.device = best_device(device)
        if self.device.type == "cpu":
            keep_large_blocks()
        tokenizer, lm = load_base(base_folder(manifest, Path(checkpoint)), Path(cache_dir))
        self.model = VisualLanguageModel(lm, tokenizer, manifest.architecture)
        try:
            with torch.no_grad():
                self.model.load_trained_state(weights)
        except (KeyError, RuntimeError) as error:
            raise ModelUnavailable(
                f"The weights in {checkpoint} do not fit its model.json: {error}"
            ) from error
        self.model.merge()
        self.model.lm.to(inference_dtype(self.device))
        if self.model.vision is not None:
            self.model.vision.to(inference_dtype(self.device))
        self.model.to(self.device).eval()

    @property
    def styles(self) -> Sequence[str]:
        """Those that the checkpoint has learned."""
        return self.model.known_styles

    def caption(self, frames: FrameBatch, style: str = NORMAL) -> Sequence[CaptionDraft]:
        """One draft per frame, in order."""
        decoding = decoded_in(checked_style(style, self.styles), self.decoding)
        if not len(frames):
            return []
        seen = self.model.read_of(frames)
        scores = self.model.concept_scores(frames.features)
        hints = self.model.hints(frames.features.logits, scores)
        contexts = frames.contexts if self.reads_context else ()
        with repeatable(decoding, self.device):
            kept = n_best(self.model, seen, hints, scores, style=style, contexts=contexts, **decoding)
        if self.judge is not None:
            sentences = [[each.text for each in candidates] for candidates in kept]
            kept = judged(kept, self.judge.match(frames, sentences), self.match_weight)
        return [self._draft(candidates, style) for candidates in kept]

    def _draft(self, candidates: Sequence[Candidate], style: str) -> CaptionDraft:
        best = candidates[0]
        evidence = evidence_of(candidates)
        sure = best.confidence if self.calibration is None else self.calibration(evidence)
        return draft_of([each.text for each in candidates], sure, evidence, style)
