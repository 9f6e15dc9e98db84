"""The arms of the comparison: one signal each, chance, and the blend that the product serves."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.evaluation.products import Products
from recommender.evaluation.ranking import Judged, best_of, compared, judged
from recommender.evaluation.seen import Seen
from recommender.scoring import blend
from recommender.scoring.words import in_common, stems
from search.keywords.words import STOP_WORDS, words_of

#: By setting the signals of the blend, and which of them also stand alone.
SETTINGS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "picture_only": (
        (blend.LOOK, blend.TEXTURE, blend.CAPTION, blend.CAPTION_WORDS),
        (blend.LOOK, blend.CAPTION),
    ),
    "with_text": (blend.SIGNALS, (blend.TEXT, blend.LOOK, blend.CAPTION)),
}
RANDOM, BLENDED = "random", "blended"
#: One product in so many was looked at while the weights of the blend were chosen; the others are `held_out`.
_CHOSEN_ON = 4
_SEED = 0
_OF_CAPTIONS = (blend.CAPTION, blend.CAPTION_WORDS)

Scores = dict[str, NDArray[np.float32]]


def signals_of(seen: Seen, names: Sequence[str]) -> Scores:
    """By signal how like each two products are, (N, N), whether their captions are believed or not."""
    return {
        blend.LOOK: seen.look @ seen.look.T,
        blend.TEXTURE: seen.texture @ seen.texture.T,
        blend.CAPTION: seen.caption @ seen.caption.T,
        blend.CAPTION_WORDS: _words_in_common(seen.captions),
        blend.TEXT: seen.text @ seen.text.T,
        blend.TEXT_WORDS: _words_in_common(names),
    }


def evaluate(products: Products, seen: Seen) -> dict[str, Any]:
    """The one JSON object of `manage.py evaluate_recommender`."""
    signals = signals_of(seen, products.names)
    queries = products.queries
    report: dict[str, Any] = {"n_queries": len(queries)}
    arms = {setting: judged_arms(setting, signals, products, seen, queries) for setting in SETTINGS}
    report |= {setting: {name: one.as_json() for name, one in of.items()} for setting, of in arms.items()}
    report["blended_above"] = {
        setting: {name: compared(of, BLENDED, name) for name in of if name != BLENDED}
        for setting, of in arms.items()
    }
    report["captions"] = {"believed": round(float(seen.believed.mean()), 4)}
    report["alone"] = {
        name: _judged_scores(signals[name][queries], queries, products, seen).as_json()
        for name in blend.SIGNALS
    }
    report["blended_without_captions"] = {
        setting: _without_captions(setting, signals, queries, products, seen).as_json()
        for setting in SETTINGS
    }
    held_out = queries[queries % _CHOSEN_ON != 0]
    report["held_out"] = {"n_queries": len(held_out)} | {
        setting: {
            name: one.as_json()
            for name, one in judged_arms(setting, signals, products, seen, held_out).items()
        }
        for setting in SETTINGS
    }
    return report


def judged_arms(
    setting: str, signals: Scores, products: Products, seen: Seen, queries: NDArray[np.int64]
) -> dict[str, Judged]:
    """Figures of every arm of a setting over these queries, each product a candidate but the query itself."""
    mixed, alone = SETTINGS[setting]
    asked = {name: signals[name][queries] for name in mixed}
    scores = {RANDOM: np.random.default_rng(_SEED).random(asked[blend.LOOK].shape, dtype=np.float32)}
    scores |= {name: asked[name] for name in alone}
    scores[BLENDED] = blend.blended(_as_served(asked, seen.believed, queries))
    return {name: _judged_scores(of_arm, queries, products, seen) for name, of_arm in scores.items()}


def _without_captions(
    setting: str, signals: Scores, queries: NDArray[np.int64], products: Products, seen: Seen
) -> Judged:
    kept = [name for name in SETTINGS[setting][0] if name not in _OF_CAPTIONS]
    scores = blend.blended({name: signals[name][queries] for name in kept})
    return _judged_scores(scores, queries, products, seen)


def _judged_scores(
    scores: NDArray[np.float32], queries: NDArray[np.int64], products: Products, seen: Seen
) -> Judged:
    """Figures of one ranking of all products but the query itself: scores (Q, N)."""
    others = scores.copy()
    others[np.arange(len(queries)), queries] = -np.inf
    return judged(best_of(others), products.gains[queries], seen.look)


def _as_served(asked: Scores, believed: NDArray[np.bool_], queries: NDArray[np.int64]) -> Scores:
    """Without captions that the screen sends to review: of these nothing is known, as in `related_things`."""
    both = believed[queries][:, None] & believed
    return {
        name: np.where(both, values, np.nan) if name in _OF_CAPTIONS else values
        for name, values in asked.items()
    }


def _words_in_common(texts: Sequence[str]) -> NDArray[np.float32]:
    sets = [stems(words_of(text), STOP_WORDS) for text in texts]
    return np.stack([in_common(one, sets) for one in sets])
