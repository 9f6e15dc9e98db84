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
from captioning.evaluation.screening import SHARES, Seen
from captioning.screening import Thresholds
from captioning.services import backbone
from captioning.training.dataset import CaptionedImage
from core.errors import InvalidInput
from search.encoding import embedder

_BATCH = 32
#: Of what a draft tells, all that made unseen captions of calib better calibrated.
EVIDENCE = ("log_confidence", "tokens", "agreement", "margin")
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

    def seen(self, confidences: NDArray[np.float64]) -> Seen:
        """What the screen reads, with these confidences."""
        return Seen([draft.text for draft in self.drafts], confidences, self.matches, self.cider)


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
    dual, total = embedder("image"), -(-len(images) // _BATCH)
    picture_px = getattr(captioner, "picture_px", None)
    for frames in tqdm(frame_batches(images, backbone(), _BATCH, picture_px), total=total, desc="captions"):
        written = captioner.caption(frames)
        texts = [draft.text for draft in written]
        matches += (dual.embed_queries(texts) * dual.embed_frames(frames, texts)).sum(axis=1).tolist()
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
    confidence = calibration.fitted(calib.evidence, EVIDENCE, calib.right)
    unseen = calib.seen(calibration.out_of_sample(calib.evidence, EVIDENCE, calib.right))
    wrong = calibration.fitted(screening.two_inputs(unseen), ("confidence", "match"), ~calib.right)
    return Fitted(confidence, screening.chosen(unseen, wrong, share), wrong)


def figures_of(calib: Observed, test: Observed, fitted: Fitted) -> dict[str, Any]:
    """How good confidence and screen are, on captions that nothing was fitted on."""
    unseen = calibration.out_of_sample(calib.evidence, EVIDENCE, calib.right)
    told = calibration.probabilities(fitted.confidence, test.evidence)
    seen = test.seen(told)
    sent, worst = screening.sent_by(seen, fitted.thresholds), seen.worst
    orders = {
        "random": np.random.default_rng(0).random(len(told)),
        "raw confidence": test.raw,
        "confidence": told,
        "match": test.matches,
        "both": -screening.suspicions(seen, fitted.wrong),
    }
    return {
        "right": {"calib": float(calib.right.mean()), "test": float(test.right.mean())},
        "calib, cross-validated": _quality(calib.raw, unseen, calib.right),
        "test": _quality(test.raw, told, test.right),
        "screen": {
            "sent": float(sent.mean()),
            "worst tenth caught": float((sent & worst).sum() / worst.sum()),
            "wrong among sent": float((~test.right)[sent].mean()) if sent.any() else 0.0,
            "wrong among others": float((~test.right)[~sent].mean()) if not sent.all() else 0.0,
        },
        "worst tenth caught": {
            name: {f"{share:g}": screening.caught_by(order, worst, share) for share in SHARES}
            for name, order in orders.items()
        },
        "worst tenth caught by thresholds": _by_thresholds(calib, seen, worst, fitted),
    }


def _by_thresholds(
    calib: Observed, seen: Seen, worst: NDArray[np.bool_], fitted: Fitted
) -> dict[str, dict[str, float]]:
    """The screen itself, with thresholds chosen on calib for each share."""
    unseen = calib.seen(calibration.out_of_sample(calib.evidence, EVIDENCE, calib.right))
    found = {}
    for share in SHARES:
        sent = screening.sent_by(seen, screening.chosen(unseen, fitted.wrong, share))
        found[f"{share:g}"] = {
            "sent": float(sent.mean()),
            "caught": float((sent & worst).sum() / worst.sum()),
        }
    return found


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
