"""A captioner's confidence calibrated and its screen fitted on one split, both measured on another."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from captioning.captioners.base import CaptionDraft, Captioner
from captioning.captioners.confidence import Logistic
from captioning.evaluation import calibration, screening
from captioning.evaluation.captioner import frame_batches
from captioning.evaluation.metrics import best_tokenizer, cider_of_each
from captioning.evaluation.screening import SHARES, Judged
from captioning.screening import Thresholds
from captioning.services import backbone
from captioning.training.dataset import CaptionedImage
from core.errors import InvalidInput
from search.encoding import configured_embedder

_BATCH = 32
_DECIMALS = 4


@dataclass(frozen=True)
class Observed:
    """N captions of a split. matches, cider: (N,). right: (N,), as `calibration.rightness` judges."""

    drafts: Sequence[CaptionDraft]
    matches: NDArray[np.float64]
    cider: NDArray[np.float64]
    right: NDArray[np.bool_]

    @property
    def evidence(self) -> list[Mapping[str, float]]:
        return [draft.evidence for draft in self.drafts]

    @property
    def raw(self) -> NDArray[np.float64]:
        """Confidences before any calibration: (N,)."""
        return np.exp([draft.evidence["log_confidence"] for draft in self.drafts])

    def seen(self, confidences: NDArray[np.float64]) -> Judged:
        """What the screen reads, with these confidences."""
        return Judged([draft.text for draft in self.drafts], confidences, self.matches, self.cider)


@dataclass(frozen=True)
class Fitted:
    """What `confidence.json` holds: the probability that a caption is right, thresholds, and that it is wrong."""

    confidence: Logistic
    thresholds: Thresholds
    wrong: Logistic

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def observed(images: Sequence[CaptionedImage], captioner: Captioner) -> Observed:
    """Caption pictures and judge the captions by the human ones.

    InvalidInput for a captioner that gives no evidence: its confidence is what it is.
    """
    drafts: list[CaptionDraft] = []
    matches: list[float] = []
    dual, total = configured_embedder("image"), -(-len(images) // _BATCH)
    for frames in tqdm(frame_batches(images, backbone(), captioner, _BATCH), total=total, desc="captions"):
        written = captioner.caption(frames)
        texts = [draft.text for draft in written]
        pictures = dual.embed_frames(frames, [draft.sentences for draft in written])
        matches += (dual.embed_queries(texts) * pictures).sum(axis=1).tolist()
        drafts += written
    if not all(draft.evidence for draft in drafts):
        raise InvalidInput(
            f"{captioner.model_id} tells no evidence of its captions that could be calibrated."
        )
    texts, references = [draft.text for draft in drafts], [image.captions for image in images]
    tokenizer = best_tokenizer()
    return Observed(
        drafts,
        np.array(matches),
        cider_of_each(texts, references, tokenizer=tokenizer),
        calibration.rightness(texts, references, tokenizer=tokenizer),
    )


def fit(calib: Observed, share: float) -> Fitted:
    """Confidence, thresholds that send `share` to review, and priorities, from one split.

    Thresholds and priorities are fitted on confidences of captions that the calibration had not seen.
    """
    names = calibration.telling(calib.evidence, calib.right)
    seen = calib.seen(calibration.out_of_sample(calib.evidence, names, calib.right))
    inputs, is_wrong = screening.two_inputs(seen), ~calib.right
    wrong = calibration.fitted(inputs, calibration.telling(inputs, is_wrong), is_wrong)
    confidence = calibration.fitted(calib.evidence, names, calib.right)
    return Fitted(confidence, screening.chosen(seen, wrong, share), wrong)


def figures_of(calib: Observed, test: Observed, fitted: Fitted) -> dict[str, Any]:
    """How good confidence and screen are, on captions that nothing was fitted on."""
    unseen = calibration.out_of_sample(calib.evidence, tuple(fitted.confidence.weights), calib.right)
    told = calibration.probabilities(fitted.confidence, test.evidence)
    seen = test.seen(told)
    sent, wrong = screening.sent_by(seen, fitted.thresholds), ~test.right
    chosen = [screening.chosen(calib.seen(unseen), fitted.wrong, share) for share in SHARES]
    return {
        "right": {"calib": float(calib.right.mean()), "test": float(test.right.mean())},
        "calib, cross-validated": _quality(calib.raw, unseen, calib.right),
        "test": _quality(test.raw, told, test.right),
        "screen": {
            **_caught(sent, seen),
            "wrong": _mean(wrong[sent]),
            "wrong of the others": _mean(wrong[~sent]),
        },
        "worst tenth caught": _orders(test, seen, fitted.wrong),
        "thresholds for each share": {
            f"{share:g}": _caught(screening.sent_by(seen, one), seen)
            for share, one in zip(SHARES, chosen, strict=True)
        },
    }


def _orders(test: Observed, seen: Judged, wrong: Logistic) -> dict[str, dict[str, float]]:
    """What part of the worst tenth stands in the first 10, 20, ... % of each order."""
    orders = {
        "random": np.random.default_rng(0).random(len(test.drafts)),
        "confidence as it was": test.raw,
        "confidence": seen.confidences,
        "match": seen.matches,
        "priority": -screening.suspicions(seen, wrong),
    }
    return {
        name: {f"{share:g}": screening.caught_by(order, seen.worst, share) for share in SHARES}
        for name, order in orders.items()
    }


def _caught(sent: NDArray[np.bool_], seen: Judged) -> dict[str, float]:
    return {"sent": _mean(sent), "worst tenth caught": _mean(sent[seen.worst])}


def _mean(values: NDArray[np.bool_]) -> float:
    return float(values.mean()) if values.size else 0.0


def _quality(
    raw: NDArray[np.float64], told: NDArray[np.float64], right: NDArray[np.bool_]
) -> dict[str, dict[str, float]]:
    return {
        name: {
            "ece": round(calibration.calibration_error(one, right), _DECIMALS),
            "brier": round(calibration.brier(one, right), _DECIMALS),
        }
        for name, one in {"before": raw, "after": told}.items()
    }
